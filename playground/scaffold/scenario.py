"""Creates a new scenario for any registered task."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from playground.core.task import is_descent_task
from playground.figures.text import make_printable
from playground.plugins import Registry
from playground.plugins.describe import type_name
from playground.plugins.parameters import INJECTED_PARAMETERS, read_signature
from playground.scaffold.filling import fill_template, has_template
from playground.scaffold.names import require_name

_PLAIN_TEXT: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
"""Texts that YAML reads as text without quotes."""

STARTER_VALUES: Final = {
    "dataset": "moons",
    "function": "(x - 1)**2",
    "loss": "bce_with_logits",
    "model": "mlp",
    "optimizer": "{name: adam, lr: 0.01}",
    "schedule": "cosine",
}
"""The first value of each kind of component, in a scenario for a plugin's task."""


def draft_scenario(name: str, task: str, registry: Registry) -> tuple[str, tuple[str, ...]]:
    """Return a scenario, and the keys that its author must fill in.

    :param task: a registered task. Built-in tasks have a template that passes. For other tasks, the scenario lists the
        task's keys with their types, and required keys have no value.
    :raises PlaygroundError: the name is not valid, there is no such task, or it cannot be imported.
    """
    require_name(name)
    component = registry.get("task", task)
    values = {"name": name, "task": task if _PLAIN_TEXT.fullmatch(task) else json.dumps(task)}
    if has_template(f"scenario/{task}.yaml"):
        return fill_template(f"scenario/{task}.yaml", values), ()
    factory = component.load()
    lines, open_keys = [], []
    for each in read_signature(factory).parameters:
        starter = STARTER_VALUES.get(each.name, "") if each.name in INJECTED_PARAMETERS["task"] else ""
        note = " ".join([type_name(each.annotation) if not starter else "", each.description]).strip()
        if not each.required:
            lines.append(make_printable(f"# {each.name}: {starter or _default_text(each.default)}  # {note}"))
            continue
        lines.append(make_printable(f"{each.name}: {starter}  # {note}".replace(":   #", ":  #")))
        if not starter:
            open_keys.append(each.name)
    if "optimizer" not in {each.name for each in read_signature(factory).parameters} and is_descent_task(factory):
        lines += [f"optimizer: {STARTER_VALUES['optimizer']}  # any of `playground list optimizer`", "steps: 100"]
    measured = ", ".join(["status", *getattr(factory, "metrics", ())])
    return fill_template("scenario/any.yaml", values | {"keys": "\n".join(lines), "expected": measured}), tuple(
        open_keys
    )


def _default_text(default: Any) -> str:
    return "null" if default is None else str(default)
