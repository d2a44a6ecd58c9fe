"""The executor `dask`: sweeps on a cluster. Imports nothing of dask until it is used."""

from __future__ import annotations

from collections.abc import Mapping

from playground import hookimpl


@hookimpl
def playground_executors() -> Mapping[str, str]:
    """Return where runs are computed."""
    return {"dask": "playground_dask.cluster:dask"}
