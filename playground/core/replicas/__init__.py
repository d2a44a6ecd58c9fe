"""Many runs at once: one tensor axis in front of every parameter, and the same loop.

A replica is one run in the batch. It has its own start, its own hyperparameters and its own order of mini-batches, the
very ones it would have alone, and no number of it depends on another's.

`starts` draws what each seed begins with, `base` evaluates all replicas, `rule_replicas` and `torch_replicas` move
them, `batches` deals the data out, `size` says how many go well together, and `batch_agreement` compares the first
steps with those of the same runs alone.
"""

from playground.core.replicas.base import CannotBatchError, DisagreementError, Parameters, Replicas
from playground.core.replicas.rule_replicas import RuleReplicas
from playground.core.replicas.size import chunk_size, storage_chunk_size
from playground.core.replicas.starts import initial_parameters, stack_parameters
from playground.core.replicas.torch_replicas import ELEMENTWISE_OPTIMIZERS, TorchReplicas

__all__ = [
    "ELEMENTWISE_OPTIMIZERS",
    "CannotBatchError",
    "DisagreementError",
    "Parameters",
    "Replicas",
    "RuleReplicas",
    "TorchReplicas",
    "chunk_size",
    "initial_parameters",
    "stack_parameters",
    "storage_chunk_size",
]
