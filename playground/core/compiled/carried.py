"""Which of the tensors and numbers that an optimizer remembers a step takes as inputs, and what it makes of them.

- A tensor is an input of the step, entry by entry.
- A number of Python is an input if steps change it. Otherwise it is a constant of the program.
- A tensor with one element and a number are *counts* as long as they are equal in all runs: they are computed once for
  each step, outside the kernel. All others are *slots*, which each run carries.

What changes and what differs between runs shows only in a recording. `CarriedMemory` then remembers it, and everything
is recorded once more.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from torch import Tensor

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.memory import MemoryLeaf, MemoryPath
from playground.core.compiled.number import SymbolicNumber, is_number, is_whole
from playground.core.compiled.program import COUNT, SLOT
from playground.core.compiled.symbol import Symbol
from playground.core.compiled.symbolic_run import PARAMETER, SymbolicRun

SlotKey = tuple[MemoryPath, int]
"""What is carried: the path of a tensor or number, and an entry of it."""

Structure = tuple[tuple[MemoryPath, Hashable], ...]
"""All that must be the same before two steps with the same program: what is remembered, but not its numbers."""


LEFT_OUT: SlotKey = (("left out",), 0)
"""What a run carries once it has gone a way that was not recorded: not 0. The next engine computes it."""


class AssumptionError(Exception):
    """Something was taken for constant, or for equal in all runs, and is not."""


class CarriedMemory:
    """The inputs and outputs of the recorded steps of a run.

    :param run: that is recorded.
    """

    def __init__(self, run: SymbolicRun) -> None:
        self._run = run
        self._changing: set[MemoryPath] = set()
        """Numbers of Python that a step changes."""
        self._of_run: set[MemoryPath] = {LEFT_OUT[0]}
        """What has one element and differs between runs."""
        self._described: set[MemoryPath] = set()
        """What was part of a structure."""
        self._sizes: dict[MemoryPath, int] = {}
        self._given: set[MemoryPath] = set()
        """What a step took as a count."""

    def is_count(self, key: SlotKey) -> bool:
        """Tell whether an entry is taken to be equal in all runs."""
        path, _ = key
        return path[0] != PARAMETER and path not in self._of_run and self._sizes.get(path, 1) == 1

    def structure(self) -> Structure:
        """Describe what is remembered now, without the numbers that steps take as inputs."""
        found = tuple(self._describe(leaf) for leaf in self._run.leaves())
        self._described.update(path for path, _ in found)
        return found

    def outputs(self) -> dict[SlotKey, int]:
        """Return the values of everything that is carried.

        :raises AssumptionError: a count is not equal in all runs.
        :raises CannotCompileError: a tensor has another number of elements than before.
        """
        recorder = self._run.recorder
        found: dict[SlotKey, int] = {}
        for leaf in self._run.leaves():
            if isinstance(leaf.value, Symbol):
                wanted = recorder.dtype if leaf.value.dtype is torch.bool else leaf.value.dtype
                values = recorder.cast(leaf.value, wanted).ids.flatten().tolist()
            elif self._is_carried(leaf):
                values = [recorder.scalar(leaf.value)]
            else:
                continue
            if self._sizes.setdefault(leaf.path, len(values)) != len(values):
                raise CannotCompileError("what the optimizer remembers changes its shape")
            found |= {(leaf.path, entry): value for entry, value in enumerate(values)}
        self.require_uniform(found)
        for name, symbol in self._run.parameters.items():
            found |= {((PARAMETER, name), entry): value for entry, value in enumerate(symbol.ids.flatten().tolist())}
        return found

    def require_uniform(self, outputs: Mapping[SlotKey, int]) -> None:
        """Check that every count is equal in all runs.

        :raises AssumptionError: one is not, and a step took it as a count.
        """
        program = self._run.program
        differing = {key[0] for key, value in outputs.items() if self.is_count(key) and not program.is_uniform(value)}
        self._of_run |= differing
        if differing & self._given:
            self._given -= differing
            raise AssumptionError

    def put_inputs(self) -> None:
        """Put an input of the next step in place of everything that is carried."""
        self.outputs()  # which determines the sizes
        for leaf in self._run.leaves():
            if isinstance(leaf.value, Symbol):
                leaf.value.ids.copy_(self._input_ids(leaf.path, leaf.value))
            elif self._is_carried(leaf):
                index = self._input((leaf.path, 0))
                leaf.replace(SymbolicNumber(self._run.recorder, index, is_whole(leaf.value)))
        for name, symbol in self._run.parameters.items():
            symbol.ids.copy_(self._run.parameter_ids(name))

    def require_constants(self, before: Structure) -> None:
        """Check that a step changed no number that was taken for a constant.

        :param before: the structure before the step.
        :raises AssumptionError: it did.
        """
        old = dict(before)
        changed = {
            leaf.path
            for leaf in self._run.leaves()
            if is_number(leaf.value)
            and not self._is_carried(leaf)
            and (
                old[leaf.path] != self._describe(leaf)[1]
                if leaf.path in old
                else isinstance(leaf.value, SymbolicNumber)
            )
        }
        self._changing |= changed
        if changed & self._described:  # no recorded step takes anything else for a constant
            raise AssumptionError

    def _is_carried(self, leaf: MemoryLeaf) -> bool:
        if not is_number(leaf.value):
            return False
        # A number that is kept for a parameter is nearly always its count of steps.
        return leaf.path in self._changing or any(part[:1] == "p" and part[1:].isdigit() for part in leaf.path)

    def _describe(self, leaf: MemoryLeaf) -> tuple[MemoryPath, Hashable]:
        value = leaf.value
        if isinstance(value, Symbol):
            return leaf.path, (tuple(value.shape), value.dtype)
        if self._is_carried(leaf):
            return leaf.path, "number"
        if isinstance(value, SymbolicNumber):
            return leaf.path, ("value", value.index)
        if isinstance(value, Tensor):
            return leaf.path, ("data", id(value))
        if is_number(value) or isinstance(value, str | None):
            return leaf.path, repr(value)
        return leaf.path, type(value).__qualname__

    def _input(self, key: SlotKey) -> int:
        path, entry = key
        if not self.is_count(key):
            return self._run.program.input(SLOT, path, entry)
        self._given.add(path)
        return self._run.program.input(COUNT, path, entry)

    def _input_ids(self, path: MemoryPath, symbol: Any) -> Tensor:
        ids = [self._input((path, entry)) for entry in range(symbol.numel())]
        if symbol.dtype is torch.bool:
            program = self._run.program
            ids = [program.apply("ne", index, program.constant(0.0)) for index in ids]
        if not symbol.dtype.is_floating_point or symbol.dtype in (torch.float32, self._run.recorder.dtype):
            return torch.tensor(ids, dtype=torch.int64).reshape(symbol.shape)
        raise CannotCompileError(f"the optimizer keeps {symbol.dtype} in a run of {self._run.recorder.dtype}")
