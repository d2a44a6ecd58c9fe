"""Every tile makes every step once, in order, however the work is cut; Ctrl-C does not wait for the end."""

import sys
import threading
from collections import defaultdict

import pytest

from playground.core.compiled import threads
from playground.core.compiled.threads import TileWork, run_kernel


@pytest.mark.parametrize("count", ["1", "3", "16"])
@pytest.mark.parametrize("block", [1, 50, 10**9])
@pytest.mark.parametrize(("tiles", "first", "last"), [(1, 0, 10), (5, 3, 7), (64, 0, 100), (7, 5, 5), (0, 0, 5)])
def test_every_tile_makes_every_step_once(tiles, first, last, block, count, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", count)
    monkeypatch.setattr(threads, "MAX_BLOCK_OPERATIONS", block)
    made, lock, shares = defaultdict(list), threading.Lock(), []

    def kernel(tile, end, step, stop):
        with lock:
            for each in range(tile, end):
                made[each] += range(step, stop)
        return end - tile

    run_kernel(kernel, TileWork(tiles, first, last, 1), shares.append)
    expected = list(range(first, last))
    assert dict(made) == (dict.fromkeys(range(tiles), expected) if expected else {})
    assert shares == sorted(shares)
    assert not made or shares[-1] == 1.0


def test_tiles_whose_runs_have_all_ended_make_no_more_steps(monkeypatch) -> None:
    monkeypatch.setattr(threads, "MAX_BLOCK_OPERATIONS", 1)
    calls, shares = [], []
    run_kernel(lambda tile, end, step, stop: calls.append(step) or 0, TileWork(1, 0, 100, 1), shares.append)
    assert (calls, shares) == ([0], [1.0])


def test_a_kernel_that_raises_is_heard() -> None:
    with pytest.raises(ZeroDivisionError):
        run_kernel(lambda *part: 1 // 0, TileWork(3, 0, 10, 1), lambda share: None)


def test_ctrl_c_ends_the_threads_after_their_block(monkeypatch) -> None:
    monkeypatch.setattr(threads, "MAX_BLOCK_OPERATIONS", 1)
    calls = []

    def interrupted(parts, timeout):
        raise KeyboardInterrupt

    monkeypatch.setattr(threads, "wait", interrupted)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run_kernel(lambda *part: calls.append(part) or sys.maxsize, TileWork(2, 0, 10**9, 1), lambda share: None)
    assert threading.active_count() == before
    assert len(calls) < 10**6
