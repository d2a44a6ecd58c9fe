"""The graph in text: a chain goes straight down, and branches are indented."""

from dataclasses import replace

import pytest

from playground.explanation import ExplainedOperation, ExplainedParameter, Explanation, GraphNode, TensorSummary, Update
from playground.report.explanation.plain import explanation_lines


def explanation(operations):
    """An explanation of a graph alone: `{"L": ("add", "z1", "z2")}` from the first operation to the last."""
    names = [*dict.fromkeys(name for _, *inputs in operations.values() for name in inputs), *operations]
    nodes = [
        GraphNode(name, "loss" if name == "L" else "intermediate", TensorSummary((), 1.0, 1.0, 1.0, 1.0))
        for name in {*names}
    ]
    told = tuple(ExplainedOperation(name, tuple(inputs), (to,), "f") for to, (name, *inputs) in operations.items())
    return Explanation(
        scenario="s",
        summary="",
        file="s.yaml",
        step=0,
        samples=0,
        sample=None,
        digits=1,
        nodes=tuple(nodes),
        operations=told,
        parameters=(),
        loss=1.0,
    )


def graph(operations):
    lines = list(explanation_lines(explanation(operations), str, 80))
    return [line.removesuffix("  1.0") for line in lines[lines.index("Graph") + 2 :]]


@pytest.mark.parametrize(
    ("operations", "shown"),
    [
        (
            {"z": ("mul", "x", "w"), "p": ("exp", "z"), "L": ("sub", "p", "t")},
            ["  L ← sub", "  ├─ t", "  p ← exp", "  z ← mul", "  ├─ x", "  └─ w"],
        ),
        (
            {"a": ("sin", "x"), "b": ("exp", "a"), "c": ("cos", "x"), "L": ("add", "b", "c")},
            ["  L ← add", "  ├─ b ← exp", "  │  a ← sin", "  │  └─ x", "  └─ c ← cos", "     └─ x"],
        ),
        (
            {"a": ("sin", "x"), "b": ("exp", "a"), "L": ("add", "a", "b")},
            ["  L ← add", "  ├─ a ← sin", "  │  └─ x", "  └─ b ← exp", "     a ← sin  1.0  ↑"],
        ),
        (
            {"a": ("sin", "x"), "L": ("mul", "a", "a")},
            ["  L ← mul", "  ├─ a ← sin", "  │  └─ x", "  └─ a ← sin  1.0  ↑"],
        ),
    ],
    ids=["chain", "fork", "again", "twice"],
)
def test_a_chain_goes_straight_down_and_a_fork_is_indented(operations, shown):
    assert graph(operations) == shown


def test_a_chain_may_be_longer_than_any_stack():
    names = [f"z{index}" for index in range(5000)]
    chain = {name: ("sin", before) for before, name in zip(["x", *names], [*names, "L"], strict=True)}
    shown = graph(chain)
    assert len(shown) == 5002
    assert max(map(len, shown)) < 20


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.5, 1.5], ["  w: [0.5, 1.5] → [1.5, 2.5]"]),
        ([0.5] * 11, [f"  w: [{', '.join(['0.5'] * 11)}]", f"      → [{', '.join(['1.5'] * 11)}]"]),
        ([0.5] * 19, ["  w: (19)  mean 0.5, 0.5 … 0.5 → (19)  mean 1.5, 1.5 … 1.5"]),
    ],
    ids=["one line", "a line each", "too long for any"],
)
def test_a_parameter_before_and_after_has_its_numbers_where_they_fit_a_line(values, shown):
    def of(numbers):
        return TensorSummary((len(numbers),), sum(numbers) / len(numbers), min(numbers), max(numbers), numbers)

    moved = ExplainedParameter("w", of(values), None, after=of([value + 1 for value in values]))
    told = replace(explanation({"L": ("sin", "w")}), parameters=(moved,), update=Update("sgd", 0.1))
    lines = list(explanation_lines(told, str, 70))
    assert [line for line in lines[lines.index("Update") + 2 :] if line.startswith(("  w:", "      →"))] == shown
    assert max(map(len, lines)) <= 70


def test_a_line_of_the_graph_that_is_cut_says_so():
    told = explanation({"L": ("s" * 60, "w")})
    (line,) = (line for line in explanation_lines(told, str, 40) if "← ss" in line)
    assert (len(line), line[-2:]) == (40, " …")


def test_a_line_of_the_graph_that_is_too_long_leaves_out_means_and_cuts_no_number():
    wide = TensorSummary((4, 8), 0.25, -1.2894, 0.6589)
    told = explanation({"L": ("linear", "w")})
    told = replace(told, digits=4, nodes=(replace(told.nodes[0], value=wide, gradient=wide), *told.nodes[1:]))
    name = told.nodes[0].name
    (line,) = (line for line in explanation_lines(told, str, 70) if "∂" in line)
    assert name in line
    assert line.endswith("(4 × 8)  -1.2894 … 0.6589  ∂ (4 × 8)  -1.2894 … 0.6589")


def test_what_an_optimizer_keeps_has_its_arrow_further_in_than_its_name():
    long = TensorSummary((19,), 0.123456, 0.123456, 0.123456)
    moved = ExplainedParameter("w", long, None, after=long, state_before={"m": long}, state_after={"m": long})
    told = replace(explanation({"L": ("sin", "w")}), digits=9, parameters=(moved,), update=Update("sgd", 0.1))
    lines = list(explanation_lines(told, str, 50))
    (place,) = (place for place, line in enumerate(lines) if line.startswith("      m: "))
    assert lines[place + 1].startswith("        → ")
