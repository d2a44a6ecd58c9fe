"""Real processes: deaths, Ctrl-C, and what a shell sees."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

QUICK = """\
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
steps: 50
expect: {x: {near: -5, within: 0.001}}
"""
LONG = QUICK.replace("steps: 50", "steps: 1000000000")

MARKING = """\
from pathlib import Path

from playground import hookimpl

@hookimpl
def playground_run_started(spec):
    Path(spec["name"] + ".started").touch()

@hookimpl
def playground_run_finished(result):
    Path(result.scenario + ".finished").touch()
"""
DYING = """\
import os

from playground import hookimpl

def deadly(prediction, target):
    os._exit(9)

@hookimpl
def playground_losses():
    return {"deadly": deadly}
"""


def wait_for(process, *paths):
    deadline = time.monotonic() + 300
    while not all(path.exists() for path in paths):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.02)


def interrupt(process):
    """Press Ctrl-C: the whole process group hears it."""
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert "Traceback" not in out + err
    return out, err


@pytest.mark.slow
def test_interrupted_in_the_middle_of_a_run(start, write, tmp_path):
    write("mark.py", MARKING)
    write("long.yaml", LONG)
    process = start("-p", "mark.py", "run", "long.yaml", "--json")
    wait_for(process, tmp_path / "long.started")
    time.sleep(0.3)
    out, err = interrupt(process)
    assert process.returncode == 130
    (run,) = json.loads(out)["runs"]
    assert (run["status"], run["verdict"]) == ("interrupted", "none")
    assert run["steps"] > 0
    assert run["loss"]["first"] == 144
    assert err == ""


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_interrupted_in_the_middle_of_a_folder(start, write, tmp_path, jobs):
    write("mark.py", MARKING)
    write("all/a.yaml", QUICK)
    write("all/b.yaml", LONG)
    write("all/c.yaml", LONG)
    process = start("-p", "mark.py", "run", "all", "-j", jobs, "--json", "--junit-xml", "x.xml")
    wait_for(process, tmp_path / "a.finished", tmp_path / "b.started")
    if jobs == "2":
        wait_for(process, tmp_path / "c.started")
    time.sleep(0.3)
    out, err = interrupt(process)
    assert process.returncode == 130
    runs = {run["scenario"]: run["status"] for run in json.loads(out)["runs"]}
    assert runs == ({"a": "budget", "b": "interrupted"} if jobs == "1" else {"a": "budget"})
    assert err == ""
    assert (tmp_path / "x.xml").exists()


def alive(process):
    """Whether a process is there, and not just waiting to be buried, when it has no command line any more."""
    try:
        return bool((process / "cmdline").read_bytes())
    except OSError:
        return False


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(start, write, tmp_path):
    write("mark.py", MARKING)
    write("all/a.yaml", LONG)
    write("all/b.yaml", LONG)
    process = start("-p", "mark.py", "run", "all", "-j", "2")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_for(process, tmp_path / "a.started", tmp_path / "b.started")
    if not children.exists():
        pytest.skip("this system does not list a process's children")
    workers = [Path("/proc", each) for each in children.read_text().split()]
    assert len(workers) == 3  # one is multiprocessing's own resource tracker
    process.kill()
    process.communicate()  # which waits until nobody can write any more
    deadline = time.monotonic() + 300
    while any(map(alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_interrupted_while_processes_start(start, write, tmp_path):
    write("all/a.yaml", LONG)
    write("all/b.yaml", LONG)
    process = start("run", "all", "-j", "2")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        interrupt(process)
        pytest.skip("this system does not list a process's children")
    deadline = time.monotonic() + 300
    while len(children.read_text().split()) < 2:  # the first of them is multiprocessing's own resource tracker
        assert time.monotonic() < deadline
        time.sleep(0.005)
    _, err = interrupt(process)
    assert process.returncode == 130
    assert err == ""


@pytest.mark.slow
def test_a_process_that_dies_costs_one_scenario_an_error(start, write, tmp_path):
    write("dying.py", DYING)
    for name in ("a", "d"):
        write(f"all/{name}.yaml", QUICK)
    write(
        "all/c.yaml",
        "name: deadly\ntask: classification\ndataset: and_gate\nmodel: linear\nloss: deadly\noptimizer: sgd\n",
    )
    process = start("-p", "dying.py", "run", "all", "-j", "2", "--json")
    out, err = process.communicate()
    runs = {run["scenario"]: run for run in json.loads(out)["runs"]}
    assert {name: run["status"] for name, run in runs.items()} == {
        "a": "budget",
        "deadly": "error",
        "d": "budget",
    }
    assert runs["deadly"]["reason"] == "the process that ran it died, twice"
    assert runs["deadly"]["verdict"] == "failed"
    assert (process.returncode, err) == (1, "")


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["run", "good.yaml", "--set", "expect.x.near=5"], 1, "failed", ""),
        (["run", "bad.yaml"], 2, "", "bad.yaml:1:7: unknown task 'minimise'; did you mean 'minimize'?\n"),
        (["-p", "gone.py", "--strict-plugins", "list"], 3, "", None),
    ],
)
def test_what_a_shell_sees(start, write, tmp_path, arguments, code, out, err):
    write("good.yaml", QUICK)
    write("bad.yaml", QUICK.replace("minimize", "minimise"))
    process = start(*arguments)
    stdout, stderr = process.communicate()
    assert process.returncode == code
    assert out in stdout
    assert err is None or stderr == err
    assert "Traceback" not in stdout + stderr


@pytest.mark.slow
def test_a_terminal_without_unicode_gets_what_it_can_show(root):
    command = [sys.executable, "-m", "playground", "run", str(root / "scenarios" / "bowl.yaml")]
    ended = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"passed" in ended.stdout
