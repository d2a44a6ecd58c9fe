"""The contract of a diagnosis."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar, Final

import torch

from playground.core.evidence import Diagnoser, Evidence
from playground.errors import PlaygroundError
from playground.plugins.manager import Plugins, load_plugins
from playground.result import Status
from playground.runner.single.diagnosing import gather_evidence
from playground.runner.single.measuring import measure
from playground.runner.single.preparing import prepare
from playground.runner.single.running import run_one
from playground.scenario.model import Loaded, parse_scenario
from playground.scenario.source import load_source, parse_source
from playground.testing.differentiable import WHY_RANDOM, draws_from_stream
from playground.testing.verdict import require

ScenarioInput = str | Path | Mapping[str, Any]
"""A scenario's file, or what would stand in one."""

HEALTHY_SCENARIOS: Final[tuple[ScenarioInput, ...]] = (
    {
        "task": "minimize",
        "function": "(2*x + 10)**2",
        "start": {"x": 1},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "steps": 50,
    },
    {
        "task": "classification",
        "dataset": "and_gate",
        "model": "perceptron",
        "loss": "mse",
        "optimizer": {"name": "adam", "lr": 0.3},
        "steps": 50,
    },
    {
        "task": "regression",
        "dataset": "line",
        "model": {"name": "mlp", "hidden": [4], "activation": "relu"},
        "loss": "mse",
        "optimizer": {"name": "adam", "lr": 0.1},
        "steps": 50,
    },
)
"""Runs with which nothing is wrong: of a function, of one neuron, of a small network."""

MAX_SENTENCE_CHARACTERS: Final = 300
"""Characters of a sentence."""

WHY_FALSE: Final = "people believe it, and mend what is not broken; where there is doubt it must be silent"
WHY_RAISES: Final = "an exception counts as silence, so that the mistake is not told where numbers are at their worst"
WHY_LINE: Final = "it stands in one line of the console, of JUnit and of an annotation"


class DiagnosisContract(ABC):
    """What a diagnosis must do: `class TestMine(DiagnosisContract)` with `name`, `diagnosis` and `ill`."""

    name: ClassVar[str]
    """Under which it is registered, and which `expect: {diagnosis: …}` takes."""

    plugins: ClassVar[tuple[str, ...]] = ()
    """Single-file plugins that the scenarios need, as behind `-p`; installed ones are there by themselves."""

    @abstractmethod
    def diagnosis(self) -> Diagnoser:
        """Return the diagnosis."""

    @abstractmethod
    def ill(self) -> ScenarioInput:
        """Return a scenario whose run makes the mistake."""

    def healthy(self) -> Sequence[ScenarioInput]:
        """Return scenarios whose runs do not make it; override to add those that nearly do."""
        return HEALTHY_SCENARIOS

    def test_speaks_of_the_ill_run(self) -> None:
        """The run that makes the mistake is told so."""
        with self._ended(self.ill()) as run:
            why = "whoever makes the mistake is left alone with it"
            require(bool(self._asked(run, "the ill run")), "nothing is said of the ill run", why)

    def test_is_silent_about_healthy_runs(self) -> None:
        """Runs with which nothing is wrong are not accused."""
        for scenario in self.healthy():
            with self._ended(scenario) as run:
                told = self._asked(run, "a healthy run")
                require(not told, f"of the healthy run of {_scenario_name(scenario)}: {told}", WHY_FALSE)

    def test_survives_what_is_not_finite(self) -> None:
        """A run whose loss and parameters are not finite raises nothing."""
        with self._ended(self.ill()) as run:
            for number in (float("nan"), float("inf")):
                full = {name: torch.full_like(tensor, number) for name, tensor in run.final.items()}
                ended = replace(run, final=full, last=number, status=Status.NONFINITE)
                self._asked(ended, f"a run that ends in {number}")
                self._asked(replace(ended, start=full, first=number), f"a run that starts in {number}")

    def test_survives_a_run_without_steps(self) -> None:
        """A run of no steps, whose end is its start, raises nothing."""
        with self._ended(self.ill()) as run:
            self._asked(replace(run, final=run.start, last=run.first, steps=0), "a run of no steps")

    def test_survives_what_is_not_known(self) -> None:
        """Operations of which nothing is known, another kind of optimizer, and runs of other tasks raise nothing."""
        for scenario in (self.ill(), *HEALTHY_SCENARIOS):
            with self._ended(scenario) as run:
                where = f"the run of {_scenario_name(scenario)}"
                self._asked(replace(run, operations={}), f"{where}, with operations that are not known")
                torch_optimizer = partial(torch.optim.SGD, lr=0.1)
                self._asked(replace(run, optimizer=torch_optimizer), f"{where}, with a torch.optim.Optimizer")

    def test_sentence_is_one_line(self) -> None:
        """What is said is one sentence, in one line."""
        with self._ended(self.ill()) as run:
            told = self._asked(run, "the ill run")
            require(not told or _is_sentence(told), f"no sentence in one line: {told!r}", WHY_LINE)

    def test_sentence_has_numbers(self) -> None:
        """What is said has the run's own numbers."""
        with self._ended(self.ill()) as run:
            told = self._asked(run, "the ill run")
            numbers = not told or any(sign.isdigit() for sign in told)
            require(numbers, f"no number in {told!r}", "numbers make it true of this run, and can be checked")

    def test_remedy_is_one_line(self) -> None:
        """What helps is one sentence, in one line."""
        remedy = self.diagnosis().remedy
        require(_is_sentence(remedy), f"no sentence in one line: {remedy!r}", WHY_LINE)

    def test_leaves_the_run_as_it_was(self) -> None:
        """Parameters, data and the module's mode are as they were."""
        with self._ended(self.ill()) as run:
            before, training = [tensor.clone() for tensor in _run_tensors(run)], run.problem.module.training
            self._asked(run, "the ill run")
            after = _run_tensors(run)
            same = all(torch.allclose(a, b, 0, 0, equal_nan=True) for a, b in zip(before, after, strict=True))
            why = "what is asked next, and what the user gets, would be another run"
            require(same, "asking changed parameters or data of the run", why)
            require(run.problem.module.training == training, "asking left the module in another mode", why)

    def test_answers_twice_alike(self) -> None:
        """The same run is told the same, and nothing is drawn from torch's global stream."""
        with self._ended(self.ill()) as run:
            told: list[str] = []
            moved = draws_from_stream(lambda: told.extend(self._asked(run, "the ill run") for _ in range(2)))
            require(told[0] == told[1], f"asked twice, it said {told[0]!r} and {told[1]!r}", WHY_RANDOM)
            require(not moved, "asked, it drew from torch's global random stream", WHY_RANDOM)

    def test_can_be_expected(self) -> None:
        """`expect: {diagnosis: NAME}` in the ill scenario passes."""
        name = getattr(self, "name", "")
        why = "a scenario that shows the mistake could not be held to it"
        try:
            run = run_one(_load_scenario(self.ill(), f"{{diagnosis: {json.dumps(name)}}}"), self._plugins())
        except PlaygroundError as error:
            raise AssertionError(f"expect: {{diagnosis: {name}}}: {error}\n  why it matters: {why}") from error
        found = ", ".join(each.name for each in run.diagnoses) or "none"
        wrong = f"the ill scenario does not pass `expect: {{diagnosis: {name}}}`: {found} was found ({run.status})"
        require(name in found.split(", "), wrong, why)

    @contextmanager
    def _ended(self, scenario: ScenarioInput) -> Iterator[Evidence]:
        """Run a scenario, whatever it expects, and hold open what can be asked of it."""
        __tracebackhide__ = True
        plugins, why = self._plugins(), "only a descent that is over shows anything"
        with ExitStack() as stack:
            try:
                ready = stack.enter_context(prepare(_load_scenario(scenario, "{}"), plugins))
            except PlaygroundError as error:
                raise AssertionError(
                    f"{_scenario_name(scenario)} cannot be run: {error}\n  why it matters: {why}"
                ) from None
            measured = measure(ready, nullcontext)
            end = f"{measured.status}, {measured.reason}"
            wrong = f"the run of {_scenario_name(scenario)} is no descent to be diagnosed: {end}"
            evidence = gather_evidence(ready, measured, plugins)
            if evidence is None:
                raise AssertionError(f"{wrong}\n  why it matters: {why}")
            yield evidence

    def _asked(self, run: Evidence, what: str) -> str:
        __tracebackhide__ = True
        try:
            return self.diagnosis().find(run)
        except Exception as error:
            wrong = f"of {what}: {type(error).__name__}: {error}"
            raise AssertionError(f"{wrong}\n  why it matters: {WHY_RAISES}") from error

    def _plugins(self) -> Plugins:
        return _load_plugins(self.plugins, Path.cwd())


@lru_cache(maxsize=8)
def _load_plugins(specs: tuple[str, ...], folder: Path) -> Plugins:
    return load_plugins(specs=specs, folder=folder)


def _load_scenario(scenario: ScenarioInput, expect: str) -> Loaded:
    """Return a scenario with other expectations."""
    mapping = isinstance(scenario, Mapping)
    source = parse_source(json.dumps(scenario), "scenario.yaml") if mapping else load_source(scenario)  # type: ignore[arg-type]
    source = source.set("expect", expect)
    return Loaded(parse_scenario(source), source)


def _scenario_name(scenario: ScenarioInput) -> str:
    return str(scenario.get("name", scenario.get("task"))) if isinstance(scenario, Mapping) else str(scenario)


def _run_tensors(run: Evidence) -> list[torch.Tensor]:
    """Return what belongs to the run."""
    points = [tensor.detach() for point in (run.problem.parameters, run.start, run.final) for tensor in point.values()]
    return points + list(run.problem.batches.data)


def _is_sentence(told: str) -> bool:
    return told.endswith(".") and told.isprintable() and len(told) <= MAX_SENTENCE_CHARACTERS
