import math
import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import StoreError
from playground.runner.store import Row, SeedSet, Store, SweepRecord, tabulate_rows
from playground.runner.store.query import find_key, known_keys, parse_condition, parse_expression, unique_labels

POINTS = [
    {"optimizer": "sgd", "optimizer.lr": 0.1, "model.hidden": [4], "model.bias": True, "steps": 5},
    {"optimizer": "sgd", "optimizer.lr": 1, "model.hidden": [8, 8], "model.bias": False, "steps": 50},
    {"optimizer": "adam", "optimizer.lr": 1e-3, "optimizer.beta1": 0.9, "steps": 5},
    {"optimizer": "10", "optimizer.lr": 10.0, "clip": math.inf, "steps": 5},
]
AXES = ["optimizer", "optimizer.lr", "optimizer.beta1", "model.hidden", "model.bias", "clip", "steps"]


def record(name):
    return SweepRecord(
        id=name,
        created="2026",
        scenario=f"scenario {name}",
        file="s.yaml",
        command="",
        spec={},
        axes=AXES,
        points=POINTS,
        seeds=5,
        engine="batched",
        versions={},
        keys=[f"{name}-{point}" for point in range(len(POINTS))],
        seed_set=SeedSet.of(range(5)),
    )


def made():
    """Two sweeps of twenty runs each, of every kind."""
    lasts = [0.5, 0.25, math.nan, math.inf, -math.inf, 1e-30, 3.0]
    statuses = ["budget", "diverged", "nonfinite", "converged"]
    metrics = [{"accuracy": 0.5}, {}, {"accuracy": None, "loss gap": 2.0}, {"accuracy": math.inf, "last": 1.0}]
    rows = {}
    for name in ("12e4", "bb"):
        rows[name] = [
            Row(
                key=f"{name}-{point}-{seed}",
                point=point,
                seed=seed,
                status=statuses[(point + seed) % 4],
                verdict="passed" if seed % 2 else "failed",
                first=1.0,
                last=lasts[(point * 5 + seed) % 7],
                best=0.0,
                steps=seed,
                evaluations=seed + 1,
                seconds=0.5,
                engine="plain" if point else "batched",
                metrics=metrics[seed % 4],
            )
            for point in range(4)
            for seed in range(5)
        ]
    return rows


ROWS = made()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store.open(tmp_path_factory.mktemp("store")) as store:
        for name, rows in ROWS.items():
            store.begin(record(name))
            store.add(name, tabulate_rows(rows))
        yield store


def axis(name):
    return lambda row: POINTS[row.point].get(name)


def metric(name):
    return lambda row: row.metrics.get(name)


CASES = {
    "status=diverged": lambda row: row.status == "diverged",
    " status  !=  diverged ": lambda row: row.status != "diverged",
    "verdict=passed": lambda row: row.verdict == "passed",
    "engine='plain'": lambda row: row.engine == "plain",
    "seed<2": lambda row: row.seed < 2,
    "seed>=3": lambda row: row.seed >= 3,
    "steps<=1e0": lambda row: row.steps <= 1,
    "last<0.3": lambda row: row.last < 0.3,
    "last>0.3": lambda row: row.last > 0.3,
    "last=.inf": lambda row: row.last == math.inf,
    "last=.nan": lambda row: math.isnan(row.last),
    "last=null": lambda row: math.isnan(row.last),
    "last!=0.5": lambda row: row.last != 0.5,
    "seed<100000000000000000000000000": lambda row: True,
    "point=3": lambda row: row.point == 3,
    "key=bb-0-1": lambda row: row.key == "bb-0-1",
    "optimizer=sgd": lambda row: axis("optimizer")(row) == "sgd",
    "optimizer>5": lambda row: False,
    "optimizer.lr=0.1": lambda row: axis("optimizer.lr")(row) == 0.1,
    "optimizer.lr<1": lambda row: axis("optimizer.lr")(row) < 1,
    "optimizer.lr>=1.0": lambda row: axis("optimizer.lr")(row) >= 1,
    "optimizer.beta1=0.9": lambda row: axis("optimizer.beta1")(row) == 0.9,
    "optimizer.beta1!=0.9": lambda row: axis("optimizer.beta1")(row) != 0.9,
    "optimizer.beta1=null": lambda row: axis("optimizer.beta1")(row) is None,
    "model.hidden=[8, 8]": lambda row: axis("model.hidden")(row) == [8, 8],
    "model.bias=false": lambda row: axis("model.bias")(row) is False,
    "clip>1e300": lambda row: axis("clip")(row) == math.inf,
    "steps=4": lambda row: row.steps == 4,
    "axis.steps=50": lambda row: axis("steps")(row) == 50,
    "accuracy>=0.5": lambda row: (metric("accuracy")(row) or 0) >= 0.5,
    "accuracy=null": lambda row: metric("accuracy")(row) is None,
    "loss gap>1": lambda row: (metric("loss gap")(row) or 0) > 1,
    "metric.last=1": lambda row: metric("last")(row) == 1,
}


@pytest.mark.parametrize("text", CASES)
def test_a_condition_chooses_what_python_would(store, text):
    expected = [row.key for row in ROWS["bb"] if CASES[text](row)]
    assert [row.key for _, row in store.rows("bb", [text])] == expected
    assert store.tally("bb", [text]).runs == len(expected)


def test_the_table_of_cases_is_no_empty_one():
    counts = {text: sum(map(chosen, ROWS["bb"])) for text, chosen in CASES.items()}
    assert [text for text, count in counts.items() if count == 0] == ["optimizer>5"]


COMPARED = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@settings(deadline=None)
@given(st.sampled_from(list(COMPARED)), st.floats(allow_nan=False), st.sampled_from(["last", "optimizer.lr"]))
def test_numbers_compare_as_in_python(store, name, value, key):
    text = f"{key}{name}{str(value).replace('inf', '.inf')}"
    get = axis("optimizer.lr") if key == "optimizer.lr" else lambda row: row.last
    expected = [row.key for row in ROWS["bb"] if COMPARED[name](get(row), value)]
    assert [row.key for _, row in store.rows("bb", [text])] == expected


@settings(deadline=None)
@given(st.text())
def test_no_text_does_harm(store, text):
    for where in (text, f"status={text}", f"optimizer={text}", f"optimizer.lr<{text}"):
        told = ""
        try:
            list(store.rows("bb", [where]))
        except StoreError as error:
            told = str(error)
        assert told.isprintable()
    assert store.tally("bb").runs == 20


def test_the_loss_is_the_last_as_in_an_expectation(store):
    keys = [[row.key for _, row in store.rows("bb", [f"{name}<0.3"])] for name in ("loss", "last")]
    assert keys[0] == keys[1] != []


def test_conditions_hold_together(store):
    expected = [row.key for row in ROWS["bb"] if row.seed > 1 and row.point == 2 and row.last < 1]
    assert [row.key for _, row in store.rows("bb", ["seed>1", "optimizer=adam", "last<1"])] == expected


@pytest.mark.parametrize("where", ["sweep=12e4", "sweep=12", "scenario=scenario 12e4", "sweep!=bb"])
def test_sweeps_are_chosen_by_text_even_if_it_looks_like_a_number(store, where):
    assert {sweep.id for sweep, _ in store.rows(where=[where])} == {"12e4"}


@pytest.mark.parametrize("key", ["last", "optimizer.lr", "accuracy", "seed", "status"])
@pytest.mark.parametrize("largest_first", [False, True])
def test_sorting_puts_what_has_no_value_last(store, key, largest_first):
    get = {
        "optimizer.lr": axis("optimizer.lr"),
        "accuracy": metric("accuracy"),
        "last": lambda row: None if math.isnan(row.last) else row.last,
    }.get(key, lambda row: getattr(row, key))
    there = [row for row in ROWS["bb"] if get(row) is not None]
    expected = [row.key for row in sorted(there, key=get, reverse=largest_first)]
    expected += [row.key for row in ROWS["bb"] if get(row) is None]
    sort = f"-{key}" if largest_first else key
    assert [row.key for _, row in store.rows("bb", sort=sort)] == expected
    assert [row.key for _, row in store.rows("bb", sort=sort, limit=3)] == expected[:3]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", "--where : expected KEY OP VALUE, such as status=diverged; OP is = != < <= > or >="),
        ("status", "--where status: expected KEY OP VALUE"),
        ("=3", "--where =3: expected KEY OP VALUE"),
        ("seed==3", "--where seed==3: expected KEY OP VALUE"),
        ("seed=<3", "--where seed=<3: expected KEY OP VALUE"),
        ("stauts=diverged", "--where stauts=diverged: no run has 'stauts'; did you mean 'status'?"),
        ("optimizer.lrr<1", "--where optimizer.lrr<1: no run has 'optimizer.lrr'; did you mean 'optimizer.lr'?"),
        ("status=divergd", "--where status=divergd: no status is 'divergd'; did you mean 'diverged'?"),
        ("verdict=ok", "--where verdict=ok: no verdict is 'ok' (accepted: failed, none, passed)"),
        ("status<budget", "--where status<budget: status is a text; compare it with = or !="),
        ("last<low", "--where last<low: expected a number after <, got 'low'"),
        ("last<true", "--where last<true: expected a number after <, got true"),
        ("last<", "--where last<: expected a number after <, got null"),
        ("seed=one", "--where seed=one: expected a number after =, got 'one'"),
        ("optimizer.lr>[1]", "--where optimizer.lr>[1]: expected a number after >, got a list"),
    ],
)
def test_a_condition_that_means_nothing_is_one_line_at_once(store, where, message):
    with pytest.raises(StoreError) as caught:
        store.rows("bb", [where])
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1


def test_a_value_that_is_no_yaml_is_one_line(store):
    with pytest.raises(StoreError, match=r"^--where optimizer=\[1: .+") as caught:
        store.rows("bb", ["optimizer=[1"])
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("last<0.3 and seed>1", lambda row: row.last < 0.3 and row.seed > 1),
        ("last<0.3  or\tseed>3 and steps=4", lambda row: row.last < 0.3 or row.seed > 3),
        ("status=diverged or status=nonfinite", lambda row: row.status in ("diverged", "nonfinite")),
        ("lr>0.5 and beta1=null", lambda row: axis("optimizer.lr")(row) > 0.5),
        ("optimizer='x or seed>1'", lambda row: False),
    ],
)
def test_conditions_are_joined_by_words(store, text, chosen):
    expected = [row.key for row in ROWS["bb"] if chosen(row)]
    assert [row.key for _, row in store.rows("bb", [text])] == expected


def test_the_end_of_a_name_is_enough_where_it_is_unique():
    keys = known_keys(["optimizer.lr", "a.width", "b.width"], [])
    assert find_key("lr", keys, "--sort lr").name == "optimizer.lr"
    with pytest.raises(StoreError, match="--sort width: no run has 'width'"):
        find_key("width", keys, "--sort width")


def test_and_binds_more_tightly_than_or():
    parsed = parse_expression("a=1 and b=2 or c='x or y'")
    assert [[(each.key, each.value) for each in together] for together in parsed] == [
        [("a", 1), ("b", 2)],
        [("c", "x or y")],
    ]


def test_sorting_by_what_is_not_there(store):
    with pytest.raises(StoreError, match=r"^--sort -lst: no run has 'lst'; did you mean 'last'"):
        store.rows("bb", sort="-lst")


def test_a_condition_splits_at_its_first_operator():
    found = parse_condition("optimizer = a<=b")
    assert (found.key, found.operator, found.value) == ("optimizer", "=", "a<=b")


def test_no_value_is_executed(store):
    hostile = "optimizer=x' OR '1'='1"
    assert store.tally("bb", [hostile]).runs == 0
    with pytest.raises(StoreError, match="no run has"):
        store.rows("bb", ["1 OR 1=1"])


def test_names_that_are_taken_get_a_word_before_them():
    axes, metrics = unique_labels(["steps", "lr"], ["lr", "last", "accuracy"])
    assert axes == {"steps": "axis.steps", "lr": "lr"}
    assert metrics == {"lr": "metric.lr", "last": "metric.last", "accuracy": "accuracy"}
