"""The program of a descent as a WebAssembly module, with all that a page needs to run it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from playground.core.compiled.apart import take_apart
from playground.core.compiled.arrays import STATUS_BY_END
from playground.core.compiled.carried import LEFT_OUT
from playground.core.compiled.errors import CannotCompileError, TooManyOperationsError, TooManyWaysError
from playground.core.compiled.layout import KernelProgram, arrange
from playground.core.compiled.observing import StepObserver
from playground.core.compiled.one_sample import SampleProgram, record_sample
from playground.core.compiled.phases import Phases, record_phases
from playground.core.compiled.program import INPUT, MAX_OPERATIONS, SLOT
from playground.core.compiled.symbolic_run import DescentSpec, SymbolicRun
from playground.core.compiled.tidying import tidy
from playground.core.compiled.tile import END_NAMES
from playground.core.compiled.wasm.apart_kernel import ApartWriter
from playground.core.compiled.wasm.apart_program import ApartProgram
from playground.core.compiled.wasm.counts import find_count_rules
from playground.core.compiled.wasm.kernel import KernelWriter
from playground.core.compiled.wasm.module_program import ModuleProgram, PredictionProgram
from playground.core.compiled.wasm.tiles import RECORDS, TileFunction
from playground.core.compiled.wasm.uniform import write_uniform
from playground.core.gradients import Clip
from playground.core.movers import Mover
from playground.core.problem import Problem
from playground.core.stopping import StopRules
from playground.errors import PlaygroundError
from playground.live import Dial, DialRange, LiveModule, NoModule

INPUTS, CONSTANTS, APART = "inputs", "constants", "apart"
"""The ways to make a module: a step over all samples, with the data as inputs or not, or a loop over samples."""


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
    :param apart: whether to loop over samples if possible. Without the loop, a vector has four runs or two, which makes
        many small runs up to twice as fast and one run slower, and the number of samples is fixed.
    :param observer: wants more of one step, which is then a program over all samples.
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
    apart: bool = True
    observer: StepObserver | None = None


def make_live_module(terms: LiveTerms) -> LiveModule | NoModule:
    """Return a module with as many inputs as can be recorded, or why there is none.

    Hyperparameters and data are inputs. If that cannot be recorded, the data are constants, and at last everything is.
    If possible, the module loops over samples and over parameters, else a step is one program.
    """
    every = tuple(name for name, number in terms.mover.numbers.items() if math.isfinite(number))
    used = tuple(name for name in every if terms.mover.numbers[name] != 0)  # 0 often switches something off
    rates = tuple(name for name in every if name in terms.varying)
    sample, coupled = _record_sample(terms)
    first = last = too_many = ""
    for way in _order_ways(terms, sample):
        for names in dict.fromkeys((every, used, rates, ())):
            if too_many and way != APART:
                break
            try:
                if way == APART and sample is not None:
                    return _write_apart(terms, names, sample)
                return _write_module(terms, names, way == INPUTS, "" if way == INPUTS else first)
            except (TooManyOperationsError, TooManyWaysError) as error:
                if way == APART:
                    coupled = str(error)
                    break
                too_many = str(error)
            except (CannotCompileError, PlaygroundError) as error:  # an optimizer may refuse a number that is an input
                if way == APART:
                    coupled = str(error)
                else:
                    first, last = first or str(error), str(error)
    if too_many and coupled:
        return NoModule(f"{too_many}; no loop over samples: {coupled}", is_final=True)
    return NoModule(too_many or last, is_final=bool(too_many))


def _record_sample(terms: LiveTerms) -> tuple[SampleProgram | None, str]:
    """Record what a sample contributes, or return why that is impossible."""
    if not terms.problem.batches.data or not terms.apart or terms.observer is not None:
        return None, ""
    try:
        return record_sample(DescentSpec(terms.problem, terms.mover)), ""
    except CannotCompileError as error:
        return None, str(error)


def _order_ways(terms: LiveTerms, sample: SampleProgram | None) -> list[str]:
    """Return the ways to make a module, the best first."""
    unrolled = [INPUTS, CONSTANTS] if terms.problem.batches.data else [CONSTANTS]
    return unrolled if sample is None else [APART, *unrolled]


def _specify(terms: LiveTerms, names: Collection[str], changing: bool) -> tuple[DescentSpec, tuple[float, ...]]:
    """Return what determines a step, and the factors on the learning rate.

    :param names: the hyperparameters that are inputs.
    :param changing: whether the data are inputs.
    """
    mover = terms.mover.with_lanes(names, 1)
    spec = DescentSpec(terms.problem, mover, terms.factors is not None, terms.clip, changing)
    return spec, tuple(terms.factors or (1.0,) * terms.steps)


def _write_module(terms: LiveTerms, names: Collection[str], changing: bool, fixed_data: str) -> LiveModule:
    """Record a program and write its module.

    :param names: the hyperparameters that are inputs.
    :param changing: whether the data are inputs.
    :raises CannotCompileError: it cannot be recorded.
    """
    spec, factors = _specify(terms, names, changing)
    batches = terms.problem.batches
    starts = {name: tensor.detach()[None] for name, tensor in terms.problem.parameters.items()}
    phases = tidy(record_phases(spec, factors, starts, terms.observer))
    program = arrange(phases, gradient=True, over_all_data=terms.over_all_data)
    observed = _list_observed(phases)
    _require_slots(program, observed)
    reads_data = changing or batches.size is not None
    module = ModuleProgram(
        kernel_program=program,
        full_loss=phases.full_loss,
        places=tuple(tensor[0].numel() for tensor in batches.data) if reads_data else (),
        samples=len(batches.data[0]) if reads_data else 0,
        observed=tuple(dict.fromkeys(observed)),
        **_collect_shared(terms, spec, phases),
    )
    KernelWriter(module, TileFunction).write()
    left_out = program.slots.index(LEFT_OUT) if LEFT_OUT in program.slots else None
    places = {value: place for place, value in enumerate(module.observed)}
    return replace(
        _describe(terms, spec, phases, module),
        operations=program.operations,
        left_out=left_out,
        fixed_data=fixed_data,
        observed=tuple(places[value] for value in observed),
    )


def _write_apart(terms: LiveTerms, names: Collection[str], sample: SampleProgram) -> LiveModule:
    """Record the rule of the optimizer and write a module that loops over samples.

    :param names: the hyperparameters that are inputs.
    :param sample: what a sample contributes.
    :raises CannotCompileError: the rule cannot be recorded, or is not the same for every entry of the parameters.
    """
    spec, factors = _specify(terms, names, True)
    batches = terms.problem.batches
    step = take_apart(spec, factors, sample)
    module = ApartProgram(
        kernel_program=step.rule,
        full_loss=step.rule.end[0],
        places=sample.places,
        samples=len(batches.data[0]),
        step=step,
        over_all_data=terms.over_all_data,
        **_collect_shared(terms, spec, step.phases),
    )
    ApartWriter(module).write()
    operations = step.count_operations(batches.size or len(batches.data[0]))
    return replace(_describe(terms, spec, step.phases, module), operations=operations, apart=True)


def _collect_shared(terms: LiveTerms, spec: DescentSpec, phases: Phases) -> dict[str, Any]:
    """Return the arguments of a `ModuleProgram` that do not depend on how its step is made.

    :raises CannotCompileError: the recording does not show all that the optimizer does.
    """
    if phases.is_opaque:
        raise CannotCompileError("the optimizer may remember something that a recording does not show")
    order = list(spec.mover.lanes)
    varying = tuple(i for i, name in enumerate(order) if name in terms.varying)
    return {
        "number": "float" if spec.dtype is torch.float32 else "double",
        "rules": terms.rules,
        "varying": varying,
        "dials": tuple(i for i in range(len(order)) if i not in varying),
        "decisions": phases.by_lane,
        "counts": find_count_rules(phases.inputs),
        "batch": terms.problem.batches.size or 0,
        "prediction": _record_prediction(spec),
    }


def _describe(terms: LiveTerms, spec: DescentSpec, phases: Phases, module: ModuleProgram) -> LiveModule:
    """Finish a module, and describe it."""
    write_uniform(module)
    order, numbers, ranges = list(spec.mover.lanes), terms.mover.numbers, terms.ranges or {}

    def describe(which: Sequence[int]) -> tuple[Dial, ...]:
        return tuple(Dial(order[i], numbers[order[i]], ranges.get(order[i])) for i in which)

    return LiveModule(
        code=module.wasm.encode(),
        dtype="float32" if module.number == "float" else "float64",
        layout=module.layout,
        dials=describe(module.dials),
        varying=describe(module.varying),
        parameters={name: tuple(shape) for name, shape in spec.shapes.items()},
        steps=terms.steps,
        factors=tuple(terms.factors or (1.0,) * terms.steps),
        phases=tuple(phases.which.tolist()),
        counts=tuple(each.numbers for each in module.counts if not each.is_affine),
        data=tuple(tuple(each.shape) for each in terms.problem.batches.data) if module.places else (),
        batch=module.batch,
        ends=END_NAMES,
        left_out=None,
        operations=0,
        records=RECORDS,
        statuses=tuple(STATUS_BY_END[end] for end in END_NAMES),
        outputs=0 if module.prediction is None else len(module.prediction.values),
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
