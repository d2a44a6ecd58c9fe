"""The descent of a scenario as a WebAssembly module for its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.plugins.manager import Plugins
from playground.runner.single.dial_ranges import find_dial_ranges
from playground.runner.single.measuring import stop_rules
from playground.runner.single.prepared import PreparedDescent
from playground.runner.single.preparing import scenario_clip

if TYPE_CHECKING:
    from playground.core.compiled.wasm.live_module import LiveModule, NoModule


def make_scenario_module(ready: PreparedDescent, plugins: Plugins) -> LiveModule | NoModule:
    """Return the module of a descent before its first step, or why there is none.

    :param ready: whose stepper has not moved; it is left unchanged.
    """
    from playground.core.compiled.wasm.live_module import LiveTerms, make_live_module
    from playground.core.movers import make_mover

    scenario, schedule = ready.loaded.scenario, ready.bound.schedule
    mover = make_mover([ready.bound.optimizer])
    optimizer = plugins.registry.get("optimizer", scenario.components["optimizer"].name)
    terms = LiveTerms(
        problem=ready.problem,
        mover=mover,
        steps=scenario.steps,
        factors=None if schedule is None else [schedule(step) for step in range(scenario.steps)],
        rules=stop_rules(ready),
        clip=scenario_clip(scenario),
        over_all_data=scenario.trace_loss == "all_data",
        ranges=find_dial_ranges(optimizer, mover.numbers),
    )
    return make_live_module(terms)
