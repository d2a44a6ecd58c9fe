"""How a task writes itself out as a stand-alone program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Cell:
    """A piece of a program under a heading.

    :param heading: what it is about, in a few words.
    :param code: statements.
    """

    heading: str
    code: str


@dataclass(frozen=True)
class Listing:
    """A task's part of a stand-alone program; the descent itself is the same for all tasks, and is written around it.

    :param cells: what comes before the descent; for a task that answers directly, everything.
    :param parameters: a list of what descends, as an expression.
    :param loss: returns the loss as an expression, given the expressions of the tensors of `data` or of a batch.
    :param data: names of the tensors that batches are taken from.
    :param module: name of the module, for the mode of training and of evaluation; empty where there is none.
    :param outcome: statements that print what the final parameters mean.
    """

    cells: Sequence[Cell]
    parameters: str = ""
    loss: Callable[..., str] = field(default=lambda *data: "")
    data: Sequence[str] = ()
    module: str = ""
    outcome: str = ""


class Writer(Protocol):
    """What a task writes itself with."""

    def component(self, kind: str, *arguments: str) -> tuple[str, str]:
        """Write a component of the scenario out.

        :param arguments: what the framework supplies, as expressions: sizes for a model, prediction and target for a
            loss, `generator` for a dataset, the point for a function, variable by variable.
        :returns: the definitions that it needs and are not written yet, and the expression that it stands for.
        :raises PlaygroundError: it cannot be written out.
        """

    def seeded(self, kind: str) -> str:
        """Return the generator that the framework makes for a component of this kind, as an expression."""

    def draws(self, kind: str) -> bool | None:
        """Tell whether a component draws from its own generator; None where it reads files."""

    def literal(self, value: Any) -> str:
        """Return numbers, texts and lists of them as an expression, exactly."""

    def tensor(self, tensor: Tensor) -> str:
        """Return a tensor as an expression, to the last bit."""

    def variable(self, name: str) -> str:
        """Return what a variable of a formula is called in the program, where nothing else has that name."""

    def code(self, function: Callable[..., Any]) -> str | None:
        """Return the formula of an expression as code; None for any other function."""
