"""Functions that work on one tile after another, and where a tile's numbers are in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from playground.core.compiled.wasm.binary import FunctionType, ValueType, encode_unsigned
from playground.core.compiled.wasm.function import LocalVariable, Node, WasmFunction
from playground.core.compiled.wasm.vector import INTEGER, NUMBER, REGISTER_BYTES, WasmCode, WasmVector, simd

if TYPE_CHECKING:
    from playground.core.compiled.wasm.module_program import ModuleProgram

STORE_LANE = {"float": simd(0x5A) + b"\x02", "double": simd(0x5B) + b"\x03"}
"""Instructions that store one number of a register."""

RECORDS = ("limit", "before", "end_loss", "before_end", "improved")
"""The numbers that are recorded of each run: the loss above which it has diverged, the loss before the last step, the
loss where it ended and the one before that, and the best loss that counts as an improvement."""

INTEGER_RECORDS = ("status", "steps", "improved_step")
"""The integers: an index into `END_NAMES`, the step where the run ended, and the step of the best loss."""


class TileFunction:
    """A function under construction that reads and writes what belongs to a tile.

    :param module: that it is a part of.
    :param function: receives values and statements.
    :param addresses: of rows that the caller of the function gives.
    """

    def __init__(self, module: ModuleProgram, function: WasmFunction, addresses: Mapping[str, Node]) -> None:
        self.module = module
        self.function = function
        self.code = WasmCode(function, module.vector_lanes, module.table)
        self._addresses = addresses
        self._tile = LocalVariable(ValueType.I32)

    @classmethod
    def over_tiles(cls, module: ModuleProgram, parameters: int = 2, returns: bool = False) -> Self:
        """Return a function whose first two parameters are a range of tiles.

        :param parameters: how many parameters it has.
        :param returns: whether it returns an integer.
        """
        results = (ValueType.I32,) if returns else ()
        signature = FunctionType((ValueType.I32,) * parameters, results)
        return cls(module, WasmFunction(module.wasm, signature), {})

    def repeat(self, body: Callable[[], None]) -> None:
        """Execute statements for each tile of the range."""
        function = self.function
        first, last = map(function.read, function.parameters[:2])
        function.assign([self._tile], [first])

        def one_tile() -> Node:
            body()
            tile = function.read(self._tile)
            function.assign([self._tile], [self.plus(tile, 1)])
            return self.is_less(function.read(self._tile), last)

        function.when(self.is_less(first, last), lambda: function.loop(one_tile))

    # Integers

    def integer(self, code: int, *operands: Node | int) -> Node:
        """Return the value of an instruction on single integers of 32 bits."""
        function = self.function
        lifted = [function.integer(each) if isinstance(each, int) else each for each in operands]
        return function.node(bytes([code]), ValueType.I32, *lifted)

    def plus(self, a: Node, b: Node | int) -> Node:
        """Return a + b."""
        return self.integer(0x6A, a, b)

    def is_less(self, a: Node, b: Node | int) -> Node:
        """Return whether a < b."""
        return self.integer(0x48, a, b)

    def everywhere(self, number: Node) -> WasmVector:
        """Copy an integer into each lane, as wide as the numbers."""
        if self.code.lanes.number == "float":
            return self.code.vector(self.code.register(b"\xfd\x11", number), INTEGER)
        wide = self.function.node(b"\xac", ValueType.I64, number)
        return self.code.vector(self.code.register(b"\xfd\x12", wide), INTEGER)

    # Addresses

    def load_integer(self, address: Node, offset: int = 0) -> Node:
        """Load an integer that changes."""
        return self.function.load(b"\x28\x02" + encode_unsigned(offset), ValueType.I32, address)

    def size(self, name: str) -> Node:
        """Return one of the integers at the start of the memory: a size, or the address of an array."""
        offset = self.module.layout.address_of(name)
        return self.function.node(b"\x28\x02" + encode_unsigned(offset), ValueType.I32, self.function.integer(0))

    def offset(self, base: Node, index: Node, size: int) -> Node:
        """Return the address of a row, by its index and the bytes of each."""
        return self.plus(base, self.integer(0x6C, index, size))

    def at(self, name: str) -> Node:
        """Return the address of the tile's row in an array."""
        if name in self._addresses:
            return self._addresses[name]
        row_bytes = self.module.layout[name].row_bytes
        return self.offset(self.size(name), self.function.read(self._tile), row_bytes)

    def row(self, name: str, step: Node) -> Node:
        """Return the address of a step's row in an array."""
        return self.offset(self.size(name), step, self.module.layout[name].row_bytes)

    def kept_row(self, name: str, column: Node) -> Node:
        """Return the address of the row for a kept step of the tile."""
        before = self.integer(0x6C, self.function.read(self._tile), self.size("kept"))
        return self.offset(self.size(name), self.plus(before, column), self.module.layout[name].row_bytes)

    # Vectors

    def get(self, name: str, place: int, code: WasmCode | None = None, kind: str = NUMBER) -> WasmVector:
        """Load a vector of the tile's row in an array.

        :param code: its numbers; by default those of the kernel.
        """
        code = code or self.code
        return code.load(self.at(name), place * code.lanes.width * code.lanes.bytes_each, kind)

    def put(self, value: WasmVector, name: str, place: int) -> None:
        """Store a vector."""
        lanes = value.code.lanes
        self.store(value, self.at(name), place * lanes.width * lanes.bytes_each)

    def store(self, value: WasmVector, address: Node, offset: int = 0) -> None:
        """Store a vector at an address."""
        value.code.store(value, address, offset)

    def get_record(self, name: str) -> WasmVector:
        """Load a record of each run."""
        if name in INTEGER_RECORDS:
            return self.get("integers", INTEGER_RECORDS.index(name), kind=INTEGER)
        return self.get("numbers", RECORDS.index(name))

    def put_record(self, value: WasmVector, name: str) -> None:
        """Store a record of each run."""
        names, array = (INTEGER_RECORDS, "integers") if name in INTEGER_RECORDS else (RECORDS, "numbers")
        self.put(value, array, names.index(name))

    def vector_of(self, variable: LocalVariable, kind: str = NUMBER) -> WasmVector:
        """Return the vector of one register that a variable holds."""
        return WasmVector(self.code, (self.function.read(variable),), kind)

    def keep(self, *values: WasmVector) -> None:
        """Compute vectors now."""
        self.function.keep(*(register for each in values for register in each.registers))


class RunFunction(TileFunction):
    """A function in which a tile is one run: each lane of a vector has the number of the run.

    What a run carries are rows of numbers, one for each entry of the parameters, which vectors have side by side.
    """

    def get(self, name: str, place: int, code: WasmCode | None = None, kind: str = NUMBER) -> WasmVector:
        """Load a number of the run's row in an array into each lane."""
        code = code or self.code
        return code.load_everywhere(self.at(name), place * code.lanes.bytes_each, kind)

    def put(self, value: WasmVector, name: str, place: int) -> None:
        """Store a number of the run."""
        self.store(value, self.at(name), place * value.code.lanes.bytes_each)

    def store(self, value: WasmVector, address: Node, offset: int = 0) -> None:
        """Store the first lane of a vector at an address."""
        code = STORE_LANE[value.code.lanes.number] + encode_unsigned(offset) + b"\x00"
        self.function.do(code, address, value.registers[0])

    def copy(self, target: Node, source: Node, size: int) -> None:
        """Copy so many bytes."""
        self.function.do(b"\xfc\x0a\x00\x00", target, source, self.function.integer(size))

    def each_vector(self, size: int, body: Callable[[Node], None]) -> None:
        """Execute statements for each vector of a row.

        :param size: the bytes of the row.
        :param body: is given how many bytes precede the vector.
        """
        function = self.function
        offset = function.variable(function.integer(0))

        def one_vector() -> Node:
            body(function.read(offset))
            function.assign([offset], [self.plus(function.read(offset), REGISTER_BYTES)])
            return self.is_less(function.read(offset), size)

        function.loop(one_vector)
