"""What can be reached from an optimizer: found by path, saved and restored."""

import enum
import itertools
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from functools import partial
from types import MethodType

import pytest
import torch
from torch import nn

from playground.core.compiled.memory import Snapshot, find_leaves
from playground.core.compiled.number import SymbolicNumber
from playground.core.compiled.program import SLOT
from playground.core.compiled.recorder import ProgramRecorder
from playground.core.compiled.rules import RULES
from playground.core.compiled.symbol import Symbol

Pair = namedtuple("Pair", "first second")


class Color(enum.Enum):
    RED = 1


class Thing:
    def __init__(self, **values):
        vars(self).update(values)

    def method(self):
        pass


class DictWithAttributes(dict):
    def __init__(self):
        super().__init__(a=1.0)
        self.count = 0


class Slotted:
    __slots__ = ("__weakref__", "a", "b")

    def __init__(self):
        self.a = 1.0


class SlottedMore(Slotted):
    __slots__ = "c"

    def __init__(self):
        super().__init__()
        self.c = 2.0


@dataclass
class Data:
    values: list = field(default_factory=lambda: [1.0])


def numbers_of(root, parameters=()):
    """Return the numbers and texts that are found, by path."""
    return {".".join(leaf.path): leaf.value for leaf in find_leaves(root, parameters)}


def loop():
    thing = Thing(a=1.0)
    thing.self = thing
    thing.list = [thing, 2.0]
    return thing


FOUND = {
    "dict": ({"a": 1, "b": 2.0, "c": True}, {"a": 1, "b": 2.0, "c": True}),
    "ordered dict": (OrderedDict(a=1), {"a": 1}),
    "default dict": (defaultdict(dict, x={"a": 1}), {"x.a": 1}),
    "list": ([1, [2]], {"0": 1, "1.0": 2, "1.length": "1 entries", "length": "2 entries"}),
    "deque": (deque([1, 2], maxlen=5), {"0": 1, "1": 2, "length": "2 entries"}),
    "tuple": ((1, (2, 3)), {"0": 1, "1.0": 2, "1.1": 3}),
    "named tuple": (Pair(1, [2]), {"0": 1, "1.0": 2, "1.length": "1 entries"}),
    "object": (Thing(a=1, b={"c": 2}), {"a": 1, "b.c": 2}),
    "slots": (SlottedMore(), {"c": 2.0, "a": 1.0}),
    "data class": (Data(), {"values.0": 1.0, "values.length": "1 entries"}),
    "text and nothing": ({"a": "x", "b": None}, {"a": "x", "b": None}),
    "enumeration": ({"a": Color.RED}, {"a": Color.RED}),
    "method": ({"a": Thing(b=1.0).method}, {"a.self.b": 1.0}),
    "loop": (loop(), {"a": 1.0, "list.1": 2.0, "list.length": "2 entries"}),
}


@pytest.mark.parametrize("name", FOUND)
def test_everything_is_found_by_path(name) -> None:
    root, wanted = FOUND[name]
    assert numbers_of(root) == wanted


def test_parameters_are_keys_but_no_memory() -> None:
    parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.Adam(parameters, lr=0.1)
    parameters[1].grad = torch.ones(1)
    optimizer.step()
    optimizer.by_id = {id(parameters[0]): 5.0}
    found = numbers_of(optimizer, parameters)
    assert {"state.p1.exp_avg", "state.p1.step", "param_groups.0.lr", "param_groups.0.betas.1", "by_id.p0"} <= set(
        found
    )
    assert not any(value is each for value in found.values() for each in parameters)
    assert "state.p0.exp_avg" not in found


REPLACED = {
    "dict": lambda: {"a": 1.0},
    "list": lambda: [0.0, 1.0],
    "deque": lambda: deque([0.0, 1.0], maxlen=2),
    "object": lambda: Thing(a=1.0),
    "slots": Slotted,
    "tuple in a dict": lambda: {"a": (0.0, 1.0)},
    "tuple in a tuple": lambda: [(0.0, (1.0, 2.0))],
    "named tuple": lambda: {"a": Pair(0.0, 1.0)},
}


@pytest.mark.parametrize("name", REPLACED)
def test_a_number_can_be_replaced(name) -> None:
    root = REPLACED[name]()
    before = numbers_of(root)
    (leaf,) = (leaf for leaf in find_leaves(root, ()) if leaf.value == 1.0 and isinstance(leaf.value, float))
    leaf.replace(7.0)
    path = ".".join(leaf.path)
    assert numbers_of(root) == {**before, path: 7.0}
    kinds = {"named tuple": Pair, "tuple in a dict": tuple}
    if name in kinds:
        assert type(root["a"]) is kinds[name]


def test_both_entries_of_a_tuple_can_be_replaced() -> None:
    root = {"betas": (0.9, 0.99)}
    for leaf in find_leaves(root, ()):
        leaf.replace(leaf.value + 1)
    assert root == {"betas": (1.9, 1.99)}


def closure():
    count = 0
    return lambda: count


OPAQUE = {
    "iterator": iter([1, 2]),
    "generator": (i for i in range(3)),
    "cycle": itertools.cycle([1]),
    "count": itertools.count(),
    "closure": closure(),
    "partial": partial(max, 1),
    "dict with attributes": DictWithAttributes(),
    "set": {1, 2},
    "numpy": __import__("numpy").zeros(2),
    "generator of random numbers": __import__("random").Random(0),
    "object without attributes": object(),
}

TRANSPARENT = {
    "number": 1.0,
    "text": "a",
    "nothing": None,
    "tensor": torch.zeros(2),
    "function": numbers_of,
    "class": Thing,
    "built-in": max,
    "dtype": torch.float32,
    "enumeration": Color.RED,
    "method": Data().__init__,
    "module": torch,
    "range": range(3),
    "frozen set": frozenset({1}),
}


@pytest.mark.parametrize("name", OPAQUE)
def test_what_may_hide_numbers_is_opaque(name) -> None:
    assert any(leaf.is_opaque for leaf in find_leaves({"a": OPAQUE[name]}, ()))


@pytest.mark.parametrize("name", [*TRANSPARENT, *FOUND])
def test_what_hides_nothing_is_not(name) -> None:
    root = TRANSPARENT[name] if name in TRANSPARENT else FOUND[name][0]
    assert not any(leaf.is_opaque for leaf in find_leaves({"a": root}, ()))


def symbol(*values):
    recorder = ProgramRecorder(torch.float64, RULES)
    return Symbol(torch.tensor([recorder.program.constant(value) for value in values]), torch.float64)


CHANGES = {
    "dict": (lambda: {"a": 1}, lambda root: root.update(a=2, b=3)),
    "dict, an entry less": (lambda: {"a": 1, "b": 2}, lambda root: root.pop("a")),
    "default dict": (lambda: defaultdict(dict, x={}), lambda root: root["y"].update(a=1)),
    "default dict, within": (lambda: defaultdict(dict, x={}), lambda root: root["x"].update(a=1)),
    "list": (lambda: [1, 2], lambda root: root.append(3)),
    "list in place": (lambda: [1, 2], lambda root: root.__setitem__(0, 5)),
    "list in a tuple": (lambda: {"a": (1, [2])}, lambda root: root["a"][1].append(3)),
    "tuple": (lambda: {"a": (1, 2)}, lambda root: root.update(a=(1, 3))),
    "named tuple": (lambda: {"a": Pair(1, 2)}, lambda root: root.update(a=Pair(2, 2))),
    "deque": (lambda: deque([1, 2], maxlen=2), lambda root: root.append(3)),
    "set in a dict": (lambda: {"a": {1}}, lambda root: root["a"].add(2)),
    "object": (lambda: Thing(a=1), lambda root: vars(root).update(a=2, b=3)),
    "object, an attribute less": (lambda: Thing(a=1, b=2), lambda root: delattr(root, "a")),
    "slots": (SlottedMore, lambda root: (setattr(root, "a", 5), setattr(root, "b", 6))),
    "data class": (Data, lambda root: root.values.append(2.0)),
    "object of a method": (lambda: Thing(f=Thing(b=1).method), lambda root: setattr(root.f.__self__, "b", 2)),
    "another object": (lambda: {"a": Thing(b=1)}, lambda root: root.update(a=Thing(b=2))),
    "loop": (loop, lambda root: root.list.append(1)),
}


def plain(value, seen=()):
    """Return the contents of containers and objects, to compare."""
    if id(value) in seen:
        return "again"
    seen = (*seen, id(value))
    if isinstance(value, dict):
        return {key: plain(each, seen) for key, each in value.items()}
    if isinstance(value, set):
        return set(value)
    if isinstance(value, list | tuple | deque):
        return [plain(each, seen) for each in value]
    if isinstance(value, Thing | Data):
        return plain(vars(value), seen)
    if isinstance(value, MethodType):
        return plain(value.__self__, seen)
    if isinstance(value, Slotted):
        return {name: getattr(value, name) for name in ("a", "b", "c") if hasattr(value, name)}
    return value


@pytest.mark.parametrize("name", CHANGES)
def test_a_snapshot_puts_everything_back(name) -> None:
    make, change = CHANGES[name]
    root = make()
    before = plain(root)
    snapshot = Snapshot(root, ())
    for _ in range(2):  # it can be restored again
        change(root)
        assert plain(root) != before
        snapshot.restore()
        assert plain(root) == before
        assert type(root) is type(make())


def test_a_deque_keeps_its_length_and_a_default_dict_its_factory() -> None:
    root = {"a": deque([1], maxlen=2), "b": defaultdict(list)}
    snapshot = Snapshot(root, ())
    root["a"].extend([2, 3])
    root["b"]["x"].append(1)
    snapshot.restore()
    assert root["a"].maxlen == 2
    assert root["b"]["y"] == []


def test_the_entries_of_symbols_are_put_back_where_views_see_them() -> None:
    parameter, state = symbol(1.0, 2.0), symbol(3.0, 4.0)
    view = state.ids[1:]
    root = {"state": state, "view": view}
    before = parameter.ids.clone(), state.ids.clone()
    snapshot = Snapshot(root, [parameter])
    state.ids += 1
    parameter.ids = parameter.ids + 5  # as `.data = ...` does
    snapshot.restore()
    assert torch.equal(parameter.ids, before[0])
    assert torch.equal(state.ids, before[1])
    assert torch.equal(view, before[1][1:])


def test_a_gradient_belongs_to_its_parameter() -> None:
    parameter, gradient = symbol(1.0).requires_grad_(), symbol(2.0)
    parameter.grad = gradient
    before = gradient.ids.clone()
    snapshot = Snapshot({}, [parameter])
    gradient.ids += 1
    snapshot.restore()
    assert torch.equal(gradient.ids, before)


def test_symbolic_numbers_are_numbers() -> None:
    recorder = ProgramRecorder(torch.float64, RULES)
    number = SymbolicNumber(recorder, recorder.program.input(SLOT, 0))
    assert numbers_of({"a": [number]}) == {"a.0": number, "a.length": "1 entries"}
