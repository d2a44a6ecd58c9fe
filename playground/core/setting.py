"""Where and in what precision a run is computed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from playground.errors import Fault, ScenarioError

CPU = torch.device("cpu")
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Setting:
    """What every part of a run shares.

    :param dtype: of parameters and data.
    :param device: where they live.
    :param seed: of initialisation and of the order of mini-batches.
    :param batch_size: samples per step; None stands for all of them.
    """

    dtype: torch.dtype = torch.float32
    device: torch.device = CPU
    seed: int = 0
    batch_size: int | None = None

    @classmethod
    def of(cls, dtype: str, device: str, seed: int, batch_size: int | None = None) -> Setting:
        """Resolve names from a scenario.

        :raises ScenarioError: the device does not exist here.
        """
        return cls(DTYPES[dtype], _require_device(device), seed, batch_size)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in the calling thread alone, and restore what was set before.

    A second thread makes a step on a few hundred numbers some ten times slower on a busy machine, and sums may come
    out in another order; many runs share the cores instead. Whoever sets OMP_NUM_THREADS has decided otherwise.
    """
    threads = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Let the calling thread take numbers too small for full precision for zero, and restore what was set before.

    Adam's moments decay into them some 800 steps after a gradient became zero, and a multiplication then takes forty
    times as long. Both a run alone and a batch descend like this, so that they see the same numbers.
    """
    before = sys.float_info.min * 0.5 == 0.0  # torch sets this but does not tell; the product is denormal
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _require_device(name: str) -> torch.device:
    """Return the device if a tensor can live on it."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except Exception as error:  # each backend raises its own kind: RuntimeError, AssertionError, NotImplementedError
        raise ScenarioError(
            Fault(f"device {name!r} is not available here (available: {', '.join(_list_devices())})", ("device",))
        ) from error
    return device


def _list_devices() -> list[str]:
    """Name the devices of this machine."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found
