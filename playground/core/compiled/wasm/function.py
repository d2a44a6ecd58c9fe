"""A function of WebAssembly under construction: values as a graph, statements in order.

A value is computed where a statement needs it first. If others need it later in the same block or in blocks inside
it, it is kept in a local meanwhile; otherwise it stays on the stack. Values must therefore be pure, with two
exceptions, for which the author of a function has to see to the order:

- a variable is read where the reading value is computed: `keep` what needs the number before an assignment;
- so is memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from playground.core.compiled.wasm.binary import (
    FunctionType,
    ValueType,
    WasmModule,
    encode_list,
    encode_signed,
    encode_unsigned,
)

END, IF, LOOP, BRANCH_IF = b"\x0b", b"\x04\x40", b"\x03\x40", b"\x0d"
DROP = b"\x1a"
LOCAL_GET, LOCAL_SET, LOCAL_TEE, CALL = b"\x20", b"\x21", b"\x22", b"\x10"
I32_CONST, I64_CONST = b"\x41", b"\x42"


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """A value.

    :param code: the instruction that computes it from its operands, which are on the stack; empty for a variable.
    :param variable: the variable that it reads.
    """

    code: bytes
    operands: tuple[Node, ...]
    type: ValueType
    variable: LocalVariable | None = None


@dataclass(frozen=True, eq=False, slots=True)
class LocalVariable:
    """A local that statements assign to.

    :param parameter: which parameter of the function it is, if it is one.
    """

    type: ValueType
    parameter: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """Something to do, in order.

    :param operands: the values that it takes from the stack.
    :param code: the instruction; empty to keep the values for later.
    :param variables: that receive the operands, all at once.
    :param block: statements inside it.
    """

    operands: tuple[Node, ...]
    code: bytes = b""
    variables: tuple[LocalVariable, ...] = ()
    block: tuple[Statement, ...] = ()


@dataclass
class WasmFunction:
    """A function under construction.

    :param module: that it is added to.
    :param signature: its types.
    """

    module: WasmModule
    signature: FunctionType
    _known: dict[object, Node] = field(default_factory=dict)
    _blocks: list[list[Statement]] = field(default_factory=lambda: [[]])

    def __post_init__(self) -> None:
        self.parameters = [LocalVariable(type_, place) for place, type_ in enumerate(self.signature.parameters)]

    # Values

    def node(self, code: bytes, type_: ValueType, *operands: Node) -> Node:
        """Return the value of an instruction; the same instruction of the same operands is one value."""
        key = (code, operands, type_)
        if key not in self._known:
            self._known[key] = Node(code, operands, type_)
        return self._known[key]

    def load(self, code: bytes, type_: ValueType, address: Node) -> Node:
        """Return a value that is read from memory."""
        return Node(code, (address,), type_)

    def read(self, variable: LocalVariable) -> Node:
        """Return the value of a variable."""
        if variable not in self._known:
            self._known[variable] = Node(b"", (), variable.type, variable)
        return self._known[variable]

    def integer(self, number: int, type_: ValueType = ValueType.I32) -> Node:
        """Return a constant integer."""
        return self.node((I32_CONST if type_ is ValueType.I32 else I64_CONST) + encode_signed(number), type_)

    def call(self, index: int, type_: ValueType, *operands: Node) -> Node:
        """Return the result of a function that changes nothing."""
        return self.node(CALL + encode_unsigned(index), type_, *operands)

    # Statements

    def do(self, code: bytes, *operands: Node) -> None:
        """Execute an instruction without a result."""
        self._blocks[-1].append(Statement(operands, code))

    def keep(self, *nodes: Node) -> None:
        """Compute values now, for statements that follow in this block."""
        self._blocks[-1].append(Statement(nodes))

    def variable(self, value: Node) -> LocalVariable:
        """Return a new variable with a value."""
        found = LocalVariable(value.type)
        self.assign((found,), (value,))
        return found

    def assign(self, variables: Sequence[LocalVariable], values: Sequence[Node]) -> None:
        """Let variables have new values, all at once: the values are computed before."""
        self._blocks[-1].append(Statement(tuple(values), LOCAL_SET, tuple(variables)))
        self._forget(variables)

    def when(self, condition: Node, body: Callable[[], None]) -> None:
        """Execute statements if a condition is not 0."""
        self._blocks[-1].append(Statement((condition,), IF, block=self._block(body)))

    def loop(self, body: Callable[[], Node]) -> None:
        """Execute statements, and again as long as the condition that they end with is not 0."""

        def again() -> None:
            self.do(BRANCH_IF + b"\x00", body())

        self._blocks[-1].append(Statement((), LOOP, block=self._block(again)))

    def finish(self, *results: Node, name: str | None = None) -> int:
        """Add the function to its module; return its index.

        :param name: to export it.
        """
        self._blocks[-1].append(Statement(results, b"\x01"))  # no operation: the results stay on the stack
        (body,) = self._blocks
        return self.module.add(self.signature, _Assembler(self.signature, body).assemble(), name)

    def _block(self, body: Callable[[], None]) -> tuple[Statement, ...]:
        known = dict(self._known)
        self._forget()
        self._blocks.append([])
        body()
        found = tuple(self._blocks.pop())
        self._known = known
        self._forget([variable for each in _walk(found) for variable in each.variables])
        return found

    def _forget(self, variables: Sequence[LocalVariable] | None = None) -> None:
        """Let values that depend on variables be other values from now on: on these, or on any that is no parameter."""
        changed = (
            {key for key in self._known if isinstance(key, LocalVariable)} if variables is None else set(variables)
        )
        gone = {self._known[each] for each in changed if each in self._known and each.parameter is None}
        if variables is not None:
            gone |= {self._known[each] for each in changed if each in self._known}
        if not gone:
            return
        for key, node in list(self._known.items()):
            if node in gone or not gone.isdisjoint(node.operands):
                gone.add(node)
                del self._known[key]


def _walk(statements: Sequence[Statement]) -> Iterator[Statement]:
    for each in statements:
        yield each
        yield from _walk(each.block)


class _Assembler:
    """Writes the instructions of a function, and decides which values are kept in locals.

    :param body: its statements.
    """

    def __init__(self, signature: FunctionType, body: Sequence[Statement]) -> None:
        self._signature = signature
        self._body = body
        self._code = bytearray()
        self._left = _count_uses(body)
        self._types: list[ValueType] = []
        self._free: dict[ValueType, list[int]] = {}
        self._kept: dict[Node, tuple[int, int]] = {}
        """The local of a value, and the depth of the block that it was computed in."""
        self._pinned: set[Node] = set()
        self._variables: dict[LocalVariable, int] = {}
        self._depth = 0

    def assemble(self) -> bytes:
        """Return the body: the types of the locals, and the instructions."""
        self._write_block(self._body)
        runs = [(type_, len(list(run))) for type_, run in groupby(self._types)]
        return encode_list([encode_unsigned(count) + bytes([type_]) for type_, count in runs]) + bytes(self._code) + END

    def _write_block(self, statements: Sequence[Statement]) -> None:
        self._depth += 1
        for each in statements:
            self._write(each)
        self._depth -= 1
        for node in [node for node, (_, depth) in self._kept.items() if depth > self._depth]:
            self._release(node)

    def _write(self, statement: Statement) -> None:
        if not statement.code:
            for node in statement.operands:
                self._keep(node)
            return
        for node in statement.operands:
            self._push(node)
        if statement.variables:
            for variable in reversed(statement.variables):
                self._code += LOCAL_SET + encode_unsigned(self._local_of(variable))
            return
        self._code += statement.code
        if statement.code in (IF, LOOP):
            self._write_block(statement.block)
            self._code += END

    def _keep(self, node: Node) -> None:
        if node not in self._kept:
            self._left[node] += 1  # so that the value is kept even if only one statement needs it
            self._push(node)
            tee = LOCAL_TEE + encode_unsigned(self._kept[node][0]) if node in self._kept else b""
            if tee and self._code.endswith(tee):
                self._code[-len(tee) :] = LOCAL_SET + tee[1:]
            else:
                self._code += DROP
        self._pinned.add(node)

    def _push(self, root: Node) -> None:
        """Write the instructions that leave a value on the stack."""
        todo = [(root, False)]
        while todo:
            node, ready = todo.pop()
            if node in self._kept:
                self._code += LOCAL_GET + encode_unsigned(self._kept[node][0])
            elif node.variable is not None:
                self._code += LOCAL_GET + encode_unsigned(self._local_of(node.variable))
            elif not ready:
                todo.append((node, True))
                todo += [(each, False) for each in reversed(node.operands)]
                continue
            else:
                self._code += node.code
                if self._left[node] > 1 and node.code[:1] not in (I32_CONST, I64_CONST):
                    local = self._allocate(node.type)
                    self._kept[node] = local, self._depth
                    self._code += LOCAL_TEE + encode_unsigned(local)
            self._count(node)

    def _count(self, node: Node) -> None:
        """Note a use of a value; after the last one in the block that computed it, its local is free."""
        self._left[node] -= 1
        if self._left[node] > 0 or node not in self._kept or node in self._pinned:
            return
        if self._kept[node][1] == self._depth:
            self._release(node)

    def _release(self, node: Node) -> None:
        local, _ = self._kept.pop(node)
        self._pinned.discard(node)
        self._free.setdefault(node.type, []).append(local)

    def _allocate(self, type_: ValueType) -> int:
        if self._free.get(type_):
            return self._free[type_].pop()
        self._types.append(type_)
        return len(self._signature.parameters) + len(self._types) - 1

    def _local_of(self, variable: LocalVariable) -> int:
        if variable.parameter is not None:
            return variable.parameter
        if variable not in self._variables:
            self._variables[variable] = self._allocate(variable.type)
        return self._variables[variable]


def _count_uses(body: Sequence[Statement]) -> Counter[Node]:
    """Return how many values and statements need each value."""
    found = Counter[Node]()
    todo = [node for statement in _walk(body) for node in statement.operands]
    while todo:
        node = todo.pop()
        if not found[node]:
            todo += node.operands
        found[node] += 1
    return found
