"""Side by side, with an executor that dies on command instead of real processes."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.runner.processes.parallel import run_parallel


class Mortal:
    """Finishes a call when `size` are under way; a name with 'kill' takes all of those with it."""

    def __init__(self, size, log):
        self.size, self.log, self.dead, self.underway = size, log, False, []

    def submit(self, work, name):
        if self.dead:
            raise BrokenProcessPool("dead")
        self.log.append(name)
        future = Future()
        if "kill" in name:
            self.dead = True
            for other in [*self.underway, future]:
                if not other.done():
                    other.set_exception(BrokenProcessPool("killed"))
            return future
        self.underway.append(future)
        if len(self.underway) >= self.size:
            try:
                future.set_result(work(name))
            except ValueError as error:
                future.set_exception(error)
        else:
            future.set_running_or_notify_cancel()
        return future


class Instant(Mortal):
    """Finishes at once, unless it is killed."""

    def __init__(self, size, log):
        super().__init__(0, log)


def pools(kind, log, opened):
    @contextmanager
    def pool(size):
        opened.append(size)
        yield kind(size, log)
        opened.append(-size)

    return pool


def answers(names, jobs=2, kind=Instant):
    log, opened = [], []
    found = dict(run_parallel(names, str.upper, pools(kind, log, opened), jobs))
    assert sum(opened) == 0
    return {str(file): result for file, result in found.items()}, log, opened


def test_every_file_gets_its_own_result():
    found, log, opened = answers(["a", "b", "c"])
    assert found == {"a": "A", "b": "B", "c": "C"}
    assert log == ["a", "b", "c"]
    assert opened == [2, -2]


def test_the_one_that_kills_is_run_again_alone_and_the_others_go_on():
    found, log, opened = answers(["a", "kill", "b", "c"])
    assert found == {"a": "A", "kill": None, "b": "B", "c": "C"}
    assert log.count("kill") == 2
    assert opened == [2, -2, 1, -1, 2, -2]


def test_a_bystander_of_a_death_is_run_again_too():
    log, opened = [], []

    class First(Mortal):
        """The bystander is still under way when its neighbour dies, and quick when alone."""

        def submit(self, work, name):
            if self.size == 1:
                self.size = 0
            return super().submit(work, name)

    found = dict(run_parallel(["slow", "kill"], str.upper, pools(First, log, opened), 2))
    assert {str(file): result for file, result in found.items()} == {"slow": "SLOW", "kill": None}
    assert log == ["slow", "kill", "slow", "kill"]
    assert opened == [2, -2, 1, -1, 1, -1]


def test_what_the_work_raises_comes_through():
    def work(name):
        raise ValueError(name)

    with pytest.raises(ValueError, match="a"):
        list(run_parallel(["a"], work, pools(Instant, [], []), 2))


def test_who_stops_early_closes_the_pool():
    opened = []

    @contextmanager
    def pool(size):
        try:
            yield Instant(size, [])
        finally:
            opened.append("closed")

    results = run_parallel(["a", "b"], str.upper, pool, 2)
    next(results)
    results.close()
    assert opened == ["closed"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["ok", "kill"]), max_size=8), st.integers(1, 4))
def test_only_killers_are_lost_whatever_the_order(kinds, jobs):
    names = [f"{kind}{i}" for i, kind in enumerate(kinds)]
    found, _, _ = answers(names, jobs)
    assert found == {name: None if "kill" in name else name.upper() for name in names}
