"""Measures how long a plugin's import takes, in a fresh interpreter."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Final

from playground.errors import PluginError
from playground.plugins.causes import ISOLATED_EXCEPTIONS, describe_exception
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
    """The cost of a plugin's import, which every command pays.

    :param seconds: wall time in a fresh interpreter, beyond what playground itself imports.
    :param torch: whether the plugin imports torch, which takes seconds and could wait for the first use.
    """

    seconds: float
    torch: bool


def measure_import(candidate: Candidate) -> ImportTime:
    """Import a plugin in a fresh interpreter with the same `sys.path`; return the time.

    :raises PluginError: the import fails there.
    """
    argument = json.dumps([sys.path, candidate.target, candidate.origin.file])
    done = subprocess.run([sys.executable, "-c", _PROBE_PROGRAM, argument], capture_output=True, text=True, check=False)
    if done.returncode:
        output = done.stderr.strip().splitlines()
        raise PluginError(f"fails in a fresh interpreter: {output[-1] if output else f'exit status {done.returncode}'}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise PluginError(f"fails in a fresh interpreter: {answer['error']}")
    return ImportTime(answer["seconds"], answer["torch"])


def measure(target: str, file: str) -> dict[str, float | bool | str]:
    """Import a plugin here; return the seconds and whether it imported torch, or the error in one line."""
    candidate = Candidate(Origin(target, file=file), target)
    with contextlib.redirect_stdout(sys.stderr):
        started = time.perf_counter()
        try:
            import_plugin(candidate)
        except ISOLATED_EXCEPTIONS as error:
            return {"error": describe_exception(error, file)}
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "torch": "torch" in sys.modules}
