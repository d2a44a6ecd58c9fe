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
"""Contains markup of every kind, terminal commands, characters that XML cannot contain, and wide characters."""

FALLING_LOSS: Final = Loss(0.5, 0.25, 0.25)
TWO_STEP_TRACE: Final = RunTrace((0.5, 0.25))
WHY_ESCAPE: Final = "names and messages come from untrusted files and plugins"


class ReporterContract(ABC):
    """The rules for a reporter: `class TestMine(ReporterContract)` with one method, `reporter`."""

    suffix: ClassVar[str] = ".txt"
    """Suffix of the files it writes: `.json`, `.xml`, `.svg` and `.html` are parsed by their format."""

    folder: ClassVar[bool] = False
    """Whether it adds to a folder, instead of writing a file."""

    @abstractmethod
    def reporter(self) -> Callable[[Batch, Path], object]:
        """Return the reporter."""

    def test_every_status(self) -> None:
        """The reporter writes a run of every status, with and without a loss, expectations and a table."""
        for status in Status:
            for run in (make_run(status), Run(scenario="bare", id="id", seed=0, status=status, verdict=Verdict.NONE)):
                self._written(_batch(run), f"a run that ended in {status}")

    def test_no_run_and_many(self) -> None:
        """The reporter writes an empty batch, several runs, and files that are not valid."""
        self._written(_batch(), "a batch without runs")
        self._written(_batch(*map(make_run, Status)), "runs of every status together")

    def test_says_what_ran(self) -> None:
        """The scenario's name is in the file."""
        text = self._written(_batch(make_run(Status.BUDGET)), "a run")
        require("gate_of_names" in text, "the scenario's name is not in the file", "readers could not distinguish runs")

    def test_not_finite(self) -> None:
        """The reporter writes numbers that are not finite."""
        for number in (float("nan"), float("inf")):
            run = make_run(Status.NONFINITE, Loss(1.0, number, 1.0), RunTrace((1.0, number)))
            self._written(_batch(run), f"a run whose last loss is {number}")

    def test_escapes(self) -> None:
        """The file is well formed if names and texts contain markup and control characters."""
        text = self._written(_batch(make_run(Status.ERROR, text=HOSTILE_TEXT)), "a run with hostile names")
        plain, content = self._written(_batch(make_run(Status.ERROR)), "a run"), text
        if self.folder:  # the format of the files is unknown
            return
        if self.suffix in (".html", ".xml", ".svg"):
            hostile, harmless = _read(text), _read(plain)
            content = "".join(hostile.texts)
            same = hostile.scripts == harmless.scripts
            require(same, "a name with <script> in it became an element of the document", WHY_ESCAPE)
        control = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", content)
        found = repr(control[0]) if control else "none"
        require(not control, f"the control character {found} is unescaped in the file", WHY_ESCAPE)

    def test_replaces_the_file(self) -> None:
        """The previous content of the file is gone."""
        if self.folder:
            pytest.skip("declared as adding to a folder")
        with self._place() as path:
            path.write_text("old numbers\n" * 10_000, encoding="utf-8")
            self.reporter()(_batch(make_run(Status.BUDGET)), path)
            left = "old numbers" in path.read_text(encoding="utf-8")
        require(
            not left, "the previous content of the file is still there", "readers would mistake old results for new"
        )

    def test_adds_to_the_folder(self) -> None:
        """The previous content of the folder is still there."""
        if not self.folder:
            pytest.skip("not declared as adding to a folder")
        with self._place() as path:
            path.mkdir()
            Path(path, "mine.txt").write_text("mine", encoding="utf-8")
            for _ in range(2):
                self.reporter()(_batch(make_run(Status.BUDGET)), path)
            kept = Path(path, "mine.txt").is_file() and Path(path, "mine.txt").read_text(encoding="utf-8") == "mine"
        require(kept, "the previous content of the folder is gone", "it may be the only copy")

    def test_writes_nowhere_else(self) -> None:
        """A scenario whose name looks like a path is written only to the requested place."""
        with self._place() as path:
            self.reporter()(_batch(make_run(Status.BUDGET, text="../elsewhere")), path)
            beside = sorted(each.name for each in path.parent.iterdir() if each != path)
        require(not beside, f"beside {path.name} it wrote {', '.join(beside)}", "it may overwrite other files")

    def _written(self, batch: Batch, what: str) -> str:
        """Return the reporter's output, parsed by its suffix; for a folder the names and bytes of all files."""
        with self._place() as path:
            why = "all results of the command are lost if a reporter fails"
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
        """Yield a path for the reporter, in its own folder two levels deep."""
        with tempfile.TemporaryDirectory() as outer:
            inner = Path(outer, "results")
            inner.mkdir()
            yield inner / f"results{'' if self.folder else self.suffix}"


def make_run(status: Status, loss: Loss = FALLING_LOSS, trace: RunTrace = TWO_STEP_TRACE, text: str = "") -> Run:
    """Return a run with a value in every field.

    :param text: replaces every text that comes from people or plugins.
    """
    return Run(
        scenario=text or "gate_of_names",
        id="0123456789ab",
        seed=0,
        status=status,
        verdict=Verdict.FAILED if status in (Status.ERROR, Status.DIVERGED, Status.NONFINITE) else Verdict.PASSED,
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
    """Parse a document.

    :raises ValueError: the document is not valid; for XML, `ParseError`.
    """
    if suffix == ".json":
        json.loads(text, parse_constant=_refuse_constant)
    elif suffix in (".xml", ".svg"):
        ElementTree.fromstring(text)


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not valid JSON")


def _read(text: str) -> _Document:
    document = _Document()
    document.feed(text)
    return document


class _Document(HTMLParser):
    """Counts `script` elements, and keeps every text and attribute outside of them."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.scripts += tag == "script"
        self.texts += [value for _, value in attrs if value]

    def handle_data(self, data: str) -> None:
        """Keep text that is displayed, not code."""
        if self.cdata_elem != "script":
            self.texts.append(data)
