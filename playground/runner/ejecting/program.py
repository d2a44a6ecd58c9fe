"""Assembles the program: title, note, imports and cells."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from playground.core.listing import Cell
from playground.errors import Fault, ScenarioError
from playground.plugins.manager import Plugins
from playground.runner.ejecting.definitions import Definitions
from playground.runner.ejecting.descent import DescentWriter
from playground.runner.ejecting.writer import ComponentWriter
from playground.runner.single.prepared import Prepared, PreparedDescent
from playground.runner.single.preparing import locate_faults, prepare, refuse_impossible
from playground.scenario.messages import FaultyKey
from playground.scenario.model import Loaded

PROGRAM_MODULES = ("hashlib", "math", "os", "torch")
"""Modules that the written code may use; the program imports those that it does use."""

PROGRAM_NOTE = (
    "The scenario as a program in PyTorch alone. It makes the same operations in the same order as `playground run`, "
    "so on the same machine its losses are equal to the last bit."
)


@dataclass(frozen=True)
class EjectedProgram:
    """A stand-alone program.

    :param title: the scenario's name and summary, unescaped.
    :param note: a paragraph about the program.
    :param cells: pieces of code with headings, imports first.
    """

    title: str
    note: str
    cells: Sequence[Cell]


def eject(loaded: Loaded, plugins: Plugins) -> EjectedProgram:
    """Return a scenario as a stand-alone PyTorch program: the same operations in the same order.

    :raises ScenarioError: the scenario is not valid, is a sweep, or has a component that cannot be written out.
    """
    _refuse_sweep(loaded)
    with prepare(loaded, plugins) as ready, locate_faults(loaded):
        refuse_impossible(ready)
        return _write_program(ready, plugins)


def _refuse_sweep(loaded: Loaded) -> None:
    if loaded.scenario.sweep is not None:
        with locate_faults(loaded):
            message = "a sweep is many runs, and a program is one run; `--set sweep=null` leaves the sweep out"
            raise ScenarioError(Fault(message, (FaultyKey("sweep"),)))


def _write_program(ready: Prepared, plugins: Plugins) -> EjectedProgram:
    scenario, definitions = ready.loaded.scenario, Definitions()
    writer = ComponentWriter(scenario, plugins.registry, ready.setting, definitions)
    if isinstance(ready, PreparedDescent):
        listing = ready.task.listing(ready.problem, writer, ready.setting)
    else:
        listing = ready.task.listing(None, writer, ready.setting)
    if listing is None:
        name = scenario.task.name
        raise ScenarioError(Fault(f"task {name!r} cannot be written as a program: it has no `listing`", ("task",)))
    cells = list(listing.cells)
    if isinstance(ready, PreparedDescent):
        descent = DescentWriter(ready, listing, writer, definitions, plugins.registry)
        cells += [*descent.cells(), descent.outcome()]
    title = f"{scenario.name}: {scenario.summary or f'The scenario {scenario.name}.'}"
    return EjectedProgram(title, PROGRAM_NOTE, [_import_cell(cells, definitions.imports), *cells])


def _import_cell(cells: Sequence[Cell], found: dict[str, str]) -> Cell:
    """Return the imports, and torch's number of threads, on which the last bit of a sum depends."""
    threads = (
        'if "OMP_NUM_THREADS" not in os.environ:\n'
        "    torch.set_num_threads(1)  # with more threads, torch may add numbers in another order"
    )
    code = "\n".join([threads, *(cell.code for cell in cells)])
    lines = {f"import {name}" for name in PROGRAM_MODULES if re.search(rf"\b{name}\.", code)}
    lines |= {line for name, line in found.items() if re.search(rf"\b{re.escape(name)}\b", code)}
    blocks = [
        "\n".join(_sort_imports([line for line in lines if _is_standard(line) is each])) for each in (True, False)
    ]
    return Cell("Imports and threads", "\n\n".join([*filter(None, blocks), threads]))


def _sort_imports(lines: Sequence[str]) -> list[str]:
    """Return imports in isort's order, with one line for each module."""
    plain = sorted(line for line in lines if line.startswith("import "))
    origins: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("from "):
            origin, _, names = line.removeprefix("from ").partition(" import ")
            origins.setdefault(origin, set()).add(names)
    order = {origin: sorted(names, key=_import_order) for origin, names in sorted(origins.items())}
    return [*plain, *(f"from {origin} import {', '.join(names)}" for origin, names in order.items())]


def _import_order(name: str) -> tuple[int, str]:
    """Return the sort key of an imported name: constants first, then classes, then other names."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


def _is_standard(line: str) -> bool:
    return line.split()[1].partition(".")[0] in sys.stdlib_module_names
