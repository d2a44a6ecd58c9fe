"""Which edits change what a component is made of: all that it uses, and nothing else."""

import importlib
import sys
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from playground.plugins import sources
from playground.plugins.manager import load_plugins
from playground.plugins.sources import source_digest

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


@pytest.mark.sampled(3)
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_what_uses_it(digests, edit):
    file, old, new, changed = EDITS[edit]
    before, after = digests(), digests(file, old, new)
    assert before["adam"] == after["adam"] == ""
    assert {name for name in ("mine", "other") if before[name] != after[name]} == changed
    assert before["wrapped"] != after["wrapped"]


def test_what_does_not_change_keeps_its_digest(digests):
    assert digests() == digests()


@pytest.mark.parametrize("name", ["torch.RMSprop", "torch.Adam", "torch.LBFGS"])
def test_a_class_of_a_library_counts_by_its_version(name):
    plugins = load_plugins(autoload=False)
    ours = next(plugin.file for plugin in plugins.loaded if plugin.name == "builtin")
    parts = sources.SourceParts(frozenset({sources._package_of(ours)}))
    factory = plugins.registry.get("optimizer", name).load()
    parts.add_definition(sys.modules[factory.__module__], factory.__name__)
    assert list(parts._texts) == ["library torch"]
    assert source_digest(plugins.registry.get("optimizer", name), ours)


def test_the_package_of_an_installed_file(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "LIBRARY_PATHS", (str(tmp_path.resolve()),))
    assert sources._package_of(str(tmp_path / "mine" / "rules.py")) == "mine"
    assert sources._package_of(str(tmp_path / "mine.py")) == "mine"
    assert sources._package_of(str(tmp_path.parent / "mine.py")) == ""


BINARY = f"fake_second/late/_binary{EXTENSION_SUFFIXES[0]}"
INSTALLED = {
    "fake_first/__init__.py": """
        from playground.plugins.hookspecs import hookimpl
        from .near import degree
        import fake_second.rules

        @hookimpl
        def playground_optimizers():
            return {"far": fake_second.rules.Far, "wrapped": lambda lr=0.1: degree(1)}
        """,
    "fake_first/near.py": "def degree(x):\n    return x * 1\n",
    "fake_second/__init__.py": "__version__ = '1.0'\n",
    "fake_second/rules.py": """
        import fake_loose
        import fake_library
        from .helper import half

        class Far:
            def update(self, gradient):
                from fake_second.late.deep import turn
                return turn(half(1) * fake_loose.scale(gradient) + fake_library.y)
        """,
    "fake_second/helper.py": "def half(x):\n    return x * 1\n",
    "fake_second/late/__init__.py": "",
    "fake_second/late/deep.py": "from ._binary import c\n\ndef turn(x):\n    return x * 1\n",
    BINARY: "x * 1",
    "fake_loose.py": "def scale(x):\n    return x * 1\n",
    "fake_library.py": "__version__ = '1.0'\ny = 'x * 1'\n",
}
"""A distribution with two packages, and two modules of other distributions: one has a version."""


@pytest.fixture
def installed(install, write, monkeypatch, tmp_path):
    """Return the digests of two components of an installed plugin with some text replaced in one file."""
    install("gradient-playground-two", {"two": "fake_first"})
    record = "".join(f"{name},,\n" for name in INSTALLED if name.startswith(("fake_first/", "fake_second/")))
    write("site/gradient_playground_two-1.0.dist-info/RECORD", record)
    monkeypatch.setattr(sources, "LIBRARY_PATHS", (str((tmp_path / "site").resolve()),))
    monkeypatch.setattr("sys.dont_write_bytecode", True)

    def installed(file="", old="x * 1", new="x * 2"):
        for name in [name for name in sys.modules if name.startswith("fake_")]:
            del sys.modules[name]
        for name, text in INSTALLED.items():
            write(f"site/{name}", text.replace(old, new) if name == file else text)
        importlib.invalidate_caches()
        plugins = load_plugins(specs=["two"], autoload=False)
        assert not plugins.failures, plugins.failures
        components = [plugins.registry.get("optimizer", name) for name in ("far", "wrapped")]
        return dict(
            zip(("far", "wrapped"), (source_digest(each, plugins.loaded[-1].file) for each in components), strict=True)
        )

    return installed


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("", set()),
        ("fake_first/near.py", {"wrapped"}),
        ("fake_second/helper.py", {"far", "wrapped"}),
        ("fake_second/late/deep.py", {"far", "wrapped"}),
        (BINARY, {"far", "wrapped"}),
        ("fake_loose.py", {"far", "wrapped"}),
        ("fake_library.py", set()),
    ],
)
def test_an_edit_of_an_installed_plugin_changes_what_uses_it(installed, file, changed):
    before, after = installed(), installed(file)
    assert {name for name in before if before[name] != after[name]} == changed


def test_an_installed_class_and_theversion_of_a_library_count(installed):
    before = installed()
    assert before["far"] != installed("fake_second/rules.py", "half(1)", "half(2)")["far"]
    assert before["far"] != installed("fake_library.py", "1.0", "1.1")["far"]
