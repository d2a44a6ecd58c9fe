"""A cluster of dask.distributed as an executor: one on this machine, or the one at an address."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import dask as dask_library
from annotated_types import Ge, Gt
from distributed import Client, LocalCluster
from distributed.security import Security

from playground.plugin_api import ComponentError
from playground_dask.workers import Workers

LOOPBACK = "127.0.0.1"

ANY_PORT = f"{LOOPBACK}:0"
"""Where the servers listen that dask starts beside each scheduler and worker, dashboard or none."""


@contextmanager
def dask(
    workers: Annotated[int, Ge(1)] | None = None,
    address: str | None = None,
    retries: Annotated[int, Ge(0)] = 3,
    timeout: Annotated[float, Gt(0)] = 30.0,
    tls_ca_file: str | None = None,
    tls_cert: str | None = None,
    tls_key: str | None = None,
) -> Iterator[Workers]:
    """Compute on workers of dask.distributed: in processes here that only this machine can reach, or on a cluster.

    `-j N` is how many chunks are under way at once. Workers need the same plugins and the same torch as this process,
    which is checked before anything runs.

    :param workers: processes of the cluster here; by default as many as `-j` says.
    :param address: of a scheduler, `tcp://HOST:PORT` or `tls://HOST:PORT`, which has workers of its own; by default a
        cluster is started here and ended afterwards.
    :param retries: how often a chunk is computed again after its worker died (with an address the scheduler's
        `allowed-failures` says that) or it raised.
    :param timeout: seconds to wait for the scheduler, when it is gone as well, and for its first worker.
    :param tls_ca_file: file with the certificates to trust, for `tls://`.
    :param tls_cert: file with the certificate of this side.
    :param tls_key: file with its private key.
    :raises ComponentError: no scheduler or no worker answers, or the options contradict each other.
    """
    tls = {"tls_ca_file": tls_ca_file, "tls_client_cert": tls_cert, "tls_client_key": tls_key}
    if address is None:
        if any(tls.values()):
            raise ComponentError("executor 'dask': TLS files are for a scheduler's address, and there is none")
        with _local(workers or os.cpu_count() or 1, retries) as cluster, _connected(cluster, timeout, None) as client:
            yield Workers(client, retries, "the cluster here")
        return
    security = Security(require_encryption=True, **tls) if any(tls.values()) else None
    with _connected(address, timeout, security) as client:
        yield Workers(client, retries, f"the scheduler at {address}")


@contextmanager
def _local(workers: int, retries: int) -> Iterator[LocalCluster]:
    """Start processes that listen on the loopback interface alone, each with one thread."""
    with (
        dask_library.config.set({"distributed.scheduler.allowed-failures": retries}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host=LOOPBACK,
            dashboard_address=ANY_PORT,
            worker_dashboard_address=ANY_PORT,
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


@contextmanager
def _connected(target: str | LocalCluster, timeout: float, security: Security | None) -> Iterator[Client]:
    """Connect, and wait for a worker.

    :raises ComponentError: nobody answers.
    """
    where = target if isinstance(target, str) else "the cluster here"
    try:
        client = Client(target, timeout=timeout, security=security, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # what dask raises for addresses, TLS and timeouts
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ComponentError(f"executor 'dask': no scheduler answers at {where}: {reason}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError as error:
            raise ComponentError(f"executor 'dask': no worker at {where} within {timeout:g} s") from error
        yield client
