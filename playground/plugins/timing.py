"""How long a plugin's import takes, measured in an interpreter that has imported nothing of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Final

from playground.errors import PluginError
from playground.plugins.causes import ISOLATED_EXCEPTIONS, cause
from playground.plugins.discovery import Candidate
from playground.plugins.importing import import_plugin
from playground.plugins.registry import Origin

_PROBE_PROGRAM: Final = """
import json, sys
sys.path[:], target, file = json.loads(sys.argv[1])
import playground.plugins.manager
from playground.plugins.timing import measure
print(json.dumps(measure(target, file)))
"""


@dataclass(frozen=True)
class ImportTime:
    """What the import of a plugin costs every command.

    :param seconds: wall time in a fresh interpreter, beyond what playground imports before it looks for plugins.
    :param torch: whether it imports torch, which takes seconds and can wait for the first use.
    """

    seconds: float
    torch: bool


def import_time(candidate: Candidate) -> ImportTime:
    """Import a plugin in a fresh interpreter with the same `sys.path`, and return what that took.

    :raises PluginError: the import fails there.
    """
    asked = json.dumps([sys.path, candidate.target, candidate.origin.file])
    done = subprocess.run([sys.executable, "-c", _PROBE_PROGRAM, asked], capture_output=True, text=True, check=False)
    if done.returncode:
        told = done.stderr.strip().splitlines()
        raise PluginError(f"fails in a fresh interpreter: {told[-1] if told else f'exit status {done.returncode}'}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise PluginError(f"fails in a fresh interpreter: {answer['error']}")
    return ImportTime(answer["seconds"], answer["torch"])


def measure(target: str, file: str) -> dict[str, float | bool | str]:
    """Import a plugin here and return the seconds, and whether torch came along; or the error in one line."""
    candidate = Candidate(Origin(target, file=file), target)
    with contextlib.redirect_stdout(sys.stderr):
        started = time.perf_counter()
        try:
            import_plugin(candidate)
        except ISOLATED_EXCEPTIONS as error:
            return {"error": cause(error, file)}
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "torch": "torch" in sys.modules}
