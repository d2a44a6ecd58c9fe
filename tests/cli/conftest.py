"""Commands are run in this process, and must leave no plugin of one test to the next; or in one of their own."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

ENVIRONMENT = {**os.environ, "PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD": "1"}
ENVIRONMENT.pop("GITHUB_ACTIONS", None)


@pytest.fixture(autouse=True)
def _forget():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("_playground_plugin_"):
            del sys.modules[name]


@pytest.fixture
def start(tmp_path):
    """Start the command as a terminal does, in a process group of its own: `start("run", "a.yaml")`."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "playground", *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # whoever runs the tests in the background may have it ignored, which children inherit
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):  # all of them are gone, as they should be
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
