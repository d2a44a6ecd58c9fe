"""The program of a descent as a WebAssembly module, with all that a page needs to run it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from playground.core.compiled.arrays import STATUS_BY_END
from playground.core.compiled.carried import LEFT_OUT
from playground.core.compiled.errors import CannotCompileError, TooManyOperationsError, TooManyWaysError
from playground.core.compiled.layout import KernelProgram, arrange
from playground.core.compiled.observing import StepObserver
from playground.core.compiled.phases import Phases, record_phases
from playground.core.compiled.program import INPUT, MAX_OPERATIONS, SLOT
from playground.core.compiled.symbolic_run import DescentSpec, SymbolicRun
from playground.core.compiled.tidying import tidy
from playground.core.compiled.tile import END_NAMES
from playground.core.compiled.wasm.counts import CountRule, find_count_rules
from playground.core.compiled.wasm.kernel import KernelWriter
from playground.core.compiled.wasm.module_program import ModuleProgram, PredictionProgram
from playground.core.compiled.wasm.tiles import RECORDS
from playground.core.compiled.wasm.uniform import write_uniform
from playground.core.gradients import Clip
from playground.core.movers import Mover
from playground.core.problem import Problem
from playground.core.stopping import StopRules
from playground.live import Dial, DialRange, LiveModule, NoModule


@dataclass(frozen=True, kw_only=True)
class LiveTerms:
    """What a module is made from.

    :param problem: with its initial parameters.
    :param mover: the optimizer.
    :param factors: of the schedule, for each step; None without a schedule.
    :param steps: the most that a run makes.
    :param rules: when a run ends early.
    :param clip: limits on the gradient.
    :param over_all_data: whether the losses to keep are those of all data, not those of the steps.
    :param ranges: what to offer for hyperparameters, by name.
    :param varying: hyperparameters that may differ between runs.
    :param observer: wants more of one step.
    """

    problem: Problem
    mover: Mover
    steps: int
    factors: Sequence[float] | None = None
    rules: StopRules = field(default_factory=StopRules)
    clip: Clip | None = None
    over_all_data: bool = False
    ranges: Mapping[str, DialRange] | None = None
    varying: Collection[str] = ("lr",)
    observer: StepObserver | None = None


def make_live_module(terms: LiveTerms) -> LiveModule | NoModule:
    """Return a module with as many inputs as can be recorded, or why there is none.

    Hyperparameters and data are inputs. If that cannot be recorded, the data are constants, and at last everything is.
    """
    every = tuple(name for name, number in terms.mover.numbers.items() if math.isfinite(number))
    rates = tuple(name for name in every if name in terms.varying)
    first = last = ""
    for changing in (True, False) if terms.problem.batches.data else (False,):
        for names in dict.fromkeys((every, rates, ())):
            try:
                return _write_module(terms, names, changing, "" if changing else first)
            except (TooManyOperationsError, TooManyWaysError) as error:
                return NoModule(str(error))
            except CannotCompileError as error:
                first, last = first or str(error), str(error)
    return NoModule(last)


def _write_module(terms: LiveTerms, names: Collection[str], changing: bool, fixed_data: str) -> LiveModule:
    """Record a program and write its module.

    :param names: the hyperparameters that are inputs.
    :param changing: whether the data are inputs.
    :raises CannotCompileError: it cannot be recorded.
    """
    numbers = terms.mover.numbers
    mover = terms.mover.with_lanes(names, 1)
    scheduled = terms.factors is not None
    factors = tuple(terms.factors or (1.0,) * terms.steps)
    spec = DescentSpec(terms.problem, mover, scheduled, terms.clip, changing)
    starts = {name: tensor.detach()[None] for name, tensor in terms.problem.parameters.items()}
    phases = tidy(record_phases(spec, factors, starts, terms.observer))
    if phases.is_opaque:
        raise CannotCompileError("the optimizer may remember something that a recording does not show")
    order = list(mover.lanes)
    varying = tuple(i for i, name in enumerate(order) if name in terms.varying)
    dials = tuple(i for i in range(len(order)) if i not in varying)
    module = _arrange_module(terms, spec, phases, varying, dials)
    write_uniform(module)
    KernelWriter(module).write()
    ranges = terms.ranges or {}

    def describe(which: Sequence[int]) -> tuple[Dial, ...]:
        return tuple(Dial(order[i], numbers[order[i]], ranges.get(order[i])) for i in which)

    program, data = module.kernel_program, terms.problem.batches.data
    places = {value: place for place, value in enumerate(module.observed)}
    return LiveModule(
        code=module.wasm.encode(),
        dtype="float32" if module.number == "float" else "float64",
        layout=module.layout,
        dials=describe(dials),
        varying=describe(varying),
        parameters={name: tuple(shape) for name, shape in spec.shapes.items()},
        steps=terms.steps,
        factors=factors,
        phases=tuple(phases.which.tolist()),
        counts=tuple(each.numbers for each in module.counts if not each.is_affine),
        data=tuple(tuple(each.shape) for each in data) if module.places else (),
        batch=module.batch,
        ends=END_NAMES,
        left_out=program.slots.index(LEFT_OUT) if LEFT_OUT in program.slots else None,
        operations=program.operations,
        records=RECORDS,
        statuses=tuple(STATUS_BY_END[end] for end in END_NAMES),
        outputs=0 if module.prediction is None else len(module.prediction.values),
        fixed_data=fixed_data,
        observed=tuple(places[value] for value in _list_observed(phases)),
    )


def _arrange_module(
    terms: LiveTerms, spec: DescentSpec, phases: Phases, varying: tuple[int, ...], dials: tuple[int, ...]
) -> ModuleProgram:
    batches = terms.problem.batches
    used: list[CountRule] = find_count_rules(phases.inputs)
    program, observed = arrange(phases, gradient=True, over_all_data=terms.over_all_data), _list_observed(phases)
    _require_slots(program, observed)
    reads_data = spec.data_change or batches.size is not None
    return ModuleProgram(
        kernel_program=program,
        number="float" if spec.dtype is torch.float32 else "double",
        rules=terms.rules,
        varying=varying,
        dials=dials,
        full_loss=phases.full_loss,
        decisions=phases.by_lane,
        counts=used,
        places=tuple(tensor[0].numel() for tensor in batches.data) if reads_data else (),
        samples=len(batches.data[0]) if reads_data else 0,
        batch=batches.size or 0,
        prediction=_record_prediction(spec),
        observed=tuple(dict.fromkeys(observed)),
    )


def _list_observed(phases: Phases) -> tuple[int, ...]:
    """Return what is wanted of a step: whether the run is left out, and then what the observer wants."""
    return () if phases.observed is None else (phases.observed.left_out, *phases.observed.values)


def _require_slots(program: KernelProgram, values: Sequence[int]) -> None:
    """Check that each run carries what values depend on.

    :raises CannotCompileError: one depends on something that no other step reads.
    """
    nodes = program.program.nodes
    if (operations := program.program.size(values)) > MAX_OPERATIONS:
        raise TooManyOperationsError(f"the step has {operations:,} scalar operations, more than {MAX_OPERATIONS:,}")
    for index in program.program.needed(values):
        node = nodes[index]
        if node.operation == INPUT and node.value[0] == SLOT and node.value[1:] not in program.slots:
            raise CannotCompileError(f"no step reads what the optimizer remembers as {node.value[1][-1]}")


def _record_prediction(spec: DescentSpec) -> PredictionProgram | None:
    """Record what the model predicts for one sample; None if it does not predict from the first tensor alone."""
    data = spec.problem.batches.data
    if not data or not data[0].is_floating_point():
        return None
    run = SymbolicRun(spec)
    try:
        values = run.predict()
    except CannotCompileError:
        return None
    return PredictionProgram(run.program, tuple(values), data[0][0].numel())
