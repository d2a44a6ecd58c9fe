"""`playground live`: the command as a terminal runs it, and its page as a browser asks for it."""

import http.client
import json
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.timeout(300)

BOWL = """\
name: bowl
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
steps: 20
"""
LONG = BOWL.replace("steps: 20", "steps: 1000000000")


class LivePageClient:
    """The page of a running command, without a browser."""

    def __init__(self, process):
        self.process = process
        self.address = urlsplit(process.stdout.readline().rstrip("\n"))
        self.sentence = process.stdout.readline()
        self.events = self.get("/events")

    def get(self, path, query=None, **headers):
        connection = http.client.HTTPConnection(self.address.netloc, timeout=120)
        connection.request("GET", f"{path}?{self.address.query if query is None else query}", headers=headers)
        return connection.getresponse()

    def wait_for(self, kind, accept=lambda message: True):
        """Return the next message of a kind that fits."""
        while event := b"".join(iter(self.events.readline, b"\n")).decode():
            name, _, data = event.partition("\ndata: ")
            if name == f"event: {kind}" and accept(message := json.loads(data)):
                return message
        raise AssertionError(self.process.communicate())


@pytest.fixture
def live(start):
    """Start the command: `live("a.yaml")` returns a client of its page."""
    return lambda *arguments: LivePageClient(start("live", *arguments, "--no-browser"))


def find_descendants(process):
    """Return the processes that a process started, and those that these started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents[int(stat.parent.name)] = int(parent)
    found, more = set(), {process}
    while more:
        more = {child for child, parent in parents.items() if parent in more}
        found |= more
    return found


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_page_follows_its_file(write, live):
    write("bowl.yaml", BOWL)
    page = live("bowl.yaml", "--set", "optimizer.lr=0.2", "--steps", "30")
    assert page.sentence == "following bowl.yaml; Ctrl-C ends it\n"
    shell = page.get("/").read().decode()
    assert "connect-src &#39;self&#39;" in shell
    assert "<title>bowl.yaml</title>" in shell
    assert page.wait_for("content")["data"]["part0"]["steps"][-1] == 30
    write("bowl.yaml", BOWL.replace("steps: 20", "stepz: 20"))
    fault = "bowl.yaml:6:1: unknown key 'stepz'; did you mean 'steps'?"
    assert page.wait_for("state", lambda message: message["state"] == "faulty")["lines"] == [fault]
    write("bowl.yaml", BOWL.replace("name: bowl", "name: again"))
    assert page.wait_for("content")["title"] == "again"
    process = page.process
    os.killpg(process.pid, signal.SIGINT)
    assert page.wait_for("state", lambda message: message["state"] == "ended")["sentence"].startswith("The command has")
    output, errors = process.communicate()
    assert process.returncode == 0
    assert [line.partition(",")[0] for line in output.splitlines()] == ["bowl: not judged", "again: not judged"]
    assert errors == f"{fault}\n\n"


def test_strangers_are_refused(write, live):
    write("bowl.yaml", BOWL)
    page = live("bowl.yaml")
    for answer in (page.get("/", ""), page.get("/", Host="evil.example"), page.get("/", Origin="http://evil.example")):
        assert answer.status == 403
        assert b"bowl" not in answer.read()
    assert page.get("/").status == 200


PRINTING = """\
print("from a plugin")

from playground import hookimpl

@hookimpl
def playground_run_started(spec):
    pass
"""


def test_what_a_plugin_prints_is_in_the_terminal(write, live):
    write("bowl.yaml", BOWL)
    write("plugin.py", PRINTING)
    page = live("bowl.yaml", "-p", "plugin.py")
    assert page.wait_for("content")["title"] == "bowl"
    os.killpg(page.process.pid, signal.SIGINT)
    _, errors = page.process.communicate()
    assert errors.splitlines() == ["from a plugin", ""]


def test_a_plugin_that_hangs_is_ended(write, live):
    write("bowl.yaml", BOWL)
    write("plugin.py", f"import time\ntime.sleep(3600)\n{PRINTING}")
    page = live("bowl.yaml", "-p", "plugin.py", "--time-limit", "1")
    hangs = "bowl.yaml: recording took longer than 1 s and was ended; --time-limit SECONDS allows more"
    assert page.wait_for("state", lambda message: message["state"] == "faulty")["lines"] == [hangs]
    os.killpg(page.process.pid, signal.SIGINT)
    output, errors = page.process.communicate()
    assert (output, errors.strip()) == ("", hangs)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_no_process_is_left_when_it_ends_while_recording(write, live, number, code):
    write("bowl.yaml", LONG)
    process = live("bowl.yaml").process

    def is_recording():  # in a group of its own
        return any(os.getsid(each) == each for each in find_descendants(process.pid))

    wait_until(is_recording)
    descendants = find_descendants(process.pid)
    process.send_signal(number)
    output, errors = process.communicate()
    assert (process.returncode, output, errors.strip()) == (code, "", "")
    wait_until(lambda: not any(map(is_running, descendants)))


def test_ctrl_c_while_the_first_process_starts_says_nothing(write, start):
    write("bowl.yaml", BOWL)
    process = start("live", "bowl.yaml", "--no-browser")
    process.stdout.readline()
    wait_until(lambda: find_descendants(process.pid))
    os.killpg(process.pid, signal.SIGINT)
    assert (process.communicate()[1].strip(), process.returncode) == ("", 0)


def test_two_at_once_have_two_ports(write, live, playground):
    write("bowl.yaml", BOWL)
    first, second = live("bowl.yaml"), live("bowl.yaml")
    assert first.address.port != second.address.port
    assert {page.wait_for("content")["title"] for page in (first, second)} == {"bowl"}
    result = playground("live", "bowl.yaml", "--port", str(first.address.port))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"--port {first.address.port}: address already in use; give another port, or leave the option out for a free "
        "one\n"
    )


def test_a_port_can_be_chosen(write, live):
    write("bowl.yaml", BOWL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert live("bowl.yaml", "--port", str(port)).address.port == port


REFUSED = {
    "missing": (["missing.yaml"], "missing.yaml: no such file"),
    "a folder": (["."], ".: is a folder; `playground live` follows one scenario file"),
    "no file": (["/dev/null"], "/dev/null: is not a file"),
    "two files": (["bowl.yaml", "bowl.yaml"], "Got unexpected extra argument"),
    "a port": (["bowl.yaml", "--port", "65536"], "--port"),
    "no time": (["bowl.yaml", "--time-limit", "0"], "--time-limit"),
    "a pair": (["bowl.yaml", "--set", "optimizer.lr"], "--set optimizer.lr: expected KEY=VALUE"),
    "a size": (["bowl.yaml", "--memory", "much"], "--memory much: expected a size such as 500MB or 2GB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arguments_are_refused_in_a_line(write, playground, name):
    write("bowl.yaml", BOWL)
    arguments, message = REFUSED[name]
    result = playground("live", *arguments, "--no-browser")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["missing", "a folder", "no file"])
def test_a_file_is_refused_in_one_line(playground, name):
    arguments, message = REFUSED[name]
    assert playground("live", *arguments).stderr == f"{message}\n"


def test_what_the_page_needs_is_said_if_it_is_not_installed(write, playground, monkeypatch):
    from playground.report.html import reporter

    write("bowl.yaml", BOWL)
    monkeypatch.setattr(reporter, "find_spec", lambda name: None)
    result = playground("live", "bowl.yaml")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "pip install 'gradient-playground[html]'" in result.stderr
