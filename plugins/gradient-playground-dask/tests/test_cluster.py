"""A real scheduler and real workers, each in its own process."""

import os
import shutil
import subprocess
import threading
import time

import pytest

from playground.plugin_api import PlaygroundError

pytestmark = pytest.mark.slow

OPENSSL = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
"""Creates a self-signed certificate."""

EXTRA = """
from playground import hookimpl

@hookimpl
def playground_run_finished():
    pass
"""


def options(cluster, **more):
    return {"executor": "dask", "executor_options": {"address": cluster.address, "timeout": 5.0, **more}}


def when_some_are_done(sweep, act):
    """Call a function in the middle of a sweep; the returned list then gets the numbers of finished and of all runs."""
    seen = []

    def wait():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not sweep.progress.done > 0:
            time.sleep(0.01)
        seen.append((sweep.progress.done, sweep.progress.total))
        act()

    threading.Thread(target=wait, daemon=True).start()
    return seen


def test_rows_equal_those_computed_here(sweep, cluster):
    sweep("serial", executor="serial", jobs=4)
    found = sweep("dask", jobs=4, **options(cluster))
    assert found.computed == found.size == 40
    assert sweep.rows("dask") == sweep.rows("serial")


def test_a_worker_killed_in_the_middle_costs_no_row(sweep, cluster):
    seen = when_some_are_done(sweep, cluster.workers[0].kill)
    found = sweep("dask", count=8, jobs=16, engine="plain", **options(cluster))
    ((done, total),) = seen
    assert 0 < done < total
    assert cluster.workers[0].wait(10) != 0
    assert found.runs == found.computed == 16
    sweep("serial", count=8, executor="serial", engine="plain")
    assert sweep.rows("dask") == sweep.rows("serial")


def test_a_scheduler_killed_in_the_middle_is_one_line_and_leaves_a_store_that_resumes(sweep, cluster):
    seen = when_some_are_done(sweep, cluster.scheduler.kill)
    with pytest.raises(PlaygroundError, match=r"executor 'dask': lost the connection to the scheduler at") as caught:
        sweep("dask", count=8, jobs=16, engine="plain", **options(cluster))
    assert "\n" not in str(caught.value)
    ((done, total),) = seen
    assert 0 < done < total
    kept = len(sweep.rows("dask"))
    assert kept >= done
    found = sweep("dask", count=8, engine="plain")
    assert (found.runs, found.computed) == (16, 16 - kept)
    sweep("serial", count=8, engine="plain")
    assert sweep.rows("dask") == sweep.rows("serial")


def test_a_worker_with_other_plugins_is_one_error_before_anything_runs(sweep, start_cluster, tmp_path):
    there = tmp_path / "there"
    metadata = there / "gradient_playground_extra-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: gradient-playground-extra\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[playground]\nextra = playground_extra\n")
    (there / "playground_extra.py").write_text(EXTRA)
    cluster = start_cluster()
    cluster.start_worker(PYTHONPATH=f"{there}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with pytest.raises(PlaygroundError, match=r"worker tcp://\S+: plugin extra is 1.0 \(\w+\), here not there"):
        sweep("dask", **options(cluster, timeout=30.0))
    assert sweep.rows("dask") == []


def test_a_scheduler_without_workers(sweep, start_cluster):
    cluster = start_cluster()
    with pytest.raises(PlaygroundError, match=r"no worker at tcp://\S+ within 1 s"):
        sweep("dask", **options(cluster, timeout=1.0))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the command openssl to make a certificate")
def test_tls_files_are_passed_through(sweep, start_cluster, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
            "-keyout",
            key,
            "-out",
            cert,
        ],
        check=True,
        capture_output=True,
    )
    cluster = start_cluster(
        ["--protocol", "tls", "--tls-ca-file", str(cert), "--tls-cert", str(cert), "--tls-key", str(key)]
    )
    assert cluster.address.startswith("tls://")
    cluster.start_worker()
    files = {"tls_ca_file": str(cert), "tls_cert": str(cert), "tls_key": str(key)}
    found = sweep("dask", **options(cluster, **files, timeout=30.0))
    assert found.computed == 40
    with pytest.raises(PlaygroundError, match="no scheduler answers at tls://"):
        sweep("plain", **options(cluster, timeout=2.0))
