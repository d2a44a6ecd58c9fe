"""The whole program: what it says of itself, what it imports, its cells."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playground.engine.listing import Cell
from playground.errors import Fault, ScenarioError
from playground.plugins.manager import Plugins
from playground.runner.ejecting.definitions import Definitions
from playground.runner.ejecting.descent import DescentWriter
from playground.runner.ejecting.writer import ComponentWriter
from playground.runner.preparing import Prepared, located, prepared, refuse_impossible
from playground.scenario.messages import Key
from playground.scenario.model import Loaded

MODULES = ("hashlib", "math", "os", "torch")
"""Modules that the program itself may name; each is imported where it does."""


@dataclass(frozen=True)
class Program:
    """A stand-alone program.

    :param title: its docstring.
    :param cells: its pieces, imports first.
    """

    title: str
    cells: Sequence[Cell]


def eject(loaded: Loaded, plugins: Plugins) -> Program:
    """Return the stand-alone PyTorch program of a scenario: the same operations, in the same order.

    :raises ScenarioError: the scenario is not valid, is a sweep, or has a part that cannot be written out.
    """
    _refuse_sweep(loaded)
    with prepared(loaded, plugins) as ready, located(loaded):
        refuse_impossible(ready)
        return _program(ready, plugins)


def _refuse_sweep(loaded: Loaded) -> None:
    if loaded.scenario.sweep is not None:
        with located(loaded):
            message = "a sweep is many runs, and a program is one; `--set sweep=null` writes the scenario without it"
            raise ScenarioError(Fault(message, (Key("sweep"),)))


def _program(ready: Prepared, plugins: Plugins) -> Program:
    scenario, definitions = ready.loaded.scenario, Definitions()
    writer = ComponentWriter(scenario, plugins.registry, ready.setting, definitions)
    problem: Any = ready.stepper.problem if ready.stepper is not None else None
    listing = ready.bound.task.listing(problem, writer, ready.setting)
    if listing is None:
        name = scenario.task.name
        raise ScenarioError(Fault(f"task {name!r} does not say how it is written out (`listing`)", ("task",)))
    cells = list(listing.cells)
    if ready.stepper is not None:
        descent = DescentWriter(ready, listing, writer, definitions, plugins.registry)
        cells += [*descent.cells(), descent.outcome()]
    return Program(_title(ready), [_imports(cells, definitions.imports), *cells])


def _title(ready: Prepared) -> str:
    scenario = ready.loaded.scenario
    summary = scenario.summary or f"The scenario {scenario.name}."
    same = (
        "The program that this scenario stands for, in PyTorch alone. It makes the same operations in the same order "
        "as `playground run`, so that the losses are the same to the last bit on the same machine."
    )
    return "\n\n".join([f"{scenario.name}: {summary}", textwrap.fill(same, 100)])


def _imports(cells: Sequence[Cell], found: dict[str, str]) -> Cell:
    """Return the imports, and the settings of torch that numbers depend on."""
    threads = (
        'if "OMP_NUM_THREADS" not in os.environ:\n'
        "    torch.set_num_threads(1)  # a second thread may add numbers up in another order"
    )
    code = "\n".join([threads, *(cell.code for cell in cells)])
    lines = {f"import {name}" for name in MODULES if re.search(rf"\b{name}\.", code)}
    lines |= {line for name, line in found.items() if re.search(rf"\b{re.escape(name)}\b", code)}
    blocks = ["\n".join(_sorted([line for line in lines if _standard(line) is each])) for each in (True, False)]
    return Cell("PyTorch, and how it computes", "\n\n".join([*filter(None, blocks), threads]))


def _sorted(lines: Sequence[str]) -> list[str]:
    """Return imports in the customary order, those from one module on one line."""
    plain = sorted(line for line in lines if line.startswith("import "))
    origins: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("from "):
            origin, _, names = line.removeprefix("from ").partition(" import ")
            origins.setdefault(origin, set()).add(names)
    order = {origin: sorted(names, key=_customary) for origin, names in sorted(origins.items())}
    return [*plain, *(f"from {origin} import {', '.join(names)}" for origin, names in order.items())]


def _customary(name: str) -> tuple[int, str]:
    """Constants come first, then classes, then the others."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


def _standard(line: str) -> bool:
    return line.split()[1].partition(".")[0] in sys.stdlib_module_names
