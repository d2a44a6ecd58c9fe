"""All randomness: the same seed gives the same bits, and runs do not affect each other's random streams."""

from __future__ import annotations

import hashlib
import inspect
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

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
    restore = save_torch_stream(device)
    try:
        yield
    finally:
        restore()


@contextmanager
def preserve_every_stream(devices: Iterable[torch.device]) -> Iterator[None]:
    """Restore the global streams of Python, numpy and torch at the end of a `with` block.

    :param devices: whose streams of torch are restored.
    """
    numpy = sys.modules.get("numpy")
    python_state, numpy_state = random.getstate(), numpy.random.get_state() if numpy else None
    try:
        with ExitStack() as stack:
            for device in set(devices) | {torch.device("cpu")}:
                stack.enter_context(preserve_torch_stream(device))
            yield
    finally:
        random.setstate(python_state)
        if numpy is not None:
            numpy.random.set_state(numpy_state)


def save_torch_stream(device: torch.device) -> Callable[[], None]:
    """Return a function that puts torch's global stream back to its present state, as often as it is called.

    :param device: its stream is put back as well, if it has its own.
    """
    state = torch.get_rng_state()
    if device.type in ("cpu", "meta"):
        return lambda: torch.set_rng_state(state)
    module = torch.get_device_module(device)
    place = (device,) if inspect.signature(module.get_rng_state).parameters else ()  # mps has one stream
    own = module.get_rng_state(*place)

    def restore() -> None:
        torch.set_rng_state(state)
        module.set_rng_state(own, *place)

    return restore
