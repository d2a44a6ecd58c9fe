from __future__ import annotations

import functools
import sys
import typing
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from annotated_types import Ge

from playground.plugins import Component, Origin
from playground.plugins.parameters import (
    Parameter,
    Signature,
    drop_tensors,
    injected_names,
    is_direct,
    parameters,
    scenario_parameters,
    signature,
)

if TYPE_CHECKING:
    import torch
    from nowhere import Missing
    from torch import Tensor

Rate = Annotated[float, Ge(0)]


def function(a, b: int, c: Rate = 0.5, *args: int, d: Literal["x", "y"] = "x", **rest: Any):
    """Do.

    :param b: the second
    """


class Class:
    """A class.

    :param lr: the rate
    """

    def __init__(self, params, lr: float | Tensor = 1e-3, missing: Missing | None = None, broken: Tensor[1 / 0] = 2):
        pass


@dataclass(frozen=True)
class Base:
    lr: Rate | torch.Tensor = 0.1


@dataclass(frozen=True)
class Rule(Base):
    betas: tuple[float | Tensor, ...] = (0.9, 0.999)
    names: list[str] = field(default_factory=lambda: ["m"])
    scale: InitVar[int] = 1
    hidden: int = field(default=0, init=False)


class Call:
    def __call__(self, x, power: int = 2):
        return x


@pytest.mark.parametrize(
    ("factory", "found"),
    [
        (
            function,
            [
                Parameter("a", Any, required=True),
                Parameter("b", int, required=True, description="the second"),
                Parameter("c", Rate, 0.5),
                Parameter("d", Literal["x", "y"], "x"),
            ],
        ),
        (
            Class,
            [
                Parameter("params", Any, required=True),
                Parameter("lr", float, 1e-3, description="the rate"),
                Parameter("missing", Any | None, None),
                Parameter("broken", Any, 2),
            ],
        ),
        (
            Rule,
            [
                Parameter("lr", Rate, 0.1),
                Parameter("betas", tuple[float, ...], (0.9, 0.999)),
                Parameter("names", list[str], ["m"]),
                Parameter("scale", int, 1),
            ],
        ),
        (functools.partial(function, 1, b=2), [Parameter("b", int, 2, description="the second")]),
        (Call(), [Parameter("x", Any, required=True), Parameter("power", int, 2)]),
        (lambda: None, []),
    ],
    ids=["function", "class", "dataclass", "partial", "callable", "lambda"],
)
def test_parameters_come_from_the_signature(factory, found):
    names = [parameter.name for parameter in found]
    assert [parameter for parameter in parameters(factory) if parameter.name in names] == found


@pytest.mark.parametrize(
    ("default", "annotation"),
    [
        (1, int | float),
        (0.1, float),
        (True, bool),
        ("x", str),
        ((0.9, 1), tuple[float, float]),
        ((), Any),
        ((0.9, "x"), Any),
        (None, Any),
        ([1], Any),
    ],
)
def test_a_default_tells_the_type_where_no_annotation_does(default, annotation):
    def factory(params, value=default): ...

    assert parameters(factory, ["params"]) == (Parameter("value", annotation, default),)


def test_what_the_framework_supplies_is_left_out():
    assert [parameter.name for parameter in parameters(Class, ["params", "broken"])] == ["lr", "missing"]


@pytest.mark.parametrize(("factory", "is_open"), [(function, True), (Class, False), (Rule, False), (print, False)])
def test_a_factory_with_keywords_is_open(factory, is_open):
    assert signature(factory).open is is_open


def test_a_callable_that_does_not_tell_is_open():
    class Silent:
        __signature__ = "none"

        def __call__(self): ...

    assert signature(Silent()) == Signature((), open=True)


def test_parameters_by_position_only_are_known():
    def loss(prediction, target, /, delta=1.0): ...

    assert signature(loss).positional == ("prediction", "target")


class Tensor2:
    """Not torch's."""


FakeTensor = type("Tensor", (), {"__module__": "torch"})
ForeignTensor = type("Tensor", (), {"__module__": "tensorly"})


@pytest.mark.parametrize(
    ("hint", "kept"),
    [
        (float | FakeTensor, float),
        (typing.Optional[FakeTensor | int], int | None),  # noqa: UP045
        (tuple[float | FakeTensor, float], tuple[float, float]),
        (typing.Tuple[typing.Union[float, FakeTensor], ...], tuple[float, ...]),  # noqa: UP006, UP007
        (Annotated[float | FakeTensor, Ge(0)], Rate),
        (dict[str, list[float | FakeTensor]], dict[str, list[float]]),
        (Sequence[float | FakeTensor] | None, Sequence[float] | None),
        (Literal["a"], Literal["a"]),
        (float | ForeignTensor, float | ForeignTensor),
        (float | Tensor2, float | Tensor2),
        (FakeTensor, FakeTensor),
        (InitVar[float | FakeTensor], float),
        (int, int),
    ],
)
def test_tensors_are_dropped_from_unions(hint, kept):
    assert drop_tensors(hint) == kept


def test_an_inherited_field_is_resolved_where_it_was_written(write, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    write(
        "fake_base.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass
        from decimal import Decimal as Local

        @dataclass
        class Base:
            lr: Local = Local(1)
        """,
    )
    import fake_base

    @dataclass
    class Derived(fake_base.Base):
        momentum: float = 0.0

    assert [p.annotation.__name__ for p in parameters(Derived)] == ["Decimal", "float"]
    del sys.modules["fake_base"]
    assert [p.annotation.__name__ for p in parameters(Derived)][1] == "float"


def loss(prediction, target, delta=1.0): ...


def loss_factory(target: float): ...


class LossClass:
    def __init__(self, prediction, target): ...


def bowl(x, power=2): ...


def drawn(generator, folder, samples=3): ...


def plain(inputs, targets): ...


def own_seed(generator, seed: int = 7): ...


def reporter(results, path, indent=2): ...


def task(model, dataset, loss=None, start=None, at=1): ...


@pytest.mark.parametrize(
    ("kind", "factory", "direct", "injected", "given"),
    [
        ("loss", loss, True, ("prediction", "target"), ["delta"]),
        ("loss", loss_factory, False, (), ["target"]),
        ("loss", LossClass, False, (), ["prediction", "target"]),
        ("function", bowl, True, ("x",), ["power"]),
        ("reporter", reporter, True, ("results", "path"), ["indent"]),
        ("dataset", drawn, False, ("generator", "folder"), ["samples", "seed"]),
        ("dataset", plain, False, (), ["inputs", "targets"]),
        ("dataset", own_seed, False, ("generator",), ["seed"]),
        ("optimizer", Class, False, ("params",), ["lr", "missing", "broken"]),
        ("optimizer", Rule, False, (), ["lr", "betas", "names", "scale"]),
        ("task", task, False, ("dataset", "model", "loss"), ["start", "at"]),
        ("executor", plain, False, (), ["inputs", "targets"]),
    ],
)
def test_what_is_supplied_and_what_is_given_goes_by_kind(kind, factory, direct, injected, given):
    component = Component(kind, "thing", factory, Origin("test"))
    assert is_direct(component) is direct
    assert injected_names(component) == injected
    assert [parameter.name for parameter in scenario_parameters(component)] == given
