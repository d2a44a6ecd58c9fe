"""Judges the comparison that a suite's file asks for, as `playground run` judges scenarios."""

from __future__ import annotations

from pathlib import Path

from playground.comparison import Comparison
from playground.errors import Fault, PlaygroundError, ScenarioError
from playground.plugins.manager import Plugins
from playground.runner.comparing.compare import DEFAULT_SUITE, CompareOptions, compare_optimizers
from playground.runner.comparing.contestants import name_contestants
from playground.runner.comparing.suites import find_suite, load_suite
from playground.scenario.source import SourceText, load_source
from playground.scenario.suite import CompareSection, parse_suite


def compare_file(file: Path, plugins: Plugins) -> Comparison:
    """Make the comparison of a suite's file.

    :raises ScenarioError: the file has none, or it is not valid.
    """
    source, section = _load_section(file)
    options = CompareOptions(
        against=section.against,
        suite=_suite_of(file, section),
        studies=section.studies,
        expect=section.expect,
    )
    try:
        return compare_optimizers(section.optimizer, plugins, options)
    except PlaygroundError as error:
        raise source.locate(ScenarioError(*error.under("compare").faults)) from error


def check_suite_file(file: Path, plugins: Plugins) -> None:
    """Check a suite, its problems, and the optimizers that it compares.

    :raises PlaygroundError: something is not valid.
    """
    source = load_source(file)
    content = parse_suite(source)
    if content.problems:
        load_suite(file)
    if content.compare is not None:
        try:
            load_suite(find_suite(_suite_of(file, content.compare), plugins))
            name_contestants([content.compare.optimizer, *content.compare.against], plugins)
        except PlaygroundError as error:
            raise source.locate(ScenarioError(*error.under("compare").faults)) from error


def _load_section(file: Path) -> tuple[SourceText, CompareSection]:
    source = load_source(file)
    section = parse_suite(source).compare
    if section is None:
        example = "compare: {optimizer: adam, against: [sgd], expect: [better than sgd]}"
        raise source.locate(ScenarioError(Fault(f"a suite is compared on: add {example}, or use `playground compare`")))
    return source, section


def _suite_of(file: Path, section: CompareSection) -> str:
    """Return the suite: that of the file, another file beside it, or a registered one."""
    if section.suite is None:
        return str(file) if parse_suite(load_source(file)).problems else DEFAULT_SUITE
    beside = file.parent / section.suite
    return str(beside) if beside.is_file() else section.suite
