import json
import math
import sqlite3
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from playground.cli.context import Settings
from playground.cli.results import results_app
from playground.runner.store import Row, SeedSet, Store, SweepRecord, tabulate_rows
from playground.runner.store.opening import store_path

OLD = SweepRecord(
    id="aa11aa11aa11aa11",
    created="2026-11-23T22:00:00Z",
    scenario="and_gate",
    file="and_gate.yaml",
    command="playground sweep and_gate.yaml",
    spec={},
    axes=["optimizer.lr", "model.hidden"],
    points=[{"optimizer.lr": 0.1, "model.hidden": [4]}, {"optimizer.lr": 10**-3.7, "model.hidden": [8]}],
    seeds=20,
    engine="batched",
    versions={"plugins": {"bold": "0" * 64}},
    keys=["o-0", "o-1"],
    seed_set=SeedSet.of(range(20)),
)
NEW = replace(
    OLD,
    keys=["n-0", "n-1"],
    seed_set=SeedSet.of(range(5)),
    id="bb22bb22bb22bb22",
    created="2026-11-24T08:00:00Z",
    versions={"plugins": {"bold": "1" * 64}},
    seeds=5,
)


def row(sweep, point, seed, **changes):
    default = Row(
        key=f"{sweep}-{point}-{seed}",
        point=point,
        seed=seed,
        status="budget",
        verdict="passed",
        first=0.3,
        last=0.1,
        best=0.1,
        steps=10,
        evaluations=11,
        seconds=0.5,
        engine="batched",
    )
    return replace(default, **changes)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Run `playground results ...` in the test's folder."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(rich_markup_mode=None)

    @app.callback()
    def options(context: typer.Context) -> None:
        context.obj = Settings()

    app.add_typer(results_app, name="results")

    def results(*arguments):
        return CliRunner().invoke(app, ["results", *map(str, arguments)], catch_exceptions=False)

    return results


@pytest.fixture
def stored(tmp_path):
    """Two sweeps; of the second some runs are missing."""
    with Store.open(tmp_path) as store:
        store.begin(OLD)
        lasts = {0: 1.5, 1: 0.25}
        rows = [
            row("o", point, seed, last=lasts[point], metrics={"accuracy": 0.5})
            for point in (0, 1)
            for seed in range(20)
        ]
        store.add(OLD.id, tabulate_rows(rows))
        store.begin(NEW)
        rows = [row("n", 0, 0), row("n", 0, 1, status="diverged", verdict="failed", last=math.inf)]
        store.add(NEW.id, tabulate_rows(rows))


@pytest.mark.parametrize("command", [(), ("list",)])
def test_list_has_a_line_for_each_sweep_and_says_why_runs_were_not_used_again(results, stored, tmp_path, command):
    result = results(*command)
    assert result.exit_code == 0
    *lines, blank, where = result.stdout.splitlines()
    assert (blank, where) == ("", f"in {store_path(tmp_path)}")
    assert lines == [
        "id            when                 scenario     runs  passed  engine",
        "aa11aa11aa11  2026-11-23 22:00:00  and_gate       40  100.0%  batched",
        "bb22bb22bb22  2026-11-24 08:00:00  and_gate  2 of 10   50.0%  batched",
        "  plugin 'bold' changed since: 40 stored runs were not used again (sweep aa11aa11aa11, 2026-11-23 22:00:00)",
    ]


@pytest.mark.parametrize("command", [("--json",), ("list", "--json")])
def test_list_as_json(results, stored, command):
    document = json.loads(results(*command).stdout)
    assert document["schema"] == 1
    assert [(sweep["id"], sweep["runs"], sweep["passed"]) for sweep in document["sweeps"]] == [
        (OLD.id, 40, 1.0),
        (NEW.id, 2, 0.5),
    ]


def test_no_results_yet(results, tmp_path):
    for command in ((), ("list",)):
        result = results(*command)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.startswith(f"{store_path(tmp_path)}: no results yet")
    for command in (("show", "aa"), ("list", "--json")):
        result = results(*command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_show(results, stored):
    lines = results("show", "bb").stdout.splitlines()
    assert lines[:3] == [
        "sweep bb22bb22bb22 of and_gate, 2026-11-24 08:00:00 UTC",
        "playground sweep and_gate.yaml",
        "2 points, 5 seeds each: 2 of 10 runs, 50.0% passed, engine batched",
    ]
    assert lines[3:6] == [
        "1 budget, 1 diverged",
        "plugin 'bold' changed since: 40 stored runs were not used again (sweep aa11aa11aa11, 2026-11-23 22:00:00)",
        "",
    ]
    assert lines[6].split() == ["optimizer.lr", "model.hidden", "seed", "status", "verdict", "steps", "first", "last"]
    assert [line.split()[:5] for line in lines[7:]] == [
        ["0.1", "[4]", "0", "budget", "passed"],
        ["0.1", "[4]", "1", "diverged", "failed"],
    ]
    assert lines[8].endswith("inf")


def test_show_cuts_long_lists_and_says_so(results, stored):
    lines = results("show", "aa").stdout.splitlines()
    assert lines[-1] == "… 20 more; --limit N shows more, `playground export` writes all of them"
    assert len(results("show", "aa", "--limit", 40).stdout.splitlines()) == len(lines) - 1 + 20
    assert "more" not in results("show", "aa", "--limit", 40).stdout


def test_what_show_prints_for_an_axis_can_be_asked_for(results, stored):
    printed = results("show", "aa", "--where", "last<1", "--limit", 1).stdout.splitlines()[-2].split()[0]
    assert float(printed) == 10**-3.7
    result = results("show", "aa", "--where", f"optimizer.lr={printed}", "--where", "model.hidden=[8]")
    assert "0.2500" in result.stdout
    assert "1.5000" not in result.stdout


def test_show_sorts(results, stored):
    smallest = results("show", "aa", "--sort", "last", "--limit", 1).stdout
    largest = results("show", "aa", "--sort", "-last", "--limit", 1).stdout
    assert "0.2500" in smallest
    assert "1.5000" in largest


def test_show_as_json_has_every_run(results, stored):
    document = json.loads(results("show", "aa", "--json").stdout)
    assert len(document["runs"]) == 40
    chosen = json.loads(results("show", "aa", "--json", "--where", "last>1", "--limit", 3).stdout)
    assert [run["loss"]["last"] for run in chosen["runs"]] == [1.5] * 3
    assert chosen["sweeps"][0]["runs"] == 40


def test_show_of_nothing(results, stored):
    assert results("show", "aa", "--where", "status=error").stdout.splitlines()[-1] == "No runs match."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "zz"), "there is no sweep 'zz' in STORE; `playground results` lists them"),
        (("show", "aa", "--where", "lst<1"), "--where lst<1: no run has 'lst'; did you mean 'last'?"),
        (("show", "aa", "--sort", "lst"), "--sort lst: no run has 'lst'; did you mean 'last'?"),
        (("--json", "show", "aa"), "--json: give it after show"),
    ],
)
def test_bad_input_is_one_line(results, stored, tmp_path, arguments, message):
    result = results(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [message.replace("STORE", str(store_path(tmp_path)))]


def test_a_damaged_file_is_one_line(results, stored, tmp_path):
    (tmp_path / ".playground" / "results.sqlite").write_text("not a database")
    result = results()
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "is no SQLite file" in result.stderr


def test_nothing_in_a_name_acts_on_the_terminal(results, tmp_path):
    with Store.open(tmp_path) as store:
        store.begin(replace(OLD, scenario="a\x1b[2Jb", command="c\nd"))
    assert "\x1b" not in results().stdout
    assert "\x1b" not in results("show", "aa").stdout


def test_a_damaged_chunk_is_a_note_and_costs_its_runs_alone(results, stored, tmp_path):
    with sqlite3.connect(store_path(tmp_path)) as connection:
        connection.execute("UPDATE columns SET data = zeroblob(8) WHERE chunk = 1 AND name = 'last'")
    connection.close()
    for arguments in (("show", "aa"), ()):
        result = results(*arguments)
        assert result.exit_code == 0
        (line,) = result.stderr.splitlines()
        assert line == (
            f"{store_path(tmp_path)}: chunk 1 is damaged (last): its 40 runs are left out; "
            "`playground sweep` computes them again"
        )
    assert "0 of 40" in result.stdout
    assert "2 of 10" in result.stdout
