"""The reporter `tensorboard`: runs and sweeps as event files. tensorboardX is imported on first use."""

from __future__ import annotations

from collections.abc import Mapping

from playground import hookimpl


@hookimpl
def playground_reporters() -> Mapping[str, str]:
    """Register the reporter `tensorboard`."""
    return {"tensorboard": "playground_tensorboard.events:write"}
