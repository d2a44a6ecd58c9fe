"""How a task writes itself as a stand-alone program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Cell:
    """A section of a program under a heading.

    :param heading: its topic, in a few words.
    :param code: statements.
    """

    heading: str
    code: str


@dataclass(frozen=True)
class Listing:
    """A task's part of a stand-alone program; the descent loop is the same for all tasks and written around it.

    :param cells: the code before the descent; for a task without a descent, all code.
    :param parameters: the list of parameters to update, as an expression.
    :param loss: returns the loss as an expression, given the expressions of the tensors of `data` or of a batch.
    :param data: names of the tensors that batches are taken from.
    :param module: name of the module whose training mode is switched; empty without a module.
    :param outcome: statements that print results from the final parameters.
    """

    cells: Sequence[Cell]
    parameters: str = ""
    loss: Callable[..., str] = field(default=lambda *data: "")
    data: Sequence[str] = ()
    module: str = ""
    outcome: str = ""


class Writer(Protocol):
    """The operations that a task uses to write itself."""

    def component(self, kind: str, *arguments: str) -> tuple[str, str]:
        """Write a component of the scenario.

        :param arguments: the arguments that the framework supplies, as expressions: sizes for a model, prediction and
            target for a loss, `generator` for a dataset, the point for a function, variable by variable.
        :returns: the definitions that are needed and not written yet, and the expression for the component.
        :raises PlaygroundError: it cannot be written.
        """

    def generator(self, kind: str) -> str:
        """Return the generator that the framework creates for a component of this kind, as an expression."""

    def draws(self, kind: str) -> bool:
        """Tell whether a component draws all that it returns from its own generator; others are tables."""

    def literal(self, value: Any) -> str:
        """Return numbers, strings and lists of them as an exact expression."""

    def tensor(self, tensor: Tensor) -> str:
        """Return a tensor as an expression, exact to the last bit."""

    def variable(self, name: str) -> str:
        """Return the name of a formula's variable in the program, unless something else has that name."""

    def code(self, function: Callable[..., Any]) -> str | None:
        """Return the formula of an expression component as code; None for any other function."""
