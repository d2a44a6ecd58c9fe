"""Throwaway plugins: files in a folder, and distributions that look installed."""

import importlib
import importlib.metadata
import sys
import textwrap

import pytest

from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """Forget what a test imported, and let no plugin of this machine in unless the test asks for it."""
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("_playground_plugin_", "fake_")):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    """Write a file below the test's folder and return its path: `write("lion.py", source)`."""

    def write(name, source):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source).lstrip("\n"), encoding="utf-8")
        return path

    return write


@pytest.fixture
def install(tmp_path, monkeypatch, write):
    """Make a distribution look installed: `install("gradient-playground-x", {"x": "fake_x"}, fake_x=source)`."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    every = importlib.metadata.distributions

    def ours():
        """Those of the test alone: whoever works on plugins has some installed."""
        return every(path=[path for path in sys.path if path.startswith(str(tmp_path))])

    monkeypatch.setattr(importlib.metadata, "distributions", ours)

    def install(distribution, entry_points, version="1.0", metadata=None, **modules):
        info = f"site/{distribution.replace('-', '_')}-{version}.dist-info"
        points = entry_points
        if isinstance(entry_points, dict):
            points = "[playground]\n" + "".join(f"{name} = {value}\n" for name, value in entry_points.items())
        write(f"{info}/entry_points.txt", points)
        if metadata is None:
            metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        if metadata:
            write(f"{info}/METADATA", metadata)
        for name, source in modules.items():
            write(f"site/{name}.py", source)
        importlib.invalidate_caches()

    return install


def source(hook="playground_optimizers", body='return {"lion": dict}'):
    """Return the source of a plugin with one hook."""
    return f"from playground.plugins.hookspecs import hookimpl\n\n@hookimpl\ndef {hook}():\n    {body}\n"


@pytest.fixture(name="source")
def source_fixture():
    return source
