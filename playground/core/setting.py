"""The device, precision and threads of a run."""

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
    """What all parts of a run share.

    :param dtype: of parameters and data.
    :param device: of parameters and data.
    :param seed: of initialisation and of the order of mini-batches.
    :param batch_size: samples per step; None for all of them.
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
    """Compute in the calling thread only, and restore the setting afterwards.

    On a few hundred numbers, a second thread makes a step about ten times slower on a busy machine and may change the
    order of sums. Many runs use the cores instead. OMP_NUM_THREADS overrides this.
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
    """Make the calling thread treat denormal numbers as zero, and restore the setting afterwards.

    Adam's moments become denormal about 800 steps after a gradient became zero, and multiplications then take forty
    times as long. Single runs and batches both use this setting, so that they compute the same numbers.
    """
    before = sys.float_info.min * 0.5 == 0.0  # torch cannot be asked for the setting; the product is denormal
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _require_device(name: str) -> torch.device:
    """Return the device if a tensor can be created on it."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except Exception as error:  # each backend raises its own error: RuntimeError, AssertionError, NotImplementedError
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
