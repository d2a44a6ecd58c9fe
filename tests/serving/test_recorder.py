"""A recording is a process of its own: a plugin is loaded fresh, and whatever it does harms nobody else."""

import os
import time
from dataclasses import replace

import pytest

from playground.runner.single.record_options import RecordOptions
from playground.serving.messages import (
    OpenedFile,
    RecordedPage,
    RefusedRecording,
    decode_message,
    encode_message,
    is_last,
)
from playground.serving.recorder import Recorder

pytestmark = pytest.mark.timeout(300)

PLUGIN = """\
from playground import hookimpl
{top}

def mine(prediction, target):
    {body}
    return ((prediction - target) ** 2).mean()

@hookimpl
def playground_losses():
    return {{"mine": mine}}
"""
GATE = """\
name: gate
task: classification
dataset: or_gate
model: linear
loss: mine
optimizer: sgd
steps: 5
"""


@pytest.fixture
def record_plugin(write, record):
    """Record a scenario with a loss of a plugin: lines at its top, and lines that the loss runs."""

    def record_plugin(top="", body="pass", **options):
        write("plugin.py", PLUGIN.format(top=top, body=body))
        write("gate.yaml", GATE)
        return record("plugin.py", file="gate.yaml", **options)

    return record_plugin


def test_the_page_of_a_run(write, record, bowl):
    write("bowl.yaml", bowl)
    message, _ = record(steps=7, overrides=(("optimizer.lr", "0.1"),))
    assert isinstance(message, RecordedPage)
    assert message.title == "bowl"
    assert message.html.lstrip().startswith('<section class="part" id="part0"')
    assert "playground run bowl.yaml --set optimizer.lr=0.1 --steps 7" in message.html
    assert message.data["part0"]["steps"][-1] == 7
    assert message.line.startswith("bowl: not judged, all 7 steps used, loss 144 → ")
    assert message.notes == ()


def test_the_first_steps_come_before_the_whole_run(write, make_order, bowl):
    write("plugin.py", COUNTING)
    write("bowl.yaml", bowl.replace("steps: 20", "steps: 300\nexpect: {x: {near: -5, within: 0.1}}"))
    order = replace(make_order("plugin.py"), record=RecordOptions(20, live=True))
    running, pages = Recorder(3600.0).start(order), []
    while not (pages and is_last(pages[-1])):
        pages += [each for each in running.read_messages(0.05) if not isinstance(each, OpenedFile)]
    beginning, whole = pages
    assert (beginning.is_beginning, whole.is_beginning) == (True, False)
    assert beginning.data["part0"]["steps"][-1] == 50
    assert whole.data["part0"]["steps"][-1] == 300
    assert "these are the first 50 steps; Python computes the others" in beginning.html
    assert "passed" in whole.html
    assert "passed" not in beginning.html
    programs = [page.data["part0"]["live"] for page in pages]
    assert programs[0]["programs"] == programs[1]["programs"][:1]
    assert len(programs[1]["programs"]) > 1  # other optimizers take longer than the scenario's own
    assert programs[0]["steps"] == 300
    with open("count.txt", encoding="utf-8") as file:
        assert file.read() == "x"  # plugins hear of one run


COUNTING = """\
from playground import hookimpl

@hookimpl
def playground_run_started(spec):
    with open("count.txt", "a") as file:
        file.write("x")
"""


def test_a_task_without_a_descent(write, record):
    write("square.yaml", "task: derivative\nfunction: x**2\nat: {x: [1, 2]}\n")
    message, _ = record(file="square.yaml")
    assert isinstance(message, RecordedPage), message
    assert message.data["part0"]["steps"] == []


INVALID = {
    "an unknown key": ("{bowl}stepz: 5\n", "bowl.yaml:7:1: unknown key 'stepz'; did you mean 'steps'?"),
    "no YAML": ("task: [minimize\n", "bowl.yaml:2:1: "),
    "empty": ("", "bowl.yaml: the file is empty"),
    "a sweep": (
        "{bowl}sweep: {{over: {{optimizer.lr: [0.1]}}}}\n",
        "bowl.yaml:7:1: this command runs a scenario once, and this one has",
    ),
    "a suite": ("problems: {{a: {{family: b, probe: c}}}}\n", "bowl.yaml:1:1: "),
    "two documents": ("{bowl}---\n{bowl}", "bowl.yaml:7:1: "),
}


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_file_is_refused_with_its_line(write, record, bowl, name):
    text, fault = INVALID[name]
    write("bowl.yaml", text.format(bowl=bowl))
    message, opened = record()
    assert isinstance(message, RefusedRecording), message
    assert message.faults[0].startswith(fault), message.faults
    assert os.path.abspath("bowl.yaml") in opened


def test_a_plugin_is_loaded_fresh_each_time(record_plugin):
    assert isinstance(record_plugin()[0], RecordedPage)
    message, _ = record_plugin(body="raise ValueError('edited')")
    assert "ValueError: edited" in message.faults[0]


def test_what_a_plugin_prints_goes_to_standard_error(record_plugin, capfd):
    record_plugin(top="print('at the top')", body="print('in the loss')")
    printed = capfd.readouterr()
    assert printed.out == ""  # where the forked processes write depends on who started the first one


FAILING = {
    "raises": (
        "raise ValueError('boom')",
        "plugin plugin ({folder}/plugin.py): import: ValueError: boom (plugin.py, line 2)",
    ),
    "has no syntax": (
        "def",
        "plugin plugin ({folder}/plugin.py): import: SyntaxError: invalid syntax (plugin.py, line 2)",
    ),
    "exits": ("raise SystemExit(3)", "plugin plugin ({folder}/plugin.py): import: SystemExit: 3 (plugin.py, line 2)"),
    "dies": ("import os; os._exit(3)", "gate.yaml: the process that recorded it ended without a result (exit code 3)"),
    "is killed": (
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "gate.yaml: the process that recorded it ended without a result (signal SIGKILL)",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_plugin_that_does_not_load_is_a_line(record_plugin, tmp_path, name):
    top, fault = FAILING[name]
    message, opened = record_plugin(top=top)
    assert isinstance(message, RefusedRecording)
    assert message.faults == (fault.format(folder=tmp_path),)
    assert str(tmp_path / "plugin.py") in opened  # so that its fix is noticed


@pytest.mark.parametrize("place", ["top", "body"])
def test_a_plugin_that_hangs_is_ended(record_plugin, place):
    message, _ = record_plugin(**{place: "import time; time.sleep(3600)"}, seconds=1.0)
    assert message.faults == (
        "gate.yaml: recording took longer than 1 s and was ended; --time-limit SECONDS allows more",
    )


def test_a_plugin_that_exits_in_the_middle_is_a_line(record_plugin):
    message, _ = record_plugin(body="import os; os._exit(5)")
    assert message.faults == ("gate.yaml: the process that recorded it ended without a result (exit code 5)",)


def test_a_process_that_a_plugin_started_ends_with_the_recording(record_plugin, tmp_path):
    top = "import subprocess; open('child.pid', 'w').write(str(subprocess.Popen(['sleep', '3600']).pid))"
    message, opened = record_plugin(top=top)
    assert isinstance(message, RecordedPage), message
    assert opened[str(tmp_path / "child.pid")] is None
    wait_for_end(int((tmp_path / "child.pid").read_text()))


def wait_for_end(process):
    deadline = time.monotonic() + 60
    while is_running(process):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(process):
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_plugin_that_was_not_asked_for_is_a_note_or_a_fault(write, record, bowl, tmp_path):
    write("bowl.yaml", bowl)
    write("pyproject.toml", '[tool.playground]\nplugins = ["plugin.py"]\n')
    write("plugin.py", "raise ValueError('boom')\n")
    note = f"plugin plugin ({tmp_path}/plugin.py): import: ValueError: boom (plugin.py, line 1)"
    message, _ = record()
    assert isinstance(message, RecordedPage)
    assert message.notes == (note,)
    message, _ = record(strict=True)
    assert message.faults == (note,)


def test_files_that_a_recording_reads_and_writes_are_reported(write, record, tmp_path):
    write("table.csv", "a,b\n0,1\n1,2\n2,4\n")
    write("helper.py", "RATE = 0.1\n")
    top = "import sys\nsys.path.insert(0, '')\nimport helper\nopen('log.txt', 'a').write('loaded')"
    write("plugin.py", PLUGIN.format(top=top, body="pass"))
    scenario = "task: regression\ndataset: {name: csv, file: table.csv, target: b}\nmodel: linear\nloss: mse\n"
    write("line.yaml", scenario + "optimizer: sgd\nsteps: 3\n")
    message, opened = record("plugin.py", file="line.yaml")
    assert isinstance(message, RecordedPage), message
    read = {path for path, stamp in opened.items() if stamp is not None}
    assert {str(tmp_path / name) for name in ("line.yaml", "plugin.py", "helper.py", "table.csv")} <= read
    assert opened[str(tmp_path / "log.txt")] is None
    assert {path for path in opened if os.path.exists(path) and not path.startswith(str(tmp_path))} == set()


def test_a_recording_that_is_ended_leaves_no_process(write, make_order, tmp_path):
    write("bowl.yaml", "task: minimize\nfunction: x**2\nstart: {x: 1}\noptimizer: sgd\nsteps: 1000000000\n")
    running = Recorder(3600.0).start(make_order())
    process = running._process.pid
    assert is_running(process)
    running.end()
    wait_for_end(process)
    running.end()  # harmless


@pytest.mark.parametrize(
    "message",
    [
        OpenedFile("/a b\n", (1, 2, 3)),
        OpenedFile("/a", None),
        RecordedPage("t", "<p>→</p>", {"part0": {"steps": [1]}}, "line", ("note",)),
        RefusedRecording(("fault",), ("note",), "traceback"),
    ],
    ids=["opened", "written", "page", "refused"],
)
def test_a_message_arrives_as_it_was_sent(message):
    assert decode_message(encode_message(message)) == message


@pytest.mark.parametrize(
    "encoded", [b"", b"x", b"[]", b"3", b'["Unknown", {}]', b'["OpenedFile", {}]', b'["OpenedFile", 1]']
)
def test_what_is_no_message_is_refused(encoded):
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        decode_message(encoded)
