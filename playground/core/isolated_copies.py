"""Copies a model, its loss and its optimizer, so that a step of the copies leaves the originals as they are.

All copies share one memo: parameters that the optimizer holds, weights that are tied, and a loss that uses the model
refer to each other as the originals do.
"""

from __future__ import annotations

import copy
import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from playground.core.definition import describe, is_foreign
from playground.errors import ComponentError

MODULE_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
OWN_PACKAGE = "playground."

_DATA = (list, dict, set, Tensor)
"""What a function may refer to and change. Objects with attributes count as well."""


class IsolatedCopies:
    """Copies that refer to each other as their originals do.

    Hooks are copied with what they refer to, so a hook that fills a list fills a copy of it. Hooks of playground itself
    are left out.
    """

    def __init__(self) -> None:
        self._memo: dict[int, Any] = {}
        self._originals: list[Any] = []  # alive, so that no other object takes their ids
        self._namespaces: dict[int, dict[str, Any]] = {}

    def remember(self, original: Any, made: Any) -> None:
        """Use something as the copy of an original."""
        self._originals.append(original)
        self._memo[id(original)] = made

    def copy_module(self, module: nn.Module) -> nn.Module:
        """Return a copy of a module, with its modes and hooks.

        :raises ComponentError: it cannot be copied.
        """
        hooks: list[tuple[nn.Module, str, OrderedDict[Any, Any]]] = [
            (part, name, OrderedDict()) for part in module.modules() for name in MODULE_HOOKS
        ]
        for part, name, empty in hooks:  # filled below, once the model that they may refer to has its copy
            self.remember(getattr(part, name), empty)
        for result in _find_recomputed(module):
            self.remember(result, result.detach().clone())
        try:
            made: nn.Module = copy.deepcopy(module, self._memo)
        except Exception as error:  # a module may hold anything
            raise ComponentError(_explain_refusal(module, error)) from error
        shared = {id(tensor) for tensor in made.parameters()} & {id(tensor) for tensor in module.parameters()}
        if shared:
            name = next(name for name, tensor in module.named_parameters() if id(tensor) in shared)
            raise ComponentError(
                f"{describe(type(module))} cannot be copied: the copy that its __deepcopy__ returns shares {name}"
            )
        _require_separate_memory(module)
        for part, name, empty in hooks:
            empty.update(self._copy_hooks(getattr(part, name)))
        for ours, theirs in zip(made.parameters(), module.parameters(), strict=True):
            for hook in self._copy_hooks(getattr(theirs, "_backward_hooks", None)).values():
                ours.register_hook(hook)  # type: ignore[no-untyped-call]
        return _without_compiled_parts(made)

    def copy_optimizer(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Return a copy of an optimizer in its present state, without hooks; copy the model first.

        `Optimizer.__getstate__` leaves out the attributes of subclasses, so attributes are copied one by one. An
        attribute that wraps a method of the class, as schedulers wrap `step`, would move the originals: it is left out.

        :raises ComponentError: it cannot be copied.
        """
        if id(optimizer) in self._memo:
            return self._memo[id(optimizer)]  # type: ignore[no-any-return]
        kind = type(optimizer)
        made = kind.__new__(kind)
        self.remember(optimizer, made)
        for name, value in vars(optimizer).items():
            if name.endswith("_hooks"):
                made.__dict__[name] = OrderedDict()
            elif not (callable(value) and hasattr(kind, name)):
                try:
                    made.__dict__[name] = self.copy_value(value, strict=True)
                except Exception as error:  # an optimizer may hold anything
                    reason = " ".join(str(error).split())
                    raise ComponentError(f"{kind.__name__} cannot be copied: its attribute {name}: {reason}") from error
        return made

    def copy_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function, or another callable, that uses the copies wherever the original uses the originals.

        A function of the user's own gets copies of what it refers to, in its closure and in its module.
        """
        if isinstance(function, functools.partial):
            words = {name: self.copy_value(value) for name, value in function.keywords.items()}
            return functools.partial(self.copy_function(function.func), *map(self.copy_value, function.args), **words)
        if isinstance(function, MethodType):
            return MethodType(function.__func__, self.copy_value(function.__self__))
        if not isinstance(function, FunctionType):
            return self.copy_value(function)  # type: ignore[no-any-return]
        if id(function) in self._memo or not is_foreign(function):
            return self._memo.get(id(function), function)  # type: ignore[no-any-return]
        return self._rebuild(function)

    def copy_value(self, value: Any, strict: bool = False) -> Any:
        """Return a copy of what can change, and anything else as it is.

        :param strict: raise what copying raises; otherwise such a value is not copied.
        """
        if id(value) in self._memo:
            return self._memo[id(value)]
        if isinstance(value, torch.optim.Optimizer):
            return self.copy_optimizer(value)
        if isinstance(value, FunctionType | MethodType | functools.partial):
            return self.copy_function(value)
        if isinstance(value, type | ModuleType) or not (isinstance(value, _DATA) or hasattr(value, "__dict__")):
            return value
        with suppress(*(() if strict else (Exception,))):
            return self.copy_module(value) if isinstance(value, nn.Module) else copy.deepcopy(value, self._memo)
        return value

    def convert_to_double(self) -> None:
        """Convert all copied tensors of real numbers to float64."""
        for made in list(self._memo.values()):
            if isinstance(made, Tensor) and made.is_floating_point():
                made.data = made.data.double()

    def _copy_hooks(self, hooks: Any) -> dict[Any, Any]:
        return {
            key: self.copy_function(hook)
            for key, hook in (hooks or {}).items()
            if not (getattr(hook, "__module__", None) or "").startswith(OWN_PACKAGE)
        }

    def _rebuild(self, function: FunctionType) -> FunctionType:
        namespace = self._namespaces.setdefault(id(function.__globals__), dict(function.__globals__))
        cells = tuple(self._copy_cell(cell) for cell in function.__closure__ or ())
        made = FunctionType(function.__code__, namespace, function.__name__, function.__defaults__, cells or None)
        made.__kwdefaults__ = function.__kwdefaults__
        made.__dict__.update(vars(function))
        made.__qualname__, made.__module__, made.__doc__ = (
            function.__qualname__,
            function.__module__,
            function.__doc__,
        )
        self.remember(function, made)  # before what it refers to, which may be the function itself
        for cell, ours in zip(function.__closure__ or (), cells, strict=True):
            with suppress(ValueError):  # an empty cell
                ours.cell_contents = self.copy_value(cell.cell_contents)
        for name in _names(function.__code__):
            if name in function.__globals__ and namespace[name] is (value := function.__globals__[name]):
                is_own = not isinstance(value, FunctionType) or value.__globals__ is function.__globals__
                namespace[name] = self.copy_value(value) if is_own else value
        return made

    def _copy_cell(self, cell: CellType) -> CellType:
        if id(cell) not in self._memo:
            self.remember(cell, CellType())
        return self._memo[id(cell)]  # type: ignore[no-any-return]


def _names(code: CodeType) -> set[str]:
    """Return the global names that a function's code uses, those of functions inside it too."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _without_compiled_parts(module: nn.Module) -> nn.Module:
    """Return a module with the modules that `torch.compile` wrapped in place of their wrappers."""
    module = getattr(module, "_orig_mod", module)
    for part in list(module.modules()):
        for name, child in part.named_children():
            if hasattr(child, "_orig_mod"):
                setattr(part, name, child._orig_mod)
    return module


def _find_recomputed(module: nn.Module) -> Iterator[Tensor]:
    """Yield the tensors that hooks of torch compute before each forward pass, as those of pruning do."""
    for part in module.modules():
        for hook in part._forward_pre_hooks.values():
            value = vars(part).get(getattr(hook, "name", "") or getattr(hook, "_tensor_name", ""))
            if isinstance(value, Tensor) and not value.is_leaf:
                yield value


def _require_separate_memory(module: nn.Module) -> None:
    """Refuse parameters and buffers that overlap in memory, which their copies would not.

    :raises ComponentError: two of them do.
    """
    named = [*module.named_parameters(), *module.named_buffers()]
    spans = sorted(
        (*_find_span(tensor), name)
        for name, tensor in named
        if tensor.layout == torch.strided and tensor.numel() and tensor.data_ptr()
    )
    for (_, end, one), (start, _, other) in pairwise(spans):
        if start < end:
            raise ComponentError(
                f"{describe(type(module))} cannot be copied: {one} and {other} share memory without being one tensor"
            )


def _find_span(tensor: Tensor) -> tuple[int, int]:
    """Return the addresses that a tensor's numbers lie between."""
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.data_ptr(), tensor.data_ptr() + (last + 1) * tensor.element_size()


def _explain_refusal(module: nn.Module, error: Exception) -> str:
    """Return why a module cannot be copied, with the attribute that refuses if there is one."""
    reason = " ".join(str(error).split()).partition(" at the moment")[0]
    for owner, name, value in _held_values(module):
        try:
            copy.deepcopy(value)
        except Exception:  # an attribute may be anything
            fix = ""
            if isinstance(value, Tensor) and not value.is_leaf:
                reason = "is a result of a forward pass, connected with autograd's graph"
                fix = f"; store self.{name}.detach() instead"
            return f"{describe(type(module))} cannot be copied: {owner}.{name} {reason}{fix}"
    return f"{describe(type(module))} cannot be copied: {reason}"


def _held_values(module: nn.Module) -> Iterator[tuple[str, str, Any]]:
    usual = vars(nn.Module())
    for part in module.modules():
        held = {name: value for name, value in vars(part).items() if name not in usual}
        for name, value in {**held, **part._buffers}.items():
            yield type(part).__name__, name, value
