"""Compiles many runs of one small model into one program, in which each run is a lane of a vector.

The stages, in order:

1. `record` executes one step of one run on symbols (`symbol`, `recorder`) and yields a `program` of scalar operations;
`rules` says how each operation of torch becomes scalar operations.
2. `phases` determines which program each step of the descent uses.
3. `kernel` writes the whole descent in LLVM's intermediate language (`code`, `tile`): `body` emits a program,
`vectormath` its mathematical functions, `judging` the conditions that end a run.
4. `assembly` joins the functions to one module, and `jit` compiles it or loads it from disk
(`object_cache`).
5. `arrays` and `orders` hold the numbers of the runs, and `threads` distributes the tiles over threads.
6. `kernel_agreement` compares the first steps with plain PyTorch before any result is used.

`compiled_replicas` connects the stages.
"""

from playground.core.compiled.arrays import chunk_size
from playground.core.compiled.compiled_replicas import CompiledReplicas
from playground.core.compiled.errors import CannotCompileError, NotWorthCompilingError

__all__ = ["CannotCompileError", "CompiledReplicas", "NotWorthCompilingError", "chunk_size"]
