"""What many runs leave behind, against what `Descent` says of each alone; real descents are in test_replicas."""

import math
from itertools import pairwise

import pytest
import torch

from playground.core import traces as traces_module
from playground.core.descent import DescentTrace, descend
from playground.core.stopping import StopRules
from playground.core.traces import MAX_KEPT_STEPS, STATUSES, ReplicaTraces, thin_steps
from playground.result import Status

INF, NAN = math.inf, math.nan

LOSSES = {
    "falls": [5.0, 4.0, 3.0, 2.0, 1.0, 0.5],
    "is done at once": [0.1, 7.0, 7.0, 7.0, 7.0, 7.0],
    "is done in the middle": [5.0, 3.0, 0.2, 7.0, 7.0, 7.0],
    "is done at last": [5.0, 5.0, 4.9, 4.8, 3.0, 0.2],
    "rests": [5.0, 5.0, 5.0, 5.0, 5.0, 5.0],
    "rests, then falls": [5.0, 5.0, 5.0, 4.0, 4.0, 3.0],
    "creeps": [5.0, 4.999, 4.998, 4.997, 4.996, 4.995],
    "improves at last": [5.0, 4.0, 4.0, 4.0, 4.0, 3.0],
    "explodes": [5.0, 20.0, 1e4, 1e9, 1e20, 1e30],
    "explodes at last": [5.0, 6.0, 6.0, 6.0, 6.0, 1e12],
    "is infinite": [5.0, 4.0, INF, NAN, NAN, NAN],
    "is minus infinity": [5.0, 4.0, -INF, NAN, NAN, NAN],
    "is no number": [5.0, NAN, 1.0, 1.0, 1.0, 1.0],
    "is never a number": [NAN, NAN, NAN, NAN, NAN, NAN],
    "is no number at last": [5.0, 4.0, 3.0, 2.0, 1.0, NAN],
    "is negative": [-5.0, -1e3, -1e5, -1e8, -1e9, -1e10],
}
"""`loss[k]` is the loss before update k, had the run not ended; the last one is that of the final parameters."""

TABLE = torch.tensor(list(LOSSES.values()), dtype=torch.float64).T
BUDGET = len(TABLE) - 1

RULES = [
    StopRules(),
    StopRules(loss=0.2),
    StopRules(gradient=0.3),
    StopRules(patience=2),
    StopRules(patience=2, improvement=0.01),
    StopRules(divergence=1.0),
    StopRules(divergence=0.5),
    StopRules(divergence=INF),
    StopRules(loss=3.0, gradient=0.3, patience=3, divergence=3.0),
]


class Told:
    """A stepper of replicas whose losses are told beforehand, and whose gradients are a tenth of them."""

    def __init__(self, table=TABLE, compacts=True):
        self.table, self.compacts = table, compacts
        self.places = torch.arange(table.shape[1])
        self.ends = torch.full((table.shape[1],), len(table) - 1)
        self.step = 0

    def evaluate(self, step):
        self.step = step
        return self.table[step, self.places]

    def gradient_norm(self):
        return self.table[self.step, self.places].abs() / 10

    def update(self, step):
        pass

    def settle(self, chosen):
        self.ends[self.places[chosen]] = self.step

    def keep(self, chosen):
        if self.compacts:
            self.places = self.places[chosen]
        return self.compacts

    def finish(self):
        return self.table[self.ends, torch.arange(self.table.shape[1])]


class ToldAlone(Told):
    """The same of one run, in numbers; it is where its last evaluation was unless it used its budget."""

    def evaluate(self, step):
        return super().evaluate(step).item()

    def gradient_norm(self):
        return super().gradient_norm().item()

    def update(self, step):
        self.step = step + 1

    def finish(self):
        return self.table[self.step, 0].item()


def down(stepper, rules, budget=BUDGET):
    traces = ReplicaTraces(stepper, budget, rules, stepper.table.shape[1])
    descend(stepper, traces)
    return traces


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


@pytest.mark.sampled(17)
@pytest.mark.parametrize("compact_every", [1, 2, 10**9])
@pytest.mark.parametrize("budget", [BUDGET, 0])
@pytest.mark.parametrize("rules", RULES, ids=str)
def test_each_run_ends_as_alone(rules, budget, compact_every, monkeypatch) -> None:
    monkeypatch.setattr(traces_module, "COMPACT_INTERVAL_STEPS", compact_every)
    table = TABLE if budget else TABLE[:1]
    traces = down(Told(table), rules, budget)
    for i, name in enumerate(LOSSES):
        alone = DescentTrace(budget, rules)
        descend(ToldAlone(table[:, i : i + 1]), alone)
        assert (traces.statuses()[i], traces.steps[i]) == (alone.status, alone.steps), name
        assert traces.reasons()[i] == alone.reason, name
        assert same(traces.first[i].item(), alone.loss[0] if budget else alone.last), name
        assert same(traces.last[i].item(), alone.last), name
        assert same(traces.best[i].item(), alone.best), name
        kept = [loss if k < len(alone.loss) else NAN for k, loss in enumerate(table[:budget, i].tolist())]
        assert torch.equal(traces.kept[i].nan_to_num(nan=-1), torch.tensor(kept).nan_to_num(nan=-1)), name
        assert traces.evaluations()[i] == len(alone.loss) + 1, name


def test_a_stepper_that_goes_on_with_everyone_gives_the_same(monkeypatch) -> None:
    monkeypatch.setattr(traces_module, "COMPACT_INTERVAL_STEPS", 1)
    some, all_ = down(Told(), RULES[-1]), down(Told(compacts=False), RULES[-1])
    for name in ("status", "steps", "first", "last", "best", "kept"):
        assert torch.equal(getattr(some, name).nan_to_num(), getattr(all_, name).nan_to_num())


def test_the_batch_goes_on_without_those_that_have_ended_once_they_are_half(monkeypatch) -> None:
    monkeypatch.setattr(traces_module, "COMPACT_INTERVAL_STEPS", 1)
    table = torch.tensor([[9.0, 9, 9, 9], [0, 9, 9, 9], [0, 0, 9, 9], [0, 0, 0, 9], [0, 0, 0, 9]], dtype=torch.float64)
    stepper = Told(table)
    seen = []
    evaluate = stepper.evaluate
    stepper.evaluate = lambda step: seen.append(stepper.places.tolist()) or evaluate(step)
    traces = down(stepper, StopRules(loss=1.0), 4)
    assert seen == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3], [2, 3]]
    assert traces.steps.tolist() == [1, 2, 3, 4]


def test_the_loop_ends_when_all_have_ended() -> None:
    traces = down(Told(TABLE[:, :1].repeat(1, 3)), StopRules(loss=3.0))
    assert (traces.done, traces.steps.tolist()) == (3, [2, 2, 2])


def test_ctrl_c_keeps_what_was_reached() -> None:
    class Impatient(Told):
        def evaluate(self, step):
            if step == 3:
                raise KeyboardInterrupt
            return super().evaluate(step)

    traces = down(Impatient(), StopRules(loss=0.2))
    found = dict(zip(LOSSES, zip(traces.statuses(), traces.steps.tolist(), strict=True), strict=True))
    assert traces.interrupted
    assert found["falls"] == (Status.INTERRUPTED, 3)
    assert found["is done in the middle"] == (Status.CONVERGED, 2)
    assert traces.reasons()[0] == "interrupted after 3 steps"


def test_every_status_has_a_code() -> None:
    assert [STATUSES[STATUSES.index(status)] for status in Status] == list(Status)


@pytest.mark.parametrize("budget", [0, 1, 2, MAX_KEPT_STEPS, MAX_KEPT_STEPS + 1, 1000, 10**6])
def test_thinned_steps(budget) -> None:
    steps = thin_steps(budget)
    assert steps == sorted(set(steps))
    assert len(steps) <= MAX_KEPT_STEPS
    if budget:
        assert (steps[0], steps[-1]) == (0, budget - 1)
    if 0 < budget <= MAX_KEPT_STEPS:
        assert steps == list(range(budget))
    ratios = [(b + 1) / (a + 1) for a, b in pairwise(steps) if a > MAX_KEPT_STEPS]
    assert not ratios or max(ratios) / min(ratios) < 1.1


def test_kept_losses_are_those_of_their_steps() -> None:
    table = torch.rand(301, 2, dtype=torch.float64)
    traces = down(Told(table), StopRules(), 300)
    assert torch.equal(traces.kept, table[traces.steps_kept].T.float())
