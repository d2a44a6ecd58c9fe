import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Len, Lt

from playground.plugins import Component, Origin
from playground.plugins.describe import describe_component, type_name


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (float, "float"),
        (Annotated[float, Ge(0), Lt(1)], "float ≥ 0, < 1"),
        (Annotated[float, Interval(gt=0, le=2)], "float > 0, ≤ 2"),
        (Annotated[list[Annotated[int, Gt(0)]], Len(1)], "list[int > 0] of length ≥ 1"),
        (Annotated[str, "a remark"], "str"),
        (Literal["relu", "tanh"], "'relu' | 'tanh'"),
        (float | None, "float | None"),
        (typing.Optional[int], "int | None"),  # noqa: UP045
        (tuple[float, ...], "tuple[float, ...]"),
        (Sequence[int], "Sequence[int]"),
        (Any, "anything"),
        (None, "None"),
        (Callable[[int], float], "Callable"),
    ],
)
def test_types_are_told_as_people_write_them(annotation, told):
    assert type_name(annotation) == told


def lion(params, lr: Annotated[float, Ge(0)] = 1e-4, betas: tuple[float, float] = (0.9, 0.99), *, size: int):
    """Sign of the momentum.

    :param params: what moves
    :param lr: learning rate
    :param size: how many

    Source: Chen 2023.
    """


def test_a_component_is_described_in_full():
    component = Component("optimizer", "lion", lion, Origin("lion", "gradient-playground-lion", "1.0"))
    assert describe_component(component) == [
        "optimizer lion",
        "from plugin lion (gradient-playground-lion 1.0)",
        "",
        "Sign of the momentum.",
        "",
        "Source: Chen 2023.",
        "",
        "parameters:",
        "  lr: float ≥ 0 = 0.0001",
        "      learning rate",
        "  betas: tuple[float, float] = (0.9, 0.99)",
        "  size: int (required)",
        "      how many",
        "supplied by playground: params",
    ]


def test_no_line_of_a_parameter_is_wider_than_the_terminal():
    def loss(prediction, target, mode: Literal["a quite long choice", "another one", "a third"] = "a third"):
        """Do.

        :param mode: which of the three it is, told at some length so that it has to go on below.
        """

    lines = describe_component(Component("loss", "x", loss, Origin("x")), 50)
    assert max(map(len, lines)) <= 50
    assert "".join(lines).count("so that it") == 1


def test_a_component_without_anything_says_so():
    component = Component("executor", "serial", lambda: 1, Origin("x"))
    assert describe_component(component) == ["executor serial", "from plugin x", "", "no parameters"]


def test_an_open_component_says_so():
    component = Component("executor", "serial", lambda **rest: 1, Origin("x"))
    assert describe_component(component)[-1] == "other parameters are passed on unchanged"
