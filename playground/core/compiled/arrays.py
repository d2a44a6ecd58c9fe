"""The arrays that a kernel reads and writes: one row of vectors per tile, one lane per run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from playground.core.compiled.carried import LEFT_OUT
from playground.core.compiled.layout import KernelProgram
from playground.core.compiled.orders import SampleOrders
from playground.core.compiled.program import LANE, SLOT
from playground.core.compiled.symbolic_run import PARAMETER
from playground.core.compiled.tile import COUNT_NAMES, END_NAMES, NUMBER_NAMES, KernelShape
from playground.core.problem import Problem
from playground.core.traces import STATUSES
from playground.result import Status

STATUS_BY_END = {
    "going": Status.BUDGET,
    "nonfinite": Status.NONFINITE,
    "diverged": Status.DIVERGED,
    "loss": Status.CONVERGED,
    "gradient": Status.CONVERGED,
    "stalled": Status.STALLED,
}
"""The status of a run for each end in the kernel."""


MAX_CHUNK_RUNS = 100_000
"""The most runs in one chunk: more would save nothing, since the chunks of a family share their program."""

MAX_CHUNK_RUN_STEPS = 100_000_000
"""The most steps of all runs in one chunk: a second or two, after which its runs are stored."""

MIN_CHUNK_RUNS = 25_000
"""So many runs are in one chunk however many steps they make, if there are as many."""

PARAMETER_COPIES = 6
"""Copies of the parameters in memory: parameters, final ones and optimizer states, in rows and in tiles."""

RUN_RECORD_BYTES = 2_500
"""Bytes of all other records of a run, until it is stored."""


def chunk_size(problem: Problem, parameters: Mapping[str, Tensor], memory: int, steps: int) -> int:
    """Return how many runs to compute in one chunk: as many as fit the memory, up to a limit, at least 1.

    :param problem: of any one run.
    :param parameters: of that run.
    :param memory: the budget in bytes.
    :param steps: that each run makes.
    """
    each = RUN_RECORD_BYTES + PARAMETER_COPIES * sum(tensor.nbytes for tensor in parameters.values())
    each += sum(tensor.nbytes for tensor in problem.batches.data)  # a prediction for each sample
    most = max(MIN_CHUNK_RUNS, MAX_CHUNK_RUN_STEPS // max(steps, 1))
    return max(1, min(memory // each, most, MAX_CHUNK_RUNS))


@dataclass
class KernelArrays:
    """The numbers of all runs, in tiles.

    Every tensor has shape `(tiles, vectors, width)`. Lanes of the last tile without a run are marked as ended before
    the first step.

    :param count: the number of runs.
    :param orders: of their samples, by stream.
    """

    count: int
    slots: Tensor
    lanes: Tensor
    numbers: Tensor
    counts: Tensor
    kept: Tensor
    final: Tensor
    last: Tensor
    streams: Tensor
    sums: Tensor
    orders: SampleOrders
    reached: Tensor
    """The number of steps that each tile has made, shape `(tiles,)`."""

    @property
    def tiles(self) -> int:
        """The number of tiles."""
        return len(self.slots)

    def finals(self, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
        """Return the final parameters of every run by name, after `take_finals`."""
        sizes = [shape.numel() for shape in shapes.values()]
        pieces = torch.split(self.rows(self.final)[:, : sum(sizes)], sizes, dim=1)
        return {
            name: piece.reshape(self.count, *shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
        }

    def take_finals(self) -> None:
        """Keep the current slots of the runs that have not ended as their final ones."""
        going = self.count_of("end") == 0
        self.final.copy_(torch.where(going[:, None, :], self.slots[:, : self.final.shape[1]], self.final))

    def left_out(self, program: KernelProgram) -> Tensor:
        """Return a mask of the runs that went a way that was not recorded, after `take_finals`."""
        if LEFT_OUT not in program.slots:
            return torch.zeros(self.count, dtype=torch.bool)
        return self.rows(self.final)[:, program.slots.index(LEFT_OUT)] != 0

    def rows(self, tensor: Tensor) -> Tensor:
        """Return vectors of tiles as one row per run, shape `(runs, vectors)`."""
        tiles, vectors, width = tensor.shape
        return tensor.transpose(1, 2).reshape(tiles * width, vectors)[: self.count]

    def count_of(self, name: str) -> Tensor:
        """Return an integer record of every run, in tiles."""
        return self.counts[:, COUNT_NAMES.index(name)]

    def collect_records(self, budget: int) -> dict[str, Tensor]:
        """Return the records of each run in the form that `ReplicaTraces.take_over` expects."""
        numbers = dict(zip(NUMBER_NAMES, self.rows(self.numbers).double().unbind(1), strict=True))
        counts = dict(zip(COUNT_NAMES, self.rows(self.counts).long().unbind(1), strict=True))
        going = counts["end"] == 0
        codes = torch.tensor([STATUSES.index(STATUS_BY_END[end]) for end in END_NAMES])
        return {
            "first": numbers["first"],
            "best": torch.where(numbers["best"].isinf(), math.nan, numbers["best"]),
            "kept": self.rows(self.kept),
            "steps": torch.where(going, budget, counts["steps"]),
            "status": codes[counts["end"]],
            "going": going,
            "cut_off": going & (self.reached < budget).repeat_interleave(self.slots.shape[2])[: self.count],
            "end": numbers["end_loss"],
            "before_end": numbers["loss_before_end"],
            "before": numbers["before"],
            "improved": numbers["improved"],
            "improved_step": counts["improved_step"].double(),
        }


def to_tiles(rows: Tensor, width: int) -> Tensor:
    """Return rows of runs as vectors of tiles. Copies of the last run fill the last tile."""
    missing = -len(rows) % width
    full = torch.cat([rows, rows[-1:].expand(missing, -1)]) if missing else rows
    return full.reshape(len(full) // width, width, rows.shape[1]).transpose(1, 2).contiguous()


def fill_arrays(
    program: KernelProgram,
    shape: KernelShape,
    parameters: Mapping[str, Tensor],
    hyperparameters: Mapping[str, Tensor],
    lanes: Tensor,
    orders: SampleOrders,
    width: int,
) -> KernelArrays:
    """Create the arrays for runs that start with these parameters, each of shape `(runs, *shape)`.

    :param hyperparameters: of these runs, those that differ.
    :param lanes: what is computed once for each of these runs, shape `(runs, values)`.
    :param orders: of the samples of these runs.
    """
    flat = [(name, tensor.detach().reshape(len(tensor), -1)) for name, tensor in parameters.items()]
    count, example = len(flat[0][1]), flat[0][1]
    inputs: dict[Any, Any] = {
        (SLOT, (PARAMETER, name), i): column.numpy() for name, rows in flat for i, column in enumerate(rows.unbind(1))
    }
    # A number of Python has double precision, in the runs of a batch as in a run alone.
    inputs |= {(LANE, i): column.double().numpy() for i, column in enumerate(hyperparameters.values())}
    found = program.evaluate_start(inputs)
    columns = [torch.as_tensor(np.asarray(each), dtype=example.dtype).expand(count) for each in found]
    slots = to_tiles(torch.stack(columns, dim=1), width)
    tiles = len(slots)
    numbers = slots.new_full((tiles, len(NUMBER_NAMES), width), math.nan)
    for name in ("limit", "best", "improved"):
        numbers[:, NUMBER_NAMES.index(name)] = math.inf
    counts = torch.zeros(tiles, len(COUNT_NAMES), width, dtype=torch.int32)
    # The lanes without a run end before step 0; otherwise they would keep the tile running.
    if spare := tiles * width - count:
        counts[-1, COUNT_NAMES.index("end"), -spare:] = END_NAMES.index("nonfinite")
    return KernelArrays(
        count,
        slots,
        to_tiles(lanes, width),
        numbers,
        counts,
        torch.full((tiles, shape.kept, width), math.nan),
        slots[:, : shape.final_slots].clone(),
        slots.new_full((tiles, 1, width), math.nan),
        to_tiles(orders.streams[:, None], width),
        slots.new_zeros(tiles, shape.sums, width),
        orders,
        torch.zeros(tiles, dtype=torch.int64),
    )
