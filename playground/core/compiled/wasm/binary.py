"""The binary format of WebAssembly modules, as far as kernels use it: types, functions, one memory, exports and data.

Source: W3C, WebAssembly Core Specification 2.0, section 5.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache

MAX_PAGES = 65_536
"""The most pages that a memory may grow to: 4 GiB."""


class ValueType(IntEnum):
    """The type of a value, by its byte."""

    I32 = 0x7F
    I64 = 0x7E
    F32 = 0x7D
    F64 = 0x7C
    V128 = 0x7B


class Section(IntEnum):
    """The parts of a module, by their byte, in the order in which they have to come."""

    TYPES = 1
    FUNCTIONS = 3
    MEMORY = 5
    EXPORTS = 7
    CODE = 10
    DATA = 11


@lru_cache(maxsize=4096)
def encode_unsigned(number: int) -> bytes:
    """Encode a number that is not negative: 7 bits in each byte, the lowest first (LEB128)."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def encode_signed(number: int) -> bytes:
    """Encode a number in the same way, with its sign in the highest bit of the last byte."""
    found = bytearray()
    while not -64 <= number < 64:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number & 127])


def encode_float(number: float) -> bytes:
    """Encode a number of single precision, rounded to the nearest; the result is infinite if it is too large."""
    try:
        return struct.pack("<f", number)
    except OverflowError:
        return struct.pack("<f", float("inf") if number > 0 else float("-inf"))


def encode_list(items: Sequence[bytes]) -> bytes:
    """Encode how many items there are, and the items."""
    return encode_unsigned(len(items)) + b"".join(items)


def encode_text(text: str) -> bytes:
    """Encode a text: its length, and UTF-8."""
    data = text.encode()
    return encode_unsigned(len(data)) + data


@dataclass(frozen=True)
class FunctionType:
    """The types of a function's parameters and results."""

    parameters: tuple[ValueType, ...] = ()
    results: tuple[ValueType, ...] = ()

    def encode(self) -> bytes:
        """Return the bytes of the type."""
        return (
            b"\x60"
            + encode_list([bytes([t]) for t in self.parameters])
            + encode_list([bytes([t]) for t in self.results])
        )


@dataclass
class WasmModule:
    """A module under construction.

    :param pages: of memory at the start, 64 KiB each.
    """

    pages: int = 1
    exports: dict[str, int] = field(default_factory=dict)
    """The functions that can be called from outside, by name."""
    data: dict[int, bytes] = field(default_factory=dict)
    """What the memory holds at the start, by address."""
    _signatures: list[FunctionType] = field(default_factory=list)
    _bodies: list[bytes] = field(default_factory=list)

    def add(self, signature: FunctionType, body: bytes, name: str | None = None) -> int:
        """Add a function; return its index.

        :param body: its locals and instructions.
        :param name: to export it.
        """
        self._signatures.append(signature)
        self._bodies.append(encode_unsigned(len(body)) + body)
        index = len(self._bodies) - 1
        if name is not None:
            self.exports[name] = index
        return index

    def encode(self) -> bytes:
        """Return the module; its memory is exported as `memory`."""
        types = list(dict.fromkeys(self._signatures))
        exports = [encode_text("memory") + b"\x02\x00"]
        exports += [encode_text(name) + b"\x00" + encode_unsigned(index) for name, index in self.exports.items()]
        sections = {
            Section.TYPES: [each.encode() for each in types],
            Section.FUNCTIONS: [encode_unsigned(types.index(each)) for each in self._signatures],
            Section.MEMORY: [b"\x01" + encode_unsigned(self.pages) + encode_unsigned(MAX_PAGES)],
            Section.EXPORTS: exports,
            Section.CODE: self._bodies,
            Section.DATA: [
                b"\x00\x41" + encode_signed(address) + b"\x0b" + encode_unsigned(len(data)) + data
                for address, data in self.data.items()
            ],
        }
        return b"\x00asm\x01\x00\x00\x00" + b"".join(
            _encode_section(section, items) for section, items in sections.items() if items
        )


def _encode_section(section: Section, items: Sequence[bytes]) -> bytes:
    content = encode_list(items)
    return bytes([section]) + encode_unsigned(len(content)) + content
