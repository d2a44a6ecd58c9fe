"""The suite `core`: its problems load, start anew with each seed, compile, and have the stated least loss."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from playground import builtin
from playground.builtin import optimizers
from playground.builtin.tasks.minimize import Minimize
from playground.core import lbfgs
from playground.core.compiled.phases import record_phases
from playground.core.compiled.symbolic_run import DescentSpec
from playground.core.derivatives.points import flat_loss
from playground.core.movers import RuleMover
from playground.core.problem import Problem
from playground.core.task import DescentTask
from playground.plugins.manager import load_plugins
from playground.runner.loading.overrides import Changes, load_with_changes
from playground.runner.single.preparing import prepare
from playground.scenario.model import Scenario

FOLDER = Path(builtin.__file__).parent / "suites"
SUITE = yaml.safe_load((FOLDER / "core.yaml").read_text(encoding="utf-8"))
PROBLEMS = SUITE["problems"]
PROBES = {
    *("ill-conditioning", "curved valley", "saddle", "plateau", "non-smooth", "noise", "non-stationary"),
    *("sparse gradients", "scale", "data", "multimodal", "sequence"),
}
NEWTON = [name for name, each in PROBLEMS.items() if each["source"] == "Newton in float64"]
every_problem = pytest.mark.parametrize("name", PROBLEMS)


@dataclass(frozen=True)
class Made:
    scenario: Scenario
    task: DescentTask
    problem: Problem

    def flat(self):
        """Return the loss over all data as a function of one vector, and the start."""
        g, z = flat_loss(self.problem, self.problem.parameters)
        return g, z.detach()

    def tensors(self):
        return [tensor.numpy() for tensor in self.problem.batches.data]


@cache
def plugins():
    return load_plugins(autoload=False)


def load(name, seed=0):
    return load_with_changes(FOLDER / "core" / f"{name}.yaml", Changes((("seed", str(seed)),)), plugins())


@cache
def make(name, seed=0):
    loaded = load(name, seed)
    with prepare(loaded, plugins()) as ready:
        return Made(loaded.scenario, ready.task, ready.problem)


def initial_loss(name, seed):
    g, z = make(name, seed).flat()
    return g(z).item()


def test_files_and_problems_agree():
    assert {file.stem for file in (FOLDER / "core").glob("*.yaml")} == set(PROBLEMS)


def test_the_suite_is_wide():
    headline = {name: each for name, each in PROBLEMS.items() if each.get("headline", True)}
    assert len(headline) >= 60
    assert len({each["family"] for each in headline.values()}) >= 40
    assert {each["probe"] for each in PROBLEMS.values()} <= PROBES
    assert all(not each.get("headline", True) for each in PROBLEMS.values() if each["probe"] == "multimodal")


def test_contrasts_are_pairs_of_problems_of_five_families():
    for name, pairs in SUITE["contrasts"].items():
        assert all({pair["with"], pair["without"]} <= set(PROBLEMS) for pair in pairs), name
        assert len({PROBLEMS[pair["with"]]["family"] for pair in pairs}) >= 5, name
        assert max(Counter(pair["with"] for pair in pairs).values()) == 1, name


@every_problem
def test_a_scenario_is_of_the_suite(name):
    scenario = load(name).scenario
    assert scenario.name == name
    assert scenario.summary
    assert scenario.dtype == "float64"
    assert scenario.task.name in ("minimize", "classification", "regression")
    assert scenario.components["optimizer"].name == "sgd"
    assert not scenario.expect


@pytest.mark.sampled(5)
@every_problem
def test_seeds_draw_starts_of_comparable_difficulty(name):
    losses = [initial_loss(name, seed) - PROBLEMS[name]["least"] for seed in range(5)]
    assert len(set(losses)) == 5
    assert min(losses) > 0
    if PROBLEMS[name]["probe"] != "multimodal":
        assert max(losses) < 50 * min(losses)


@pytest.mark.sampled(5)
@every_problem
def test_a_function_has_the_stated_minimum(name):
    made = make(name)
    if not isinstance(made.task, Minimize):
        pytest.skip("data")
    g, _ = made.flat()
    for minimum in made.task.function.minima:
        assert minimum.value == pytest.approx(PROBLEMS[name]["least"], rel=1e-15)
        point = torch.tensor(minimum.point, dtype=torch.float64)
        assert g(point).item() == pytest.approx(minimum.value, rel=1e-13, abs=1e-13)


@pytest.mark.sampled(5)
@every_problem
def test_no_minimum_is_where_weight_decay_leads(name):
    """Decoupled decay multiplies by 1 − lr·λ: at lr·λ = 1 it would solve a problem whose minimum is the origin."""
    task = make(name).task
    if not isinstance(task, Minimize):
        pytest.skip("data")
    assert all(torch.tensor(minimum.point).norm() > 0.3 for minimum in task.function.minima)


@pytest.mark.sampled(5)
@every_problem
def test_a_problem_is_one_scalar_program_of_bounded_size(name):
    problem = make(name).problem
    rule = optimizers.Adam(lr=torch.tensor([0.1, 0.2]))
    record_phases(DescentSpec(problem, RuleMover(rule)), [1.0] * 3)


def newton(g, z):
    """Minimize a convex function by Newton's method with halved steps."""
    gradient, hessian = torch.func.grad(g), torch.func.jacrev(torch.func.grad(g))
    for _ in range(100):
        slope = gradient(z)
        if slope.norm() < 1e-14:
            break
        step = -torch.linalg.pinv(hessian(z), hermitian=True) @ slope
        share = next((s for s in (0.5**k for k in range(40)) if g(z + s * step) <= g(z)), 0.0)
        if share == 0:
            break
        z = z + share * step
    return z


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", NEWTON)
def test_newton_finds_the_stated_least_loss(name):
    g, z = make(name).flat()
    z = newton(g, z)
    assert torch.func.grad(g)(z).abs().max() < 1e-9
    assert g(z).item() == pytest.approx(PROBLEMS[name]["least"], rel=1e-12)


def test_one_layer_finds_the_least_loss_of_three():
    x, y = make("deep_linear_regression").tensors()
    _, rest, _, _ = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)
    assert rest[0] / len(x) == pytest.approx(PROBLEMS["deep_linear_regression"]["least"], rel=1e-9)


def solve_program(rows, limits, samples, free):
    """Minimize the mean of the last variables, one for each sample, with rows · variables ≤ limits."""
    from scipy.optimize import linprog

    cost = np.r_[np.zeros(free), np.full(samples, 1 / samples)]
    bounds = [(None, None)] * free + [(0, None)] * samples
    return linprog(cost, A_ub=rows, b_ub=limits, bounds=bounds).fun


def test_a_linear_program_finds_the_least_absolute_error():
    x, y = make("outliers_mae").tensors()
    lines, one = np.c_[x, np.ones(len(x))], np.eye(len(x))
    rows = np.block([[lines, -one], [-lines, -one]])
    least = solve_program(rows, np.r_[y[:, 0], -y[:, 0]], len(x), lines.shape[1])
    assert least == pytest.approx(PROBLEMS["outliers_mae"]["least"], rel=1e-9)


def test_a_linear_program_finds_the_least_hinge_loss():
    x, y = make("hinge").tensors()
    signs = 2 * y.reshape(-1, 1) - 1
    lines = np.c_[x, np.ones(len(x))]
    least = solve_program(np.c_[-signs * lines, -np.eye(len(x))], -np.ones(len(x)), len(x), lines.shape[1])
    assert least == pytest.approx(PROBLEMS["hinge"]["least"], rel=1e-9)


@pytest.mark.parametrize("name", [n for n, each in PROBLEMS.items() if each["source"].startswith("entropy")])
def test_the_entropy_of_smoothed_targets(name):
    made = make(name)
    classes, smoothing = made.task.dataset.classes, made.scenario.components["loss"].parameters["label_smoothing"]
    rest = smoothing / classes
    likely = 1 - smoothing + rest
    entropy = -likely * math.log(likely) - (classes - 1) * rest * math.log(rest)
    assert PROBLEMS[name]["least"] == pytest.approx(entropy, rel=1e-12)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", [n for n, each in PROBLEMS.items() if not each["source"].startswith("entropy")])
def test_lbfgs_finds_no_lower_loss(name):
    least, probe = PROBLEMS[name]["least"], PROBLEMS[name]["probe"]
    found, sizes = [], []
    for seed in range(3):
        g, z = make(name, seed).flat()
        sizes.append(g(z).item() - least)
        found.append(lbfgs.minimize(g, z, 400)[0] - least)
    assert min(found) >= -1e-12 * (1 + abs(least))
    if probe not in ("multimodal", "non-smooth", "sequence"):
        assert min(found) <= 1e-3 * max(sizes)
