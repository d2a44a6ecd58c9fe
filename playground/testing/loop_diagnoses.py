"""The contract of a loop diagnosis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import torch
from torch import nn

from playground.core.watching.loop_evidence import LoopDiagnoser, LoopEvidence, LoopFinding, OptimizerEvidence
from playground.core.watching.watcher import LoopWatcher
from playground.testing.verdict import require

HEALTHY_STEPS: Final = 12

Watch = Callable[..., Any]
"""Watches a loop: `with watch(model, optimizer): ...`, as `playground.watch` does."""


class LoopDiagnosisContract(ABC):
    """The rules for a loop diagnosis: `class TestMine(LoopDiagnosisContract)` with `diagnosis` and `faulty`."""

    @abstractmethod
    def diagnosis(self) -> LoopDiagnoser:
        """Return the diagnosis."""

    @abstractmethod
    def faulty(self, watch: Watch) -> None:
        """Run a training loop that makes the mistake, inside `with watch(model, optimizer): ...`."""

    def test_reports_the_faulty_loop(self) -> None:
        """The diagnosis finds the mistake in the loop that makes it."""
        require(self._find_in_faulty() is not None, "the faulty loop gets no diagnosis", "`watch` would be silent")

    def test_is_silent_about_healthy_loops(self) -> None:
        """Loops without the mistake get no diagnosis."""
        for name, loop in HEALTHY_LOOPS.items():
            finding = self.diagnosis().find(_watch_loop(loop))
            found = "" if finding is None else finding.sentence
            why = "a false alarm sends its reader after a mistake that is not there"
            require(finding is None, f"a healthy loop ({name}) gets the diagnosis {found!r}", why)

    def test_survives_a_loop_without_steps(self) -> None:
        """A loop that made no step gets no diagnosis, and no exception."""
        finding = self.diagnosis().find(_watch_loop(lambda watch: _enter(watch)))
        require(finding is None, "a loop without a step gets a diagnosis", "it cannot show the mistake")

    def test_sentences_are_for_people(self) -> None:
        """Finding and remedy are sentences on one line each."""
        finding = self._find_in_faulty()
        for what, text in (
            ("sentence", "" if finding is None else finding.sentence),
            ("remedy", self.diagnosis().remedy),
        ):
            good = text.endswith(".") and "\n" not in text
            require(good, f"the {what} {text!r} is not one sentence on one line", "reports put it on one line")

    def test_repeated_calls_give_equal_results(self) -> None:
        """The same loop gets the same finding."""
        evidence = _watch_loop(self.faulty)
        first, second = (self.diagnosis().find(evidence) for _ in range(2))
        require(first == second, f"two calls find {first} and {second}", "a report could not be reproduced")

    def _find_in_faulty(self) -> LoopFinding | None:
        return self.diagnosis().find(_watch_loop(self.faulty))


def _watch_loop(loop: Callable[[Watch], Any]) -> LoopEvidence:
    """Run a loop, and return what its last `with watch(...)` block showed."""
    watched: list[LoopEvidence] = []

    def watch(model: nn.Module, optimizer: Any, accumulate: int = 1) -> _Watching:
        optimizers = [optimizer] if isinstance(optimizer, torch.optim.Optimizer) else list(optimizer)
        watched.append(LoopEvidence(model, [OptimizerEvidence(each) for each in optimizers], accumulate))
        return _Watching(watched[-1])

    with suppress(Exception):  # the mistake may end the loop
        loop(watch)
    require(bool(watched), "the loop enters no `with watch(model, optimizer)` block", "nothing is watched")
    return watched[-1]


class _Watching:
    """Watches within a `with` block, and keeps the first steps."""

    def __init__(self, evidence: LoopEvidence) -> None:
        self._watcher = LoopWatcher(evidence, range(4))

    def __enter__(self) -> None:
        self._watcher.start()

    def __exit__(self, *_: object) -> None:
        self._watcher.stop()
        require(not self._watcher.failure, self._watcher.failure, "the evidence would be incomplete")


def _enter(watch: Watch) -> None:
    model = nn.Linear(2, 1)
    with watch(model, torch.optim.SGD(model.parameters(), lr=0.1)):
        pass


def _fit(watch: Watch) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    x, y = torch.randn(8, 2), torch.randn(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    with watch(model, optimizer):
        for _ in range(HEALTHY_STEPS):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def _accumulate(watch: Watch) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Dropout(0.2), nn.Linear(4, 3))
    x, y = torch.randn(8, 2), torch.randint(0, 3, (8,))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 4)
    with watch(model, optimizer, accumulate=2):
        for _ in range(HEALTHY_STEPS):
            for half in (slice(0, 4), slice(4, 8)):
                (nn.functional.cross_entropy(model(x[half]), y[half]) / 2).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
            model.eval()
            with torch.no_grad():
                model(x)
            model.train()


HEALTHY_LOOPS: Final[dict[str, Callable[[Watch], None]]] = {"a regression": _fit, "accumulated classes": _accumulate}
