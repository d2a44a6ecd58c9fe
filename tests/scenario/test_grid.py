"""From a sweep as written to its points: which, in which order, and what is wrong with it at which place."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import ScenarioError
from playground.scenario import Loaded, SourceText, parse_scenario, parse_source
from playground.scenario.grid import MAX_POINTS, expand, with_axes
from playground.scenario.messages import FaultyKey

BASE = """\
task: classification
dataset: and_gate
model: perceptron
loss: mse
optimizer: {name: adam, lr: 0.01}
start: {w: [1, 2], layer1.weight: [[3]]}
expect: {loss: {below: 0.05}}
sweep:
"""


def load(text):
    source = parse_source(text, "f.yaml")
    return Loaded(parse_scenario(source), source)


def grid_of(sweep, base=BASE):
    return expand(load(base + sweep))


def rows(grid):
    return [dict(point.values) for point in grid.points]


def faults_of(sweep, base=BASE):
    with pytest.raises(ScenarioError) as caught:
        grid_of(sweep, base)
    return str(caught.value).splitlines()


def test_the_last_axis_varies_fastest_and_groups_faster_still():
    grid = grid_of("""\
  over:
    optimizer.lr: [0.1, 0.2]
    steps: [10, 20]
  zip: [{batch_size: [4, 2], dtype: [float32, float64]}]
""")
    wanted = itertools.product([0.1, 0.2], [10, 20], [(4, "float32"), (2, "float64")])
    assert rows(grid) == [
        {"optimizer.lr": lr, "steps": steps, "batch_size": size, "dtype": dtype} for lr, steps, (size, dtype) in wanted
    ]
    assert [point.index for point in grid.points] == list(range(8))
    assert grid.axes == ("optimizer.lr", "steps", "batch_size", "dtype")
    for point in grid.points:
        scenario = point.scenario
        assert scenario.components["optimizer"].parameters["lr"] == point.values["optimizer.lr"]
        assert (scenario.steps, scenario.batch_size) == (point.values["steps"], point.values["batch_size"])
        assert scenario.dtype == point.values["dtype"]


def test_an_entry_brings_a_grid_of_its_own():
    grid = grid_of("""\
  over:
    optimizer: [sgd, {beta1: [0.8, 0.9], name: adam, eps: {log: [1e-8, 1e-4], points: 3}, amsgrad: true}]
    optimizer.lr: [0.1, 1]
""")
    adam = [
        {"optimizer": "adam", "optimizer.beta1": b, "optimizer.eps": e, "optimizer.amsgrad": True, "optimizer.lr": lr}
        for b, e, lr in itertools.product([0.8, 0.9], [1e-8, 1e-6, 1e-4], [0.1, 1])
    ]
    assert rows(grid) == [{"optimizer": "sgd", "optimizer.lr": lr} for lr in (0.1, 1)] + adam
    assert list(grid.points[-1].values) == list(adam[-1])
    assert set(grid.axes) == set(adam[0])
    last = grid.points[-1].scenario.components["optimizer"]
    assert last.name == "adam"
    assert last.parameters == {"beta1": 0.9, "eps": 1e-4, "amsgrad": True, "lr": 1}
    assert grid.points[0].scenario.components["optimizer"].parameters == {"lr": 0.1}


def test_a_component_comes_before_its_parameters_whatever_the_order_written():
    grid = grid_of("  over: {optimizer.lr: [0.1, 1], optimizer: [sgd, adam]}\n")
    assert [tuple(row.values()) for row in rows(grid)] == [(0.1, "sgd"), (0.1, "adam"), (1, "sgd"), (1, "adam")]
    given = [point.scenario.components["optimizer"] for point in grid.points]
    assert [(ref.name, ref.parameters) for ref in given] == [
        ("sgd", {"lr": 0.1}),
        ("adam", {"lr": 0.1}),
        ("sgd", {"lr": 1}),
        ("adam", {"lr": 1}),
    ]


@pytest.mark.parametrize(
    ("axis", "values", "where"),
    [
        ("model: [{name: mlp, hidden: [[8], [4, 4]]}]", [[8], [4, 4]], ("components", "model", "hidden")),
        ("model.hidden: [[8], [4, 4]]", [[8], [4, 4]], ("components", "model", "hidden")),
        (
            "model: [{name: mlp, hidden: [[8]]}, {name: mlp, hidden: [[4]]}]",
            [[8], [4]],
            ("components", "model", "hidden"),
        ),
        ("start: [{w: [5, 6]}, {w: [7, 8]}]", [[5, 6], [7, 8]], ("section", "start", "w")),
        ("start.w.1: [5, 6]", [[1, 5], [1, 6]], ("section", "start", "w")),
        ("start.layer1.weight: [[[5]], [[6]]]", [[[5]], [[6]]], ("section", "start", "layer1.weight")),
        ("dataset.seed: {count: 3}", [0, 1, 2], ("components", "dataset", "seed")),
        ("function: [x**2, '(2*x + 10)**2']", ["x**2", "(2*x + 10)**2"], ("components", "function", "formula")),
    ],
)
def test_anything_can_be_swept(axis, values, where):
    def at(scenario):
        node = getattr(scenario, where[0])
        for key in where[1:]:
            node = getattr(node, "parameters", node)[key]
        return node

    assert [at(point.scenario) for point in grid_of(f"  over: {{{axis}}}\n").points] == values


def test_a_zipped_group_may_hold_a_component_and_its_parameters():
    grid = grid_of("  zip: [{optimizer: [sgd, {name: adam, beta1: [0.8, 0.9]}], optimizer.lr: [0.5, 0.01]}]\n")
    assert rows(grid) == [
        {"optimizer": "sgd", "optimizer.lr": 0.5},
        {"optimizer": "adam", "optimizer.beta1": 0.8, "optimizer.lr": 0.01},
        {"optimizer": "adam", "optimizer.beta1": 0.9, "optimizer.lr": 0.01},
    ]


def test_values_written_out_as_values():
    grid = grid_of("  over: {optimizer: {values: [sgd, adam]}, steps: {values: [1, 2]}}\n")
    assert [tuple(row.values()) for row in rows(grid)] == [("sgd", 1), ("sgd", 2), ("adam", 1), ("adam", 2)]


@pytest.mark.parametrize(
    ("sweep", "seeds"),
    [
        ("  over: {seed: {count: 50}}\n", range(50)),
        ("  over: {seed: [7, 3, 9223372036854775807]}\n", (7, 3, 2**63 - 1)),
        ("  over: {steps: [1]}\nseed: 5\n", (5,)),
    ],
)
def test_seeds_are_kept_apart(sweep, seeds):
    grid = grid_of(sweep)
    assert grid.seeds == seeds
    assert len(grid.points) == 1
    assert grid.size == len(seeds)
    assert "seed" not in grid.points[0].values


def test_a_point_is_a_scenario_without_a_sweep_and_with_the_files_own_seed():
    grid = grid_of("  over: {seed: [3, 4], steps: [1, 2]}\nseed: 9\n")
    for point in grid.points:
        assert (point.scenario.sweep, point.scenario.seed) == (None, 9)
        assert "sweep" not in point.source.data
        assert point.loaded == Loaded(point.scenario, point.source)


def test_a_point_is_what_validating_all_of_it_gives():
    base = BASE + "  over: {optimizer: [sgd, {name: adam, lr: [1, 2]}], stop.loss: [0.1, 0.2], start.w.0: [3, 4]}\n"
    grid = expand(load(base + "clip: {norm: 1}\nsummary: s\nplot: {x: [0, 1]}\nrequires: [a]\n"))
    assert len(grid.points) == 12
    for point in grid.points:
        whole = parse_scenario(SourceText(point.source.file, point.source.root))
        assert whole == point.scenario
        assert whole.model_fields_set == point.scenario.model_fields_set


def test_without_a_sweep_there_is_one_run():
    grid = expand(load(BASE.removesuffix("sweep:\n")))
    assert [point.values for point in grid.points] == [{}]
    assert (grid.seeds, grid.size, grid.axes) == ((0,), 1, ())


def test_points_share_what_they_have_in_common():
    one, two = grid_of("  over: {optimizer.lr: [0.1, 0.2]}\n").points
    assert one.scenario.stop is two.scenario.stop
    assert one.scenario.expect["loss"] is two.scenario.expect["loss"]
    assert one.scenario.components["model"] is two.scenario.components["model"]
    assert one.scenario.section["start"] is two.scenario.section["start"]
    assert one.scenario.components["optimizer"].parameters is not two.scenario.components["optimizer"].parameters


def test_a_value_stands_at_its_axis_and_a_key_where_the_axis_names_it():
    source = (
        grid_of("  over:\n    optimizer.lrr: [0.1, 0.2]\n    loss.x: {linear: [0, 1], points: 2}\n").points[2].source
    )
    assert str(source.place(("optimizer", "lrr"))) == "f.yaml:10:26"
    assert str(source.place(("optimizer", FaultyKey("lrr")))) == "f.yaml:10:5"
    assert str(source.place(("loss", "x"))) == "f.yaml:11:13"
    assert str(source.place(("optimizer", "name"))) == "f.yaml:5:19"


@pytest.mark.parametrize(
    ("sweep", "messages"),
    [
        (
            "  over: {steps: [10, -1, x, -1.5]}\n",
            [
                "f.yaml:9:22: expected at least 0, got -1",
                "f.yaml:9:26: expected a whole number, got 'x'",
                "f.yaml:9:29: expected a whole number, got -1.5",
            ],
        ),
        (
            "  over: {steps: {linear: [0, 1], points: 3}}\n",
            [f"f.yaml:9:17: expected a whole number, got {number}" for number in (0.0, 0.5, 1.0)],
        ),
        (
            "  over: {steps.x: [1], optimizer.lr: [1, 2]}\n",
            ["f.yaml:9:10: 'steps' is 1000 and has no keys; set it as a whole"],
        ),
        ("  over: {start.w.2: [1]}\n", ["f.yaml:9:10: 'start.w' is a list with entries 0 to 1, got '2'"]),
        ("  over: {a..b: [1]}\n", ["f.yaml:9:10: 'a..b' is not a key; write it like optimizer.lr"]),
        ("  over: {optimizer: [{lr: [1, 2]}]}\n", ["f.yaml:9:22: missing key 'name'"]),
        ("  over: {optimizer: [3]}\n", ["f.yaml:9:22: expected a name or {name: ..., parameter: value}, got 3"]),
    ],
)
def test_a_value_that_makes_no_scenario_is_told_once_at_its_place(sweep, messages):
    base = BASE.replace("sweep:", "steps: 1000\nsweep:") if "steps.x" in sweep else BASE
    if base is not BASE:
        messages = [message.replace(":9:", ":10:") for message in messages]
    assert faults_of(sweep, base) == messages


@pytest.mark.parametrize(
    ("sweep", "messages"),
    [
        *(
            (f"  over: {{{key}: [1]}}\n", [f"f.yaml:9:10: '{key}' cannot be swept; it is the same for all runs"])
            for key in ("name", "summary", "task", "task.name", "requires", "expect.loss.below", "plot", "sweep")
        ),
        (
            "  over: {steps: [1]}\n  zip: [{steps: [2]}]\n",
            ["f.yaml:10:10: 'steps' is swept twice; the first time at f.yaml:9:10"],
        ),
        (
            "  zip: [{steps: [2]}, {steps: [2]}]\n",
            ["f.yaml:9:24: 'steps' is swept twice; the first time at f.yaml:9:10"],
        ),
        (
            "  over: {optimizer.lr: [1, 2], optimizer: [sgd, {name: adam, lr: 0.1}]}\n",
            ["f.yaml:9:10: 'optimizer.lr' is swept twice; a value of 'optimizer' gives it too"],
        ),
        (
            "  over: {start: [{w: [1, 2]}], start.w.0: [1]}\n",
            ["f.yaml:9:32: 'start.w.0' is swept twice; a value of 'start' gives it too"],
        ),
        ("  over: {steps: [1, 2, 1]}\n", ["f.yaml:9:24: the same value twice on one axis: steps 1"]),
        (
            "  zip: [{steps: [1, 1], batch_size: [2, 2]}]\n",
            ["f.yaml:9:21: the same value twice on one axis: steps 1, batch_size 2"],
        ),
        (
            "  over: {optimizer: [{name: adam, lr: [1, 1]}]}\n",
            ["f.yaml:9:22: the same value twice on one axis: optimizer 'adam', optimizer.lr 1"],
        ),
        (
            "  over: {optimizer: [{name: adam, lr: []}]}\n",
            ["f.yaml:8:1: this sweep has no runs: a list in it is empty"],
        ),
        (
            "  over: {optimizer: [{name: adam, lr: {log: [0, 1], points: 3}}]}\n",
            ["f.yaml:9:45: expected [low, high] with low more than 0"],
        ),
        (
            "  over: {optimizer: [{name: adam, lr: {random: [0.1, 1]}}]}\n",
            ["f.yaml:9:39: expected a list of values, {log: [low, high], points: N}, {linear: [low, high], "],
        ),
        (
            "  over: {optimizer.lr: {log: [0, 1], points: 3}}\n",
            ["f.yaml:9:30: expected [low, high] with low more than 0"],
        ),
        (
            "  over: {optimizer.lr: {random: [0.1, 1]}}\n",
            ["f.yaml:9:24: expected a list of values, {log: [low, high], "],
        ),
        ("  over: {steps: []}\n", ["f.yaml:9:17: expected at least 1 entry, got 0"]),
        (
            "  over: {seed: [1, -1, true, 1.0, 1], task: [a]}\n",
            [
                "f.yaml:9:20: expected at least 0, got -1",
                "f.yaml:9:24: expected a whole number, got true",
                "f.yaml:9:30: expected a whole number, got 1.0",
                "f.yaml:9:35: the seed 1 is given twice; its runs would count twice",
                "f.yaml:9:39: 'task' cannot be swept; it is the same for all runs",
            ],
        ),
        (
            "  over: {seed: {linear: [0, 9], points: 10}}\n",
            ["f.yaml:9:16: seeds are whole numbers; expected a list of them, or {count: N} for 0 to N - 1"],
        ),
        (
            "  zip: [{seed: [1, 2], steps: [1, 2]}]\n",
            ["f.yaml:9:10: seeds do not advance together with other keys; put 'seed' under 'over'"],
        ),
    ],
)
def test_a_sweep_that_cannot_be_meant(sweep, messages):
    found = faults_of(sweep)
    assert len(found) == len(messages)
    for fault, message in zip(found, messages, strict=True):
        assert fault.startswith(message)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (
            "  over: {steps: {count: 100000}, seed: {count: 100000}}\n",
            "this sweep has 10,000,000,000 runs; at most 100,000,000 are accepted: take fewer values or seeds",
        ),
        (
            "  over: {steps: {count: 1000000000}, start.w: {count: 1000000000}, model.width: {count: 1000000000}}\n",
            "this sweep has 1,000,000,000,000,000,000,000,000,000 runs; at most 100,000,000 are accepted",
        ),
        (
            "  over: {steps: {count: 1000}, batch_size: {count: 101}}\n",
            "this sweep has 101,000 points; at most 100,000 are accepted, not counting seeds",
        ),
        (
            "  over: {optimizer: [sgd, {name: adam, lr: {log: [1e-4, 1], points: 1000000000}}]}\n",
            "this sweep has 1,000,000,001 runs; at most 100,000,000",
        ),
    ],
)
def test_a_sweep_too_large_is_refused_before_anything_is_made(sweep, message):
    (fault,) = faults_of(sweep)
    assert fault.startswith(f"f.yaml:8:1: {message}")


def test_faults_of_a_large_sweep_are_not_endless():
    assert len(faults_of(f"  over: {{batch_size: [{', '.join(str(-n) for n in range(300))}]}}\n")) == 20


def test_a_thousand_points_take_a_moment():
    loaded = load(BASE + "  over: {optimizer.lr: {log: [1e-4, 1], points: 1000}}\n")
    assert expand(loaded).size == 1000
    assert MAX_POINTS >= 1000


keys = st.sampled_from(["optimizer.lr", "steps", "start.w", "batch_size", "model.width"])
value_lists = st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(st.dictionaries(keys, value_lists, min_size=1))
def test_a_product_is_that_of_itertools(axes):
    loaded = with_axes(load(BASE.removesuffix("sweep:\n")), axes)
    grid = expand(loaded)
    assert rows(grid) == [dict(zip(axes, row, strict=True)) for row in itertools.product(*axes.values())]
    assert grid.size == math.prod(map(len, axes.values()))
    assert expand(loaded) == grid


class TestWithAxes:
    def test_axes_are_added_and_replaced_in_their_place(self):
        loaded = load(BASE + "  over: {optimizer.lr: [0.1], steps: [1, 2]}\n  expect: {passed: {at_least: 0.9}}\n")
        wider = with_axes(loaded, {"optimizer.lr": {"log": [1e-2, 1], "points": 3}, "dtype": ["float64"]}, seeds=3)
        assert list(wider.scenario.sweep.over) == ["optimizer.lr", "steps", "dtype", "seed"]
        grid = expand(wider)
        assert [row["optimizer.lr"] for row in rows(grid)] == [0.01, 0.01, 0.1, 0.1, 1.0, 1.0]
        assert grid.seeds == range(3)
        assert wider.scenario.sweep.expect == loaded.scenario.sweep.expect
        assert list(loaded.scenario.sweep.over) == ["optimizer.lr", "steps"]

    def test_a_scenario_without_a_sweep_gets_one(self):
        grid = expand(with_axes(load(BASE.removesuffix("sweep:\n")), {}, seeds=4))
        assert (grid.size, grid.seeds) == (4, range(4))

    def test_seeds_replace_those_of_the_file(self):
        assert expand(with_axes(load(BASE + "  over: {seed: [7]}\n"), {}, seeds=2)).seeds == range(2)

    def test_nothing_asked_for_changes_nothing(self):
        loaded = load(BASE + "  over: {steps: [1]}\n")
        assert with_axes(loaded, {}) is loaded

    def test_python_values_are_plain_data(self):
        import numpy as np

        over = {"optimizer.lr": list(np.linspace(0.1, 0.2, 2)), "model.hidden": ((8,), (4,)), "steps": range(1, 3)}
        grid = expand(with_axes(load(BASE.removesuffix("sweep:\n")), over))
        assert grid.points[0].values == {"optimizer.lr": 0.1, "model.hidden": [8], "steps": 1}
        assert type(grid.points[0].values["optimizer.lr"]) is float

    @pytest.mark.parametrize(
        ("over", "seeds", "message"),
        [
            ({"steps": [-1]}, None, "--over steps: expected at least 0, got -1"),
            ({"steps": 3}, None, "--over steps: expected a list of values, {log:"),
            ({"steps": []}, None, "--over steps: expected at least 1 entry, got 0"),
            ({"expect": [1]}, None, "--over expect: 'expect' cannot be swept"),
            ({"steps": [1, 1]}, None, "--over steps: the same value twice on one axis: steps 1"),
            ({"x": [object()]}, None, "--over x: expected plain data, got object"),
            ({"x": [b"ab"]}, None, "--over x: expected plain data, got bytes"),
            ({"x": [{1: 2}]}, None, "--over x: expected keys that are text"),
            ({}, 0, "--seeds 0: expected at least 1, got 0"),
            ({"seed": [1]}, 3, "--seeds 3: 'seed' is swept twice: --over seed sweeps it too"),
            (
                {"batch_size": [1]},
                None,
                "f.yaml:9:10: 'batch_size' is swept twice; the first time at --over batch_size",
            ),
        ],
    )
    def test_what_is_no_axis(self, over, seeds, message):
        with pytest.raises(ScenarioError) as caught:
            expand(with_axes(load(BASE + "  zip: [{batch_size: [1]}]\n"), over, seeds))
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)
