"""How fast one run is, against a hand-written loop in the same sitting. Prints ratios; gates nothing.

Run with `pytest tests/benchmarks -m benchmark -s`.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCENARIO = ROOT / "scenarios" / "and_gate.yaml"


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Return the median time of each, taken in turn after a warm-up, and the median ratio of the pairs."""
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    mine, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    return mine, other, statistics.median(a / b for a, b in pairs)


def command(*words: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *words], cwd=ROOT, check=False, capture_output=True)


def test_one_step(capsys: pytest.CaptureFixture[str]) -> None:
    """1,000 steps of the AND gate, both in this process, one thread each."""
    import torch

    from playground.plugins.manager import load_plugins
    from playground.runner.single.running import run_one
    from playground.scenario.model import load_scenario

    sys.path.insert(0, str(HERE))
    from handwritten import train

    sys.path.remove(str(HERE))
    torch.set_num_threads(1)
    loaded, plugins = load_scenario(SCENARIO), load_plugins()
    ours, theirs, ratio = in_turn(lambda: run_one(loaded, plugins), train, rounds=9)
    with capsys.disabled():
        print(f"\nAND gate, one step: {ours * 1e3:.0f} µs, hand-written {theirs * 1e3:.0f} µs, ratio {ratio:.2f}")
    assert run_one(loaded, plugins).loss.last == pytest.approx(train()[-1], rel=0.5)


def test_whole_process(capsys: pytest.CaptureFixture[str]) -> None:
    """From nothing to the verdict, as processes."""
    ours, theirs, ratio = in_turn(
        command("-m", "playground", "run", str(SCENARIO)), command(str(HERE / "handwritten.py")), rounds=5
    )
    with capsys.disabled():
        print(f"\nAND gate, cold process: {ours:.2f} s, hand-written {theirs:.2f} s, ratio {ratio:.2f}")


@pytest.mark.parametrize("words", [("--help",), ("list",), ("check", "broken.yaml")])
def test_commands_that_compute_nothing(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.yaml").write_text("task: minimize\nfunctoin: x**2\n")
    words = tuple(str(tmp_path / word) if word == "broken.yaml" else word for word in words)
    times = [seconds(command("-m", "playground", *words)) for _ in range(7)]
    with capsys.disabled():
        print(f"\nplayground {' '.join(words[:1])}: {statistics.median(times):.3f} s")


def test_every_bundled_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    took = seconds(command("-m", "playground", "run", str(ROOT / "scenarios")))
    with capsys.disabled():
        print(f"\nplayground run scenarios/: {took:.1f} s")
