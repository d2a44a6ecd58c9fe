"""The reporter `tensorboard`: runs and sweeps as event files. Imports nothing of TensorBoard until it is used."""

from __future__ import annotations

from collections.abc import Mapping

from playground import hookimpl


@hookimpl
def playground_reporters() -> Mapping[str, str]:
    """Return how results are written."""
    return {"tensorboard": "playground_tensorboard.events:write"}
