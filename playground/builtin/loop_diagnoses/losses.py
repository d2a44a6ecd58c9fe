"""Losses that do not suit what the model returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from playground.core.watching.call_recorder import RecordedCall, TensorRef, find_refs
from playground.core.watching.loop_evidence import LoopDiagnoser, LoopEvidence, LoopFinding
from playground.core.watching.recorded_program import RecordedProgram

_VIEWS: Final = frozenset(
    (
        *("view", "reshape", "squeeze", "unsqueeze", "flatten", "view_as", "expand", "transpose", "t", "permute"),
        *("float", "double", "half", "bfloat16", "to", "type", "contiguous", "clone", "clamp", "clip"),
        *("getitem", "index_select", "narrow", "select"),
    )
)
"""Calls that pass on the numbers of their first argument."""

_BINARY: Final = frozenset(
    (
        *("sub", "rsub", "add", "mul", "div", "truediv", "where", "maximum", "minimum"),
        *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy"),
    )
)
"""Calls that combine two tensors entry by entry, and broadcast them."""


def softmax_before_cross_entropy() -> LoopDiagnoser:
    """The input of a cross-entropy, which applies a softmax itself, comes from a softmax."""
    remedy = "Give the loss the outputs before the softmax; apply the softmax only to predict."
    find = partial(_find_squashed, "cross_entropy", ("softmax", "softmin", "sigmoid"), "takes logits: it has a softmax")
    return LoopDiagnoser(find, remedy, None)


def sigmoid_before_bce_with_logits() -> LoopDiagnoser:
    """The input of a binary cross-entropy with logits, which applies a sigmoid itself, comes from a sigmoid."""
    remedy = "Leave the sigmoid out of the model, or use `binary_cross_entropy`, which takes probabilities."
    loss = "binary_cross_entropy_with_logits"
    find = partial(_find_squashed, loss, ("sigmoid", "softmax"), "takes logits: it has a sigmoid")
    return LoopDiagnoser(find, remedy, None)


def probabilities_in_nll_loss() -> LoopDiagnoser:
    """The input of `nll_loss`, which takes log-probabilities, comes from a softmax or a sigmoid."""
    remedy = "Use `log_softmax` in place of softmax, or `cross_entropy` on the outputs before it."
    find = partial(_find_squashed, "nll_loss", ("softmax", "sigmoid"), "takes log-probabilities: it has no log")
    return LoopDiagnoser(find, remedy, None)


def broadcast_in_loss() -> LoopDiagnoser:
    """Predictions `(N, 1)` and targets `(N,)` are combined into `(N, N)`: every prediction with every target."""
    remedy = "Give both the same shape: `prediction.squeeze(1)`, or `target.unsqueeze(1)`."
    return LoopDiagnoser(_broadcast_in_loss, remedy, None)


def _broadcast_in_loss(loop: LoopEvidence) -> LoopFinding | None:
    for step in loop.replays:
        program = step.program
        made = _makers(program)
        for call in program.calls:
            shapes = _find_crossed(call, program, made)
            if shapes:
                one, other, n = shapes
                sentence = (
                    f"`{call.name}` broadcasts shape {one} against {other} to ({n}, {n}): it compares every prediction "
                    f"with every target."
                )
                return LoopFinding(sentence, call.place)
    return None


def _find_crossed(
    call: RecordedCall, program: RecordedProgram, made: Mapping[int, RecordedCall]
) -> tuple[str, str, int] | None:
    """Return the shapes of a prediction and data that a call broadcasts against each other."""
    inputs = list(find_refs(call.arguments[0]))[:2]
    if call.name not in _BINARY or len(inputs) != 2:
        return None
    facts = [program.facts[each] for each in inputs]
    n = max((each.shape[0] for each in facts if each.shape), default=0)
    crossed = sorted(each.shape for each in facts) == [(n,), (n, 1)]
    mixed = facts[0].differentiable != facts[1].differentiable
    if n < 2 or not crossed or not mixed or not _is_averaged(call, program):
        return None
    predicted, given = sorted(inputs, key=lambda each: not program.facts[each].differentiable)
    if not _is_prediction(_root(predicted, made), program, made) or not _is_data(given, program, made):
        return None
    return str(facts[0].shape), str(facts[1].shape), n


def _is_averaged(call: RecordedCall, program: RecordedProgram) -> bool:
    """Tell whether all entries of a call's result are averaged or summed, entry by entry until then.

    A loss of torch averages by itself. Distances to centres, which a softmax over them follows, are no mistake.
    """
    if call.name.endswith("loss") or call.name == "binary_cross_entropy":
        return True
    seen, shape = set(call.results()), {program.facts[each].shape for each in call.results()}
    for each in program.calls[program.calls.index(call) + 1 :]:
        if seen.isdisjoint(each.inputs()):
            continue
        if each.name in ("mean", "sum"):
            return len(each.arguments[0]) == 1 and not each.arguments[1]
        if {program.facts[index].shape for index in each.results()} != shape:
            return False
        seen.update(each.results())
    return False


def _root(index: int, made: Mapping[int, RecordedCall]) -> int:
    """Return what a tensor was computed from, through calls that take one tensor."""
    while (call := made.get(index)) is not None and len(inputs := list(dict.fromkeys(call.inputs()))) == 1:
        if inputs[0] == index:
            break
        index = inputs[0]
    return index


def _is_prediction(index: int, program: RecordedProgram, made: Mapping[int, RecordedCall]) -> bool:
    """Tell whether a tensor is what the model returned, or a layer of it, if the model as a whole is not called."""
    if program.prediction is not None:
        return index == _root(program.prediction, made)
    return index in made and not set(made[index].inputs()).isdisjoint(program.parameters.values())


def _is_data(index: int, program: RecordedProgram, made: Mapping[int, RecordedCall]) -> bool:
    """Tell whether a tensor was computed from data alone, as a loader does in the step, and not from the model."""
    waiting, seen = [index], {index}
    has_data = False
    while waiting:
        each = waiting.pop()
        if program.facts[each].differentiable:
            return False
        has_data = has_data or each not in made
        inputs = set(made[each].inputs()) - seen if each in made else set()
        waiting += inputs
        seen |= inputs
    return has_data


def _find_squashed(loss: str, squashing: tuple[str, ...], reading: str, loop: LoopEvidence) -> LoopFinding | None:
    """Return the finding that a loss gets the output of a squashing function."""
    for step in loop.replays:
        made = _makers(step.program)
        for call in step.program.calls:
            first = next(_input_refs(call), None)
            if call.name != loss or first is None:
                continue
            maker = made.get(_origin(first, made))
            if maker is not None and maker.name in squashing:
                return LoopFinding(
                    f"`{loss}` {reading} of its own, but its input comes from `{maker.name}`.", call.place
                )
    return None


def _input_refs(call: RecordedCall) -> Iterator[int]:
    """Yield the numbers of a loss's tensors, the input first."""
    args, keywords = call.arguments
    named: Any = keywords.get("input")
    if isinstance(named, TensorRef):
        yield named.number
    yield from find_refs(args)


def _makers(program: RecordedProgram) -> dict[int, RecordedCall]:
    """Return the call that made each tensor; `to` and others may return their argument, which they did not make."""
    return {
        index: call
        for call in program.calls
        for index in call.results()
        if call.mutates or index not in set(call.inputs())
    }


def _origin(index: int, made: Mapping[int, RecordedCall]) -> int:
    """Return the tensor whose numbers another one has, through calls that only change its shape or type."""
    while (call := made.get(index)) is not None and call.name in _VIEWS:
        before = next(call.inputs(), None)
        if before is None or before == index:
            break
        index = before
    return index
