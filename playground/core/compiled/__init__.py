"""Compiles many runs of one small model into one program, in which each run is a lane of a vector.

The stages, in order:

1. `symbolic_run` executes one step of one run on symbols, by the stepper that a run alone has: tensors are a `symbol`,
numbers of Python a symbolic `number`. `recorder` writes what happens as a `program` of scalar operations; `rules` says
how each operation of torch becomes scalar operations, `patching` lets functions of Python take symbolic numbers, and
`decisions` answers where Python code asks for a number.
2. `memory` finds what the optimizer remembers between steps, and `carried` which of it a step takes as inputs.
3. `phases` determines which program each step of the descent uses (`step_program`; `evaluation` computes numbers in
advance, `examples` tells how runs usually decide). `tidying` reduces the programs, and `layout` numbers their inputs.
4. `kernel` writes the whole descent in LLVM's intermediate language (`code`, `tile`): `body` emits a program,
`vectormath` its mathematical functions, `judging` the conditions that end a run.
A step over many samples is taken `apart`, into the gradient of `one_sample` and the rule of `one_entry`;
`loop_kernel` writes it as two loops, and `loop_layout` numbers its inputs.
5. `assembly` joins the functions to one module, and `jit` compiles it or loads it from disk (`object_cache`).
6. `arrays` and `orders` hold the numbers of the runs, and `threads` distributes the tiles over threads.
7. `kernel_agreement` compares steps with plain PyTorch before any result is used.

`compiled_program` is what is recorded and compiled, and says of which other runs it is the program too;
`compiled_replicas` connects the stages.
"""

from playground.core.compiled.arrays import chunk_size
from playground.core.compiled.compiled_program import KeptProgram
from playground.core.compiled.compiled_replicas import CompiledReplicas
from playground.core.compiled.errors import CannotCompileError, NotWorthCompilingError, RunsDifferError

__all__ = [
    "CannotCompileError",
    "CompiledReplicas",
    "KeptProgram",
    "NotWorthCompilingError",
    "RunsDifferError",
    "chunk_size",
]
