"""What happened to one optimizer's gradients since its last step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from playground.core.user_frames import find_user_line
from playground.core.watching.loop_evidence import OptimizerEvidence

MAX_ORDER: Final = 12
"""The most events between two steps that an order lists."""

TRACKED_PARAMETERS: Final = 64
"""Parameters of an optimizer by which it is seen whether `backward` reached it."""


class OptimizerState:
    """Follows the gradients of an optimizer from one step to the next.

    :param evidence: the counts, which it adds to.
    :ivar is_unscaled: whether AMP's scaler has taken care of the gradients of a loss that it multiplied.
    :ivar probe: a parameter of the first layers, usually a bias, whose gradient is examined at every step: what is not
        finite anywhere in the backward pass arrives there.
    :ivar losses: the values that `backward` was called on, since the gradients were cleared or the last step.
    """

    def __init__(self, evidence: OptimizerEvidence) -> None:
        self.evidence = evidence
        self.losses: list[Tensor | float] = []
        self.is_unscaled = True
        parameters = list(evidence.parameters())
        self._tracked = parameters[:: max(-(-len(parameters) // TRACKED_PARAMETERS), 1)]
        vectors = (each for each in self._tracked if each.dim() == 1)
        self.probe = next(vectors, self._tracked[0] if self._tracked else torch.empty(0))
        self._marks: list[tuple[Tensor, tuple[int, int]]] = []  # before the last call of backward
        self._used: list[tuple[Tensor, int]] = []  # gradients that the last step used, not cleared since
        self._mixed: list[Tensor] = []  # those of them to which backward then added
        self._cleared = False  # since the last step
        self._calls = 0  # of backward, since then or since the gradients were cleared
        self._order = ""

    @property
    def was_reached(self) -> bool:
        """Whether the last call of `backward` changed a gradient."""
        return any(_mark_gradient(each) != mark for each, mark in self._marks)

    def note(self, event: str) -> None:
        """Add an event to the order since the last step."""
        if len(self._order) < MAX_ORDER:
            self._order += event

    def note_place(self, event: str) -> None:
        """Remember the line of the first event of a name."""
        if event not in self.evidence.places and (place := find_user_line()) is not None:
            self.evidence.places[event] = place

    def belongs_to(self, module: nn.Module) -> bool:
        """Tell whether a module owns the parameters."""
        owned = {id(each) for each in module.parameters()}
        return all(id(each) in owned for each in self._tracked)

    def look_for_clearing(self) -> None:
        """Find out which of the gradients that the last step used were cleared by hand."""
        if self._used:
            self._used = [(each, mark) for each, mark in self._used if id(each.grad) == mark and _is_nonzero(each.grad)]
            if not self._used:
                self.forget_gradients()
        elif self._tracked and all(each.grad is None for each in self._tracked):
            self.forget_gradients()

    def forget_gradients(self) -> None:
        """Note that the gradients were cleared."""
        self._used, self._mixed, self._cleared, self._calls = [], [], True, 0
        self.losses.clear()

    def mark_gradients(self, closely: bool) -> None:
        """Remember the gradients before a call of `backward`: all that are tracked, or one."""
        tracked = self._tracked if closely else self._tracked[:1]
        self._marks = [(each, _mark_gradient(each)) for each in tracked]

    def add_gradient(self, losses: Sequence[Tensor | float]) -> None:
        """Note that a call of `backward` reached the optimizer."""
        self._calls += 1
        self.note("b")
        self.losses += losses
        self.note_place("backward")
        if self._used:
            self._mixed = [each for each, _ in self._used]
            self.note_place("leftover")

    def count_step(self) -> None:
        """Add a step to the evidence."""
        evidence = self.evidence
        if not self._has_gradient():
            evidence.empty += 1
            self.note_place("empty")
        if self._mixed:
            evidence.leftover += 1
            evidence.left.update(map(id, self._mixed))
        evidence.attentive += 1
        evidence.orders[self._order] += 1
        evidence.counts[self._calls] += 1

    def begin_step(self, closely: bool) -> None:
        """Begin with the next step.

        :param closely: whether to look at the gradients that the last one used.
        """
        self._used = [(each, id(each.grad)) for each in self._tracked if _is_nonzero(each.grad)] if closely else []
        self._mixed, self._cleared, self._calls, self._order = [], False, 0, ""
        self.losses.clear()

    def _has_gradient(self) -> bool:
        """Tell whether a step had a gradient to use: one that was computed since the gradients were cleared."""
        if self._cleared and not self._calls:
            return False
        return any(each.grad is not None for each in self.evidence.parameters())


def _mark_gradient(parameter: Tensor) -> tuple[int, int]:
    gradient = parameter.grad
    return (0, 0) if gradient is None else (id(gradient), gradient._version)


def _is_nonzero(gradient: Tensor | None) -> bool:
    if gradient is None:
        return False
    return bool((gradient.coalesce().values() if gradient.is_sparse else gradient).any())
