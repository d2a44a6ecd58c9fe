"""Makes what a live page is given of a scenario's descent: its program, and everything that the program reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from playground.errors import PlaygroundError
from playground.live import ExpectedCondition, Live, LiveModule, LiveTensor, NoModule, count_index_bytes
from playground.plugins.causes import ISOLATED_EXCEPTIONS, describe_exception
from playground.plugins.manager import Plugins
from playground.plugins.registry import Component
from playground.runner.single.alternatives import find_alternatives
from playground.runner.single.dial_ranges import find_dial_ranges
from playground.runner.single.expectations import list_conditions
from playground.runner.single.measuring import stop_rules
from playground.runner.single.prepared import PreparedDescent
from playground.runner.single.preparing import prepare, scenario_clip
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from playground.core.compiled.observing import StepObserver
    from playground.core.problem import Batches, Problem

MAX_SEEDS = 32
"""The most seeds whose runs a page can repeat."""

MAX_START_BYTES = 64_000
"""The most bytes that the starts of all seeds take, unless a single one takes more."""

MAX_ORDER_BYTES = 100_000
"""The most bytes that the orders of all seeds' mini-batches take, unless a single one takes more."""

MAX_SAMPLES_TAKEN = 500_000
"""The most samples that the steps of one seed take in mini-batches."""

MAX_NUMBERS = 50_000
"""The most numbers that the data have, and the parameters."""

MAX_STEPS = 20_000
"""The most steps that a page makes: it has numbers for each of them."""

MIN_STEPS = 100
"""A page may make so many steps, however few the scenario has, if its schedule and its optimizer go on that long."""

SPARE = 2
"""A page may make so many times the steps of the scenario, in the same case."""


MAX_ALTERNATIVES = 10
"""The most other optimizers that a page offers for the same problem."""

MAX_ALTERNATIVE_BYTES = 60_000
"""The most bytes that their modules take together, which also bounds how long it takes to record them."""


def make_scenario_live(loaded: Loaded, plugins: Plugins) -> Live | NoModule:
    """Return what a live page of a scenario is given, without running it, or why there is nothing.

    :raises ScenarioError: the scenario is not valid.
    """
    with prepare(loaded, plugins) as ready:
        if isinstance(ready, PreparedDescent):
            return make_live(ready, plugins)
    return NoModule(f"task {loaded.scenario.task.name!r} has no descent")


def make_live(
    ready: PreparedDescent, plugins: Plugins, alternatives: bool = True, observer: StepObserver | None = None
) -> Live | NoModule:
    """Return what a live page of a descent is given, or why there is nothing.

    :param ready: before its first step; it is left unchanged.
    :param alternatives: whether to record other optimizers on the same problem.
    :param observer: wants more of one step.
    """
    from playground.core.seeding import preserve_every_stream

    with preserve_every_stream([ready.setting.device]):
        try:
            return _find_excess(ready) or _make_live(ready, plugins, alternatives, observer)
        except PlaygroundError as error:
            return NoModule("; ".join(fault.message for fault in error.faults))
        except ISOLATED_EXCEPTIONS as error:
            return NoModule(describe_exception(error))


def _find_excess(ready: PreparedDescent) -> NoModule | None:
    """Return what is too large for a page."""
    steps, batches = ready.loaded.scenario.steps, ready.problem.batches
    for size, most, what in (
        (steps, MAX_STEPS, "steps"),
        (sum(tensor.numel() for tensor in batches.data), MAX_NUMBERS, "numbers in the data"),
        (sum(tensor.numel() for tensor in ready.problem.parameters.values()), MAX_NUMBERS, "parameters"),
        (steps * (batches.size or 0), MAX_SAMPLES_TAKEN, "samples in mini-batches"),
    ):
        if size > most:
            return NoModule(f"{size:,} {what} are more than the {most:,} that a page takes")
    return None


def _make_live(
    ready: PreparedDescent, plugins: Plugins, alternatives: bool, observer: StepObserver | None
) -> Live | NoModule:
    scenario, problem = ready.loaded.scenario, ready.problem
    optimizer = plugins.registry.get("optimizer", scenario.components["optimizer"].name)
    module = _record_long(ready, optimizer, observer)
    if isinstance(module, NoModule):
        return module
    others = _record_alternatives(ready, module, optimizer, plugins) if alternatives else {}
    seeds, starts = _draw_starts(ready, _count_seeds(problem, module.steps))
    return Live(
        programs={optimizer.name: module, **others},
        steps=scenario.steps,
        most=module.steps,
        factors=None if ready.bound.schedule is None else module.factors,
        seed=scenario.seed,
        seeds=seeds,
        starts=starts,
        data=tuple(
            LiveTensor(name, tuple(tensor.shape), tuple(tensor.double().flatten().tolist()))
            for name, tensor in zip(problem.batches.names, problem.batches.data, strict=True)
        ),
        orders=_order_samples(problem.batches, seeds, module.steps),
        conditions=_list_conditions(ready),
        scenario=ready.loaded.source.data,
    )


def _record_long(ready: PreparedDescent, optimizer: Component, observer: StepObserver | None) -> LiveModule | NoModule:
    """Return a module that makes more steps than the scenario, or only as many if a component refuses those."""
    steps = ready.loaded.scenario.steps
    most = min(max(SPARE * steps, MIN_STEPS), MAX_STEPS)
    with suppress(*ISOLATED_EXCEPTIONS):
        found = _make_module(ready, ready.bound.optimizer, optimizer, most, observer)
        if isinstance(found, LiveModule) or found.is_final:
            return found
    return _make_module(ready, ready.bound.optimizer, optimizer, steps, observer)


def _record_alternatives(
    ready: PreparedDescent, module: LiveModule, own: Component, plugins: Plugins
) -> dict[str, LiveModule]:
    """Return modules of other optimizers by name, as many as their size allows.

    :param module: of the scenario's own optimizer.
    """
    room = min(MAX_ALTERNATIVES, MAX_ALTERNATIVE_BYTES // len(module.code))
    numbers = {dial.name: dial.value for dial in (*module.varying, *module.dials)}
    found: dict[str, LiveModule] = {}
    for component, rule in find_alternatives(own, numbers, plugins) if room else ():
        with suppress(*ISOLATED_EXCEPTIONS):
            made = _make_module(ready, rule, component, module.steps)
            if isinstance(made, LiveModule):
                found[component.name] = made
        if len(found) == room:
            break
    return found


def make_scenario_module(ready: PreparedDescent, plugins: Plugins) -> LiveModule | NoModule:
    """Return the module of a descent, or why there is none.

    :param ready: before its first step; it is left unchanged.
    """
    scenario = ready.loaded.scenario
    optimizer = plugins.registry.get("optimizer", scenario.components["optimizer"].name)
    return _make_module(ready, ready.bound.optimizer, optimizer, scenario.steps)


def _make_module(
    ready: PreparedDescent, built: Any, optimizer: Component, steps: int, observer: StepObserver | None = None
) -> LiveModule | NoModule:
    """Return the module of a descent by an optimizer, or why there is none.

    :param built: the optimizer.
    :param optimizer: what built it, for its annotations.
    :param steps: the most that the module makes.
    :param observer: wants more of one step.
    """
    from playground.core.compiled.wasm.live_module import LiveTerms, make_live_module
    from playground.core.movers import make_mover

    scenario, schedule = ready.loaded.scenario, ready.bound.schedule
    if observer is not None and observer.step >= steps:
        return NoModule(f"the program makes {steps} steps, and step {observer.step} comes after them")
    mover = make_mover([built])
    factors = None if schedule is None else [float(schedule(step)) for step in range(steps)]
    if factors and not all(map(math.isfinite, factors)):
        return NoModule("the schedule's factors are not all finite")
    terms = LiveTerms(
        problem=ready.problem,
        mover=mover,
        steps=steps,
        factors=factors,
        rules=stop_rules(ready),
        clip=scenario_clip(scenario),
        over_all_data=scenario.trace_loss == "all_data",
        ranges=find_dial_ranges(optimizer, mover.numbers),
        observer=observer,
    )
    return make_live_module(terms)


def _list_conditions(ready: PreparedDescent) -> dict[tuple[str, str], ExpectedCondition]:
    """Return what the scenario expects; the diagnosis is no condition."""
    import torch

    return {
        (name, condition.word): condition
        for name, check in ready.loaded.scenario.expect.items()
        for condition in list_conditions(check, torch.finfo(ready.setting.dtype).eps)
        if name != "diagnosis"
    }


def _count_seeds(problem: Problem, steps: int) -> int:
    """Return for how many seeds a page has room."""
    start = 8 * sum(tensor.numel() for tensor in problem.parameters.values())
    batches = problem.batches
    order = 0 if batches.size is None else steps * batches.size * count_index_bytes(len(batches.data[0]))
    room = min(MAX_START_BYTES // max(start, 1), MAX_ORDER_BYTES // max(order, 1))
    return max(1, min(room, MAX_SEEDS))


def _draw_starts(ready: PreparedDescent, most: int) -> tuple[tuple[int, ...], tuple[tuple[float, ...], ...]]:
    """Return seeds, rising, and the initial parameters of each; the scenario's alone if others cannot be drawn."""
    import torch

    from playground.core.replicas import CannotBatchError, draw_parameters

    seed, device = ready.loaded.scenario.seed, ready.setting.device
    task = copy(ready.task)  # a task may keep something of its last problem
    own = {name: tensor.detach()[None] for name, tensor in ready.problem.parameters.items()}
    seeds = sorted({seed, *islice((other for other in count() if other != seed), most - 1)})
    try:
        drawn = draw_parameters(lambda each: task.problem(replace(ready.setting, seed=each)), seeds, device)
    except (CannotBatchError, *ISOLATED_EXCEPTIONS):
        seeds, drawn = [seed], own
    columns = [tensor.detach().double().cpu().reshape(len(seeds), -1) for tensor in drawn.values()]
    rows = torch.cat(columns, dim=1)
    rows[seeds.index(seed)] = torch.cat([tensor.double().cpu().flatten() for tensor in own.values()])
    return tuple(seeds), tuple(map(tuple, rows.tolist()))


def _order_samples(batches: Batches, seeds: Sequence[int], steps: int) -> tuple[int, ...]:
    """Return the samples of the mini-batches of each seed and step; nothing if each batch is all data."""
    import torch

    from playground.core.compiled.orders import SampleOrders

    if batches.size is None:
        return ()
    orders = SampleOrders(batches, seeds)
    every = torch.cat([order for _, _, order in orders.spans(steps)], dim=1)[orders.streams.long(), :steps]
    return tuple(every.flatten().tolist())
