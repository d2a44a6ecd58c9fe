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
"""A scenario's file, or the content of one."""

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
"""Runs without a mistake: of a function, of one neuron, of a small network."""

MAX_SENTENCE_CHARACTERS: Final = 300
"""Maximum number of characters of a sentence."""

WHY_FALSE: Final = "users would fix code that is not broken; report nothing in case of doubt"
WHY_RAISES: Final = "an exception counts as no diagnosis, so the mistake would not be reported for the worst numbers"
WHY_LINE: Final = "the console, JUnit and annotations show it on one line"


class DiagnosisContract(ABC):
    """The rules for a diagnosis: `class TestMine(DiagnosisContract)` with `name`, `diagnosis` and `ill`."""

    name: ClassVar[str]
    """The name under which it is registered, which `expect: {diagnosis: …}` accepts."""

    plugins: ClassVar[tuple[str, ...]] = ()
    """Single-file plugins that the scenarios need, as for `-p`; installed plugins are always available."""

    @abstractmethod
    def diagnosis(self) -> Diagnoser:
        """Return the diagnosis."""

    @abstractmethod
    def faulty(self) -> ScenarioInput:
        """Return a scenario whose run makes the mistake."""

    def healthy(self) -> Sequence[ScenarioInput]:
        """Return scenarios whose runs do not make it; override to add scenarios that almost do."""
        return HEALTHY_SCENARIOS

    def test_reports_the_faulty_run(self) -> None:
        """The diagnosis finds the mistake in the run that makes it."""
        with self._run_to_end(self.faulty()) as run:
            why = "users who make the mistake get no help"
            require(bool(self._diagnose(run, "the ill run")), "the ill run gets no diagnosis", why)

    def test_is_silent_about_healthy_runs(self) -> None:
        """Runs without the mistake get no diagnosis."""
        for scenario in self.healthy():
            with self._run_to_end(scenario) as run:
                finding = self._diagnose(run, "a healthy run")
                require(not finding, f"of the healthy run of {_scenario_name(scenario)}: {finding}", WHY_FALSE)

    def test_survives_what_is_not_finite(self) -> None:
        """A run whose loss and parameters are not finite raises no exception."""
        with self._run_to_end(self.faulty()) as run:
            for number in (float("nan"), float("inf")):
                full = {name: torch.full_like(tensor, number) for name, tensor in run.final.items()}
                ended = replace(run, final=full, last=number, status=Status.NONFINITE)
                self._diagnose(ended, f"a run that ends in {number}")
                self._diagnose(replace(ended, start=full, first=number), f"a run that starts in {number}")

    def test_survives_a_run_without_steps(self) -> None:
        """A run without steps, whose end is its start, raises no exception."""
        with self._run_to_end(self.faulty()) as run:
            self._diagnose(replace(run, final=run.start, last=run.first, steps=0), "a run of no steps")

    def test_survives_what_is_not_known(self) -> None:
        """Unknown operations, another kind of optimizer, and runs of other tasks raise no exception."""
        for scenario in (self.faulty(), *HEALTHY_SCENARIOS):
            with self._run_to_end(scenario) as run:
                where = f"the run of {_scenario_name(scenario)}"
                self._diagnose(replace(run, operations={}), f"{where}, with unknown operations")
                torch_optimizer = partial(torch.optim.SGD, lr=0.1)
                self._diagnose(replace(run, optimizer=torch_optimizer), f"{where}, with a torch.optim.Optimizer")

    def test_sentence_is_one_line(self) -> None:
        """The finding is one sentence on one line."""
        with self._run_to_end(self.faulty()) as run:
            finding = self._diagnose(run, "the ill run")
            require(not finding or _is_sentence(finding), f"not one sentence on one line: {finding!r}", WHY_LINE)

    def test_sentence_has_numbers(self) -> None:
        """The finding contains numbers of the run."""
        with self._run_to_end(self.faulty()) as run:
            finding = self._diagnose(run, "the ill run")
            numbers = not finding or any(sign.isdigit() for sign in finding)
            require(numbers, f"no number in {finding!r}", "numbers relate it to this run, and can be checked")

    def test_remedy_is_one_line(self) -> None:
        """The remedy is one sentence on one line."""
        remedy = self.diagnosis().remedy
        require(_is_sentence(remedy), f"not one sentence on one line: {remedy!r}", WHY_LINE)

    def test_leaves_the_run_as_it_was(self) -> None:
        """Parameters, data and the module's mode are unchanged."""
        with self._run_to_end(self.faulty()) as run:
            before, training = [tensor.clone() for tensor in _run_tensors(run)], run.problem.module.training
            self._diagnose(run, "the ill run")
            after = _run_tensors(run)
            same = all(torch.allclose(a, b, 0, 0, equal_nan=True) for a, b in zip(before, after, strict=True))
            why = "the next diagnosis, and the user, would see another run"
            require(same, "the diagnosis changed parameters or data of the run", why)
            require(run.problem.module.training == training, "the diagnosis left the module in another mode", why)

    def test_repeated_calls_give_equal_results(self) -> None:
        """The same run gets the same diagnosis, and nothing is drawn from torch's global stream."""
        with self._run_to_end(self.faulty()) as run:
            findings: list[str] = []
            moved = draws_from_stream(lambda: findings.extend(self._diagnose(run, "the ill run") for _ in range(2)))
            one, other = findings
            require(one == other, f"two calls for one run returned {one!r} and {other!r}", WHY_RANDOM)
            require(not moved, "the diagnosis drew from torch's global random stream", WHY_RANDOM)

    def test_can_be_expected(self) -> None:
        """`expect: {diagnosis: NAME}` in the ill scenario passes."""
        name = getattr(self, "name", "")
        why = "a scenario that shows the mistake could not expect it"
        try:
            run = run_one(_load_scenario(self.faulty(), f"{{diagnosis: {json.dumps(name)}}}"), self._plugins())
        except PlaygroundError as error:
            raise AssertionError(f"expect: {{diagnosis: {name}}}: {error}\n  why it matters: {why}") from error
        found = ", ".join(each.name for each in run.diagnoses) or "none"
        wrong = f"the ill scenario does not pass `expect: {{diagnosis: {name}}}`: {found} was found ({run.status})"
        require(name in found.split(", "), wrong, why)

    @contextmanager
    def _run_to_end(self, scenario: ScenarioInput) -> Iterator[Evidence]:
        """Run a scenario without its expectations, and keep its evidence open."""
        __tracebackhide__ = True
        plugins, why = self._plugins(), "only a finished descent can be diagnosed"
        with ExitStack() as stack:
            try:
                ready = stack.enter_context(prepare(_load_scenario(scenario, "{}"), plugins))
            except PlaygroundError as error:
                raise AssertionError(
                    f"{_scenario_name(scenario)} cannot be run: {error}\n  why it matters: {why}"
                ) from None
            measured = measure(ready, nullcontext)
            end = f"{measured.status}, {measured.reason}"
            wrong = f"the run of {_scenario_name(scenario)} is not a descent that can be diagnosed: {end}"
            evidence = gather_evidence(ready, measured, plugins)
            if evidence is None:
                raise AssertionError(f"{wrong}\n  why it matters: {why}")
            yield evidence

    def _diagnose(self, run: Evidence, what: str) -> str:
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
    """Return all tensors of the run."""
    points = [tensor.detach() for point in (run.problem.parameters, run.start, run.final) for tensor in point.values()]
    return points + list(run.problem.batches.data)


def _is_sentence(finding: str) -> bool:
    return finding.endswith(".") and finding.isprintable() and len(finding) <= MAX_SENTENCE_CHARACTERS
