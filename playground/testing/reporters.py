"""The contract of a reporter. Imports no torch."""

from __future__ import annotations

import json
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar, Final
from xml.etree import ElementTree

import pytest

from playground.result import Batch, Expectation, Loss, ResultTable, Run, RunTrace, ScenarioFault, Status, Verdict
from playground.testing.verdict import require

HOSTILE_TEXT: Final = "[bold]x[/] <script>&'\" ]]> \x1b[31m\x07\x00\r\n\u202e\ufffe 漢字"
"""Markup of every kind, a terminal's commands, what XML cannot hold, double width."""

FALLING_LOSS: Final = Loss(0.5, 0.25, 0.25)
TWO_STEP_TRACE: Final = RunTrace((0.5, 0.25))
WHY_ESCAPE: Final = "names and messages come from files and plugins of others"


class ReporterContract(ABC):
    """What a reporter must do: `class TestMine(ReporterContract)` with one method, `reporter`."""

    suffix: ClassVar[str] = ".txt"
    """Of the files it writes: `.json`, `.xml`, `.svg` and `.html` are read back as such."""

    folder: ClassVar[bool] = False
    """Whether it writes a folder, to what is there, and not a file."""

    @abstractmethod
    def reporter(self) -> Callable[[Batch, Path], object]:
        """Return the reporter."""

    def test_every_status(self) -> None:
        """A run of every status is written, with and without a loss, expectations and a table."""
        for status in Status:
            for run in (make_run(status), Run("bare", "id", 0, status, Verdict.NONE)):
                self._written(_batch(run), f"a run that ended in {status}")

    def test_no_run_and_many(self) -> None:
        """No run at all, several, and files that are not valid are written."""
        self._written(_batch(), "a batch without runs")
        self._written(_batch(*map(make_run, Status)), "runs of every status together")

    def test_says_what_ran(self) -> None:
        """The scenario's name is in the file."""
        text = self._written(_batch(make_run(Status.BUDGET)), "a run")
        require("gate_of_names" in text, "the scenario's name is nowhere in the file", "nobody could tell runs apart")

    def test_not_finite(self) -> None:
        """Numbers that are not finite are written."""
        for number in (float("nan"), float("inf")):
            run = make_run(Status.NONFINITE, Loss(1.0, number, 1.0), RunTrace((1.0, number)))
            self._written(_batch(run), f"a run whose last loss is {number}")

    def test_escapes(self) -> None:
        """Names and texts with markup and control characters leave the file well formed."""
        text = self._written(_batch(make_run(Status.ERROR, text=HOSTILE_TEXT)), "a run with hostile names")
        plain, told = self._written(_batch(make_run(Status.ERROR)), "a run"), text
        if self.folder:  # of files whose format only their readers know
            return
        if self.suffix in (".html", ".xml", ".svg"):
            hostile, harmless = _read(text), _read(plain)
            told = "".join(hostile.texts)
            same = hostile.scripts == harmless.scripts
            require(same, "a name with <script> in it became an element of the document", WHY_ESCAPE)
        control = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", told)
        found = repr(control[0]) if control else "none"
        require(not control, f"the control character {found} is in the file as it is", WHY_ESCAPE)

    def test_replaces_the_file(self) -> None:
        """What stood in the file before is gone."""
        if self.folder:
            pytest.skip("declared as writing a folder, to what is there")
        with self._place() as path:
            path.write_text("old numbers\n" * 10_000, encoding="utf-8")
            self.reporter()(_batch(make_run(Status.BUDGET)), path)
            left = "old numbers" in path.read_text(encoding="utf-8")
        require(not left, "what stood in the file before is still there", "old results would pass for new ones")

    def test_adds_to_the_folder(self) -> None:
        """What stood in the folder before is still there."""
        if not self.folder:
            pytest.skip("not declared as writing a folder")
        with self._place() as path:
            path.mkdir()
            Path(path, "mine.txt").write_text("mine", encoding="utf-8")
            for _ in range(2):
                self.reporter()(_batch(make_run(Status.BUDGET)), path)
            kept = Path(path, "mine.txt").is_file() and Path(path, "mine.txt").read_text(encoding="utf-8") == "mine"
        require(kept, "what stood in the folder before is gone", "it may be somebody's only copy")

    def test_writes_nowhere_else(self) -> None:
        """A scenario whose name looks like a path to elsewhere is written where it was asked for, and only there."""
        with self._place() as path:
            self.reporter()(_batch(make_run(Status.BUDGET, text="../elsewhere")), path)
            beside = sorted(each.name for each in path.parent.iterdir() if each != path)
        require(not beside, f"beside {path.name} it wrote {', '.join(beside)}", "it may overwrite what is not its own")

    def _written(self, batch: Batch, what: str) -> str:
        """Return what the reporter writes, read back by its suffix; of a folder the names and bytes of all files."""
        with self._place() as path:
            why = "a reporter that fails costs everybody's results of that command"
            try:
                self.reporter()(batch, path)
            except Exception as error:
                raise AssertionError(f"{what}: {type(error).__name__}: {error}\n  why it matters: {why}") from error
            if self.folder:
                require(path.is_dir(), f"{what}: no folder was written", why)
                files = [each for each in sorted(path.rglob("*")) if each.is_file()]
                return "\n".join(f"{each.relative_to(path)}\n{each.read_bytes().decode('latin-1')}" for each in files)
            require(path.is_file(), f"{what}: nothing was written", why)
            try:
                text = path.read_text(encoding="utf-8")
                _parse(text, self.suffix)
            except (ValueError, ElementTree.ParseError) as error:
                wrong = f"{what}: the file cannot be read as {self.suffix}: {error}"
                raise AssertionError(f"{wrong}\n  why it matters: {WHY_ESCAPE}") from error
        return text

    @contextmanager
    def _place(self) -> Iterator[Path]:
        """Yield where a reporter is to write: in a folder, two deep, that is its own."""
        with tempfile.TemporaryDirectory() as outer:
            inner = Path(outer, "results")
            inner.mkdir()
            yield inner / f"results{'' if self.folder else self.suffix}"


def make_run(status: Status, loss: Loss = FALLING_LOSS, trace: RunTrace = TWO_STEP_TRACE, text: str = "") -> Run:
    """Return a run with something in every field.

    :param text: in place of every text that people or plugins write.
    """
    return Run(
        text or "gate_of_names",
        "0123456789ab",
        0,
        status,
        Verdict.FAILED if status in (Status.ERROR, Status.DIVERGED, Status.NONFINITE) else Verdict.PASSED,
        steps=1,
        file=f"{text}.yaml" if text else "scenarios/gate_of_names.yaml",
        task="classification",
        summary=text or "One neuron learns.",
        reason=text or f"why it ended in {status}",
        setup={"model": text or "perceptron"},
        loss=loss,
        parameters={"weight": [[1.0, 2.0]]},
        predictions=[[0.9], [0.1]],
        metrics={"accuracy": 1.0},
        expectations=(Expectation(text or "loss below 0.1", 0.25, passed=False, note=text),),
        table=ResultTable((text or "a", "target"), ((1.0, 1.0), (0.0, text or 0.0))),
        trace=trace,
    )


def _batch(*runs: Run) -> Batch:
    errors = () if len(runs) == 1 else (ScenarioFault("broken.yaml", 3, 5, "unknown key 'lrr'"),)
    return Batch(runs, errors=errors)


def _parse(text: str, suffix: str) -> None:
    """Read a document.

    :raises ValueError: it is not one; or, from XML, `ParseError`.
    """
    if suffix == ".json":
        json.loads(text, parse_constant=_refuse_constant)
    elif suffix in (".xml", ".svg"):
        ElementTree.fromstring(text)


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _read(text: str) -> _Document:
    document = _Document()
    document.feed(text)
    return document


class _Document(HTMLParser):
    """Counts elements `script`, and keeps every text and attribute outside of them."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.scripts += tag == "script"
        self.texts += [value for _, value in attrs if value]

    def handle_data(self, data: str) -> None:
        """Keep what is read, not what is run."""
        if self.cdata_elem != "script":
            self.texts.append(data)
