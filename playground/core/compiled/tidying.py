"""Reduces the programs of a descent: equal counts become one, and a first step that does what later ones do goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from playground.core.compiled.phases import Phases
from playground.core.compiled.program import COUNT, SLOT
from playground.core.compiled.step_program import StepProgram


def tidy(phases: Phases) -> Phases:
    """Return phases that do the same with less."""
    return merge_first_step(unify_counts(phases))


def unify_counts(phases: Phases) -> Phases:
    """Let counts that are equal at every step be one.

    torch's optimizers count the steps of each parameter separately.
    """
    program, groups = phases.program, dict[bytes, Any]()
    values: dict[Any, int] = {}
    for name, column in phases.inputs.items():
        if name[0] == COUNT:
            values[name] = program.input(*groups.setdefault(column.tobytes(), name))
    if len(groups) == len(values):
        return phases

    def substitute(step: StepProgram) -> StepProgram:
        loss, norm, *outputs = program.substitute([step.loss, step.norm, *step.outputs.values()], values)
        return replace(step, loss=loss, norm=norm, outputs=dict(zip(step.outputs, outputs, strict=True)))

    return replace(phases, steps=[substitute(step) for step in phases.steps])


def merge_first_step(phases: Phases) -> Phases:
    """Let step 0 use the program of step 1, if that does the same at a state of zeros.

    Most optimizers create their state in the first step, so that its program differs. If the later program becomes that
    of step 0 where zeros replace the new state, the descent needs one program less.
    """
    which = phases.which
    if len(which) < 2 or which[0] == which[1] or (which == which[0]).sum() != 1:
        return phases
    program, first, second = phases.program, phases.steps[which[0]], phases.steps[which[1]]
    new = [key for key in second.outputs if key not in phases.start]
    zeros: dict[Any, int] = {}
    for key in new:
        for kind in (SLOT, COUNT):
            zeros[kind, *key] = program.constant(0.0)
    keys = list(first.outputs)
    if list(second.outputs) != keys or first.evaluations != second.evaluations:
        return phases
    mine = [first.loss, first.norm, *first.outputs.values()]
    if program.substitute([second.loss, second.norm, *second.outputs.values()], zeros) != mine:
        return phases
    inputs = {name: column.copy() for name, column in phases.inputs.items()}
    for kind, *key in zeros:
        if (kind, *key) in inputs:
            inputs[kind, *key][0] = 0.0
    used = sorted(set(which[1:].tolist()))
    numbers = np.array([used.index(each) for each in (which[1], *which[1:])], dtype=np.int32)
    start = {**phases.start, **{key: program.constant(0.0) for key in new}}
    return replace(phases, steps=[phases.steps[i] for i in used], which=numbers, inputs=inputs, start=start)
