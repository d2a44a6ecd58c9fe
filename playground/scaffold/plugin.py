"""Creates a new plugin, as a distribution or a single file, with a small working component."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Final

from playground.plugins.hookspecs import COMPONENT_HOOKS
from playground.scaffold.filling import fill_template
from playground.scaffold.names import require_name

ATTRIBUTE_NAMES: Final[Mapping[str, str]] = {
    "loss": "{lower}_loss",
    "model": "{camel}Model",
    "optimizer": "{camel}Optimizer",
    "function": "{lower}_function",
    "dataset": "{lower}_dataset",
    "task": "{camel}Task",
    "schedule": "{lower}_schedule",
    "reporter": "{lower}_reporter",
    "executor": "{lower}_executor",
}
"""The Python name of a component. The kind at its end keeps it from being a keyword or hiding another name."""

_HOOKS: Final = {kind: hook for hook, kind in COMPONENT_HOOKS.items()}
_USAGE: Final = {
    "executor": "sweep {scenario} --seeds 20 --executor {name}",
    "reporter": "run {scenario} --report {name}=results.md",
}
"""The command that uses a component, for kinds that a scenario cannot name."""

_INSTALLED_TEST_VALUES: Final = {
    "manager": "",
    "and_manager": "",
    "imports": "distribution/plugin_imports.py",
    "needs": "The plugin must be installed: `pip install -e .`.",
    "scenario": 'Path(__file__).parent.parent / "scenarios" / "$name.yaml"',
    "loading": "",
}
_FILE_TEST_VALUES: Final = {
    "manager": "from playground.plugin_api import load_plugins\n",
    "and_manager": ", load_plugins",
    "imports": "distribution/plugin_loads.py",
    "needs": "The plugin is loaded from the file beside this one, as by `-p`.",
    "scenario": 'Path(__file__).with_name("$name.yaml")',
    "loading": ", plugins=[str(PLUGIN)]",
}
"""Values for the templates of tests, for an installed plugin and for a file beside the test."""

_HOOK_IMPORT: Final = "from playground import hookimpl\n"


def distribution_files(name: str, kind: str, version: str) -> dict[str, str]:
    """Return the files of a distribution, by their path in its folder.

    :param name: name of the plugin and its component.
    :param kind: a key of `ATTRIBUTE_NAMES`.
    :param version: version of the playground that the plugin is for, such as `0.1.0`.
    :raises PlaygroundError: the name is not valid.
    """
    values = _template_values(name, kind) | _version_range(version)
    lower, module = values["name"], values["module"]
    return {
        "pyproject.toml": fill_template("distribution/pyproject.toml", values),
        "README.md": fill_template("distribution/README.md", values),
        f"{module}/__init__.py": fill_template("distribution/init.py", values),
        f"{module}/{kind}.py": fill_template(f"{kind}/component.py", values | {"hookimport": ""}),
        f"{module}/py.typed": "",
        f"scenarios/{lower}.yaml": fill_template(f"{kind}/scenario.yaml", values),
        f"tests/test_{lower}.py": _fill_test(kind, values | _INSTALLED_TEST_VALUES),
    }


def single_file_plugin(name: str, kind: str) -> dict[str, str]:
    """Return a plugin in one file, its scenario and its test, by file name.

    :raises PlaygroundError: the name is not valid.
    """
    values = _template_values(name, kind)
    source = fill_template(f"{kind}/component.py", values | {"hookimport": _HOOK_IMPORT})
    return {
        f"{values['name']}.py": source + fill_template("distribution/hook.py", values),
        f"{values['name']}.yaml": fill_template(f"{kind}/scenario.yaml", values),
        f"test_{values['name']}.py": _fill_test(kind, values | _FILE_TEST_VALUES),
    }


def _fill_test(kind: str, values: Mapping[str, str]) -> str:
    """Return the tests of a component and of its scenario.

    :param values: including `_INSTALLED_TEST_VALUES` or `_FILE_TEST_VALUES`.
    """
    values = {key: Template(value).safe_substitute(values) for key, value in values.items()}
    imported = {"imported": fill_template(values["imports"], values)}
    return fill_template(f"{kind}/test.py", values | imported) + fill_template("distribution/scenario_test.py", values)


def usage_command(name: str, kind: str, scenario: str) -> str:
    """Return the arguments of `playground` that use a component.

    :param scenario: the file of its scenario.
    """
    return _USAGE.get(kind, "run {scenario}").format(name=component_name(name), scenario=scenario)


def component_name(name: str) -> str:
    """Return the name that scenarios use: the plugin's name with `_` in place of `-`."""
    return name.replace("-", "_")


def _template_values(name: str, kind: str) -> dict[str, str]:
    require_name(name)
    lower = component_name(name)
    stem = lower.removesuffix(f"_{kind}")  # no lion_loss_loss
    camel = "".join(part.capitalize() for part in stem.split("_"))
    return {
        "attribute": ATTRIBUTE_NAMES[kind].format(lower=stem, camel=camel),
        "distribution": f"gradient-playground-{name.replace('_', '-')}",
        "hook": _HOOKS[kind],
        "kind": kind,
        "module": f"playground_{lower}",
        "name": lower,
        "use": f"playground {usage_command(name, kind, f'scenarios/{lower}.yaml')}",
    }


def _version_range(version: str) -> dict[str, str]:
    """Return the range of compatible versions: before 1.0 the same minor version, afterwards the same major version."""
    major, minor = version.split(".")[:2]
    return {"version": f"{major}.{minor}", "next": f"0.{int(minor) + 1}" if major == "0" else f"{int(major) + 1}"}
