"""Watches a training loop that is not ours, and keeps enough of some of its steps to repeat them.

The stages:

1. `watcher` hears of forward passes, `backward`, `zero_grad` and steps, by hooks of torch (`patches` covers what has
   none), and fills the `loop_evidence`, which diagnoses read.
2. `call_recorder` records the calls of torch in chosen steps. A step ends where the optimizer begins.
3. `recorded_program` cuts out the calls that the loss was computed from: a program of one step.
4. `replayed_step` runs the program as a module with copies of the parameters, which makes a `Problem` of the step. It
   is trusted only if it gives the loss that the loop had.
"""
