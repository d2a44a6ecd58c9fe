"""The recording of one step while the loop makes it, from the end of the step before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import torch
from torch import Tensor, nn

from playground.core.isolated_copies import IsolatedCopies
from playground.core.watching.call_recorder import CallRecorder, copy_leaf
from playground.core.watching.examining import find_parameter_cut
from playground.core.watching.forward_pass import ForwardPass
from playground.core.watching.loop_evidence import LoopEvidence
from playground.core.watching.mode_stack import enter_mode, leave_mode, list_modes
from playground.core.watching.recorded_program import BackwardCall, UnrepeatableStepError, cut_program
from playground.core.watching.replayed_step import ReplayedStep
from playground.errors import ComponentError

MAX_KEPT_BYTES: Final = 256 * 2**20
"""Memory for all kept steps together."""

COPIES: Final = 5
"""Copies of the parameters that a kept step has: two, the gradients, and up to two in the optimizer's state."""


def find_modes() -> list[Any]:
    """Return the active modes of torch, without recorders."""
    return [each for each in list_modes() if not isinstance(each, CallRecorder)]


class StepRecording:
    """Records one step.

    :param number: of the step.
    :param recorder: records it, and nothing else meanwhile.
    :ivar losses: what `backward` was called on.
    """

    def __init__(self, evidence: LoopEvidence, number: int, recorder: CallRecorder) -> None:
        parameter = next(evidence.model.parameters(), torch.empty(0))
        recorder.reset(evidence.model.buffers(), parameter.device.type)
        self.recorder = recorder
        self.losses: list[BackwardCall] = []
        self._values: list[float] = []
        self._evidence = evidence
        self._number = number
        self._optimizer: torch.optim.Optimizer | None = None
        self._copies: dict[int, Tensor] = {}

    @classmethod
    def begin(
        cls, evidence: LoopEvidence, number: int, recorder: CallRecorder, modes: Sequence[Any]
    ) -> StepRecording | None:
        """Begin to record, unless something in the way makes that impossible, which is noted.

        :param modes: the modes of torch that were active when watching began.
        """
        why = _find_obstacle(evidence, modes)
        if why:
            evidence.unrepeatable[number] = why
            return None
        made = cls(evidence, number, recorder)
        enter_mode(made.recorder)
        setattr(torch.autograd.Function, "apply", classmethod(_record_custom_function))  # noqa: B010
        return made

    def leave(self) -> None:
        """Record no longer; modes that the program entered meanwhile stay."""
        leave_recorder(self.recorder)

    def mark_loss(self, loss: Tensor, weight: Tensor | None, value: Tensor | float) -> None:
        """Note that `backward` was called on a tensor with this value."""
        number = self.recorder.find(loss)
        if number is not None:
            kept = None if weight is None else weight.detach().clone()
            self.losses.append(BackwardCall(number, kept, len(self.recorder.calls)))
            self._values.append(float(value))

    def forget_losses(self) -> None:
        """Note that the gradients were cleared."""
        self.losses.clear()
        self._values.clear()

    def begin_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Copy the optimizer before it moves."""
        self._copies = {id(each): copy_leaf(each) for group in optimizer.param_groups for each in group["params"]}
        copies = IsolatedCopies()
        for group in optimizer.param_groups:
            for each in group["params"]:
                copies.remember(each, self._copies[id(each)])
        with suppress(ComponentError):  # an optimizer may hold what cannot be copied: the step is then not kept
            self._optimizer = copies.copy_optimizer(optimizer)

    def keep(self, optimizer: torch.optim.Optimizer, forward: ForwardPass | None) -> None:
        """Keep what was recorded, with the gradients that the optimizer is about to use."""
        evidence = self._evidence
        for name, each in evidence.model.named_parameters():
            if each.requires_grad and each.grad is None and name not in evidence.with_gradient:
                evidence.cuts[name] = find_parameter_cut(self.recorder, each)
        named = _name_parameters(evidence.model, optimizer)
        try:
            if self._optimizer is None:
                raise UnrepeatableStepError("the optimizer could not be copied")
            inputs, prediction = ([], None) if forward is None else (forward.inputs(), forward.prediction())
            program = cut_program(self.recorder, self.losses, named, inputs, prediction)
            if not program.parameters:
                raise UnrepeatableStepError("its loss uses no parameter of the model, as far as can be seen")
        except UnrepeatableStepError as error:
            evidence.unrepeatable[self._number] = str(error)
            return
        gradients = {name: None if each.grad is None else each.grad.detach().clone() for name, each in named.items()}
        step = ReplayedStep(
            step=self._number,
            program=program,
            loss=math.fsum(self._values),
            used=gradients,
            optimizer=self._optimizer,
            copies={name: self._copies[id(each)] for name, each in named.items() if id(each) in self._copies},
        )
        evidence.replays.append(step)


def leave_recorder(recorder: CallRecorder) -> None:
    """Stop a recorder, if it records.

    A recording that ends inside of `backward` leaves only the modes of that call: the recorder returns after it.
    """
    leave_mode(recorder)
    if not any(isinstance(each, CallRecorder) for each in list_modes()):
        setattr(torch.autograd.Function, "apply", _FUNCTION_APPLY)  # noqa: B010


def _name_parameters(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the model's parameters by name, and those that only the optimizer has."""
    named: dict[str, Tensor] = dict(model.named_parameters())
    known = {id(each) for each in named.values()}
    moved = (each for group in optimizer.param_groups for each in group["params"])
    others = [each for each in moved if id(each) not in known]
    return named | {f"other{index}" if len(others) > 1 else "other": each for index, each in enumerate(others)}


def _find_obstacle(evidence: LoopEvidence, modes: Sequence[Any]) -> str:
    """Return why the next step cannot be recorded; empty if it can.

    A mode that was entered since watching began will be left while the recorder is above it, and torch would then
    remove the recorder in its place.
    """
    if is_compiled(evidence.model):
        return "torch.compile runs the model, so that its calls cannot be seen"
    others = find_modes()
    if others != list(modes):
        return f"the program is inside `with {type(others[-1]).__name__}`" if others else "the program left a mode"
    parameters = sum(each.numel() * each.element_size() for each in evidence.model.parameters())
    limit = f"the {MAX_KEPT_BYTES // 2**20} MB that kept steps may use together"
    if COPIES * parameters > MAX_KEPT_BYTES:
        return f"a step needs about {COPIES * parameters // 2**20} MB, more than {limit}"
    if (len(evidence.replays) + 1) * COPIES * parameters > MAX_KEPT_BYTES:
        return f"earlier steps use {limit}"
    return ""


def is_compiled(model: nn.Module) -> bool:
    """Tell whether `torch.compile` runs a part of a model."""
    return any(
        type(each).__name__ == "OptimizedModule" or getattr(each, "_compiled_call_impl", None) is not None
        for each in model.modules()
    )


_FUNCTION_APPLY: Final = vars(torch.autograd.Function)["apply"]


def _record_custom_function(cls: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a `torch.autograd.Function`, which no mode sees, as one recorded call."""
    apply: Callable[..., Any] = _FUNCTION_APPLY.__get__(None, cls)
    recorder = next((each for each in reversed(list_modes()) if isinstance(each, CallRecorder)), None)
    return apply(*args, **kwargs) if recorder is None else recorder.record(apply, args, kwargs)
