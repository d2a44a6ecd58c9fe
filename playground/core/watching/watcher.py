"""Fills the evidence of a loop from what its model and its optimizers do."""

from __future__ import annotations

import cmath
import functools
import math
import threading
import time
from collections.abc import Callable, Container, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from playground.core.user_frames import find_user_line
from playground.core.watching.call_recorder import CallRecorder
from playground.core.watching.examining import examine_gradient, examine_loss, find_cut
from playground.core.watching.forward_pass import ForwardPass
from playground.core.watching.loop_evidence import CutLoss, LoopEvidence
from playground.core.watching.optimizer_state import OptimizerState
from playground.core.watching.patches import add_listener, remove_listener
from playground.core.watching.step_recording import StepRecording, find_modes, leave_recorder

ATTENTIVE_STEPS, ATTENTION_INTERVAL, ATTENTION_LENGTH = 16, 64, 2
"""The first steps are watched closely, and then two in a row of every 64: each costs as much as a step of its own."""

GRADIENT_INTERVAL: Final = 8
"""Steps from one examined gradient to the next, where steps are not watched closely."""

MAX_READ_LOSSES: Final = 64
"""Losses on a device that are read at once, because reading one makes the program wait for the device."""


def _event(method: Callable[..., None]) -> Callable[..., None]:
    """Make a method hear only of the watched thread, and keep its faults and its own calls of torch from the loop."""

    @functools.wraps(method)
    def heard(self: LoopWatcher, *args: Any) -> None:
        if self._busy or self.failure or threading.get_ident() != self._thread:
            return
        self._busy = True
        self.events += 1
        recorder = self._recording.recorder if self._recording is not None else None
        if recorder is not None:
            recorder.pause()
        try:
            method(self, *args)
        except Exception as error:  # a fault of watching must not end the user's loop
            self.failure = f"watching stopped at step {self.evidence.steps}: {type(error).__name__}: {error}"
        finally:
            self._busy = False
            if recorder is not None:
                recorder.resume()

    return heard


class LoopWatcher:
    """Watches a loop between `start` and `stop`.

    :param evidence: filled meanwhile.
    :param chosen: the steps to keep.
    :ivar stopped: whether it has been stopped.
    :ivar events: how many there were.
    :ivar failure: why watching stopped early; empty if it did not.
    """

    def __init__(self, evidence: LoopEvidence, chosen: Container[int]) -> None:
        self.evidence = evidence
        self.failure = ""
        self.events = 0
        self.stopped = False
        self.model = evidence.model
        self._chosen = chosen
        self._states = [OptimizerState(each) for each in evidence.optimizers]
        self._waiting = {name: tensor for name, tensor in evidence.model.named_parameters() if tensor.requires_grad}
        self._forward: ForwardPass | None = None
        self._recording: StepRecording | None = None
        self._stepping: OptimizerState | None = None
        self._has_closure = False
        self._unread: list[tuple[int, Tensor]] = []
        self._scaled: dict[int, tuple[Tensor, Tensor]] = {}
        self._schedulers: dict[int, int] = {}
        self._handles: list[Any] = []
        self._thread = threading.get_ident()
        self._busy = False
        self._in_backward = False
        self._attentive = _is_attentive(0)
        self._values: list[Tensor | float] = []
        self._modes: list[Any] = []
        self._recorder = CallRecorder()
        self._started = 0.0

    def start(self) -> None:
        """Begin to listen, unless it already does."""
        if self._handles:
            return
        self._thread = threading.get_ident()
        self._modes = find_modes()
        for state in self._states:
            optimizer = state.evidence.optimizer
            self._handles.append(optimizer.register_step_pre_hook(functools.partial(self._hear_step, state)))
            self._handles.append(optimizer.register_step_post_hook(functools.partial(self._hear_end, state)))
        self._started = time.perf_counter()
        add_listener(self)
        self._begin_recording()

    def stop(self) -> None:
        """Listen no longer, and leave nothing behind."""
        if not self._handles:
            return
        self.stopped = True
        remove_listener(self)
        self.evidence.seconds += time.perf_counter() - self._started
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        leave_recorder(self._recorder)
        self._recording, self._forward = None, None
        self._scaled.clear()
        self.read_losses()

    def _hear_step(self, state: OptimizerState, optimizer: Any, args: Any, kwargs: Any) -> None:
        if not torch.compiler.is_compiling():
            self.begin_step(state, any(map(callable, (*args, *kwargs.values()))))

    def _hear_end(self, state: OptimizerState, optimizer: Any, args: Any, kwargs: Any) -> None:
        if not torch.compiler.is_compiling():
            self.end_step(state)

    @_event
    def note_forward(self, args: Any, kwargs: Any, output: Any) -> None:
        """Note a forward pass of the model."""
        self._forward = ForwardPass(args, kwargs, output, self.model.training, torch.is_grad_enabled())
        mode = self._forward.mode
        if not self._forward.grad_enabled:
            self._forward.place = find_user_line()
        if mode not in self.evidence.mode_places and (place := find_user_line()) is not None:
            self.evidence.mode_places[mode] = place
        if self._attentive and self._forward.grad_enabled:
            for state in self._states:
                state.note("f")

    @_event
    def before_backward(self, losses: Sequence[Tensor], weights: Sequence[Tensor | None]) -> None:
        """Find out whether gradients were cleared, and what the loss is."""
        if not self._has_closure:
            self._stepping = None  # of a step that raised an exception
        if not self._is_reach_assumed():
            for state in self._states:
                if self._attentive:
                    state.look_for_clearing()
                state.mark_gradients(self._attentive)
        self._in_backward = True
        self.evidence.backward_calls += 1
        first = losses[0]
        if first.is_leaf and first.requires_grad and id(first) not in self.evidence.optimized():
            self.evidence.cut_losses.append(self._describe_cut(first, raised=False))
        true_losses = [self._scaled.get(id(each), (each, each))[1] for each in losses]
        self._values = [_loss_value(loss, weight) for loss, weight in zip(true_losses, weights, strict=True)]
        if self.evidence.nonfinite is None:
            for loss, value in zip(true_losses, self._values, strict=True):
                if isinstance(value, float) and not math.isfinite(value):
                    self.evidence.nonfinite = examine_loss(self.evidence, loss, self._forward, find_user_line())
                    break

    @_event
    def fail_backward(self, losses: Sequence[Tensor], error: Exception) -> None:
        """Note that the loss has no graph, if that is why torch refused."""
        self._in_backward = False
        if not losses[0].requires_grad:
            self.evidence.cut_losses.append(self._describe_cut(losses[0], raised=True))

    @_event
    def after_backward(self, losses: Sequence[Tensor], weights: Sequence[Tensor | None]) -> None:
        """Note which optimizers the gradient reached, and what it is the gradient of."""
        self._in_backward = False
        if self._recording is None:
            leave_recorder(self._recorder)
        if self._waiting:
            for name in [name for name, tensor in self._waiting.items() if tensor.grad is not None]:
                self.evidence.with_gradient.add(name)
                del self._waiting[name]
        assumed = self._is_reach_assumed()
        reached = [state for state in self._states if assumed or state.was_reached]
        for state in reached:
            state.add_gradient(self._values)
        if not reached:
            if not self.evidence.reached:
                for state in self._states:  # its loss is shown all the same
                    state.losses += self._values
            if not self.evidence.reached and self._recording is not None:
                self.evidence.unreached.append(self._describe_cut(losses[0], raised=False))
            return
        self.evidence.reached = True
        self._note_mode()
        self._check_gradient(reached[0])
        if self._recording is not None:
            for loss, weight, value in zip(losses, weights, self._values, strict=True):
                self._recording.mark_loss(self._scaled.get(id(loss), (loss, loss))[1], weight, value)
            if self._stepping is not None and self._stepping in reached:
                self._keep_recording(self._stepping)

    @_event
    def clear_gradients(self, owner: Any) -> None:
        """Note that gradients were cleared."""
        for state in self._states:
            optimizer = state.evidence.optimizer
            if self._stepping is state and not self._has_closure:
                continue  # a hook of the optimizer clears what it has just used
            if owner is optimizer or (isinstance(owner, nn.Module) and state.belongs_to(owner)):
                state.note_place("zero_grad")
                state.forget_gradients()
                state.note("z")
                if self._recording is not None:
                    self._recording.forget_losses()

    @_event
    def move_schedule(self, scheduler: Any) -> None:
        """Note a scheduler that moves before its optimizer's first step."""
        state = next((each for each in self._states if each.evidence.optimizer is scheduler.optimizer), None)
        made_now = getattr(scheduler, "_step_count", 1) == 0  # its constructor steps too
        if state is None or made_now or state.evidence.steps:
            return
        if getattr(scheduler.optimizer, "_opt_called", False):  # torch's own mark: it moved before watching began
            return
        name, count = type(scheduler).__name__, self._schedulers.get(id(scheduler), 0) + 1
        self._schedulers[id(scheduler)] = count
        if count == 1:
            self.evidence.early_schedulers[name] = find_user_line()
        else:
            self.evidence.early_schedulers.pop(name, None)  # it catches up with an earlier training

    @_event
    def scale_loss(self, loss: Any, scaled: Any) -> None:
        """Remember which loss was scaled."""
        if isinstance(loss, Tensor) and scaled is not loss:
            self.evidence.scaled = True
            for state in self._states:
                state.is_unscaled = False
            self._scaled[id(scaled)] = (scaled, loss)

    @_event
    def unscale_gradients(self, optimizer: Any) -> None:
        """Note that the scaled gradients of an optimizer are taken care of."""
        for state in self._states:
            if state.evidence.optimizer is optimizer:
                state.is_unscaled = True

    @_event
    def begin_step(self, state: OptimizerState, has_closure: bool) -> None:
        """Keep the step, unless its gradient is computed inside of it."""
        self._stepping, self._has_closure = state, has_closure
        state.note_place("step")
        if self._attentive and not has_closure:
            self._measure_norm(state)
        if self._recording is not None:
            self._recording.begin_step(state.evidence.optimizer)
            if self._recording.losses:
                self._keep_recording(state)
            elif not has_closure:
                self._drop_recording()

    @_event
    def end_step(self, state: OptimizerState) -> None:
        """Count the step, and begin to record the next one if it is chosen."""
        evidence, number = state.evidence, len(self.evidence.losses)
        if self._attentive and number not in self.evidence.gradient_norms:
            self._measure_norm(state)
        self._drop_recording()
        if self._attentive:
            state.count_step()
        if self._scaled and not state.is_unscaled and number not in self.evidence.scaled_steps:
            factor = next((float(scaled.detach() / loss.detach()) for scaled, loss in self._scaled.values()), 1.0)
            if factor not in (0.0, 1.0):
                self.evidence.scaled_steps[number] = factor
        evidence.steps += 1
        inside = self._values if self._in_backward else []  # a hook of a gradient made the step
        self._note_loss(number, state.losses or inside)
        self._attentive = _is_attentive(number + 1)
        state.begin_step(self._attentive)
        self._stepping, self._forward = None, None
        if self._scaled:
            self._scaled.clear()
        self._begin_recording()

    def _is_reach_assumed(self) -> bool:
        """Tell whether it goes without saying that `backward` reaches the optimizer: it is the only one, and it did."""
        return len(self._states) == 1 and not self._attentive and self.evidence.reached

    def _note_mode(self) -> None:
        # A trainer may call parts of the model only.
        mode = (self.model.training, True) if self._forward is None else self._forward.mode
        if self.evidence.modes and self.evidence.modes[-1][0] == mode:
            self.evidence.modes[-1][1] += 1
        else:
            self.evidence.modes.append([mode, 1])

    def _check_gradient(self, state: OptimizerState) -> None:
        """Look for a gradient that is not finite; an AMP scaler skips such steps by itself."""
        if self.evidence.nonfinite is not None or self.evidence.scaled:
            return
        if not self._attentive and len(self.evidence.losses) % GRADIENT_INTERVAL:
            return
        gradient = state.probe.grad
        if gradient is None or not gradient.is_cpu or gradient.layout is not torch.strided or not gradient.numel():
            return
        found = gradient.sum() if self._attentive else gradient.flatten()[0]  # a NaN is soon in every entry
        if not cmath.isfinite(found.item()):
            self.evidence.nonfinite = examine_gradient(self.evidence, gradient, self._forward, find_user_line())

    def _describe_cut(self, loss: Tensor, raised: bool) -> CutLoss:
        forward, place = self._forward, find_user_line()
        if forward is not None and not forward.grad_enabled:
            return CutLoss(raised, forward.place or place, without_gradients=True)
        cut = None if self._recording is None else find_cut(self._recording.recorder, loss, self.model)
        if cut is not None:
            return CutLoss(raised, cut.place or place, call=cut.label)
        return CutLoss(raised, place, call="nn.Parameter(...)" if isinstance(loss, nn.Parameter) else "")

    def _note_loss(self, number: int, losses: Sequence[Tensor | float]) -> None:
        """Add the loss of a step: the sum of what `backward` was called on; NaN if it was not called."""
        on_device = [each for each in losses if isinstance(each, Tensor)]
        if on_device:
            self._unread.append((number, torch.stack([each.double() for each in on_device]).sum()))
            self.evidence.losses.append(math.nan)
            if len(self._unread) >= MAX_READ_LOSSES:
                self.read_losses()
            return
        self.evidence.unseen_losses += not losses
        self.evidence.losses.append(sum(each for each in losses if isinstance(each, float)) if losses else math.nan)

    def read_losses(self) -> None:
        """Read the losses that are still on a device."""
        if self._unread:
            values = torch.stack([each for _, each in self._unread]).tolist()
            for (number, _), value in zip(self._unread, values, strict=True):
                self.evidence.losses[number] = value
            self._unread.clear()

    def _measure_norm(self, state: OptimizerState) -> None:
        found = [each.grad for each in state.evidence.parameters() if each.grad is not None]
        if found and all(each.layout is torch.strided and each.device.type == "cpu" for each in found):
            norm = torch.nn.utils.get_total_norm(found).item()
            self.evidence.gradient_norms[len(self.evidence.losses)] = norm

    def _begin_recording(self) -> None:
        number = len(self.evidence.losses)
        if number in self._chosen and not self.failure:
            self._recording = StepRecording.begin(self.evidence, number, self._recorder, self._modes)

    def _keep_recording(self, state: OptimizerState) -> None:
        if self._recording is not None:
            self._recording.keep(state.evidence.optimizer, self._forward)
        self._drop_recording()

    def _drop_recording(self) -> None:
        if self._recording is not None:
            self._recording.leave()
            self._recording = None


def _loss_value(loss: Tensor, weight: Tensor | None) -> Tensor | float:
    """Return the number whose gradient was computed; on a device it stays there."""
    if weight is None and loss.numel() == 1 and loss.is_cpu:
        return loss.item()
    value = (loss.detach() if weight is None else loss.detach() * weight).sum()
    return value.item() if value.is_cpu else value


def _is_attentive(number: int) -> bool:
    return number < ATTENTIVE_STEPS or number % ATTENTION_INTERVAL < ATTENTION_LENGTH
