"""All randomness: the same seed gives the same bits, and runs do not affect each other's random streams."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, *stream: str | int) -> int:
    """Return a 63-bit seed for one purpose, independent of those for other purposes.

    :param seed: the run's or the dataset's seed.
    :param stream: what the numbers are for: `derive_seed(0, "batches", epoch)`.
    """
    text = "/".join(map(str, (seed, *stream)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def make_generator(seed: int, *stream: str | int) -> torch.Generator:
    """Return a new CPU generator for one purpose; see `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(seed, *stream))


@contextmanager
def seed_torch(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global stream, from which modules are initialised, and restore it afterwards.

    A module built inside has the same numbers as after `torch.manual_seed(seed)` in a script.

    :param seed: 0 to 2**63 - 1.
    :param device: its stream is seeded as well, if it has its own.
    """
    with preserve_torch_stream(device):
        if device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)
        yield


@contextmanager
def preserve_torch_stream(device: torch.device) -> Iterator[None]:
    """Restore torch's global stream at the end of a `with` block.

    :param device: its stream is restored as well, if it has its own.
    """
    if device.type == "cpu":
        with torch.random.fork_rng(devices=[]):
            yield
    else:
        with torch.random.fork_rng(devices=[device.index or 0], device_type=device.type):
            yield


def save_torch_stream(device: torch.device) -> Callable[[], None]:
    """Return a function that puts torch's global stream back to its present state, as often as it is called.

    :param device: its stream is put back as well, if it has its own.
    """
    state = torch.get_rng_state()
    if device.type == "cpu":
        return lambda: torch.set_rng_state(state)
    module = torch.get_device_module(device)
    own = module.get_rng_state(device)

    def restore() -> None:
        torch.set_rng_state(state)
        module.set_rng_state(own, device)

    return restore
