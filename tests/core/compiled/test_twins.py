"""Whether a compiled run is sensitive is what a batch would say, whose every step is compared."""

import torch

from playground.builtin.optimizers import SGD
from playground.builtin.tasks.minimize import Minimize
from playground.core.compiled import CompiledReplicas
from playground.core.compiled.twins import find_parted
from playground.core.replicas import RuleReplicas, stack_parameters
from playground.core.sensitivity import append_twins, find_sensitive
from playground.core.setting import Setting
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces
from playground.expression import parse

DOUBLE = torch.float64


def problem(start):
    return Minimize(parse("(x**2 - 1)**2 / 4"), {"x": start}).problem(Setting(DOUBLE))


def test_parted_where_twins_of_a_batch_part() -> None:
    """Down (x² - 1)²/4, SGD at rate r maps x to (1 + r) x - r x³: it settles at 0.1, and is chaotic at 1.8."""
    rates, rules = torch.tensor([0.1, 1.8, 0.1], dtype=DOUBLE), StopRules()
    parameters = stack_parameters([problem(start).parameters for start in (0.3, 0.3, 1.2)])
    for steps in (200, 10):
        twins = append_twins(parameters)
        compiled = CompiledReplicas(problem(0.0), twins, [0] * 9, SGD(lr=rates.repeat(3)), steps, rules)
        traces = ReplicaTraces(compiled, steps, rules, 9)
        compiled.descend(traces)

        def make(chosen, which):
            return RuleReplicas(problem(0.0), chosen, which.tolist(), SGD(lr=rates[which]))

        expected = find_sensitive(make, parameters, steps, rules)
        assert torch.equal(find_parted(traces, compiled.final), expected)
        assert expected.any() == (steps == 200)
