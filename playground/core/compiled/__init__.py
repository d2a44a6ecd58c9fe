"""Many runs as one compiled program: recorded once, written for the CPU at hand, each run a lane of a vector.

`record` runs one step of one run on symbols (`symbol`, `recorder`) and gets a `program` of scalar operations, by
`rules` for the operations of torch; `phases` finds out which program each step has. `kernel` writes the whole descent
down in LLVM's language (`code`, `tile`): `body` a program, `vectormath` its functions, `judging` the ends of runs.
`assembly` and `jit` make functions of it. `arrays` and `orders` hold the numbers, `threads` shares them out,
`kernel_agreement` compares the first steps with plain PyTorch, and `compiled_replicas` puts it all together.
"""

from playground.core.compiled.arrays import chunk_size
from playground.core.compiled.compiled_replicas import CompiledReplicas
from playground.core.compiled.errors import CannotCompileError, NotWorthCompilingError

__all__ = ["CannotCompileError", "CompiledReplicas", "NotWorthCompilingError", "chunk_size"]
