"""What installed plugins cost each command, beside the same command without them. Prints seconds; gates nothing.

Run with `pytest tests/benchmarks/test_plugins.py -m benchmark -s` where the distributions of `plugins/` are installed.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from playground.plugins.discovery import installed_candidates
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE, load_plugins
from playground.plugins.timing import import_time

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).parents[2]
SCENARIO = str(ROOT / "scenarios" / "bowl.yaml")
COMMANDS = (("--help",), ("list",), ("list", "optimizer"), ("check", SCENARIO), ("run", SCENARIO))
SOURCE = """
from playground import hookimpl

@hookimpl
def playground_optimizers():
    return {"{name}": "somewhere.else:thing"}
"""


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(one: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Return the median time of each, taken in turn after a warm-up, and the median difference of the pairs."""
    one(), other()
    pairs = [(seconds(one), seconds(other)) for _ in range(rounds)]
    mine, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    return mine, theirs, statistics.median(a - b for a, b in pairs)


def command(*words: str, alone: bool) -> Callable[[], object]:
    """Return what runs a command as a process, with the installed plugins or without."""
    environment = {**os.environ, DISABLE_AUTOLOAD_VARIABLE: "1" if alone else ""}
    line = [sys.executable, "-m", "playground", *words]
    return lambda: subprocess.run(line, env=environment, check=True, capture_output=True)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:1]))
def test_commands(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    there, none, more = in_turn(command(*words, alone=False), command(*words, alone=True), rounds=9)
    shown = " ".join(Path(word).name for word in words)
    with capsys.disabled():
        print(f"\nplayground {shown}: {there:.3f} s, without plugins {none:.3f} s, more by {more * 1e3:+.0f} ms")


def test_discovery(capsys: pytest.CaptureFixture[str]) -> None:
    """All plugins in this process, where their modules are imported already: looking for them, and asking them."""
    there, none, more = in_turn(lambda: load_plugins(autoload=True), lambda: load_plugins(autoload=False), rounds=25)
    looking = statistics.median(seconds(installed_candidates) for _ in range(25))
    with capsys.disabled():
        print(f"\nload_plugins: {there * 1e3:.1f} ms, without plugins {none * 1e3:.1f} ms, more by {more * 1e3:.1f} ms")
        print(f"of that, looking through the installed distributions: {looking * 1e3:.1f} ms")


def test_import_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Each in interpreters of its own, as `plugins doctor` measures it."""
    found = installed_candidates()
    with capsys.disabled():
        print("\nimport, in a fresh interpreter:" if found else "\nno plugin is installed here")
        for candidate in found:
            times = [import_time(candidate) for _ in range(5)]
            torch = ", with torch" if times[0].torch else ""
            took = statistics.median(each.seconds for each in times) * 1e3
            print(f"  {candidate.origin.plugin}: {took:.1f} ms{torch}")


def test_each_further_plugin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred small single-file plugins, and none."""
    for number in range(100):
        (tmp_path / f"p{number}.py").write_text(SOURCE.replace("{name}", f"o{number}"))
    specs = [f"p{number}.py" for number in range(100)]
    many, none, more = in_turn(
        lambda: load_plugins(specs=specs, folder=tmp_path, autoload=False), lambda: load_plugins(autoload=False), 9
    )
    assert not load_plugins(specs=specs, folder=tmp_path, autoload=False).failures
    with capsys.disabled():
        print(f"\n100 plugins: {many * 1e3:.0f} ms, none: {none * 1e3:.1f} ms; {more * 10:.2f} ms for each")
