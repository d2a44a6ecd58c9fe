"""Many runs at once: one tensor axis in front of every parameter, and the same loop.

A replica is one run in the batch. It has its own start, its own hyperparameters and its own order of mini-batches, the
very ones it would have alone, and no number of it depends on another's.

`starts` draws what each seed begins with, `base` evaluates all replicas, `rules` and `optimizers` move them, `batches`
deals the data out, `size` says how many go well together, and `trust` compares the first steps with those of the same
runs alone.
"""

from playground.engine.replicas.base import CannotBatchError, Parameters, Replicas
from playground.engine.replicas.optimizers import ELEMENTWISE, TorchReplicas
from playground.engine.replicas.rules import RuleReplicas
from playground.engine.replicas.size import chunk_size, patient_size
from playground.engine.replicas.starts import initial, stacked
from playground.engine.replicas.trust import DisagreementError, require_agreement

__all__ = [
    "ELEMENTWISE",
    "CannotBatchError",
    "DisagreementError",
    "Parameters",
    "Replicas",
    "RuleReplicas",
    "TorchReplicas",
    "chunk_size",
    "initial",
    "patient_size",
    "require_agreement",
    "stacked",
]
