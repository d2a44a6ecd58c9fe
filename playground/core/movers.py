"""What moves many runs of one kind: an update rule or a `torch.optim.Optimizer`, with numbers that differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from playground.core.replicas import ELEMENTWISE_OPTIMIZERS
from playground.core.steppers import OptimizerFactory
from playground.core.update import UpdateRule, stack_rules


class Mover(ABC):
    """Moves runs that differ only in numbers of their optimizer.

    :param lanes: the hyperparameters that differ, by name; float64 of shape `(runs,)`.
    """

    lanes: Mapping[str, Tensor]

    @property
    @abstractmethod
    def is_elementwise(self) -> bool:
        """Whether each number is updated by its own gradient alone, so that one optimizer can move a whole batch."""

    @abstractmethod
    def optimizer(self, values: Mapping[str, Any]) -> UpdateRule | OptimizerFactory:
        """Return the optimizer of one run.

        :param values: its hyperparameters among `lanes`, as numbers of Python.
        """

    def optimizer_of(self, run: int) -> UpdateRule | OptimizerFactory:
        """Return the optimizer of a run by its index."""
        return self.optimizer({name: self._number(name, column[run].item()) for name, column in self.lanes.items()})

    @property
    @abstractmethod
    def numbers(self) -> Mapping[str, float]:
        """The hyperparameters that are floats and equal in all runs, by name."""

    def is_whole(self, name: str) -> bool:
        """Tell whether a hyperparameter is an `int` in all runs."""
        return False

    @abstractmethod
    def with_lanes(self, names: Collection[str], runs: int) -> Mover:
        """Return a mover of the same runs with more lanes.

        :param names: hyperparameters that become lanes even if they are equal in all runs.
        :param runs: how many runs there are.
        """

    def differs_only_in_lanes(self, other: Mover) -> bool:
        """Tell whether this and another mover have the same lanes, with any values, and equal constants."""
        mine, theirs = (
            (list(each.lanes), [each.is_whole(name) for name in each.lanes], each.constants()) for each in (self, other)
        )
        return is_same_constant(mine, theirs)

    @abstractmethod
    def constants(self) -> Any:
        """Return all that determines the optimizers besides `lanes`."""

    def _number(self, name: str, value: float) -> float | int:
        return int(value) if self.is_whole(name) else value


class RuleMover(Mover):
    """Moves runs by an update rule.

    :param rule: one for all runs, with a tensor of shape `(runs,)` for each number that differs.
    """

    def __init__(self, rule: UpdateRule) -> None:
        self.rule = rule
        values = {each.name: getattr(rule, each.name) for each in fields(rule)}  # type: ignore[arg-type]
        self.lanes = {name: value for name, value in values.items() if isinstance(value, Tensor)}

    is_elementwise = True

    def optimizer(self, values: Mapping[str, Any]) -> UpdateRule:
        """Return the rule with these numbers."""
        return replace(self.rule, **values) if values else self.rule  # type: ignore[type-var]

    @property
    def numbers(self) -> dict[str, float]:
        """The fields of the rule that are floats."""
        values = {each.name: getattr(self.rule, each.name) for each in fields(self.rule)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if type(value) is float}

    def with_lanes(self, names: Collection[str], runs: int) -> RuleMover:
        """Return a mover of the same rules; an `int` stays a constant, since a lane would make a `float` of it."""
        values = {name: getattr(self.rule, name, None) for name in names if name not in self.lanes}
        columns = {
            name: torch.full((runs,), value, dtype=torch.float64)
            for name, value in values.items()
            if type(value) is float
        }
        return RuleMover(self.optimizer(columns))

    def constants(self) -> Any:
        """Return the class of the rule, and its fields that are no lanes."""
        names = [each.name for each in fields(self.rule)]  # type: ignore[arg-type]
        return type(self.rule), [(name, getattr(self.rule, name)) for name in names if name not in self.lanes]


class FactoryMover(Mover):
    """Moves runs by a `torch.optim.Optimizer`: by one instance for each.

    :param factories: the class with the options of each run; they differ at most in numbers (`factory_signature`).
    :param lanes: options that are lanes even if they are equal in all runs.
    """

    def __init__(self, factories: Sequence[OptimizerFactory], lanes: Collection[str] = ()) -> None:
        self._factories = factories
        distinct = {id(each): each for each in factories}
        leaves = {key: _options(each)[0] for key, each in distinct.items()}
        self._first, self._structure = _options(factories[0])
        self._places: dict[str, int] = {}
        self._whole: dict[str, bool] = {}
        found: dict[str, Tensor] = {}
        for place in range(len(self._first)):
            column, name = {key: each[place] for key, each in leaves.items()}, self._name(place)
            if _is_number(self._first[place]) and (name in lanes or len(set(column.values())) > 1):
                self._places[name] = place
                self._whole[name] = all(isinstance(each, int) for each in column.values())
                numbers = [column[id(each)] for each in factories]
                found[name] = torch.tensor(numbers, dtype=torch.float64)
        self.lanes = found

    @property
    def is_elementwise(self) -> bool:
        """Whether the class says so of itself, or is known to be."""
        kind: Any = getattr(self._factories[0], "func", self._factories[0])
        return bool(getattr(kind, "elementwise", kind in ELEMENTWISE_OPTIMIZERS))

    def optimizer(self, values: Mapping[str, Any]) -> OptimizerFactory:
        """Return the factory with these numbers."""
        leaves = list(self._first)
        for name, value in values.items():
            leaves[self._places[name]] = value
        args, keywords = tree_unflatten(leaves, self._structure)
        factory: Any = self._factories[0]
        return partial(getattr(factory, "func", factory), *args, **keywords)

    def is_whole(self, name: str) -> bool:
        """Tell whether an option is an `int` in all runs."""
        return self._whole[name]

    @property
    def numbers(self) -> dict[str, float]:
        """The options that are floats and no lanes."""
        names = {place: self._name(place) for place, value in enumerate(self._first) if type(value) is float}
        return {name: self._first[place] for place, name in names.items() if name not in self.lanes}

    def with_lanes(self, names: Collection[str], runs: int) -> FactoryMover:
        """Return a mover of the same factories."""
        return FactoryMover(self._factories, {*names, *self.lanes})

    def constants(self) -> Any:
        """Return the class and its options that are no lanes."""
        places, kind = set(self._places.values()), getattr(self._factories[0], "func", self._factories[0])
        options = [each for place, each in enumerate(self._first) if place not in places]
        return kind, str(self._structure), options

    def _name(self, place: int) -> str:
        """Return the option that a number belongs to: `lr`, or `betas[1]`."""
        marked = list(range(len(self._first)))
        args, keywords = tree_unflatten(marked, self._structure)
        for name, value in (*enumerate(args), *keywords.items()):
            inner = tree_flatten(value)[0]
            if place in inner:
                return str(name) if inner == [place] and value == place else f"{name}[{inner.index(place)}]"
        return str(place)


def make_mover(optimizers: Sequence[UpdateRule | OptimizerFactory]) -> Mover:
    """Return what moves these runs.

    :param optimizers: of each run; equal ones may be one object.
    """
    if isinstance(optimizers[0], UpdateRule):
        return RuleMover(stack_rules(optimizers))  # type: ignore[type-var, arg-type]
    return FactoryMover(optimizers)  # type: ignore[arg-type]


def factory_signature(factory: OptimizerFactory) -> Any:
    """Return what factories must share to move runs together: the class, and every option that is not a number."""
    leaves, structure = _options(factory)
    fixed = tuple(None if _is_number(each) else repr(each) for each in leaves)
    kind: Any = getattr(factory, "func", factory)
    return kind, str(structure), fixed


def is_same_constant(a: Any, b: Any) -> bool:
    """Tell whether two values are certainly the same wherever they are used: 1 and 1.0 are not, nor are 0.0 and -0.0.

    Only numbers, texts and sequences of them are compared; any other two objects are the same if they are one.
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(is_same_constant, a, b))
    return isinstance(a, int | float | complex | str | bytes) and repr(a) == repr(b)


def _options(factory: Any) -> tuple[list[Any], Any]:
    return tree_flatten((getattr(factory, "args", ()), getattr(factory, "keywords", {})))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
