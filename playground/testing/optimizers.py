"""The contract of an optimizer: an update rule, or any `torch.optim.Optimizer`."""

from __future__ import annotations

import copy
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from playground.core.replicas import RuleReplicas, TorchReplicas
from playground.core.trials import require_optimizer, require_rule
from playground.core.update import UpdateRule, stack_rules
from playground.errors import ComponentError
from playground.plugins.signature import declared_parameters
from playground.testing.descents import (
    START,
    SingleDescent,
    bowl_with_unused,
    descend,
    descend_in_groups,
    paths,
    quadratic,
)
from playground.testing.differentiable import require_close
from playground.testing.verdict import require

WHY_STATE = "a resumed training would differ from an uninterrupted one"
WHY_GROUPS = "users set different learning rates for the layers of a network"

Factory = Callable[[Any], torch.optim.Optimizer]


class OptimizerContract(ABC):
    """The rules for an optimizer: `class TestMine(OptimizerContract)` with one method, `optimizer`."""

    steps: ClassVar[int] = 100
    """Number of updates in which the loss must decrease."""

    elementwise: ClassVar[bool] = True
    """Whether each entry is updated from its own gradient only. If not, runs are never vectorized."""

    parameter_groups: ClassVar[bool] = True
    """Whether a `torch.optim.Optimizer` accepts several parameter groups."""

    trajectory: ClassVar[tuple[float, ...]] = ()
    """Reference: x before each step on f(x) = x²/2 from x = 1, in float64; empty if there is none."""

    @abstractmethod
    def optimizer(self) -> UpdateRule | Factory:
        """Return an update rule; or a subclass of `torch.optim.Optimizer`, in a `functools.partial` with options."""

    def test_returns_what_is_expected(self) -> None:
        """A rule is a frozen dataclass with a rate, and returns parameter and state; a torch optimizer makes steps."""
        made = self.optimizer()
        tensors = {"matrix": torch.ones(2, 2, dtype=torch.float64), "vector": torch.ones(2, dtype=torch.float64)}
        try:
            if isinstance(made, UpdateRule):
                require_rule(made, tensors)
            else:
                require_optimizer(made, [tensors["matrix"]])
        except ComponentError as error:
            require(False, str(error), "the result is used at every step, and is checked before the first one")

    def test_descends_a_bowl(self) -> None:
        """The loss decreases on a function with the same curvature in all directions."""
        self._require_descent(quadratic(1, 1), "a bowl, Σx²/2")

    def test_descends_an_ill_conditioned_quadratic(self) -> None:
        """The loss decreases on a function that is a hundred times as steep in one direction as in another."""
        self._require_descent(quadratic(1, 100), "a quadratic with curvatures from 1 to 100")

    def test_batched_runs_equal_single_runs(self) -> None:
        """A run in a batch equals the same run on its own, even if its neighbour has another learning rate."""
        if not self.elementwise:
            pytest.skip("declared as not elementwise: its runs are sequential")
        made = self.optimizer()
        starts = torch.stack([START, -2 * START])
        problem = quadratic(1, 10)
        moved: Sequence[UpdateRule | Factory]
        if isinstance(made, UpdateRule):
            moved = rules = [made, replace(made, lr=2 * made.lr)]  # type: ignore[type-var]
            stepper: RuleReplicas | TorchReplicas = RuleReplicas(
                problem, {"values": starts}, [0, 1], stack_rules(rules)
            )
        else:
            moved = [made, made]
            stepper = TorchReplicas(problem, {"values": starts}, [0, 1], [made, made], elementwise=True)
        for step in range(10):
            stepper.evaluate(step)
            stepper.update(step)
        alone = torch.stack(
            [descend(quadratic(1, 10, start), rule, 10) for start, rule in zip(starts, moved, strict=True)]
        )
        why = "thousands of runs are one tensor; declare `elementwise = False` if an entry depends on other entries"
        require_close(stepper.parameters["values"], alone, "a run in a batch ends elsewhere than on its own", why)

    def test_repeats_itself(self) -> None:
        """The same start gives bit-identical results."""
        one, other = (descend(quadratic(1, 10), self.optimizer(), 5) for _ in range(2))
        require(torch.equal(one, other), "two descents from the same start differ", "no run could be repeated")

    def test_keeps_float64(self) -> None:
        """float64 parameters are neither converted to float32 nor rounded to it."""
        found = descend(quadratic(1, 10), self.optimizer(), 3)
        why = "users set `dtype: float64` for its digits"
        require(found.dtype == torch.float64, f"float64 parameters became {found.dtype}", why)
        rounded = torch.equal(found, found.float().double())
        require(not rounded, "float64 parameters are rounded to float32", why)

    def test_leaves_what_has_no_gradient(self) -> None:
        """A parameter whose gradient is None is unchanged and does not stop the others."""
        problem = bowl_with_unused()
        before = {name: tensor.detach().clone() for name, tensor in problem.parameters.items()}
        try:
            descend(problem, self.optimizer(), 3)
        except (TypeError, AttributeError, RuntimeError) as error:
            wrong = f"a gradient that is None: {type(error).__name__}: {error}"
            raise AssertionError(f"{wrong}\n  why it matters: unused layers have no gradient") from error
        idle = torch.equal(problem.parameters["unused"], before["unused"])
        require(idle, "a parameter without a gradient was moved", "frozen and unused layers would drift")
        moved = not torch.equal(problem.parameters["values"], before["values"])
        require(moved, "other parameters do not move if one has no gradient", "the rest of the model never learns")

    def test_documents_its_parameters(self) -> None:
        """Each hyperparameter is described in the docstring, or in that of torch."""
        made = self.optimizer()
        factory = made.func if isinstance(made, functools.partial) else type(made) if not callable(made) else made
        silent = [each.name for each in declared_parameters(factory, ("params",)) if not each.description]
        what = f"no `:param name:` line describes {', '.join(silent)}"
        require(not silent, what, "`playground show` and the schema contain these lines")

    def test_follows_the_reference(self) -> None:
        """The descent from x = 1 on x²/2 equals the reference trajectory."""
        if not self.trajectory:
            pytest.skip("no reference trajectory is given")
        found = paths(quadratic(1, 1, torch.ones(1, 1, dtype=torch.float64)), self.optimizer(), len(self.trajectory))
        wanted = torch.tensor(self.trajectory, dtype=torch.float64)
        require_close(found, wanted, "the descent differs from its reference", "it would not be the method of its name")

    def test_rule_leaves_its_inputs_alone(self) -> None:
        """`init` and `update` do not modify their arguments."""
        rule = self.optimizer()
        if not isinstance(rule, UpdateRule):
            pytest.skip("a torch.optim.Optimizer moves its parameters in place")
        parameter, gradient = START.clone(), START.cos()
        state = rule.init(parameter)
        parameter, state = rule.update(parameter, gradient, state, 0, rule.lr)
        given = [parameter, gradient, *state.values()]
        before = [tensor.clone() for tensor in given]
        rule.init(parameter)
        rule.update(parameter, gradient, dict(state), 1, rule.lr)
        names = ["the parameter", "the gradient", *(f"the state {name!r}" for name in state)]
        changed = [name for name, old, new in zip(names, before, given, strict=True) if not torch.equal(old, new)]
        require(not changed, f"update changed {', '.join(changed)} in place", "the caller still needs these numbers")

    def test_state_dict_resumes(self) -> None:
        """After `load_state_dict` a torch optimizer continues bit-identically."""
        factory = self._torch()
        first = SingleDescent(factory)
        first.walk(5)
        second = SingleDescent(factory, first.values.detach().clone())
        second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
        first.walk(5)
        second.walk(5)
        same = torch.equal(first.values, second.values)
        require(same, "the optimizer continues differently from its state_dict", WHY_STATE)

    def test_parameter_groups(self) -> None:
        """A group's own learning rate applies to that group only."""
        factory = self._torch()
        if not self.parameter_groups:
            pytest.skip("declared as accepting only one group")
        slow, fast = descend_in_groups(factory, 0.5)
        usual, _ = descend_in_groups(factory, 1.0)
        alone = SingleDescent(factory)
        alone.walk(3)
        require(not torch.equal(slow, usual), "a group's own learning rate makes no difference", WHY_GROUPS)
        require(torch.equal(fast, alone.values), "the learning rate of one group affects the other", WHY_GROUPS)

    def test_closure(self) -> None:
        """`step(closure)` evaluates the closure with gradients enabled, and returns the loss."""
        alone = SingleDescent(self._torch())
        losses: list[Tensor] = []

        def closure() -> Tensor:
            losses.append(alone.evaluate())
            return losses[-1]

        why = "torch's own training loops, and LBFGS, pass a closure"
        try:
            found: Any = alone.optimizer.step(closure)  # type: ignore[arg-type]
        except (TypeError, RuntimeError) as error:
            raise AssertionError(f"step(closure): {error}\n  why it matters: {why}") from error
        require(bool(losses), "step(closure) never calls the closure", why)
        same = found is not None and float(found) == losses[0].item()
        require(same, f"step(closure) returns {found}, not the loss {losses[0].item():g}", why)

    def _torch(self) -> Factory:
        made = self.optimizer()
        if isinstance(made, UpdateRule):
            pytest.skip("an update rule has no state_dict, groups or closure")
        return made

    def _require_descent(self, problem: Any, what: str) -> None:
        first = problem.loss(problem.module, ()).item()
        descend(problem, self.optimizer(), self.steps)
        last = problem.loss(problem.module, ()).item()
        wrong = f"on {what} the loss went from {first:g} to {last:g} in {self.steps} steps"
        require(last < first, wrong, "an optimizer that fails on the easiest function fails on all others")
