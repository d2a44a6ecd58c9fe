"""The contract of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from playground.core.problem import Problem
from playground.core.seeding import seed_torch
from playground.core.setting import Setting
from playground.core.task import DescentTask, DirectTask, Outcome
from playground.testing.differentiable import WHY_DTYPE, WHY_VMAP, require_close
from playground.testing.verdict import require

WHY_NAMES = "a scenario may only expect declared names"


class TaskContract(ABC):
    """The rules for a task: `class TestMine(TaskContract)` with one method, `task`."""

    maps: ClassVar[bool] = True
    """Whether `measure` works under vmap. If not, its sweeps are sequential."""

    @abstractmethod
    def task(self) -> DescentTask | DirectTask:
        """Return the task with the components it needs."""

    def test_problem(self) -> None:
        """The problem has parameters, and a loss of one number that depends on them."""
        problem = self._problem(self._descent())
        require(bool(problem.parameters), "the problem has no parameters", "there would be nothing to minimize")
        loss = problem.loss(problem.module, problem.batches.at(0))
        require(
            loss.dim() == 0, f"the loss has shape {tuple(loss.shape)}, not ()", "an optimizer minimizes a single number"
        )
        require(loss.requires_grad, "the loss does not depend on the parameters", "there would be nothing to minimize")

    def test_problem_has_the_dtype_of_the_setting(self) -> None:
        """Parameters have the dtype of the scenario."""
        task = self._descent()
        for dtype in (torch.float32, torch.float64):
            for name, parameter in self._problem(task, dtype=dtype).parameters.items():
                require(parameter.dtype == dtype, f"{name} is {parameter.dtype} in a run of {dtype}", WHY_DTYPE)

    def test_problem_starts_from_the_seed(self) -> None:
        """The same seed gives the same initial parameters."""
        task = self._descent()
        one, other = self._problem(task).parameters, self._problem(task).parameters
        same = all(torch.equal(one[name], other[name]) for name in one)
        require(same, "two problems with the same seed differ", "no run could be repeated")

    def test_measures_what_it_declares(self) -> None:
        """`measure` returns a tensor for each name in `metrics`."""
        task = self._descent()
        problem = self._problem(task)
        found = self._measured(task, problem, problem.parameters)
        names, wanted = sorted(found), sorted(task.metrics)
        require(names == wanted, f"measured {names}, but `metrics` declares {wanted}", WHY_NAMES)
        strange = [name for name, value in found.items() if not isinstance(value, Tensor)]
        require(not strange, f"{', '.join(strange)}: not a tensor", "`measure` is vectorized over many runs")

    def test_measures_many_runs_as_one(self) -> None:
        """Under vmap each run has the same measurements as without it."""
        task = self._descent()
        if not self.maps:
            pytest.skip("declared as measuring one run at a time")
        problem = self._problem(task)
        states = [self._problem(task, seed=seed).parameters for seed in (0, 1)]
        stacked = {name: torch.stack([state[name] for state in states]).detach() for name in states[0]}
        try:
            batched = vmap(lambda parameters: dict(self._measured(task, problem, parameters)))(stacked)
        except Exception as error:
            raise AssertionError(f"vmap refuses `measure`: {error}\n  why it matters: {WHY_VMAP}") from error
        alone = [self._measured(task, problem, state) for state in states]
        for name, value in batched.items():
            wanted = torch.stack([each[name] for each in alone])
            require_close(value, wanted, f"{name!r} under vmap differs from that without it", WHY_VMAP, 1e-6)

    def test_returns_what_it_declares(self) -> None:
        """A task without a descent returns an `Outcome` that has each metric in `metrics`."""
        task = self.task()
        if isinstance(task, DescentTask):
            pytest.skip("this task descends")
        setting = Setting()
        with seed_torch(setting.seed, setting.device):
            task.probe(setting)
            found: Any = task.answer(setting)
        require(isinstance(found, Outcome), f"returned a {type(found).__name__}, not an Outcome", WHY_NAMES)
        names, wanted = sorted(found.metrics), sorted(task.metrics)
        require(names == wanted, f"measured {names}, but `metrics` declares {wanted}", WHY_NAMES)

    def _descent(self) -> DescentTask:
        task = self.task()
        if not isinstance(task, DescentTask):
            pytest.skip("this task has no descent")
        return task

    def _problem(self, task: DescentTask, dtype: torch.dtype = torch.float32, seed: int = 0) -> Problem:
        setting = Setting(dtype=dtype, seed=seed)
        with seed_torch(setting.seed, setting.device):
            return task.problem(setting)

    def _measured(self, task: DescentTask, problem: Problem, parameters: Any) -> Any:
        problem.module.eval()
        with torch.no_grad():
            return task.measure(problem, parameters)
