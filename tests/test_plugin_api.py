"""What plugins import: one module, complete, and nothing from further inside."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import playground
from playground import plugin_api

ALLOWED = {"playground", "playground.plugin_api", "playground.testing"}


def imported_modules(code):
    """Every module of `playground` that a program imports from."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def plugin_programs(root):
    """Every Python program that plugin authors read: our plugins, templates, and the blocks of the guide."""
    for folder in ("plugins", "scenarios"):
        for file in sorted((root / folder).rglob("*.py")):
            yield pytest.param(file.read_text(encoding="utf-8"), id=str(file.relative_to(root)))
    for file in sorted((root / "playground" / "scaffold" / "templates").rglob("*.py.txt")):
        lines = re.findall(
            r"^(?:\$\{\w+\})?(from playground\S* import|import playground\S*)", file.read_text(), re.MULTILINE
        )
        yield pytest.param(
            "\n".join(re.sub("import$", "import x", line) for line in lines), id=str(file.relative_to(root))
        )
    guide = (root / "plugins" / "README.md").read_text(encoding="utf-8")
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", guide, re.DOTALL)):
        yield pytest.param(block, id=f"guide-{number}")


@pytest.mark.parametrize("code", list(plugin_programs(Path(__file__).parent.parent)))
def test_plugins_import_only_the_public_api(code):
    modules = {name for name in imported_modules(code) if name.split(".")[0] == "playground"}
    assert modules <= ALLOWED


@pytest.mark.parametrize("module", [playground, plugin_api], ids=lambda module: module.__name__)
def test_every_name_is_there_once(module):
    assert list(module._MODULES) == module.__all__ == sorted(module.__all__) == dir(module)
    for name, home in module._MODULES.items():
        home = home if home.startswith("playground") else f"playground.{home}"
        assert getattr(module, name) is getattr(importlib.import_module(home), name)


@pytest.mark.parametrize("module", [playground, plugin_api], ids=lambda module: module.__name__)
def test_type_checkers_see_every_name(module):
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert {name: home.removeprefix("playground.") for name, home in module._MODULES.items()} == {
        name: home.removeprefix("playground.") for name, home in seen.items()
    }


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Optimizer'"):
        _ = plugin_api.Optimizer


def test_the_module_says_what_each_name_is_for():
    assert [name for name in plugin_api.__all__ if f"`{name}`" not in plugin_api.__doc__] == []
