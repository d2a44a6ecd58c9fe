"""Diagnoses of training loops that are not ours, one module per group: what a watched loop shows, and the fix.

Each factory returns a `LoopDiagnoser`. Its function returns a finding with the loop's own numbers, or None if there is
any doubt. Levels order causes before effects:

0  the graph is cut; the optimizer has another model's parameters
1  gradients are missing, left over or accumulated another number of times
2  parameters that nothing moves
3  the learning rate
4  numbers that are not finite

Mistakes that have no effect on others have no level: they are always looked for, and hide nothing.
"""
