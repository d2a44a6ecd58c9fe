"""How many runs one compiled program is given at once."""

import pytest
import torch
from torch import nn

from playground.core.compiled import chunk_size
from playground.core.compiled.arrays import MAX_CHUNK_RUNS, MIN_CHUNK_RUNS, RUN_RECORD_BYTES
from playground.core.problem import Batches, Problem

GIGABYTE = 10**9


@pytest.mark.parametrize(
    ("memory", "steps", "runs"),
    [
        (2 * GIGABYTE, 1, MAX_CHUNK_RUNS),
        (2 * GIGABYTE, 1000, MAX_CHUNK_RUNS),
        (2 * GIGABYTE, 2000, MAX_CHUNK_RUNS // 2),
        (2 * GIGABYTE, 10**6, MIN_CHUNK_RUNS),
        (2 * GIGABYTE, 0, MAX_CHUNK_RUNS),
        (100 * (RUN_RECORD_BYTES + 100), 1, 100),
        (1, 1, 1),
    ],
)
def test_long_runs_and_little_memory_make_small_chunks(memory, steps, runs):
    linear = nn.Linear(2, 1)
    problem = Problem(linear, lambda forward, batch: forward(batch[0]).sum(), Batches((torch.ones(3, 2),)))
    assert chunk_size(problem, problem.parameters, memory, steps) == runs
