"""Computes many runs in one batch: every tensor gets an additional first axis.

A replica is one run in the batch. It has its own initial values, hyperparameters and order of mini-batches, the same as
in a single run, and its numbers do not depend on the other replicas.

The stages: `starts` creates the initial values of each seed; `size` determines how many replicas form a batch; `base`
evaluates all replicas; `rule_replicas` and `torch_replicas` update them; `batches` provides the data of each step.
`batch_agreement` compares the first steps with those of the same runs one by one.
"""

from playground.core.replicas.base import CannotBatchError, DisagreementError, Parameters, Replicas, RestingReplicas
from playground.core.replicas.rule_replicas import RuleReplicas
from playground.core.replicas.size import chunk_size, storage_chunk_size
from playground.core.replicas.starts import draw_parameters, initial_parameters, stack_parameters
from playground.core.replicas.torch_replicas import ELEMENTWISE_OPTIMIZERS, TorchReplicas

__all__ = [
    "ELEMENTWISE_OPTIMIZERS",
    "CannotBatchError",
    "DisagreementError",
    "Parameters",
    "Replicas",
    "RestingReplicas",
    "RuleReplicas",
    "TorchReplicas",
    "chunk_size",
    "draw_parameters",
    "initial_parameters",
    "stack_parameters",
    "storage_chunk_size",
]
