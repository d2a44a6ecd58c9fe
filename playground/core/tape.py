"""Records one forward and backward pass of an unmodified problem, with every value and its gradient.

A `TorchFunctionMode` sees every call of a torch function, but none of the calls inside it, so `F.mse_loss` is one
operation. Values are copied when they appear, and hooks set at that moment receive gradients. A hook set before an
in-place operation receives the gradient of the value at that time, so in-place operations need no special treatment.
The contributions of each operation to the gradients of its inputs come from hooks on the nodes of torch's graph
(`routes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from playground.core.problem import BatchTensors, Forward, Problem
from playground.core.routes import EdgeGradients, GradientEdge, copy_dense, find_edges, sum_by_value

LossFunction = Callable[[Forward, BatchTensors], Tensor]


@dataclass(eq=False)
class TapeValue:
    """One tensor of the pass.

    :param kind: `parameter`, `data`, `constant`, `intermediate`, `prediction` or `loss`.
    :param tensor: a copy of the tensor when it appeared.
    :param gradient: dL/dvalue; None if the loss does not depend on it, or no gradient was requested.
    """

    name: str
    kind: str
    tensor: Tensor
    gradient: Tensor | None = None
    differentiable: bool = False


@dataclass(frozen=True, eq=False)
class TapeRecord:
    """One operation of the pass.

    :param name: the short name of the torch function: `sigmoid` for `torch.sigmoid`, `Tensor.sigmoid` and the like; for
        an operation that the mode does not see, such as a `torch.autograd.Function`, the name of its node in torch's
        graph.
    :param inputs: values and constants, including lists, in the order of the call.
    :param keywords: likewise, by name.
    :param dice: for a call that drew random numbers, the state of torch's CPU generator before it.
    :param edges: of torch's graph, along which gradients leave the operation.
    """

    name: str
    inputs: tuple[Any, ...]
    keywords: Mapping[str, Any]
    outputs: tuple[TapeValue, ...]
    rng_state: Tensor | None = None
    edges: tuple[GradientEdge, ...] = ()

    @property
    def values(self) -> list[TapeValue]:
        """The inputs that are tape values, each once."""
        found: dict[int, TapeValue] = {}
        _walk((self.inputs, tuple(self.keywords.values())), lambda item: found.setdefault(id(item), item))
        return list(found.values())


@dataclass(eq=False)
class Tape:
    """Every operation of one pass, in order; filled by `record_on_tape`."""

    records: list[TapeRecord] = field(default_factory=list)
    parameters: dict[str, TapeValue] = field(default_factory=dict)
    data: list[TapeValue] = field(default_factory=list)
    loss: TapeValue | None = None
    gradients: EdgeGradients = field(default_factory=EdgeGradients)

    def routes(self) -> dict[TapeRecord, dict[TapeValue, Tensor]]:
        """Return the gradients that autograd returned to each input of each operation; empty if none arrived."""
        found: dict[TapeRecord, dict[TapeValue, Tensor]] = {}
        spent: set[tuple[Any, int]] = set()
        for record in reversed(self.records):
            arrived = any(value.gradient is not None for value in record.outputs)
            found[record] = sum_by_value(self.gradients, record.edges, spent) if arrived else {}
        return found

    @property
    def values(self) -> list[TapeValue]:
        """Every value that the loss was computed from, in order of appearance."""
        found = [value for record in self.records for value in (*record.values, *record.outputs)]
        return list(dict.fromkeys((*self.data, *self.parameters.values(), *found)))


def record_on_tape(problem: Problem, tape: Tape) -> Problem:
    """Return the problem with a loss that records itself on the tape; differentiating it fills in the gradients.

    :param tape: empty; filled when the loss is evaluated.
    """

    def loss(forward: Forward, batch: BatchTensors) -> Tensor:
        recorder = _TapeRecorder(tape, problem, batch)
        with recorder, recorder.watch_output(problem.predictor or problem.module):
            result = problem.loss(forward, batch)
        recorder.finish(result)
        return result

    return replace(problem, loss=loss)


class _TapeRecorder(TorchFunctionMode):
    """Records every call on the tape while it is active."""

    def __init__(self, tape: Tape, problem: Problem, batch: BatchTensors) -> None:
        super().__init__()
        self._tape = tape
        self._known: dict[int, tuple[Tensor, Any, TapeValue]] = {}
        self._nodes: dict[tuple[Any, int], TapeValue] = {}
        self._prediction: Tensor | None = None
        self._finished = False
        for name, parameter in problem.module.named_parameters():
            tape.parameters[name] = self._enter(parameter, name, "parameter")
        for name, buffer in problem.module.named_buffers():
            if self._find(buffer) is None:  # a buffer may also be a parameter
                self._enter(buffer, name, "constant")
        for name, tensor in zip(problem.batches.names, batch, strict=True):
            tape.data.append(self._enter(tensor, name, "data"))

    def watch_output(self, module: torch.nn.Module) -> Any:
        """Return a handle that marks the module's output as the prediction."""

        def keep(_: torch.nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                self._prediction = output

        return module.register_forward_hook(keep)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function, and record it if it returned a tensor."""
        kwargs = kwargs or {}
        if not torch.is_grad_enabled():  # inside a custom Function, whose node is recorded as a whole
            return func(*args, **kwargs)
        seen = self._inputs(args), {key: self._inputs(value) for key, value in kwargs.items()}
        dice = torch.get_rng_state()
        result = func(*args, **kwargs)
        outputs = [item for item in (result if isinstance(result, tuple | list) else [result]) if _is_number(item)]
        fresh = [item for item in outputs if self._find(item) is None]
        touches: list[TapeValue] = []
        _walk(seen, touches.append)
        if fresh and touches:
            routes = self._edges(fresh)
            made = tuple(self._enter(item, "", "intermediate") for item in fresh)
            drew = not torch.equal(dice, torch.get_rng_state())
            self._tape.records.append(TapeRecord(short_name(func), *seen, made, dice if drew else None, routes))
        return result

    def finish(self, loss: Tensor) -> None:
        """Name the values: known ones by their names, the others z, or z1, z2, … in order of appearance."""
        tape = self._tape
        tape.loss = self._value(loss)
        self._finished = True
        tape.gradients.forget()
        for value in tape.values:
            value.gradient = None
        if self._prediction is not None:
            prediction = self._value(self._prediction)
            if prediction.kind == "intermediate":
                prediction.name, prediction.kind = "p", "prediction"
        if tape.loss.kind in ("intermediate", "prediction"):
            tape.loss.name, tape.loss.kind = "L", "loss"
        constants = [v for v in tape.values if v.kind == "constant" and not v.name]
        for number, value in enumerate(constants, 1):
            value.name = "c" if len(constants) == 1 else f"c{number}"
        nameless = [value for record in tape.records for value in record.outputs if not value.name]
        for number, value in enumerate(nameless, 1):
            value.name = "z" if len(nameless) == 1 else f"z{number}"

    def _inputs(self, item: Any) -> Any:
        if isinstance(item, Tensor):
            found = self._find(item)
            if found is not None:
                return found
            return self._value(item) if _is_number(item) else item.detach().clone()
        if isinstance(item, tuple | list):
            return type(item)(map(self._inputs, item)) if type(item) in (tuple, list) else item
        return item

    def _find(self, tensor: Tensor) -> TapeValue | None:
        """Return the tape's value of a tensor in its current state; an in-place operation creates a new value."""
        known = self._known.get(id(tensor))
        state = (tensor._version, tensor.grad_fn)
        return known[2] if known is not None and known[1] == state else None

    def _value(self, tensor: Tensor) -> TapeValue:
        found = self._find(tensor)
        if found is not None:
            return found
        if tensor.grad_fn is None:
            return self._enter(tensor, "", "constant")
        routes = self._edges([tensor])
        sources = tuple(dict.fromkeys(edge.value for edge in routes))
        value = self._enter(tensor, "", "intermediate")
        self._tape.records.append(TapeRecord(tensor.grad_fn.name(), sources, {}, (value,), None, routes))
        return value

    def _edges(self, outputs: Iterable[Tensor]) -> tuple[GradientEdge, ...]:
        """Return the edges from new tensors back to the values they were computed from, and watch them."""
        with torch._C.DisableTorchFunction():
            found = tuple(find_edges([tensor.grad_fn for tensor in outputs], self._at))
        self._tape.gradients.watch(found)
        return found

    def _at(self, node: Any, number: int) -> TapeValue | None:
        if node.name() == "torch::autograd::AccumulateGrad":
            return self._find(node.variable)
        return self._nodes.get((node, number))

    def _enter(self, tensor: Tensor, name: str, kind: str) -> TapeValue:
        with torch._C.DisableTorchFunction():
            value = TapeValue(name, kind, copy_dense(tensor), differentiable=tensor.requires_grad)
            self._known[id(tensor)] = (tensor, (tensor._version, tensor.grad_fn), value)
            if tensor.requires_grad:
                if tensor.grad_fn is not None:
                    self._nodes[tensor.grad_fn, tensor.output_nr] = value
                handles: list[Any] = []

                def keep(gradient: Tensor | None) -> None:
                    if gradient is not None:  # torch also calls hooks of unused outputs
                        value.gradient = copy_dense(gradient)
                    if tensor.is_leaf and self._finished:  # a parameter outlives the tape
                        handles[0].remove()

                handles.append(tensor.register_hook(keep))  # type: ignore[no-untyped-call]
        return value


def _is_number(item: Any) -> bool:
    return isinstance(item, Tensor) and item.is_floating_point()


def short_name(func: Callable[..., Any]) -> str:
    """`sigmoid` for `torch.sigmoid_`, `add` for `torch.Tensor.__iadd__`, `t` for the property `torch.Tensor.T`."""
    parts = str(resolve_name(func) or getattr(func, "__name__", "unknown")).split(".")
    name = parts[-2] if parts[-1] == "__get__" and len(parts) > 1 else parts[-1]
    bare = name.strip("_").lower()
    in_place = name.startswith("__i") and bare[1:] in ("add", "sub", "mul", "truediv", "div", "pow")
    return bare[1:] if in_place else bare


def _walk(item: Any, visit: Callable[[TapeValue], Any]) -> None:
    if isinstance(item, TapeValue):
        visit(item)
    elif isinstance(item, Mapping):
        _walk(tuple(item.values()), visit)
    elif isinstance(item, tuple | list):
        for each in item:
            _walk(each, visit)
