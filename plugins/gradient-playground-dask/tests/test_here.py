"""The local cluster, and errors before a cluster exists."""

import os
import runpy
import time
from pathlib import Path

import psutil
import pytest

from playground.plugin_api import PlaygroundError
from playground.testing import ExecutorContract
from playground_dask.cluster import dask


class TestExecutor(ExecutorContract):
    def executor(self):
        return dask(workers=2, retries=0)


def test_rows_equal_those_computed_here(sweep):
    sweep("serial", executor="serial", jobs=2)
    found = sweep("dask", executor="dask", jobs=2)
    assert found.computed == found.size == 40
    assert sweep.rows("dask") == sweep.rows("serial")


def listening():
    """Addresses where this process or one below it accepts connections."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = set()
    for process in processes:
        found |= {each.laddr.ip for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN}
    return found


def test_nothing_listens_beyond_the_loopback_interface():
    with dask(workers=2) as workers:
        assert len(workers.everywhere(os.getpid)) == 2
        assert listening() == {"127.0.0.1"}
    assert listening() == set()


def test_equal_calls_are_two_calls_and_exceptions_keep_their_type():
    with dask(workers=1, retries=0) as workers:
        first, second = workers.submit(time.monotonic), workers.submit(time.monotonic)
        assert first.result(30) != second.result(30)
        with pytest.raises(ZeroDivisionError):
            workers.submit(divmod, 1, 0).result(30)


def test_workers_that_die_one_after_the_other_break_the_executor():
    from concurrent.futures import BrokenExecutor

    with dask(workers=1, retries=0) as workers, pytest.raises(BrokenExecutor):
        workers.submit(os._exit, 1).result(60)


def test_no_scheduler_at_the_address():
    wrong = pytest.raises(PlaygroundError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9: ")
    with wrong as caught, dask(address="tcp://127.0.0.1:9", timeout=1.0):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "ftp://127.0.0.1:9"])
def test_an_address_that_is_none(address):
    with pytest.raises(PlaygroundError, match="no scheduler answers at"), dask(address=address, timeout=1.0):
        pass


def test_tls_files_without_an_address():
    with pytest.raises(PlaygroundError, match="TLS files need the option address"), dask(tls_cert="cert.pem"):
        pass


def test_tls_files_that_are_missing():
    wrong = pytest.raises(PlaygroundError, match=r"no scheduler answers at tls://127\.0\.0\.1:9: .*No such file")
    with wrong, dask(address="tls://127.0.0.1:9", timeout=1.0, tls_ca_file="none.pem", tls_cert="none.pem"):
        pass


def test_an_option_that_it_does_not_have(sweep):
    with pytest.raises(PlaygroundError, match="unknown parameter 'adress' of executor 'dask'; did you mean 'address'"):
        sweep("dask", executor="dask", executor_options={"adress": "tcp://a:1"})


def test_what_the_measurement_sends_is_a_chunk():
    """If chunks get another field, `measure.py` must get it too."""
    parcel = runpy.run_path(str(Path(__file__).parents[1] / "measure.py"))["parcel"]()
    assert len(parcel.members) == 50
