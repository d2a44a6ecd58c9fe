"""Examines a loop at the moment when something is wrong: where a graph ends, and what made a number that is not finite.

The parameters are still those of the forward pass, so the model can be called again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn

from playground.core.functional import functional_call
from playground.core.nonfinite import NonfiniteSource, find_source, graph_nodes
from playground.core.problem import Forward, Problem
from playground.core.seeding import preserve_torch_stream
from playground.core.user_frames import CodePlace
from playground.core.watching.call_recorder import CallRecorder, RecordedCall
from playground.core.watching.forward_pass import ForwardPass, find_tensors
from playground.core.watching.loop_evidence import FirstNonfinite, LoopEvidence, ParameterCut

_POLES: Final[Mapping[str, tuple[str, Callable[[Tensor], Tensor]]]] = {
    "LogBackward0": ("log", lambda x: x <= 0),
    "Log2Backward0": ("log2", lambda x: x <= 0),
    "Log10Backward0": ("log10", lambda x: x <= 0),
    "Log1PBackward0": ("log1p", lambda x: x <= -1),
    "ReciprocalBackward0": ("reciprocal", lambda x: x.isinf()),
    "SqrtBackward0": ("sqrt", lambda x: x.isnan()),
    "RsqrtBackward0": ("rsqrt", lambda x: ~x.isfinite()),
    "ExpBackward0": ("exp", lambda x: x.isinf()),
    "DivBackward0": ("div", lambda x: x == 0),
}
"""For a node of torch's graph: the operation, and at which of its saved numbers the result is not finite."""


def find_cut(recorder: CallRecorder, loss: Tensor, model: nn.Module) -> RecordedCall | None:
    """Return the call at which the graph between a model's parameters and a loss ends; None if it was not seen.

    A loss made of plain numbers, as `torch.tensor(loss.item())`, ends where the last numbers were read.
    """
    cuts = [call for call in recorder.calls if call in _find_ends(recorder, model)]
    makers: dict[int, RecordedCall] = {}
    for call in recorder.calls:
        for index in call.results():
            makers.setdefault(index, call)
    number = recorder.find(loss)
    waiting = [] if number is None else [number]
    seen = set(waiting)
    while waiting:
        maker = makers.get(waiting.pop(0))
        if maker is None:
            continue
        if maker in cuts:
            return maker
        inputs = [each for each in maker.inputs() if each not in seen]
        waiting += inputs
        seen.update(inputs)
    return cuts[-1] if cuts else None


def _find_ends(recorder: CallRecorder, model: nn.Module) -> set[RecordedCall]:
    """Return the calls that take something differentiable that depends on the model, and return nothing of the kind."""
    numbers = (recorder.find(each) for each in model.parameters())
    dependent = {each for each in numbers if each is not None}
    ends = set()
    for call in recorder.calls:
        inputs = dependent.intersection(call.inputs())
        results = list(call.results())
        enters, leaves = (any(recorder.facts[each].differentiable for each in some) for some in (inputs, results))
        if enters and not leaves and not call.mutates:
            ends.add(call)
        if inputs:
            dependent.update(results)
    return ends


def find_parameter_cut(recorder: CallRecorder, parameter: Tensor) -> ParameterCut:
    """Return how the recorded calls used a parameter that got no gradient."""
    start = recorder.find(parameter)
    users: dict[int, list[RecordedCall]] = {}
    for call in recorder.calls:
        for index in call.inputs():
            users.setdefault(index, []).append(call)
    if start is None or start not in users:
        return ParameterCut(used=False)
    waiting, seen = [start], {start}
    while waiting:
        for call in users.get(waiting.pop(0), ()):
            results = [each for each in call.results() if each not in seen]
            ends = not any(recorder.facts[each].differentiable for each in results) and not call.mutates
            if ends and (results or not list(call.results())):
                return ParameterCut(True, call.label, not call.context.grad_enabled, call.place)
            seen.update(results)
            waiting += results
    return ParameterCut(used=True)


def examine_loss(
    evidence: LoopEvidence, loss: Tensor, forward: ForwardPass | None, place: CodePlace | None
) -> FirstNonfinite:
    """Return what made a loss that is not finite."""
    step, value = len(evidence.losses), loss.detach().double().sum().item()
    broken = [name for name, each in evidence.model.named_parameters() if not bool(each.detach().isfinite().all())]
    if broken:
        return FirstNonfinite(step - 1, "parameters", value, None, False, broken[0], None)
    given = [] if forward is None else [each for each in forward.inputs() if each.is_floating_point()]
    if any(not bool(each.detach().isfinite().all()) for each in given):
        return FirstNonfinite(step, "input", value, None, False, "", place)
    output = None if forward is None else forward.prediction()
    if output is not None and bool(output.detach().isfinite().all()):
        return FirstNonfinite(step, "loss", value, _find_pole(loss, output), True, "", place)
    source = None if forward is None else _call_again(evidence.model, forward)
    return FirstNonfinite(step, "loss", value, source, False, "", place)


def examine_gradient(
    evidence: LoopEvidence, gradient: Tensor, forward: ForwardPass | None, place: CodePlace | None
) -> FirstNonfinite:
    """Return what made a gradient that is not finite, of a loss that is."""
    source = None if forward is None else _call_again(evidence.model, forward)
    value = gradient[~gradient.isfinite()].flatten()[0].item()
    return FirstNonfinite(len(evidence.losses), "gradient", value, source, source is None, "", place)


def _call_again(model: nn.Module, forward: ForwardPass) -> NonfiniteSource | None:
    """Call the model again with the same arguments; return what makes its output, or its gradient, not finite."""

    def loss(call: Forward, _: Any) -> Tensor:
        outputs = [each for each in find_tensors(call(*forward.args, **forward.kwargs)) if each.is_floating_point()]
        return torch.stack([each.sum() for each in outputs]).sum()

    parameters = {name: each for name, each in model.named_parameters() if each.requires_grad}
    with _undisturbed(model):
        problem = _KeywordProblem(model, loss)
        return find_source(problem, parameters, ())


class _KeywordProblem(Problem):
    """A problem whose module is called with keywords too."""

    def forward(self, parameters: Mapping[str, Tensor]) -> Forward:
        """Return the module with these parameters in place of its own."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if not kwargs:
                return functional_call(self.module, parameters, args)
            return torch.func.functional_call(self.module, dict(parameters), args, kwargs)

        return call


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Restore a model's buffers and torch's random stream afterwards."""
    parameter = next(model.parameters(), torch.empty(0))
    before = [(each, each.detach().clone()) for each in model.buffers()]
    try:
        with preserve_torch_stream(parameter.device), torch.enable_grad():
            yield
    finally:
        with torch.no_grad():
            for buffer, kept in before:
                buffer.copy_(kept)


def _find_pole(loss: Tensor, output: Tensor) -> NonfiniteSource | None:
    """Return the operation between a finite output and a loss whose saved numbers have no finite result."""
    behind = set(graph_nodes(output))
    nodes = [node for node in graph_nodes(loss) if node not in behind]
    for node in reversed(nodes):
        name, is_pole = _POLES.get(node.name(), ("", None))
        if is_pole is None:
            continue
        for attribute in ("_saved_other", "_saved_self", "_saved_result"):
            saved = getattr(node, attribute, None)
            if not isinstance(saved, Tensor):
                continue
            mask = is_pole(saved)
            if bool(mask.any()):
                number = saved[mask].flatten()[0].item()
                return _describe_pole(name, number, attribute == "_saved_result")
            break
    return None


def _describe_pole(name: str, number: float, is_result: bool) -> NonfiniteSource:
    if is_result:
        return NonfiniteSource(name, False, number)
    value = math.nan if name.startswith("log") and number < 0 else -math.inf if name.startswith("log") else math.inf
    return NonfiniteSource(name, False, value, (number,))
