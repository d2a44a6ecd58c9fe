"""The executor `dask`: sweeps on a cluster. dask is imported on first use."""

from __future__ import annotations

from collections.abc import Mapping

from playground import hookimpl


@hookimpl
def playground_executors() -> Mapping[str, str]:
    """Register the executor `dask`."""
    return {"dask": "playground_dask.cluster:dask"}
