"""What one explained step needs to know: who evaluates and moves, and how both are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from playground.explanation import Sentence

if TYPE_CHECKING:
    import torch

    from playground.core.steppers import OneRun, Schedule
    from playground.core.update import UpdateRule


@dataclass(frozen=True, kw_only=True)
class ExplainedOptimizer:
    """An optimizer as an explanation shows it.

    :param label: name and parameters: `adam(lr=0.01)`.
    :param formula: the update of an entry, one assignment per line; empty if the optimizer declares none.
    :param symbols: the meaning of the symbols.
    :param settings: hyperparameters by symbol, without the learning rate.
    :param own: numbers of single parameters in place of those, the learning rate `lr` and the count of steps `t` among
        them, by the parameter's name: for an optimizer with several groups.
    :param rule: the update rule, which may know a bound of its learning rate; None for other optimizers.
    :param schedule: the factor on the rule's learning rate at each step; None for a constant rate.
    """

    label: str
    formula: tuple[str, ...] = ()
    symbols: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rule: UpdateRule | None = None
    schedule: Schedule | None = None


@dataclass(frozen=True, kw_only=True)
class ExplainedSubject:
    """A step before it is made: of a scenario, of objects in hand or of a recorded loop.

    :param title: what is explained, such as a scenario's name.
    :param file: where it is defined; empty if nowhere.
    :param stepper: evaluates the loss and updates the parameters; not yet evaluated at this step.
    :param step: the step's number, from 0.
    :param optimizer: what moves the parameters; None if nothing does.
    :param continues: tells from the loss whether the step makes an update. Called once, after `stepper.evaluate`.
    :param flush_denormals: whether the step computes with denormal numbers as zero, as runs of scenarios do.
    :param notes: remarks to put before those on the step's numbers.
    """

    title: str
    stepper: OneRun
    step: int
    summary: str = ""
    file: str = ""
    optimizer: ExplainedOptimizer | None = None
    continues: Callable[[float], bool] = lambda loss: True
    flush_denormals: bool = False
    notes: tuple[Sentence, ...] = ()

    @property
    def device(self) -> torch.device:
        """The device that the step draws random numbers on."""
        return self.stepper.parameters[0].device


def describe_optimizer(optimizer: Any, label: str, schedule: Schedule | None = None) -> ExplainedOptimizer:
    """Return an optimizer with the formula and the symbols that it declares.

    :param optimizer: an update rule, or anything else that may have the attributes `formula` and `symbols`.
    :param schedule: the factor on its learning rate at each step; None for a constant rate.
    """
    from playground.core.update import UpdateRule

    names = [each.name for each in fields(optimizer) if each.name != "lr"] if is_dataclass(optimizer) else []
    return ExplainedOptimizer(
        label=label,
        formula=tuple(getattr(optimizer, "formula", ())),
        symbols=dict(getattr(optimizer, "symbols", {})),
        settings={name: getattr(optimizer, name) for name in names},
        rule=optimizer if isinstance(optimizer, UpdateRule) else None,
        schedule=schedule,
    )
