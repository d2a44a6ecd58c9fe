import os
import time

import pytest

from playground.builtin.executors import processes, serial


def test_serial_computes_here_and_now():
    with serial() as executor:
        future = executor.submit(os.getpid)
        assert future.done()
        assert future.result() == os.getpid()
        assert list(executor.map(abs, [-1, 2])) == [1, 2]
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()


def test_processes_compute_elsewhere_with_one_thread():
    with processes(1) as executor:
        assert executor.submit(os.getpid).result() != os.getpid()
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"


def test_who_leaves_early_waits_for_nobody():
    def leave():
        with processes(1) as executor:
            future = executor.submit(time.sleep, 100_000)  # whoever waited for it would end by the suite's time-out
            while not future.running():
                time.sleep(0.01)
            raise KeyError

    with pytest.raises(KeyError):
        leave()
