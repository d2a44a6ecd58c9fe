"""The hash of an object in hand: it changes with all that the object uses, and with nothing else."""

import collections
import dataclasses
import enum
import functools
import random
import re
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
import torch
from torch import nn

from playground.plugin_api import UpdateRule, declares
from playground.plugins.fingerprint import CannotFingerprintError, fingerprint

BASE = """
import functools, math
from dataclasses import dataclass
import torch
from torch import nn
from playground.plugin_api import UpdateRule

RATE = 0.5
UNUSED = 1

def helper(x):
    return x * RATE

def make(factor):
    def scaled(x):
        return helper(x) * factor
    return scaled

def loss(prediction, target, *, power=2):
    \"\"\"Documented.\"\"\"
    return (helper(prediction - target).abs() ** power).mean()

class Base(nn.Module):
    size = 3

class Net(Base):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(self.size, 1)

    def forward(self, x):
        return torch.tanh(self.layer(x))  # a comment

@dataclass(frozen=True)
class Rule(UpdateRule):
    lr: float = 0.1

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient, state

class Steps(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)

closed = make(3)
square = lambda x: (x ** 2).sum()
cached = functools.lru_cache(helper)
partial = functools.partial(loss, power=3)
decorated = torch.no_grad()(helper)
bound = Net.forward
module = (torch.manual_seed(0), Net())[1]
rule = Rule(0.2)
data = (torch.arange(6.0).reshape(3, 2), [0, 1, 1])
"""

NAMES = (
    "loss",
    "Net",
    "Rule",
    "Steps",
    "closed",
    "square",
    "cached",
    "partial",
    "decorated",
    "bound",
    "module",
    "rule",
)


@functools.cache
def read(text):
    """What a cell of a notebook defines, as hashes: there is no file, and no module but `__main__`."""
    scope = {"__name__": "__main__"}
    exec(compile(text, "<cell>", "exec"), scope)
    return {name: fingerprint(scope[name]) for name in NAMES}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("RATE = 0.5", "RATE = 0.25", {"loss", "closed", "cached", "partial", "decorated"}),
        ("UNUSED = 1", "UNUSED = 2", set()),
        ("Documented.", "Documented better.", set()),
        ("  # a comment", "", set()),
        ("RATE = 0.5", "\n\n\nRATE = 0.5", set()),
        ("x * RATE", "x / RATE", {"loss", "closed", "cached", "partial", "decorated"}),
        ("make(3)", "make(4)", {"closed"}),
        ("power=2", "power=1", {"loss", "partial"}),
        ("power=3", "power=4", {"partial"}),
        ("** 2).sum", "** 3).sum", {"square"}),
        ("size = 3", "size = 4", {"Net", "module"}),
        ("torch.tanh", "torch.relu", {"Net", "bound", "module"}),
        ("torch.no_grad", "torch.enable_grad", {"decorated"}),
        ("manual_seed(0)", "manual_seed(1)", {"module"}),
        ("Rule(0.2)", "Rule(0.3)", {"rule"}),
        ("parameter - lr", "parameter + lr", {"Rule", "rule"}),
        ("float = 0.1", "float = 0.3", {"Rule", "rule"}),
        ("torch.optim.SGD", "torch.optim.Adam", {"Steps"}),
        ("params, lr=lr", "params, lr=lr, momentum=0.9", {"Steps"}),
    ],
)
def test_an_edit_changes_what_uses_it_and_nothing_else(old, new, changed):
    assert BASE.count(old) == 1
    before, after = read(BASE), read(BASE.replace(old, new))
    assert {name for name in NAMES if before[name] != after[name]} == changed


def test_a_hash_is_the_same_in_another_process(tmp_path):
    program = f"{BASE}\nfrom playground.plugins.fingerprint import fingerprint\n" + "".join(
        f"print(fingerprint({name}))\n" for name in (*NAMES, "data")
    )
    (tmp_path / "program.py").write_text(program)
    runs = [
        subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0].split())) == len(NAMES) + 1


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Plain(torch.optim.SGD):
    """Inherits `step`, which torch wraps when it makes the first one."""


class Own(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None): ...


@dataclasses.dataclass
class Options:
    numbers: list = dataclasses.field(default_factory=list)


VALUES = {
    "true": True,
    "one": 1,
    "float": 1.0,
    "text": "1",
    "bytes": b"1",
    "none": None,
    "minus zero": -0.0,
    "zero": 0.0,
    "list": [1, 2],
    "tuple": (1, 2),
    "nested": [(1,), 2],
    "set": {"a", "b"},
    "dict": {"a": 1},
    "ordered": collections.OrderedDict(a=1),
    "float32": torch.ones(2),
    "float64": torch.ones(2, dtype=torch.float64),
    "row": torch.ones(1, 2),
    "bfloat16": torch.ones(2, dtype=torch.bfloat16),
    "needs gradient": torch.ones(2, requires_grad=True),
    "parameter": nn.Parameter(torch.ones(2)),
    "scalar": torch.tensor(1.0),
    "empty": torch.zeros(0),
    "array": np.ones(2),
    "array of float32": np.ones(2, dtype=np.float32),
    "number of numpy": np.float32(1),
    "function of numpy": np.sin,
    "generator of numpy": np.random.default_rng(0),
    "generator of torch": torch.Generator().manual_seed(0),
    "another generator": torch.Generator().manual_seed(1),
    "random": random.Random(0),
    "red": Color.RED,
    "blue": Color.BLUE,
    "options": Options([1]),
    "other options": Options([2]),
    "namespace": types.SimpleNamespace(a=1),
    "pattern": re.compile("a"),
    "tanh": torch.tanh,
    "relu": torch.relu,
    "mse": nn.functional.mse_loss,
    "class of torch": nn.Linear,
    "autograd function": Square,
    "its apply": Square.apply,
    "method": [1].append,
    "dtype": torch.float32,
    "module": torch,
}


def test_different_values_have_different_hashes():
    found = {name: fingerprint(value) for name, value in VALUES.items()}
    assert len(set(found.values())) == len(found)


def test_the_order_of_a_set_does_not_count():
    assert fingerprint({"a", "b", "c"}) == fingerprint({"c", "b", "a"})


@pytest.mark.parametrize("optimizer", [Plain, Own, Square])
def test_a_use_changes_nothing(optimizer):
    before = fingerprint(optimizer)
    if optimizer is Square:
        Square.apply(torch.ones(1, requires_grad=True)).backward()
    else:
        optimizer([nn.Parameter(torch.ones(1))]).step()
    assert fingerprint(optimizer) == before


def test_a_compiled_function_is_the_function():
    def square(x):
        return x * x

    assert fingerprint(torch.compile(square)) == fingerprint(square)


def test_traits_that_a_loss_declares_count():
    def make():
        def loss(prediction, target):
            return (prediction - target).sum()

        return loss

    assert fingerprint(make()) == fingerprint(make()) != fingerprint(declares(minimum=0.0)(make()))


def test_a_recursive_function_and_a_cycle_end():
    def down(x):
        return x if x < 1 else down(x - 1)

    loop = [1]
    loop.append(loop)
    assert fingerprint(down) == fingerprint(down)
    assert fingerprint(loop) == fingerprint(loop)


def test_a_module_beside_counts_as_far_as_it_is_used(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "settings_beside.py").write_text("rate = 0.1\nother = 1\ndef double(x): return 2 * x\n")
    import settings_beside

    def loss(x):
        return settings_beside.double(x) * settings_beside.rate

    before = fingerprint(loss)
    settings_beside.other = 2
    assert fingerprint(loss) == before
    settings_beside.rate = 0.2
    assert fingerprint(loss) != before


def keep(thing):
    return lambda x: (x, thing)


def look_up(x):
    return eval("x")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: keep(open(__file__)), "'thing' is a TextIOWrapper, whose content cannot be read"),  # noqa: SIM115
        (lambda: keep(threading.Lock()), "'thing' is a lock, whose content cannot be read"),
        (lambda: keep({"inner": (each for each in ())}), "'thing.inner' is a generator, whose content cannot be read"),
        (lambda: keep(torch.ones(2, device="meta")), "'thing' is a tensor whose numbers cannot be read"),
        (lambda: look_up, "it uses eval(), which may read anything"),
        (lambda: keep(types.ModuleType("made")), "'thing' uses the module 'made', whose source is unknown"),
    ],
)
def test_what_cannot_be_read_is_refused(make, reason):
    value = make()
    with pytest.raises(CannotFingerprintError) as error:
        fingerprint(value)
    assert str(error.value) == reason
    for cell in value.__closure__ or ():
        getattr(cell.cell_contents, "close", lambda: None)()


def test_a_wrapper_of_functools_counts_by_what_it_wraps():
    def double(x):
        return 2 * x

    def triple(x):
        return 3 * x

    assert fingerprint(functools.lru_cache(double)) != fingerprint(functools.lru_cache(triple))


def test_an_update_rule_counts_by_its_numbers():
    @dataclasses.dataclass(frozen=True)
    class Rule(UpdateRule):
        lr: float = 0.1

        def update(self, parameter, gradient, state, step, lr):
            return parameter - lr * gradient, state

    assert fingerprint(Rule(0.1)) == fingerprint(Rule()) != fingerprint(Rule(0.2))
