import csv
import io
import json
import sys

import pytest
import typer
from typer.testing import CliRunner

from playground.cli.context import Settings
from playground.cli.export import export as command
from playground.runner.store import Row, SeedSet, Store, SweepRecord, tabulate_rows


def record(name):
    points = [{"optimizer.lr": 0.1}, {"optimizer.lr": 1.0}]
    return SweepRecord(
        id=name,
        created="2026",
        scenario="s",
        file="s.yaml",
        command="",
        spec={},
        axes=["optimizer.lr"],
        points=points,
        seeds=2,
        engine="batched",
        versions={},
        keys=[f"{name}-0", f"{name}-1"],
        seed_set=SeedSet.of([0, 1]),
    )


@pytest.fixture
def export(tmp_path, monkeypatch):
    """Run `playground export ...` in a folder that has two sweeps of four runs each."""
    monkeypatch.chdir(tmp_path)
    with Store.open(tmp_path) as store:
        for name in ("aa11", "bb22"):
            store.begin(record(name))
            rows = [
                Row(
                    key=f"{name}-{point}-{seed}",
                    point=point,
                    seed=seed,
                    status="budget",
                    verdict="passed",
                    first=1,
                    last=seed,
                    best=1,
                    steps=1,
                    evaluations=1,
                    seconds=1,
                    engine="batched",
                )
                for point in (0, 1)
                for seed in (0, 1)
            ]
            store.add(name, tabulate_rows(rows))
    app = typer.Typer(rich_markup_mode=None)

    @app.callback()
    def options(context: typer.Context) -> None:
        context.obj = Settings()

    app.command("export")(command)

    def export(*arguments):
        return CliRunner().invoke(app, ["export", *map(str, arguments)], catch_exceptions=False)

    return export


def keys(text):
    return [line["key"] for line in csv.DictReader(io.StringIO(text))]


def test_csv_of_everything(export):
    result = export()
    assert result.exit_code == 0
    assert keys(result.stdout) == [f"{name}-{end}" for name in ("aa11", "bb22") for end in ("0-0", "0-1", "1-0", "1-1")]


def test_one_sweep_some_runs_in_some_order(export):
    arguments = ("bb", "--where", "optimizer.lr>0.5", "--sort", "-last")
    assert keys(export(*arguments).stdout) == ["bb22-1-1", "bb22-1-0"]
    document = json.loads(export(*arguments, "--format", "json").stdout)
    assert [run["id"] for run in document["runs"]] == ["bb22-1-1", "bb22-1-0"]
    assert [sweep["id"] for sweep in document["sweeps"]] == ["bb22"]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_file_has_what_would_be_printed(export, tmp_path, form):
    out = tmp_path / "deep" / f"runs.{form}"
    result = export("aa11", "--format", form, "--out", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert out.read_text() == export("aa11", "--format", form).stdout
    assert list(out.parent.iterdir()) == [out]


def test_parquet(export, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert export("--format", "parquet", "--out", tmp_path / "a.parquet").exit_code == 0
    assert parquet.read_table(tmp_path / "a.parquet").num_rows == 8


def test_parquet_needs_pyarrow_and_a_file(export, monkeypatch):
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, object())
    result = export("--format", "parquet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Parquet cannot be written to standard output; give --out FILE\n"
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = export("--format", "parquet", "--out", "a.parquet")
    assert result.exit_code == 2
    assert result.stderr.startswith("Parquet needs pyarrow; install it")


def test_a_file_that_cannot_be_written_stays_as_it_was(export, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = export("--out", tmp_path / "file" / "runs.csv")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("zz",), "there is no sweep 'zz' in STORE; `playground results` lists them\n"),
        (("--where", "lst<1"), "--where lst<1: no run has 'lst'; did you mean 'last'?\n"),
        (("--sort", "lst", "--out", "runs.csv"), "--sort lst: no run has 'lst'; did you mean 'last'?\n"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(export, tmp_path, arguments, message):
    result = export(*arguments)
    message = message.replace("STORE", str(tmp_path / ".playground" / "results.sqlite"))
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)
    assert not (tmp_path / "runs.csv").exists()


def test_no_results(export, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    result = export()
    assert result.exit_code == 2
    where = tmp_path / "empty" / ".playground" / "results.sqlite"
    told = "there are no results yet; `playground sweep` writes them below the directory it runs in"
    assert result.stderr == f"{where}: {told}\n"
