"""A new scenario, for any task that is registered."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from playground.engine.task import descends
from playground.figures.text import printable
from playground.plugins import Registry
from playground.plugins.describe import type_name
from playground.plugins.parameters import INJECTED, signature
from playground.scaffold.filling import exists, filled
from playground.scaffold.names import require_name

_PLAIN: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
"""What YAML reads as a text without quotes around it."""

STARTERS: Final = {
    "dataset": "moons",
    "function": "(x - 1)**2",
    "loss": "bce_with_logits",
    "model": "mlp",
    "optimizer": "{name: adam, lr: 0.01}",
    "schedule": "cosine",
}
"""What stands first where a task of a plugin takes a component of that kind."""


def scenario(name: str, task: str, registry: Registry) -> tuple[str, tuple[str, ...]]:
    """Return a scenario, and the keys that only its author can fill in.

    :param task: a registered task. For each of ours there is a template that passes; for another its keys are written
        down with what they take, and those it cannot do without are left open.
    :raises PlaygroundError: the name is none, there is no such task, or it cannot be imported.
    """
    require_name(name)
    component = registry.get("task", task)
    values = {"name": name, "task": task if _PLAIN.fullmatch(task) else json.dumps(task)}
    if exists(f"scenario/{task}.yaml"):
        return filled(f"scenario/{task}.yaml", values), ()
    factory = component.load()
    lines, open_keys = [], []
    for each in signature(factory).parameters:
        starter = STARTERS.get(each.name, "") if each.name in INJECTED["task"] else ""
        note = " ".join([type_name(each.annotation) if not starter else "", each.description]).strip()
        if not each.required:
            lines.append(printable(f"# {each.name}: {starter or _written(each.default)}  # {note}"))
            continue
        lines.append(printable(f"{each.name}: {starter}  # {note}".replace(":   #", ":  #")))
        if not starter:
            open_keys.append(each.name)
    if "optimizer" not in {each.name for each in signature(factory).parameters} and descends(factory):
        lines += [f"optimizer: {STARTERS['optimizer']}  # any of `playground list optimizer`", "steps: 100"]
    measured = ", ".join(["status", *getattr(factory, "metrics", ())])
    return filled("scenario/any.yaml", values | {"keys": "\n".join(lines), "expected": measured}), tuple(open_keys)


def _written(default: Any) -> str:
    return "null" if default is None else str(default)
