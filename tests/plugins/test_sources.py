"""Which edits change what a component is made of: all that it uses, and nothing else."""

import importlib
import sys

import pytest

from playground.plugins.manager import load_plugins
from playground.plugins.sources import _package_of, source_digest

MINE = '''
"""A plugin with two optimizers, which share a helper."""
from dataclasses import dataclass
import math

import torch
from pluggy import HookimplMarker
from beside_{number} import scale
import apart_{number}

hookimpl = HookimplMarker("playground")

FACTOR = 1.0
OTHER_FACTOR = 2.0
TABLE = {{"a": 1}}


def helper(x):
    return FACTOR * x


class Base:
    def half(self):
        return 0.5


@dataclass
class Mine(Base):
    lr: float = 0.1

    def update(self, gradient):
        return scale(helper(gradient)) * self.half()  # as it was


@dataclass
class Other:
    lr: float = 0.1

    def update(self, gradient):
        return apart_{number}.turn(OTHER_FACTOR * gradient)


def later():
    return len(TABLE)


TABLE["b"] = 2


@hookimpl
def playground_optimizers():
    return {{"mine": Mine, "other": Other, "wrapped": lambda lr=0.1: Mine(lr)}}
'''
BESIDE = "DEGREE = 3\n\n\ndef scale(x):\n    return x * DEGREE\n"
APART = "def turn(x):\n    return -x\n"


@pytest.fixture
def digests(tmp_path, monkeypatch):
    """Return the digest of each component of the plugin with some text replaced, loaded as in a process of its own."""
    monkeypatch.syspath_prepend(tmp_path)

    def digests(file="mine.py", old="", new=""):
        texts = {"mine.py": MINE.format(number=0), "beside_0.py": BESIDE, "apart_0.py": APART}
        assert not old or texts[file].count(old) >= 1
        texts[file] = texts[file].replace(old, new) if old else texts[file]
        for name, text in texts.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        for name in ("beside_0", "apart_0"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        plugins = load_plugins(specs=["mine.py"], folder=tmp_path, autoload=False)
        assert not plugins.failures, plugins.failures
        return {
            name: source_digest(plugins.registry.get("optimizer", name), str(tmp_path / "mine.py"))
            for name in ("mine", "other", "wrapped", "adam")
        }

    yield digests
    for name in ("beside_0", "apart_0"):
        sys.modules.pop(name, None)


EDITS = {
    "itself": (
        "mine.py",
        "lr: float = 0.1\n\n    def update(self, gradient):\n        return scale",
        "lr: float = 0.2\n\n    def update(self, gradient):\n        return scale",
        {"mine"},
    ),
    "another": ("mine.py", "turn(OTHER_FACTOR", "turn(-OTHER_FACTOR", {"other"}),
    "its helper": ("mine.py", "return FACTOR * x", "return FACTOR + x", {"mine"}),
    "a constant of its helper": ("mine.py", "\nFACTOR = 1.0", "\nFACTOR = 1.5", {"mine"}),
    "a constant of another": ("mine.py", "OTHER_FACTOR = 2.0", "OTHER_FACTOR = 2.5", {"other"}),
    "its base class": ("mine.py", "return 0.5", "return 0.25", {"mine"}),
    "what it imports from beside": ("beside_0.py", "DEGREE = 3", "DEGREE = 4", {"mine"}),
    "what another imports from beside": ("apart_0.py", "-x", "-2 * x", {"other"}),
    "a decorator": ("mine.py", "@dataclass\nclass Mine", "@dataclass(frozen=True)\nclass Mine", {"mine"}),
    "a statement that defines nothing": ("mine.py", 'TABLE["b"] = 2', 'TABLE["b"] = 3', {"mine", "other"}),
    "a patch from outside": ("mine.py", "\n\ndef later", "\n\nMine.lr = 7\n\n\ndef later", {"mine", "other"}),
    "a function that nobody uses": ("mine.py", "return len(TABLE)", "return 2 * len(TABLE)", set()),
    "the names that are offered": ("mine.py", '"other": Other,', '"other": Other, "third": Other,', set()),
    "what reaches a module by its name": ("mine.py", "return len(TABLE)", "return globals()", {"mine", "other"}),
}
"""A file, what is replaced in it by what, and whose runs are computed again; `wrapped` knows the whole file only."""


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_what_uses_it(digests, edit):
    file, old, new, changed = EDITS[edit]
    before, after = digests(), digests(file, old, new)
    assert before["adam"] == after["adam"] == ""
    assert {name for name in ("mine", "other") if before[name] != after[name]} == changed
    assert before["wrapped"] != after["wrapped"]


def test_what_does_not_change_keeps_its_digest(digests):
    assert digests() == digests()


@pytest.mark.parametrize("name", ["torch.SGD", "torch.RMSprop", "torch.LBFGS"])
def test_of_a_library_the_version_counts_and_no_file(name, monkeypatch):
    """To read all that an optimizer of torch imports takes minutes."""
    plugins = load_plugins(autoload=False)
    component = plugins.registry.get("optimizer", name)
    (file,) = [plugin.file for plugin in plugins.loaded if plugin.name == component.origin.plugin]
    monkeypatch.setattr("playground.plugins.sources._read", lambda path: pytest.fail(f"reads {path}"))
    before = source_digest(component, file)
    monkeypatch.setattr("torch.__version__", "0.0")
    assert before != source_digest(component, file) != ""


@pytest.mark.parametrize(
    ("file", "package"),
    [("brought/offers.py", "brought"), ("single.py", "single"), ("../elsewhere.py", ""), (None, "")],
)
def test_the_package_of_a_plugin(tmp_path, monkeypatch, file, package):
    libraries = tmp_path / "lib" / "site-packages"
    monkeypatch.setattr("playground.plugins.sources._LIBRARIES", (str(libraries),))
    assert _package_of(str(libraries / file) if file else "") == package
