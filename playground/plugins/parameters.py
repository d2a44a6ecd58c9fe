"""Reads a factory's parameters from its signature: names, types, defaults, descriptions. Needs no pydantic or torch."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import types
import typing
from collections import abc
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin
from weakref import WeakKeyDictionary

from annotated_types import Ge

from playground.plugins.docstring import parameter_descriptions
from playground.plugins.registry import Component

INJECTED_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = types.MappingProxyType(
    {
        "task": ("dataset", "model", "loss", "optimizer", "schedule", "function"),
        "model": ("inputs", "outputs"),
        "loss": ("prediction", "target"),
        "optimizer": ("params",),
        "schedule": ("steps",),
        "function": ("x",),
        "dataset": ("generator", "folder"),
        "reporter": ("results", "path"),
        "executor": (),
        "operation": (),
        "diagnosis": (),
        "loop_diagnosis": (),
        "suite": (),
    }
)
"""What the framework supplies to a factory of each kind, for parameters that its signature names."""

_DIRECT_KINDS: Final = ("loss", "function", "reporter")
"""Kinds in which a function whose first parameters are the `INJECTED_PARAMETERS` *is* the component."""

_CALLED_KINDS: Final = ("loss", "function", "schedule")
"""Kinds in which an object in hand that is given its leading parameters *is* the component."""

Known = TypeVar("Known")


_CONTAINER_TYPES: Final = (tuple, list, set, frozenset, dict, abc.Sequence, abc.Iterable, abc.Collection, abc.Mapping)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a factory.

    :param annotation: its type; without an annotation the type of the default, and `Any` if that is unknown too.
    :param default: the default; None if there is none.
    :param required: it has no default.
    :param description: its description in the docstring, on one line.
    """

    name: str
    annotation: Any = Any
    default: Any = None
    required: bool = False
    description: str = ""


@dataclass(frozen=True)
class Signature:
    """The arguments that a factory accepts.

    :param parameters: every parameter that has a name, in order.
    :param open: it takes `**kwargs`, or its signature is unknown; any name may then be valid.
    :param positional: parameters that can only be given by position.
    """

    parameters: tuple[Parameter, ...]
    open: bool = False
    positional: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in order."""
        return tuple(parameter.name for parameter in self.parameters)


def read_signature(factory: Callable[..., Any]) -> Signature:
    """Read the signature of a class (its constructor's), a function or any other callable."""
    try:
        raw = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError, NameError):  # some functions written in C have no signature
        return Signature((), open=True)
    descriptions = parameter_descriptions(factory)
    named = [p for p in raw if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return Signature(
        parameters=tuple(
            Parameter(
                name=p.name,
                annotation=_annotation(factory, p),
                default=_default(factory, p),
                required=p.default is p.empty,
                description=descriptions.get(p.name, ""),
            )
            for p in named
        ),
        open=any(p.kind is p.VAR_KEYWORD for p in raw),
        positional=tuple(p.name for p in named if p.kind is p.POSITIONAL_ONLY),
    )


def remember_by_component(function: Callable[[Component], Known]) -> Callable[[Component], Known]:
    """Return a function that computes its result once for each component, and keeps no component alive.

    A component may be an object in hand, such as a large dataset.
    """
    known: WeakKeyDictionary[Component, Known] = WeakKeyDictionary()

    @functools.wraps(function)
    def remembered(component: Component) -> Known:
        if component not in known:
            known[component] = function(component)
        return known[component]

    return remembered


@remember_by_component
def component_signature(component: Component) -> Signature:
    """Read the signature of a component's factory; cached, because a sweep needs it at every point.

    :raises ComponentError: the factory cannot be imported.
    """
    return read_signature(component.load())


def declared_parameters(factory: Callable[..., Any], injected: Collection[str] = ()) -> tuple[Parameter, ...]:
    """Return the parameters that a scenario may set: those of the signature that the framework does not supply."""
    return tuple(parameter for parameter in read_signature(factory).parameters if parameter.name not in injected)


def is_direct(component: Component) -> bool:
    """Return whether a function *is* the component, such as a loss `(prediction, target)`, and not a factory of it.

    :raises ComponentError: the factory cannot be imported.
    """
    if component.leading is not None:
        return component.kind in _CALLED_KINDS
    factory = component.load()
    leading = INJECTED_PARAMETERS[component.kind]
    return (
        component.kind in _DIRECT_KINDS
        and not isinstance(factory, type)
        and component_signature(component).names[: len(leading)] == leading
    )


def injected_names(component: Component) -> tuple[str, ...]:
    """Return the parameters of this component that the framework supplies.

    :raises ComponentError: the factory cannot be imported.
    """
    if component.leading is not None:
        return component_signature(component).names[: component.leading]
    if component.kind in _DIRECT_KINDS and not is_direct(component):
        return ()
    names = component_signature(component).names
    return tuple(name for name in INJECTED_PARAMETERS[component.kind] if name in names)


def scenario_parameters(component: Component) -> tuple[Parameter, ...]:
    """Return the parameters of a component that a scenario may set; includes `seed` for a dataset with a generator.

    :raises ComponentError: the factory cannot be imported.
    """
    injected = injected_names(component)
    own = tuple(each for each in component_signature(component).parameters if each.name not in injected)
    if component.kind == "dataset" and "generator" in injected and all(p.name != "seed" for p in own):
        own += (Parameter("seed", Annotated[int, Ge(0)], 0, description="seed of the generator that draws the data"),)
    return own


def _default(factory: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    if parameter.default is parameter.empty:
        return None
    if dataclasses.is_dataclass(factory):
        for field in dataclasses.fields(factory):
            if field.name == parameter.name and field.default_factory is not dataclasses.MISSING:
                return field.default_factory()
    return parameter.default


class _Tensor:
    """Replaces `torch.Tensor` in modules that import it for type checkers only."""


def _annotation(factory: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    raw = parameter.annotation
    if raw is parameter.empty:
        return infer_type(parameter.default)
    scope = _scope(factory, parameter.name)
    unknown: dict[str, Any] = {}
    while True:
        try:
            hints = typing.get_type_hints(_annotated_function(parameter.name, raw), scope, unknown, include_extras=True)
            return drop_tensors(hints[parameter.name])
        except NameError as error:  # imported under TYPE_CHECKING
            if not error.name or error.name in unknown:
                return Any
            unknown[error.name] = _stand_in(error.name)
        except Exception:  # an annotation that cannot be evaluated cannot be checked
            return Any


def infer_type(default: Any) -> Any:
    """Return the type of a parameter without annotation: that of its default, if the default is specific enough.

    A default that is a whole number may stand for any number, because people write rates as `lr=1`.
    """
    if type(default) is int:
        return int | float
    if type(default) in (bool, float, str):
        return type(default)
    if type(default) is tuple and default and all(type(item) in (int, float) for item in default):
        return types.GenericAlias(tuple, (float,) * len(default))
    return Any


def _annotated_function(name: str, annotation: Any) -> Callable[[], None]:
    """Return a function with this one annotation, so that each annotation is resolved separately."""

    def carrier() -> None: ...

    carrier.__annotations__ = {name: annotation}
    return carrier


def _stand_in(name: str) -> Any:
    if name == "torch":
        return types.SimpleNamespace(Tensor=_Tensor)
    return _Tensor if name == "Tensor" else Any


def _scope(factory: Callable[..., Any], name: str) -> dict[str, Any]:
    """Return the global names in the scope of a parameter's annotation."""
    if isinstance(factory, type):
        if dataclasses.is_dataclass(factory):  # its constructor is generated, and fields may be inherited
            for owner in factory.__mro__:
                if name in vars(owner).get("__annotations__", ()) and owner.__module__ in sys.modules:
                    return dict(vars(sys.modules[owner.__module__]))
        return _globals(factory.__init__)  # type: ignore[misc]  # this very class
    while isinstance(factory, functools.partial):
        factory = factory.func
    return _globals(factory if inspect.isroutine(factory) else type(factory).__call__)


def _globals(function: Callable[..., Any]) -> dict[str, Any]:
    return dict(getattr(inspect.unwrap(function), "__globals__", {}))


def drop_tensors(hint: Any) -> Any:
    """Remove `Tensor` from every union in a type, because YAML has no tensors: `float | Tensor` becomes `float`."""
    if isinstance(hint, dataclasses.InitVar):
        return drop_tensors(hint.type)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(drop_tensors(inner[0]), *inner[1:])]
    if origin in (Union, types.UnionType):
        kept = tuple(drop_tensors(member) for member in inner if not _is_tensor(member))
        return Union[kept] if kept else Any  # noqa: UP007  (the members are known at run time only)
    if origin in _CONTAINER_TYPES and inner:
        return types.GenericAlias(origin, tuple(map(drop_tensors, inner)))
    return hint


def _is_tensor(hint: Any) -> bool:
    return hint is _Tensor or (
        isinstance(hint, type) and hint.__name__ == "Tensor" and hint.__module__.partition(".")[0] == "torch"
    )
