"""`playground sweep` as a user meets it: what it refuses, what it computes again and what not, what survives."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time

import pytest

from playground.errors import StoreError
from playground.runner.store import Store
from playground.runner.store.chunks import ChunkReader, read_heads

AND = """\
task: classification
dataset: and_gate
model: perceptron
loss: mse
optimizer: {name: adam, lr: 0.1}
steps: 50
expect: {loss: {below: 0.2}}
"""
BOWL = """\
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
steps: 50
expect: {x: {near: -5, within: 0.001}}
"""
CHUNKED = ("--memory", "50KB")
"""So little that a sweep has many chunks."""

LOSSES = """\
import os
from playground import hookimpl

def squares(prediction, target):
    return {factor} * ((prediction - target) ** 2).mean()

def deadly(prediction, target):
    trained = prediction.grad_fn is not None  # before any run, the loss is tried on other predictions, such as 0
    if trained and float(prediction.detach().min()) < 1e-9 and not os.path.exists("calm"):
        os._exit(9)
    return squares(prediction, target)

def raising(prediction, target):
    if float(prediction.detach().min()) < 1e-9:
        raise ArithmeticError("far too sure")
    return squares(prediction, target)

@hookimpl
def playground_losses():
    return {{"deadly": deadly, "raising": raising, "squares": squares}}
"""

OFFER = """\
from playground import hookimpl

@hookimpl
def playground_losses():
    return {"far": fake_rest.far}
"""


@pytest.fixture
def scenario(write):
    return write("and.yaml", AND)


def stored(folder):
    """Return the key of every stored run, as often as it is stored."""
    try:
        with Store.open(folder, create=False) as store, store.snapshot() as connection:
            segments = connection.execute(
                "SELECT text, chunk, start, stop FROM segments JOIN keys ON keys.number = segments.key"
            ).fetchall()
            heads, _ = read_heads(connection, sorted({chunk for _, chunk, *_ in segments}))
            reader, places = ChunkReader(connection, heads), {head.number: place for place, head in enumerate(heads)}
            return [
                f"{key}-{seed}"
                for key, chunk, start, stop in segments
                for seed in reader.column(places[chunk], "seed")[start:stop].tolist()
            ]
    except StoreError:  # not made yet
        return []


def wait_for(condition, seconds=300):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def runs_of(result):
    return json.loads(result.stdout)["runs"]


REFUSED = {
    "no values": (["--over", "optimizer.lr="], "--over optimizer.lr=: expected KEY=VALUES"),
    "no points": (["--over", "optimizer.lr=log:1e-4:1:0"], "expected at least 2, got 0"),
    "ten billion": (["--over", "optimizer.lr=log:1e-4:1:20", "--seeds", "500000000"], "has 10,000,000,000 runs"),
    "no such parameter": (
        ["--over", "optimizer.lrr=0.1,0.2"],
        "--over optimizer.lrr: unknown parameter 'lrr' of optimizer 'adam'; did you mean 'lr'?",
    ),
    "no such key": (["--over", "foo=1,2"], "--over foo: unknown key 'foo'"),
    "random without a count": (["--over", "optimizer.lr=random:1e-4:1"], "expected random:LOW:HIGH:COUNT"),
    "log through zero": (["--over", "optimizer.lr=log:-1:1:5"], "expected [low, high] with low more than 0"),
    "a value that is wrong": (["--over", "optimizer.lr=0.1,-1"], "--over optimizer.lr: expected at least 0, got -1"),
    "a start that is wrong": (["--over", "start.weight=[[1,1]],[[1]]"], "--over start.weight: weight: expected shape"),
    "engine": (
        ["--seeds", "2", "--engine", "batchd"],
        "--engine batchd: unknown; did you mean 'batched'? (accepted: auto, ",
    ),
    "executor": (["--seeds", "2", "--executor", "seriel"], "did you mean 'serial'? (accepted: processes, serial)"),
    "option of an executor": (
        ["--seeds", "2", "--executor", "processes", "--executor-option", "workers=0"],
        "expected at least 1, got 0",
    ),
    "option of no executor": (["--seeds", "2", "--executor-option", "a=1"], "options of an executor (a)"),
    "memory": (["--seeds", "2", "--memory", "lots"], "--memory lots: expected a size such as 500MB or 2GB"),
    "nothing to sweep": ([], "nothing to sweep over: give --over or --seeds"),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("arguments", "told"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_refused_is_told_in_a_line_before_anything_starts(playground, scenario, arguments, told, as_json):
    result = playground("sweep", scenario, *arguments, *(["--json"] if as_json else []))
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert told in line
    assert not (scenario.parent / ".playground").exists()


def test_a_damaged_store_is_told_and_kept(playground, scenario):
    file = scenario.parent / ".playground/results.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"no database at all" * 100)
    result = playground("sweep", scenario, "--seeds", "2")
    assert result.exit_code == 2
    assert "results.sqlite" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert file.read_bytes() == b"no database at all" * 100


def test_a_folder_that_cannot_be_written_is_told(playground, scenario):
    (scenario.parent / ".playground").write_text("a file in the way")
    result = playground("sweep", scenario, "--seeds", "2")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert ".playground" in result.stderr


@pytest.mark.slow
def test_asked_again_nothing_is_computed(playground, scenario):
    command = ("sweep", scenario, "--over", "optimizer.lr=0.01,0.1", "--seeds", "3")
    assert "6 runs computed" in playground(*command).stdout
    again = playground(*command)
    assert "6 were stored already" in again.stdout
    assert "nothing had to be computed" in again.stdout
    assert "6 runs computed" in playground(*command, "--fresh").stdout
    wider = playground("sweep", scenario, "--over", "optimizer.lr=0.1,1", "--seeds", "4")
    assert "5 runs computed" in wider.stdout
    assert len(stored(scenario.parent)) == 11


@pytest.mark.slow
def test_json_is_one_document_with_every_run(playground, scenario):
    command = ("sweep", scenario, "--over", "optimizer.lr=0.01,0.1,1e30", "--seeds", "3", "--json")
    result = playground(*command)
    content = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [len(content["sweeps"]), len(content["runs"])] == [1, 9]
    assert {run["seed"] for run in content["runs"]} == {0, 1, 2}
    without_id = [{key: run[key] for key in run if key != "sweep"} for run in content["runs"]]
    again = [{key: run[key] for key in run if key != "sweep"} for run in runs_of(playground(*command))]
    assert again == without_id


SWEEPING = BOWL + "sweep: {over: {optimizer.lr: [0.1, 0.15, 0.3]}, expect: EXPECT}\n"
EXPECTATIONS = {
    "passed: enough": ("{passed: {at_least: 0.6}}", 0),
    "passed: too few": ("{passed: {at_least: 0.7}}", 1),
    "of a status": ("{diverged: {below: 0.5}}", 0),
    "of a status, missed": ("{diverged: 0}", 1),
    "nothing": ("{}", 0),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("expect", "code"), EXPECTATIONS.values(), ids=EXPECTATIONS)
def test_a_sweep_is_judged_by_its_own_expectations(playground, write, expect, code):
    path = write("bowl.yaml", SWEEPING.replace("EXPECT", expect))
    assert playground("sweep", path).exit_code == code
    assert playground("run", path).exit_code == code


def test_in_a_folder_every_report_has_the_sweep(playground, write, monkeypatch):
    write("all/a.yaml", BOWL)
    write("all/b.yaml", SWEEPING.replace("EXPECT", "{passed: {at_least: 0.9}}"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = playground("run", "all", "--junit-xml", "out.xml", "--report", "json=out.json")
    assert result.exit_code == 1
    line = SWEEPING[: SWEEPING.index("EXPECT")].count("\n") + 1
    assert f"::error file=all/b.yaml,line={line}::" in result.output
    assert "passed at least 0.9" in (write("x", "").parent / "out.xml").read_text()
    content = json.loads((write("x", "").parent / "out.json").read_text())
    assert [len(content["runs"]), len(content["sweeps"])] == [1, 1]
    assert content["sweeps"][0]["verdict"] == "failed"
    assert content["sweeps"][0]["runs"] == 3


@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_run_lets_the_engine_that_is_asked_for_compute_a_sweep(playground, write, jobs):
    write("many.yaml", SWEEPING.replace("EXPECT", "{runs: 3}"))
    result = playground("run", "many.yaml", "-j", jobs, "--engine", "plain", "--json")
    assert json.loads(result.stdout)["sweeps"][0]["engines"] == {"plain": 3}, result.stderr


def test_run_refuses_an_engine_that_there_is_not(playground, scenario):
    result = playground("run", scenario, "--engine", "compield")
    assert (result.exit_code, result.stderr) == (
        2,
        "--engine compield: unknown; did you mean 'compiled'? (accepted: auto, compiled, batched, plain)\n",
    )


@pytest.mark.slow
def test_a_loss_that_raises_for_some_runs_costs_only_those(playground, write, scenario):
    write("losses.py", LOSSES.format(factor=1))
    arguments = ("--over", "optimizer.lr=0.01,0.1,1000", "--set", "loss=raising")
    result = playground("-p", "losses.py", "sweep", scenario, *arguments, "--json")
    assert result.exit_code == 1
    runs = runs_of(result)
    assert [run["status"] for run in runs] == ["budget", "budget", "error"]
    assert "far too sure" in runs[2]["reason"]
    shown = playground("-p", "losses.py", "sweep", scenario, *arguments)
    assert "no run ends in error" in shown.stdout
    told = playground("-p", "losses.py", "sweep", scenario, *arguments, "--fresh").stdout
    assert "plain: " in told


@pytest.mark.slow
def test_a_worker_that_dies_costs_only_its_chunk(playground, write, scenario):
    write("losses.py", LOSSES.format(factor=1))
    arguments = ("--over", "optimizer.lr=0.01,0.1,1000,0.2", "--set", "loss=deadly", "-j", "2", "--engine", "plain")
    result = playground("-p", "losses.py", "sweep", scenario, *arguments, "--json")
    assert result.exit_code == 1
    runs = runs_of(result)
    assert [run["status"] for run in runs] == ["budget", "budget", "error", "error"]  # chunks of two
    assert runs[2]["reason"] == "the process that ran it died, twice"
    (scenario.parent / "calm").touch()
    again = playground("-p", "losses.py", "sweep", scenario, *arguments)
    assert again.exit_code == 0
    assert "plain 2; 2 were stored already" in again.stdout


def test_a_run_that_raised_is_not_tried_again(playground, write, scenario):
    write("losses.py", LOSSES.format(factor=1))
    command = ("-p", "losses.py", "sweep", scenario, "--over", "optimizer.lr=0.01,1000", "--set", "loss=raising")
    assert "2 runs computed" in playground(*command).stdout
    assert "nothing had to be computed" in playground(*command).stdout


@pytest.mark.slow
def test_processes_give_what_one_gives(playground, scenario):
    over = ("--over", "optimizer.lr=0.01,0.1", "--seeds", "3", "--json", "--fresh")
    one, two = (runs_of(playground("sweep", scenario, *over, "-j", jobs)) for jobs in ("1", "2"))
    for left, right in zip(one, two, strict=True):
        assert left["loss"]["last"] == pytest.approx(right["loss"]["last"], rel=1e-5)


def test_a_plugin_that_changed_has_its_runs_computed_again(playground, write, scenario):
    command = ("-p", "losses.py", "sweep", scenario, "--seeds", "2", "--set", "loss=squares", "--set", "steps=2")
    write("losses.py", LOSSES.format(factor=1))
    assert "2 runs computed" in playground(*command).stdout
    assert "nothing had to be computed" in playground(*command).stdout
    write("losses.py", LOSSES.format(factor=2))
    changed = playground(*command).stdout
    assert "2 runs computed" in changed
    assert "plugin 'losses' changed since: 2 stored runs were not used again" in changed
    assert "losses" in playground("results").stdout


def test_an_installed_package_without_a_version_that_changed_has_its_runs_computed_again(
    playground, write, scenario, monkeypatch, tmp_path
):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("playground.plugins.sources.LIBRARY_PATHS", (str(tmp_path.resolve()),))
    write("fake_offer.py", "import fake_rest\n" + OFFER)
    command = ("-p", "fake_offer", "sweep", scenario, "--seeds", "2", "--set", "loss=far", "--set", "steps=2")

    def swept(factor):
        write(
            "fake_rest.py", f"def far(prediction, target):\n    return {factor} * (prediction - target).abs().mean()\n"
        )
        for name in ("fake_offer", "fake_rest"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return playground(*command).stdout

    assert "2 runs computed" in swept("1")
    assert "nothing had to be computed" in swept("1")
    assert "2 runs computed" in swept("2.5")


def test_what_a_run_does_not_use_has_nothing_computed_again(playground, write, scenario):
    command = ("sweep", scenario, "--seeds", "2", "--set", "steps=2")
    write("losses.py", LOSSES.format(factor=1))
    assert "2 runs computed" in playground(*command).stdout
    assert "nothing had to be computed" in playground("-p", "losses.py", *command).stdout
    write("losses.py", LOSSES.format(factor=2))
    again = playground("-p", "losses.py", *command).stdout
    assert "nothing had to be computed" in again
    assert "used again" not in again


@pytest.mark.slow
def test_a_data_file_that_changed_has_its_runs_computed_again(playground, write):
    write("line.csv", "x,y\n0,1\n1,3\n")
    write(
        "line.yaml",
        """
        name: line
        task: regression
        dataset: {name: csv, file: line.csv, target: y}
        model: linear
        loss: mse
        optimizer: {name: sgd, lr: 0.1}
        steps: 2
        """,
    )
    command = ("sweep", "line.yaml", "--seeds", "2")
    assert "2 runs computed" in playground(*command).stdout
    assert "nothing had to be computed" in playground(*command).stdout
    write("line.csv", "x,y\n0,1\n1,4\n")
    assert "2 runs computed" in playground(*command).stdout


def slow_sweep(write, count):
    """A sweep of chunks that take a while: `(folder, command, how many runs it has)`."""
    write("and.yaml", AND.replace("steps: 50", "steps: 1000"))
    folder = write("x", "").parent
    return folder, ("sweep", "and.yaml", "--over", "optimizer.lr=0.01,0.1", "--seeds", str(count), *CHUNKED), 2 * count


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(start, playground, write):
    """Only the command itself gets the signal, not its workers."""
    folder, command, size = slow_sweep(write, 150)
    process = start(*command, "-j", "2")
    wait_for(lambda: stored(folder))
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert (process.returncode, errors) == (130, "")
    assert "interrupted" in output
    finished = len(stored(folder))
    assert 0 < finished < size
    again = playground(*command, "--json")
    assert again.exit_code == 0
    assert len(runs_of(again)) == size
    assert f"{size:,} were stored already" in playground(*command).stdout
    assert len(set(stored(folder))) == len(stored(folder)) == size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "count", "jobs", "number"),
    [
        ("compiled", 150, "1", signal.SIGINT),
        ("compiled", 150, "2", signal.SIGTERM),
        ("batched", 75, "1", signal.SIGTERM),
        ("plain", 10, "1", signal.SIGINT),
    ],
)
def test_every_engine_keeps_what_is_finished(start, playground, write, engine, count, jobs, number):
    """A terminal sends the signal to the whole process group; the runs of the two computations are the same."""
    folder, command, size = slow_sweep(write, count)
    command = (*command, "--engine", engine, "-j", jobs)
    process = start(*command)
    wait_for(lambda: stored(folder))
    os.killpg(process.pid, number)
    output, errors = process.communicate()
    assert (process.returncode, errors) == (130, "")
    before = losses(folder)
    assert 0 < len(before) < size
    assert f"{len(before):,} of {size:,} runs" in output
    assert f"{size - len(before):,} runs computed" in playground(*command).stdout
    after = losses(folder)
    assert (len(after), {key: after[key] for key in before}) == (size, before)
    if engine != "plain":  # whose runs take long
        playground(*command, "--fresh")
        assert losses(folder) == pytest.approx(after, rel=1e-4)  # in float32, and cut into other batches


def losses(folder):
    """The last loss of every stored run, by its key."""
    with Store.open(folder, create=False) as store:
        return {row.key: row.last for _, row in store.rows()}


@pytest.mark.slow
def test_kill_9_keeps_what_is_finished(start, playground, write):
    folder, command, size = slow_sweep(write, 150)
    process = start(*command)
    wait_for(lambda: stored(folder))
    process.kill()
    process.communicate()
    finished = len(stored(folder))
    assert 0 < finished < size
    again = playground(*command).stdout
    assert f"{size - finished:,} runs computed" in again
    assert f"{finished:,} were stored already" in again
    assert len(set(stored(folder))) == len(stored(folder)) == size


@pytest.mark.slow
def test_two_sweeps_at_once_share_a_store(start, write):
    write("and.yaml", AND)
    folder = write("x", "").parent
    commands = [
        ("sweep", "and.yaml", "--over", f"optimizer.lr={rates}", "--seeds", "200") for rates in ("0.01,0.1", "0.1,1")
    ]
    processes = [start(*command, *CHUNKED) for command in commands]
    for process in processes:
        output, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")
        assert "400 of 400" in output
    assert len(set(stored(folder))) == len(stored(folder)) == 600


@pytest.mark.sampled(1)
@pytest.mark.parametrize("optimizer", ["sgd", "torch.SGD"])
@pytest.mark.parametrize("engine", ["auto", "compiled", "batched", "plain"])
def test_a_point_without_steps_is_a_point(playground, write, engine, optimizer):
    write(
        "bowl.yaml",
        f"name: bowl\ntask: minimize\nfunction: x**2\nstart: {{x: 2}}\noptimizer: {{name: {optimizer}, lr: 0.25}}\n",
    )
    command = ("sweep", "bowl.yaml", "--over", "steps=0,1,5", "--set", "stop={loss: 0.5}", "--engine", engine, "--json")
    runs = runs_of(playground(*command))
    assert [(run["status"], run["steps"], run["loss"]["last"]) for run in runs] == [
        ("budget", 0, 4.0),
        ("budget", 1, 1.0),
        ("converged", 2, 0.25),
    ]
    assert [len(run["trace"]["loss"]) for run in runs] == [0, 1, 5]
    assert playground("report", "bowl", "--html", "page.html").exit_code == 0


@pytest.mark.sampled(1)
@pytest.mark.parametrize("engine", ["auto", "compiled", "batched", "plain"])
def test_steps_vary_under_an_optimizer_of_torch(playground, write, engine):
    """RMSprop's first step from 2 is lr / sqrt(1 - alpha) = 1, so that the loss falls to 1, below the limit."""
    write(
        "bowl.yaml",
        """
        name: bowl
        task: minimize
        function: x**2
        start: {x: 2}
        optimizer: {name: torch.RMSprop, lr: 0.1}
        stop: {loss: 1.5}
        sweep: {over: {steps: [0, 1, 5]}}
        """,
    )
    runs = runs_of(playground("sweep", "bowl.yaml", "--engine", engine, "--json"))
    assert [(run["status"], run["steps"]) for run in runs] == [("budget", 0), ("converged", 1), ("converged", 1)]
    assert [run["loss"]["last"] for run in runs] == pytest.approx([4, 1, 1], rel=1e-6)


def test_a_warning_is_printed_once_for_all_runs_of_a_sweep(playground, write):
    write(
        "twice.yaml",
        AND.replace("perceptron", "{name: mlp, hidden: [], output: sigmoid}").replace("mse", "bce_with_logits"),
    )
    checked = [line for line in playground("check", "twice.yaml").stderr.splitlines() if "warning" in line]
    swept = playground("sweep", "twice.yaml", "--over", "optimizer.lr=0.1,0.2", "--seeds", "3", "--set", "steps=2")
    (warning,) = [line for line in swept.stderr.splitlines() if "warning" in line]
    assert "outputs stay between 0 and 1" in warning
    assert [warning] == checked
    several = playground("sweep", "twice.yaml", "--over", "model.output=sigmoid,identity", "--set", "steps=2").stderr
    assert several.count("warning") == 1
