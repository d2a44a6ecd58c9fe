"""Distributes tiles over threads in blocks of steps, so that Ctrl-C and the progress bar respond quickly."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import torch

from playground.core.interrupts import is_stop_requested
from playground.core.setting import flush_denormals

MAX_BLOCK_OPERATIONS = 20_000_000
"""The most vector operations in one call of the kernel, about ten milliseconds."""

PARTS_PER_THREAD = 8
"""How many parts each thread's share is split into, so that all threads finish at about the same time."""


@dataclass(frozen=True)
class TileWork:
    """A number of tiles and a range of steps.

    :param operations: the operations in one step.
    """

    tiles: int
    first: int
    last: int
    operations: int


def count_threads() -> int:
    """Return the number of threads: OMP_NUM_THREADS if set, otherwise the CPUs available to this process."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_kernel(kernel: Callable[[int, int, int, int], int], work: TileWork, show: Callable[[float], None]) -> None:
    """Call a kernel for all tiles and steps. One thread computes all steps of a tile, in order.

    :param kernel: called with the first and last tile and the first and last step, ends excluded; returns how many of
        the tiles have runs that continue.
    :param show: called with the fraction that is done.
    :raises KeyboardInterrupt: Ctrl-C was pressed. All threads have ended, each after its current block.
    """
    if not work.tiles or work.first >= work.last:
        return
    count = count_threads()
    size = max(1, -(-work.tiles // (count * PARTS_PER_THREAD)))
    block = max(1, MAX_BLOCK_OPERATIONS // (size * max(work.operations, 1)))
    stop, lock, done = threading.Event(), threading.Lock(), [0]

    def part(tile: int) -> None:
        torch.set_flush_denormal(True)  # a setting of each thread; see `flush_denormals`
        end = min(tile + size, work.tiles)
        for step in range(work.first, work.last, block):
            if stop.is_set():
                return
            left = kernel(tile, end, step, min(step + block, work.last))
            with lock:
                # If no run continues, the remaining steps of these tiles count as done.
                done[0] += (end - tile) * (min(step + block, work.last) - step if left else work.last - step)
                show(done[0] / (work.tiles * (work.last - work.first)))
            if not left:
                return

    if size >= work.tiles and block >= work.last - work.first:  # over before a thread would have begun
        with flush_denormals():
            part(0)
        return
    with ThreadPoolExecutor(min(count, -(-work.tiles // size))) as pool:
        parts = [pool.submit(part, tile) for tile in range(0, work.tiles, size)]
        try:
            while wait(parts, timeout=0.1).not_done:
                # Only the main thread receives Ctrl-C. It polls, and the other threads stop after their current block.
                if is_stop_requested():
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            stop.set()
            raise
    for each in parts:
        each.result()
