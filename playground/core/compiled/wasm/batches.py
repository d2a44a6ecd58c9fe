"""Loads the mini-batches of each run, in the order of its seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from playground.core.compiled.program import DATUM, INPUT
from playground.core.compiled.wasm.binary import ValueType, encode_unsigned
from playground.core.compiled.wasm.function import Node
from playground.core.compiled.wasm.tiles import TileFunction
from playground.core.compiled.wasm.vector import NUMBER, WasmCode, WasmVector, simd

LOAD_LANE = {"float": simd(0x56) + b"\x02", "double": simd(0x57) + b"\x03"}
"""Instructions that load a number into one lane of a register."""

MINUS, TIMES = 0x6B, 0x6C
"""Instructions on single integers of 32 bits."""


def load_lanes(code: WasmCode, rows: Sequence[Node], place: int) -> WasmVector:
    """Load a vector of one number from each of some rows.

    :param rows: the address of each.
    :param place: of the number in a row.
    """
    offset = place * code.lanes.bytes_each
    register = code.load_everywhere(rows[0], offset).registers[0]
    for lane, row in enumerate(rows[1:], start=1):
        load = LOAD_LANE[code.lanes.number] + encode_unsigned(offset) + bytes([lane])
        register = Node(load, (row, register), ValueType.V128)
    return WasmVector(code, (register,), NUMBER)


class BatchLoader:
    """Writes what loads the entries of the batches, each lane by itself: the runs of a tile have different samples.

    :param tile: before its steps.
    """

    def __init__(self, tile: TileFunction) -> None:
        self._tile = tile
        self._streams = self._find_streams() if tile.module.batch else []

    def _find_streams(self) -> list[Node]:
        """Return where the order of the samples of each run begins."""
        tile = self._tile
        found = []
        for lane in range(tile.code.lanes.width):
            rows = tile.integer(TIMES, tile.load_integer(tile.at("streams"), 4 * lane), tile.size("span"))
            ahead = tile.integer(MINUS, rows, tile.size("ordered"))
            found.append(tile.offset(tile.size("order"), ahead, 4 * tile.module.batch))
        tile.function.keep(*found)
        return found

    def inputs(self, now: Node) -> dict[Any, Callable[[], WasmVector]]:
        """Return what loads each entry of the batches of a step; nothing if every batch is all data.

        :param now: the step's number.
        """
        tile, module = self._tile, self._tile.module
        if not module.batch:
            return {}
        rows = [tile.offset(stream, now, 4 * module.batch) for stream in self._streams]
        samples: dict[tuple[int, int, int], Node] = {}

        def address(which: int, row: int, lane: int) -> Node:
            if (which, row, lane) not in samples:
                sample = tile.load_integer(rows[lane], 4 * row)
                size = tile.code.lanes.bytes_each * module.places[which]
                samples[which, row, lane] = tile.offset(tile.size(f"data{which}"), sample, size)
            return samples[which, row, lane]

        def entry(which: int, row: int, place: int) -> WasmVector:
            return load_lanes(tile.code, [address(which, row, lane) for lane in range(tile.code.lanes.width)], place)

        nodes = module.kernel_program.program.nodes
        entries = [node.value for node in nodes if node.operation == INPUT and node.value[0] == DATUM]
        return {value: partial(entry, *value[1:]) for value in entries}
