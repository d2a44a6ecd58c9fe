"""Recordings in real processes, which are copies of one that is made once."""

import pytest

from playground.runner.loading.overrides import Changes
from playground.runner.single.record_options import RecordOptions
from playground.serving.messages import OpenedFile, RecordingOrder, is_last
from playground.serving.recorder import Recorder

BOWL = """\
name: bowl
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
steps: 20
"""

NEVER = 3600.0
"""Seconds: a limit that no test waits for."""


@pytest.fixture
def bowl():
    return BOWL


@pytest.fixture
def make_order(tmp_path, monkeypatch):
    """Make the order to record a file in the test's folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")

    def make_order(*plugins, file="bowl.yaml", strict=False, **changes):
        return RecordingOrder(
            file=file, changes=Changes(**changes), plugins=plugins, strict=strict, record=RecordOptions(20)
        )

    return make_order


@pytest.fixture
def record(make_order):
    """Record to the end: `record("plugin.py")` returns the last message and the opened files by path."""

    def record(*plugins, seconds=NEVER, **options):
        running = Recorder(seconds).start(make_order(*plugins, **options))
        opened = {}
        while True:
            for message in running.read_messages(0.05):
                if is_last(message):
                    return message, opened
                if isinstance(message, OpenedFile):
                    opened[message.path] = message.stamp

    return record
