"""What tests of compiled optimizers share: a small problem, and the comparison of compiled runs with the same alone."""

from dataclasses import dataclass
from functools import partial

import pytest
import torch

from playground.builtin import losses, models
from playground.core.agreement import MAX_TWIN_DEVIATIONS, SingleRun, make_twins
from playground.core.compiled import CompiledReplicas, RunsDifferError
from playground.core.descent import DescentTrace, descend
from playground.core.movers import make_mover
from playground.core.problem import Batches, Problem
from playground.core.sensitivity import TOLERANCE_BY_DTYPE
from playground.core.steppers import make_stepper
from playground.core.stopping import StopRules
from playground.core.traces import ReplicaTraces

INPUTS = torch.tensor([[1.0, 1], [1, 0], [0, 1], [0, 0], [0.3, -0.7]])
TARGETS = torch.tensor([[1.0], [0], [1], [0], [0]])


def make_problem(model=models.Perceptron, dtype=torch.float64, size=None):
    """Five samples with two inputs and one output."""
    torch.manual_seed(0)
    data = Batches((INPUTS.to(dtype), TARGETS.to(dtype)), size)
    return Problem(model(2, 1).to(dtype), lambda forward, batch: losses.mse(forward(batch[0]), batch[1]), data)


@dataclass(kw_only=True)
class Descents:
    """Runs to make twice: compiled, and one by one.

    :param factories: the optimizer of each run.
    :param problem: of all runs.
    :param steps: the budget of each.
    :param options: further ones: `schedule` and `clip`.
    :param rules: when a run ends.
    """

    factories: list
    problem: Problem
    steps: int
    options: dict
    rules: StopRules

    def __post_init__(self):
        generator = torch.Generator().manual_seed(1)
        shapes = {name: (len(self.factories), *each.shape) for name, each in self.problem.parameters.items()}
        dtype = next(iter(self.problem.parameters.values())).dtype
        self.tolerance = TOLERANCE_BY_DTYPE[dtype]
        self.starts = {name: torch.randn(shape, generator=generator, dtype=dtype) for name, shape in shapes.items()}
        self.seeds = list(range(len(self.factories)))

    def compute(self, which=None):
        """Yield the compiled runs, by groups that have one program: their indices, the stepper and the traces."""
        which = which or self.seeds
        mover = make_mover([self.factories[run] for run in which])
        starts = {name: each[which] for name, each in self.starts.items()}
        try:
            stepper = CompiledReplicas(self.problem, starts, which, mover, self.steps, self.rules, **self.options)
        except RunsDifferError as error:
            groups = error.groups()
            for group in groups:
                yield from self.compute([which[place] for place in group])
            return
        traces = ReplicaTraces(stepper, self.steps, self.rules, len(which))
        stepper.descend(traces)
        yield which, stepper, traces

    def compute_alone(self, run, start):
        """Make a run in plain PyTorch; return its trace, how often it evaluated the loss, and its final parameters."""
        given = (self.factories[run], self.options.get("schedule"), self.options.get("clip"))
        single = SingleRun(self.problem, run, lambda problem: make_stepper(problem, *given))
        trace = DescentTrace(self.steps, self.rules)
        with single.begin(start) as stepper:
            descend(stepper, trace)
            final = [parameter.detach().clone() for parameter in stepper.parameters]
        return trace, stepper.evaluations, final

    def require_same(self, run, numbers, trace_of_run):
        """Compare a compiled run with itself alone; return whether it is not sensitive.

        Where the numbers differ, the run is made again from starts that are changed by one ulp: by how much that moves
        it is what rounding can do.
        """
        start = {name: each[run] for name, each in self.starts.items()}
        trace, evaluations, final = self.compute_alone(run, start)
        plain = flatten(trace.last, final)
        if torch.allclose(numbers, plain, rtol=self.tolerance, atol=self.tolerance, equal_nan=True):
            assert trace_of_run == (trace.status, trace.steps, evaluations)
            return True
        twins = [self.compute_alone(run, each) for each in make_twins(start)]
        moved = torch.stack([(flatten(each.last, last) - plain).abs() for each, _, last in twins]).amax(0)
        assert ((numbers - plain).abs() <= self.tolerance * (1 + plain.abs()) + MAX_TWIN_DEVIATIONS * moved).all(), (
            f"run {run}: {numbers.tolist()}, alone {plain.tolist()}"
        )
        return False


def flatten(last, parameters):
    """Return the last loss and the final parameters as one tensor of double precision."""
    return torch.cat([torch.tensor([last]).double(), *(each.double().flatten() for each in parameters)])


@pytest.fixture(scope="session")
def problem_of():
    """`problem_of(model, dtype, size)`: five samples with two inputs and one output."""
    return make_problem


@pytest.fixture(scope="session")
def require_same():
    """Compare compiled runs with the same runs alone: `require_same([partial(Adam, lr=0.1), ...])`.

    At least half of the runs must not be sensitive to rounding, unless they `may_be_sensitive`.
    """

    def require_same(
        factories, *, problem=None, steps=200, left_out=(), may_be_sensitive=False, schedule=None, clip=None, **rules
    ):
        problem = problem or make_problem()
        options = {"schedule": schedule, "clip": clip}
        descents = Descents(
            factories=factories, problem=problem, steps=steps, options=options, rules=StopRules(**rules)
        )
        found, calm, left = [], 0, []
        for which, stepper, traces in descents.compute():
            found.append((which, stepper, traces))
            ends = list(zip(traces.statuses(), traces.steps.tolist(), traces.evaluations().tolist(), strict=True))
            for place, run in enumerate(which):
                if stepper.left_out[place]:
                    left.append(run)
                    continue
                numbers = flatten(traces.last[place].item(), [each[place] for each in stepper.final.values()])
                calm += descents.require_same(run, numbers, ends[place])
        assert sorted(left) == list(left_out)
        assert may_be_sensitive or 2 * calm >= len(factories) - len(left), (
            "most runs are sensitive to rounding: take fewer steps"
        )
        return found

    return require_same


@pytest.fixture(scope="session")
def each_rate():
    """`each_rate(factory)`: the factory with three learning rates."""
    return lambda factory, rates=(0.003, 0.01, 0.03): [partial(factory, lr=rate) for rate in rates]
