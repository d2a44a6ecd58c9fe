"""What an object in hand means at each key of a scenario: a factory, a component itself, or data."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from playground.core.task import DescentTask, DirectTask
from playground.errors import ComponentError
from playground.plugins.parameters import INJECTED_PARAMETERS
from playground.plugins.use import ParameterizedObject
from playground.scenario.plain import is_plain

MODEL: Final = "a class or function that makes an nn.Module, a module, or a name"
LOSS: Final = "a function (prediction, target), an nn.Module, or a name"
OPTIMIZER: Final = "a class of torch.optim.Optimizer or UpdateRule, or a name"
SCHEDULE: Final = "a function from the step to a factor, a function of `steps` that makes one, or a name"
FUNCTION: Final = "a function of a vector or of named variables, a formula, or a name"
TASK: Final = "a class of tasks, a function that makes one, or a name"


@dataclass(frozen=True, kw_only=True)
class AdaptedObject:
    """An object as a component.

    :param name: its own name.
    :param factory: makes the component.
    :param leading: as for `Component`.
    """

    name: str
    factory: Callable[..., Any]
    leading: int | None = None


@dataclass(frozen=True, eq=False)
class FixedObject:
    """A factory without parameters.

    :param value: what it returns.
    :param copies: return a copy at each call, because a run changes it.
    """

    value: Any
    copies: bool = False

    @property
    def __playground_object__(self) -> Any:
        """The object, for messages."""
        return self.value

    def __call__(self) -> Any:
        """Return the object."""
        if not self.copies:
            return self.value
        made = copy.deepcopy(self.value)
        made.zero_grad(set_to_none=True)
        return made


@dataclass(frozen=True, eq=False)
class DataMaker:
    """A factory of data from a function that may return a pair `(x, y)`.

    :param factory: has the parameters.
    """

    factory: Callable[..., Any]

    @property
    def __playground_object__(self) -> Any:
        """The function, for messages."""
        return self.factory

    @property
    def __signature__(self) -> inspect.Signature:
        """The parameters of the function."""
        return inspect.signature(self.factory)

    def __call__(self, *positional: Any, **parameters: Any) -> Any:
        """Return the data."""
        from playground.core.samples import is_data, read_data

        made = self.factory(*positional, **parameters)
        return read_data(made) if is_data(made) else made


@dataclass(frozen=True, eq=False)
class NamedVariables:
    """A factory of a function of named variables; its parameters are the other ones of the function.

    :param function: its first parameters are the variables.
    :param variables: each variable with its length; None for a scalar.
    """

    function: Callable[..., Any]
    variables: Mapping[str, int | None]

    @property
    def __signature__(self) -> inspect.Signature:
        """The parameters that are no variables."""
        own = inspect.signature(self.function)
        return own.replace(parameters=[each for each in own.parameters.values() if each.name not in self.variables])

    def __call__(self, **options: Any) -> Any:
        """Return the function with its options."""
        from playground.core.function import NamedFunction

        return NamedFunction(functools.partial(self.function, **options) if options else self.function, self.variables)


def adapt(kind: str, value: Any, given: Collection[str], start: Any) -> AdaptedObject:
    """Return an object as a component.

    :param kind: the key of the scenario.
    :param given: parameters that it is used with.
    :param start: the scenario's start, whose keys name the variables of a function.
    :raises ComponentError: it is nothing that this key takes.
    """
    return _ADAPTERS[kind](value, given, start)


def decompose(value: Any) -> tuple[Any, Mapping[str, Any]] | None:
    """Return the component in an object that also has parameters, and those; None for any other object."""
    if isinstance(value, ParameterizedObject):
        return value.component, value.parameters
    if isinstance(value, functools.partial):
        if value.args and not value.keywords:
            return None
        return (functools.partial(value.func, *value.args) if value.args else value.func), value.keywords
    if isinstance(value, Mapping) and "name" in value and not is_plain(value):
        return value["name"], {key: each for key, each in value.items() if key != "name"}
    rules = sys.modules.get("playground.core.update")
    if rules is not None and isinstance(value, rules.UpdateRule):
        return type(value), {each.name: getattr(value, each.name) for each in fields(value) if each.init}
    return None


def _adapt_task(value: Any, given: Collection[str], start: Any) -> AdaptedObject:
    if isinstance(value, DescentTask | DirectTask):
        raise ComponentError(f"expected {TASK}, got a {type(value).__name__} that is made already; give its class")
    if isinstance(value, type) and not issubclass(value, DescentTask | DirectTask):
        raise ComponentError(f"expected {TASK}, got the class {value.__name__}")
    return _adapt_factory(value, TASK)


def _adapt_dataset(value: Any, given: Collection[str], start: Any) -> AdaptedObject:
    from playground.core.samples import ACCEPTED, is_data, read_data

    if is_data(value):
        name = "data" if isinstance(value, list | tuple) else type(value).__name__
        return AdaptedObject(name=name, factory=FixedObject(read_data(value)))
    made = _adapt_factory(value, ACCEPTED)
    return AdaptedObject(name=made.name, factory=DataMaker(made.factory))


def _adapt_model(value: Any, given: Collection[str], start: Any) -> AdaptedObject:
    from torch import nn

    if isinstance(value, nn.Module):
        module = getattr(value, "_orig_mod", value)  # what torch.compile wraps
        return AdaptedObject(name=type(module).__name__, factory=FixedObject(module, copies=True))
    return _adapt_factory(value, MODEL)


def _adapt_loss(value: Any, given: Collection[str], start: Any) -> AdaptedObject:
    from torch import nn

    if isinstance(value, nn.Module):
        return AdaptedObject(name=type(value).__name__, factory=FixedObject(value, copies=True))
    free = [] if isinstance(value, type) else _free_parameters(value, given)
    if free and len(free) != 2:
        fix = f": give the others by use(..., {'=..., '.join(free[2:])}=...)" if len(free) > 2 else ""
        only = "only " if len(free) < 2 else ""
        raise ComponentError(f"a loss takes prediction and target; {_name(value)!r} takes {only}{', '.join(free)}{fix}")
    return _adapt_called("loss", value, given, LOSS)


def _adapt_optimizer(value: Any, given: Collection[str], start: Any) -> AdaptedObject:
    from torch.optim import Optimizer

    if isinstance(value, Optimizer):
        name = type(value).__name__
        raise ComponentError(
            f"this {name} already has parameters of a model; give its class, as in use({name}, lr=0.1)"
        )
    adapted = _adapt_factory(value, OPTIMIZER)
    free = _free_parameters(value, given)
    takes = isinstance(value, type) and issubclass(value, Optimizer)
    by_name = "params" in _parameter_names(value)
    if free and not by_name and (takes or (len(free) == 1 and not isinstance(value, type))):
        return AdaptedObject(name=adapted.name, factory=value, leading=1)
    return adapted


def _adapt_schedule(value: Any, given: Collection[str], start: Any) -> AdaptedObject:
    from torch.optim.lr_scheduler import LRScheduler

    if isinstance(value, LRScheduler) or (isinstance(value, type) and issubclass(value, LRScheduler)):
        raise ComponentError(f"expected {SCHEDULE}, got an LRScheduler of torch; write it as lambda step: 0.99**step")
    return _adapt_called("schedule", value, given, SCHEDULE)


def _adapt_function(value: Any, given: Collection[str], start: Any) -> AdaptedObject:
    if hasattr(value, "variables") and callable(value) and not isinstance(value, type):
        return AdaptedObject(name=_name(value), factory=FixedObject(value))
    free = _free_parameters(value, given) if not isinstance(value, type) else []
    named = start if isinstance(start, Mapping) and set(start) == set(free) else {}
    if len(free) > 1 or (named and (free != ["x"] or not isinstance(named["x"], list))):
        lengths = {name: len(named[name]) if isinstance(named.get(name), list) else None for name in free}
        return AdaptedObject(name=_name(value), factory=NamedVariables(value, lengths))
    return _adapt_called("function", value, given, FUNCTION)


def _adapt_called(kind: str, value: Any, given: Collection[str], expected: str) -> AdaptedObject:
    """Return a function that is called with what the framework supplies, or a factory of such a function."""
    adapted = _adapt_factory(value, expected)
    if isinstance(value, type):
        return adapted
    supplied = INJECTED_PARAMETERS[kind]
    names, free = _parameter_names(value), _free_parameters(value, given)
    if names[: len(supplied)] == supplied and inspect.isroutine(value):  # as a plugin writes it
        return adapted
    if len(free) == len(supplied) or _parameters(value) is None:
        return AdaptedObject(name=adapted.name, factory=value, leading=len(supplied))
    return adapted


def _adapt_factory(value: Any, expected: str) -> AdaptedObject:
    if not callable(value):
        raise ComponentError(f"expected {expected}, got {type(value).__name__}")
    return AdaptedObject(name=_name(value), factory=value)


def _name(value: Any) -> str:
    """Return the name of a function or class, or of an object's class."""
    while isinstance(value, functools.partial):
        value = value.func
    found = getattr(value, "__name__", type(value).__name__)
    return "lambda" if found == "<lambda>" else found


def _parameters(value: Any) -> list[inspect.Parameter] | None:
    """Return the parameters of a call, for a module those of `forward`; None if a function of C has no signature."""
    called = value.forward if hasattr(value, "forward") and not isinstance(value, type) else value
    try:
        return list(inspect.signature(called).parameters.values())
    except (TypeError, ValueError):
        return None


def _parameter_names(value: Any) -> tuple[str, ...]:
    return tuple(each.name for each in _parameters(value) or ())


def _free_parameters(value: Any, given: Collection[str]) -> list[str]:
    """Return the parameters by position that have no default and no value yet."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = (each for each in _parameters(value) or () if each.kind in positional and each.default is each.empty)
    return [each.name for each in found if each.name not in given]


_ADAPTERS: Final[Mapping[str, Callable[[Any, Collection[str], Any], AdaptedObject]]] = {
    "task": _adapt_task,
    "dataset": _adapt_dataset,
    "model": _adapt_model,
    "loss": _adapt_loss,
    "optimizer": _adapt_optimizer,
    "schedule": _adapt_schedule,
    "function": _adapt_function,
}
"""How an object is read, by the key that it stands at."""
