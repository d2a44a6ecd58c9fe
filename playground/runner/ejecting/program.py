"""The whole program: what it says of itself, what it imports, its cells."""

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
"""Modules that the program itself may name; each is imported where it does."""

PROGRAM_NOTE = (
    "The program that this scenario stands for, in PyTorch alone. It makes the same operations in the same order "
    "as `playground run`, so that the losses are the same to the last bit on the same machine."
)


@dataclass(frozen=True)
class EjectedProgram:
    """A stand-alone program.

    :param title: the scenario's name and summary, as they stand there.
    :param note: what there is to say about the program.
    :param cells: its pieces, imports first.
    """

    title: str
    note: str
    cells: Sequence[Cell]


def eject(loaded: Loaded, plugins: Plugins) -> EjectedProgram:
    """Return the stand-alone PyTorch program of a scenario: the same operations, in the same order.

    :raises ScenarioError: the scenario is not valid, is a sweep, or has a part that cannot be written out.
    """
    _refuse_sweep(loaded)
    with prepare(loaded, plugins) as ready, locate_faults(loaded):
        refuse_impossible(ready)
        return _write_program(ready, plugins)


def _refuse_sweep(loaded: Loaded) -> None:
    if loaded.scenario.sweep is not None:
        with locate_faults(loaded):
            message = "a sweep is many runs, and a program is one; `--set sweep=null` writes the scenario without it"
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
        raise ScenarioError(Fault(f"task {name!r} does not say how it is written out (`listing`)", ("task",)))
    cells = list(listing.cells)
    if isinstance(ready, PreparedDescent):
        descent = DescentWriter(ready, listing, writer, definitions, plugins.registry)
        cells += [*descent.cells(), descent.outcome()]
    title = f"{scenario.name}: {scenario.summary or f'The scenario {scenario.name}.'}"
    return EjectedProgram(title, PROGRAM_NOTE, [_import_cell(cells, definitions.imports), *cells])


def _import_cell(cells: Sequence[Cell], found: dict[str, str]) -> Cell:
    """Return the imports, and the settings of torch that numbers depend on."""
    threads = (
        'if "OMP_NUM_THREADS" not in os.environ:\n'
        "    torch.set_num_threads(1)  # a second thread may add numbers up in another order"
    )
    code = "\n".join([threads, *(cell.code for cell in cells)])
    lines = {f"import {name}" for name in PROGRAM_MODULES if re.search(rf"\b{name}\.", code)}
    lines |= {line for name, line in found.items() if re.search(rf"\b{re.escape(name)}\b", code)}
    blocks = [
        "\n".join(_sort_imports([line for line in lines if _is_standard(line) is each])) for each in (True, False)
    ]
    return Cell("PyTorch, and how it computes", "\n\n".join([*filter(None, blocks), threads]))


def _sort_imports(lines: Sequence[str]) -> list[str]:
    """Return imports in the customary order, those from one module on one line."""
    plain = sorted(line for line in lines if line.startswith("import "))
    origins: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("from "):
            origin, _, names = line.removeprefix("from ").partition(" import ")
            origins.setdefault(origin, set()).add(names)
    order = {origin: sorted(names, key=_import_order) for origin, names in sorted(origins.items())}
    return [*plain, *(f"from {origin} import {', '.join(names)}" for origin, names in order.items())]


def _import_order(name: str) -> tuple[int, str]:
    """Constants come first, then classes, then the others."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


def _is_standard(line: str) -> bool:
    return line.split()[1].partition(".")[0] in sys.stdlib_module_names
