"""What a kernel reads and writes: one row of vectors for each tile, a lane for each run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from playground.engine.compiled.record import Descent, Start
from playground.engine.compiled.tile import COUNTS, ENDS, NUMBERS, Shape
from playground.engine.problem import Problem
from playground.engine.traces import STATUSES
from playground.result import Status

STATUS_OF = {
    "going": Status.BUDGET,
    "nonfinite": Status.NONFINITE,
    "diverged": Status.DIVERGED,
    "loss": Status.CONVERGED,
    "gradient": Status.CONVERGED,
    "stalled": Status.STALLED,
}
"""What a kernel's end of a run is called."""


TOGETHER = 25_000
"""Runs up to which what is done once for all of them is worth less than storing what has finished now and then."""

COPIES = 6
"""Of the parameters: themselves, final ones, and state, as slots and on the way there and back."""

RECORD = 2_500
"""Bytes of all else that is known of a run, until it is stored."""


def chunk_size(problem: Problem, parameters: Mapping[str, Tensor], memory: int) -> int:
    """Return how many runs to compute together: as many as the memory holds, to a limit; at least 1.

    :param problem: of any one run.
    :param parameters: of that run.
    :param memory: the budget in bytes.
    """
    each = RECORD + COPIES * sum(tensor.nbytes for tensor in parameters.values())
    each += sum(tensor.nbytes for tensor in problem.batches.data)  # a prediction of each sample, while it is measured
    return max(1, min(memory // each, TOGETHER))


@dataclass
class Arrays:
    """The numbers of all runs, in tiles; runs that fill the last tile up have ended before they begin.

    Every tensor has shape `(tiles, vectors, width)`.

    :param count: how many runs there are.
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
    reached: Tensor
    """How many steps each tile has made, shape `(tiles,)`."""

    @property
    def tiles(self) -> int:
        """How many tiles there are."""
        return len(self.slots)

    def finals(self, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
        """Return the final parameters of every run by name: those it ended with, or has come to."""
        going = self.count_of("end") == 0
        final = torch.where(going[:, None, :], self.slots[:, : self.final.shape[1]], self.final)
        self.final.copy_(final)
        pieces = torch.split(self.rows(self.final), [shape.numel() for shape in shapes.values()], dim=1)
        return {
            name: piece.reshape(self.count, *shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
        }

    def rows(self, tensor: Tensor) -> Tensor:
        """Return vectors of tiles as a row for each run, shape `(runs, vectors)`."""
        tiles, vectors, width = tensor.shape
        return tensor.transpose(1, 2).reshape(tiles * width, vectors)[: self.count]

    def count_of(self, name: str) -> Tensor:
        """Return a count of every run, in tiles."""
        return self.counts[:, COUNTS.index(name)]

    def taken(self, budget: int) -> dict[str, Tensor]:
        """Return what was taken down of each run, as `Traces.take_over` wants it."""
        numbers = dict(zip(NUMBERS, self.rows(self.numbers).double().unbind(1), strict=True))
        counts = dict(zip(COUNTS, self.rows(self.counts).long().unbind(1), strict=True))
        going = counts["end"] == 0
        codes = torch.tensor([STATUSES.index(STATUS_OF[end]) for end in ENDS])
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


def tiled(rows: Tensor, width: int) -> Tensor:
    """Return rows of runs as vectors of tiles; the last run is repeated until the last tile is full."""
    missing = -len(rows) % width
    full = torch.cat([rows, rows[-1:].expand(missing, -1)]) if missing else rows
    return full.reshape(len(full) // width, width, rows.shape[1]).transpose(1, 2).contiguous()


def arrays(
    descent: Descent, start: Start, shape: Shape, parameters: Mapping[str, Tensor], streams: Tensor, width: int
) -> Arrays:
    """Fill the arrays for runs that begin with these parameters, each of shape `(runs, *shape)`.

    :param descent: with the hyperparameters of these very runs.
    :param streams: which order of mini-batches each run has.
    """
    count = len(next(iter(parameters.values())))
    flat = torch.cat([tensor.detach().reshape(count, -1) for tensor in parameters.values()], dim=1)
    hyper = [value.to(descent.dtype).expand(count) for value in descent.lanes.values()]
    lanes = torch.stack(hyper, dim=1) if hyper else flat.new_zeros(count, 0)
    slots = tiled(torch.cat([flat, _states(start, flat, lanes)], dim=1), width)
    tiles = len(slots)
    numbers = slots.new_full((tiles, len(NUMBERS), width), math.nan)
    for name in ("limit", "best", "improved"):
        numbers[:, NUMBERS.index(name)] = math.inf
    counts = torch.zeros(tiles, len(COUNTS), width, dtype=torch.int32)
    if spare := tiles * width - count:
        counts[-1, COUNTS.index("end"), -spare:] = ENDS.index("nonfinite")
    return Arrays(
        count,
        slots,
        tiled(lanes, width),
        numbers,
        counts,
        torch.full((tiles, shape.kept, width), math.nan),
        slots[:, : shape.moving].clone(),
        slots.new_full((tiles, 1, width), math.nan),
        tiled(streams[:, None], width),
        torch.zeros(tiles, dtype=torch.int64),
    )


def _states(start: Start, parameters: Tensor, lanes: Tensor) -> Tensor:
    """Compute what the rule remembers of every run's parameters before step 0."""
    inputs: dict[Any, Any] = {("slot", i): column.numpy() for i, column in enumerate(parameters.unbind(1))}
    inputs |= {("lane", i): column.numpy() for i, column in enumerate(lanes.unbind(1))}
    wanted = start.slots[parameters.shape[1] :]
    found: Sequence[Any] = start.program.evaluate(wanted, inputs, start.program.dtype)
    columns = [torch.as_tensor(each, dtype=parameters.dtype).expand(len(parameters)) for each in found]
    return torch.stack(columns, dim=1) if columns else parameters.new_zeros(len(parameters), 0)
