"""A step of which more is recorded than its outcome: what a tape sees of it, and the state before and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from torch import Tensor

from playground.core.compiled.program import Program
from playground.core.tape import Tape


@dataclass(frozen=True, kw_only=True)
class ObservedStep:
    """A step on symbols.

    :param tape: with its operations.
    :param before: the parameters before the step.
    :param gradients: after clipping; None where the loss does not depend on the parameter.
    :param after: the parameters after the step; None without an update.
    :param states_before: the optimizer's state of each parameter before the update.
    :param states_after: and after it.
    :param loss_after: the loss of the moved parameters on the same data; None without an update.
    """

    tape: Tape
    before: Sequence[Tensor]
    gradients: Sequence[Tensor | None]
    after: Sequence[Tensor] | None
    states_before: Sequence[Mapping[str, Tensor]]
    states_after: Sequence[Mapping[str, Tensor]]
    loss_after: Tensor | None


class StepObserver(Protocol):
    """Chooses what of a step becomes an output of a program.

    :ivar step: the step to observe.
    :ivar updates: whether the step makes an update.
    """

    step: int
    updates: bool

    def read(self, seen: ObservedStep) -> Sequence[Tensor]:
        """Return tensors whose entries are wanted; they may be computed, and are recorded as well.

        :raises CannotCompileError: the step is another one than expected.
        """


@dataclass(frozen=True)
class ObservedProgram:
    """The values of all entries that an observer wants, in its order.

    :param left_out: a value that is not 0 if a run goes a way that was not recorded.
    """

    program: Program
    values: tuple[int, ...]
    left_out: int

    def select(self, condition: int, other: ObservedProgram) -> ObservedProgram:
        """Return what is this where a condition holds, else the other."""
        choose = self.program.apply
        pairs = zip(self.values, other.values, strict=True)
        return replace(
            self,
            values=tuple(choose("select", condition, a, b) for a, b in pairs),
            left_out=choose("select", condition, self.left_out, other.left_out),
        )

    def require(self, condition: int, answer: bool) -> ObservedProgram:
        """Return this; runs in which a condition has another answer are left out."""
        leaves: Any = self.program.constant(1.0)
        ways = (self.left_out, leaves) if answer else (leaves, self.left_out)
        return replace(self, left_out=self.program.apply("select", condition, *ways))
