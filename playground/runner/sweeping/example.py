"""The run of a sweep that its page shows: one at the best setting."""

from __future__ import annotations

from dataclasses import replace

from playground.errors import PlaygroundError
from playground.plugins.manager import Plugins
from playground.result import Sweep
from playground.runner.loading.catalogue import ComponentCatalogue
from playground.runner.single.record_options import RecordOptions
from playground.runner.single.running import run_one
from playground.scenario.grid import expand
from playground.scenario.model import Loaded, parse_scenario


def add_example(sweep: Sweep, loaded: Loaded, plugins: Plugins, record: RecordOptions) -> Sweep:
    """Return a sweep with a run at the first of its best settings, from its first seed.

    A sweep without a best setting, or whose setting cannot run from that seed, stays as it is.

    :param loaded: the scenario, with its sweep.
    :param record: what to record of the run; it is not explained.
    """
    if not sweep.best or sweep.interrupted or not record.live:
        return sweep
    catalogue = ComponentCatalogue(plugins)
    grid = expand(loaded, catalogue.known_parameters)
    point = grid.points[sweep.best[0].index]
    try:
        source = point.source.set("seed", str(grid.seeds[0]))
        shown = replace(loaded, scenario=parse_scenario(source, point.loaded), source=source)
        run = run_one(shown, plugins, record=replace(record, explanations=False), of_sweep=True)
    except PlaygroundError:
        return sweep
    return replace(sweep, example=run)
