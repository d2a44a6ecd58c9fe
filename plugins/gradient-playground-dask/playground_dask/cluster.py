"""A cluster of dask.distributed as an executor: a local cluster, or the cluster at an address."""

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
"""The address for the HTTP servers that dask starts with each scheduler and worker, even without a dashboard."""


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
    """Compute on workers of dask.distributed: a local cluster that only this machine can reach, or a remote cluster.

    `-j N` is the number of chunks in progress. Workers need the same plugins and the same torch as this process; this
    is checked before anything runs.

    :param workers: processes of the local cluster; by default the value of `-j`.
    :param address: address of a scheduler with its own workers, `tcp://HOST:PORT` or `tls://HOST:PORT`; by default, a
        local cluster is started and ended afterwards.
    :param retries: how often a chunk is retried after it raised or its worker died. For a scheduler at an address, its
        setting `allowed-failures` decides about dead workers.
    :param timeout: seconds to wait for the scheduler, also after its connection is lost, and for its first worker.
    :param tls_ca_file: file with the trusted certificates, for `tls://`.
    :param tls_cert: file with the certificate of this side.
    :param tls_key: file with its private key.
    :raises ComponentError: no scheduler or no worker answers, or the options contradict each other.
    """
    tls = {"tls_ca_file": tls_ca_file, "tls_client_cert": tls_cert, "tls_client_key": tls_key}
    if address is None:
        if any(tls.values()):
            raise ComponentError("executor 'dask': TLS files need the option address of a scheduler")
        with _local(workers or os.cpu_count() or 1, retries) as cluster, _connected(cluster, timeout, None) as client:
            yield Workers(client, retries, "the cluster here")
        return
    security = Security(require_encryption=True, **tls) if any(tls.values()) else None
    with _connected(address, timeout, security) as client:
        yield Workers(client, retries, f"the scheduler at {address}")


@contextmanager
def _local(workers: int, retries: int) -> Iterator[LocalCluster]:
    """Start worker processes with one thread each, which listen only on the loopback interface."""
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
    """Connect to a scheduler and wait for its first worker.

    :raises ComponentError: no scheduler or no worker answers.
    """
    where = target if isinstance(target, str) else "the cluster here"
    try:
        client = Client(target, timeout=timeout, security=security, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # dask raises these for addresses, TLS and timeouts
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ComponentError(f"executor 'dask': no scheduler answers at {where}: {reason}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError as error:
            raise ComponentError(f"executor 'dask': no worker at {where} within {timeout:g} s") from error
        yield client
