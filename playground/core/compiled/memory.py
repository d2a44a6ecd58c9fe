"""What an optimizer remembers from step to step: every tensor and number that can be reached from it, by path.

Optimizers keep their memory where they like: in `state`, in a parameter group, in an attribute, in a deque, in another
optimizer that they wrap. So the memory is found by walking through all that can be reached.
"""

from __future__ import annotations

import enum
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from playground.core.compiled.number import is_number
from playground.core.compiled.symbol import Symbol

MemoryPath = tuple[str, ...]
"""Where something is remembered: `("state", "p0", "exp_avg")`. `p0` is the first parameter as a key."""

PLAIN_TYPES = (
    *(str, bytes, type, range, complex, enum.Enum, frozenset, type(None), type(Ellipsis)),
    *(torch.dtype, torch.device, torch.memory_format, torch.layout, types.ModuleType),
)
"""Values that never change. Two of them are alike if they look alike."""


@dataclass(frozen=True)
class MemoryLeaf:
    """A tensor, a number or another value that is remembered.

    :param replace: puts another value in its place.
    """

    path: MemoryPath
    value: Any
    replace: Callable[[Any], None]

    @property
    def is_opaque(self) -> bool:
        """Whether this may hold numbers that no walk finds, such as an iterator, a generator or a closure."""
        value = self.value
        if isinstance(value, (*PLAIN_TYPES, Tensor)) or is_number(value):
            return False
        if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
            return bool(getattr(value, "__closure__", None))
        return True


def find_leaves(root: Any, parameters: Sequence[Tensor]) -> Iterator[MemoryLeaf]:
    """Yield what can be reached from an object, in a fixed order.

    :param parameters: they are no memory of the optimizer; as keys they are named `p0`, `p1`, ...
    """
    names = {id(parameter): f"p{i}" for i, parameter in enumerate(parameters)}
    return _walk(root, (), lambda _: None, names, set())


def find_objects(root: Any) -> list[Any]:
    """Return the objects of classes written in Python that can be reached, the root first if it is one."""
    found: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, types.MethodType):
            waiting.append(value.__self__)
        elif isinstance(value, tuple):
            waiting += value
        elif id(value) not in found and (items := _items(value)) is not None:
            found[id(value)] = value
            waiting += [each for _, each, _ in items]
    return [value for value in found.values() if is_walkable(value)]


def _walk(
    value: Any, path: MemoryPath, replace: Callable[[Any], None], names: dict[int, str], seen: set[int]
) -> Iterator[MemoryLeaf]:
    if isinstance(value, Tensor) or is_number(value):
        if id(value) not in names:
            yield MemoryLeaf(path, value, replace)
        return
    if isinstance(value, tuple):
        entries = list(value)
        for i, each in enumerate(value):
            yield from _walk(each, (*path, str(i)), _tuple_writer(value, entries, i, replace), names, seen)
        return
    if isinstance(value, types.MethodType):
        yield from _walk(value.__self__, (*path, "self"), replace, names, seen)
        return
    if id(value) in seen:
        return
    items = _items(value)
    if items is None:
        yield MemoryLeaf(path, value, replace)
        return
    seen.add(id(value))
    for key, each, write in items:
        yield from _walk(each, (*path, _key_name(key, names)), write, names, seen)
    if isinstance(value, list | deque):  # a list that grows changes what a step does
        yield MemoryLeaf((*path, "length"), f"{len(value)} entries", replace)
    if isinstance(value, dict | list | deque) and attribute_names(value):  # which no walk finds
        yield MemoryLeaf((*path, "attributes"), value, replace)


def _items(value: Any) -> list[tuple[Any, Any, Callable[[Any], None]]] | None:
    """Return the keys and entries of a container or the attributes of an object; None for anything else."""
    if isinstance(value, dict):
        return [(key, each, _item_writer(value, key)) for key, each in value.items()]
    if isinstance(value, list | deque):
        return [(i, each, _item_writer(value, i)) for i, each in enumerate(value)]
    if is_walkable(value):
        return [(name, getattr(value, name), _attribute_writer(value, name)) for name in attribute_names(value)]
    return None


def is_walkable(value: Any) -> bool:
    """Tell whether a value is an object of a class written in Python, whose attributes are its memory."""
    if isinstance(value, torch.optim.Optimizer):
        return True
    if isinstance(value, (*PLAIN_TYPES, Tensor, nn.Module)) or callable(value) or is_number(value):
        return False
    modules = {kind.__module__ for kind in type(value).__mro__[:-1]}
    # `_random.Random`, of which `random.Random` is a subclass, keeps its state where no walk finds it.
    hidden = any(module[:1] == "_" and module != "__main__" for module in modules)
    return not (hidden or modules & {"builtins", "collections", "itertools", "torch"}) and bool(attribute_names(value))


def attribute_names(value: Any) -> list[str]:
    """Return the names of an object's own attributes, those in slots included."""
    slots = [name for kind in type(value).__mro__ for name in _slots(kind) if hasattr(value, name)]
    return [*getattr(value, "__dict__", {}), *slots]


def _slots(kind: type) -> Iterable[str]:
    names = vars(kind).get("__slots__", ())
    return [name for name in ((names,) if isinstance(names, str) else names) if not name.startswith("__")]


def _key_name(key: Any, names: dict[int, str]) -> str:
    if id(key) in names:
        return names[id(key)]
    # Some optimizers key their state by the parameter's id.
    return names[key] if isinstance(key, int) and key in names else str(key)


def _item_writer(container: Any, key: Any) -> Callable[[Any], None]:
    return lambda new: container.__setitem__(key, new)


def _attribute_writer(value: Any, name: str) -> Callable[[Any], None]:
    return lambda new: object.__setattr__(value, name, new)


def _tuple_writer(old: Any, entries: list[Any], place: int, replace: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a function that puts a new tuple in place of the old one, with one entry changed."""

    def write(new: Any) -> None:
        entries[place] = new
        replace(type(old)(*entries) if hasattr(old, "_fields") else tuple(entries))

    return write


class Snapshot:
    """The contents of all containers and objects that can be reached, and the entries of all symbols.

    :param root: what to walk through.
    :param parameters: symbols that belong to it.
    """

    def __init__(self, root: Any, parameters: Sequence[Tensor]) -> None:
        self._contents: list[tuple[Any, Any]] = []
        self._symbols: list[tuple[Symbol, Tensor, Tensor]] = []
        self._seen: dict[int, Any] = {}  # the objects too, so that no id is used again
        for each in (*parameters, root):
            self._save(each)

    def _save(self, value: Any) -> None:
        if id(value) in self._seen:
            return
        if isinstance(value, Symbol):
            self._seen[id(value)] = value
            self._symbols.append((value, value.ids, value.ids.clone()))
            self._save(value.grad)
        elif isinstance(value, tuple):
            for each in value:
                self._save(each)
        elif isinstance(value, types.MethodType):
            self._save(value.__self__)
        elif isinstance(value, set):
            self._seen[id(value)] = value
            self._contents.append((value, set(value)))
        elif (items := _items(value)) is not None:
            self._seen[id(value)] = value
            entries = [(key, each) for key, each, _ in items]
            self._contents.append((value, entries))
            for _, each in entries:
                self._save(each)

    def restore(self) -> None:
        """Put everything back."""
        for value, entries in self._contents:
            if isinstance(value, set | dict):
                value.clear()
                value.update(entries)
            elif isinstance(value, list | deque):
                value.clear()
                value.extend(each for _, each in entries)
            else:
                _restore_attributes(value, dict(entries))
        for symbol, ids, before in self._symbols:
            symbol.ids = ids
            ids.copy_(before)


def _restore_attributes(value: Any, attributes: dict[str, Any]) -> None:
    for name in set(attribute_names(value)) - attributes.keys():
        object.__delattr__(value, name)
    for name, each in attributes.items():
        object.__setattr__(value, name, each)
