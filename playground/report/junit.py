"""Writes results as JUnit XML, which CI systems read: one suite, one test case for each scenario.

A comparison has one test case for each expectation or, without any, for each pair of optimizers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from playground.comparison import Comparison
from playground.figures.factors import name_pair, pair_sentences
from playground.figures.numbers import format_short
from playground.result import Batch, Run, Status, Sweep, Verdict

if TYPE_CHECKING:
    from pathlib import Path

FORBIDDEN_CHARACTERS = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot contain even if escaped, and the carriage return, which XML parsers change."""


def write(results: Batch, path: Path) -> None:
    """Write the file."""
    ElementTree(junit_tree(results)).write(path, encoding="utf-8", xml_declaration=True)


def junit_tree(batch: Batch) -> Element:
    """Return the document.

    A verdict `failed` is a `<failure>`; a run that ended in status `error`, or a scenario that is not valid, is an
    `<error>`; an interrupted run is `<skipped>`.
    """
    compared = [case for comparison in batch.comparisons for case in _comparison_cases(comparison)]
    cases = [*map(_case, batch.runs), *map(_sweep_case, batch.sweeps), *compared, *_invalid_cases(batch)]
    totals = {
        "tests": str(len(cases)),
        "failures": _count(cases, "failure"),
        "errors": _count(cases, "error"),
        "time": f"{batch.seconds:.3f}",
    }
    suites = Element("testsuites", totals)
    suite = {"name": "playground", **totals, "skipped": _count(cases, "skipped")}
    SubElement(suites, "testsuite", suite).extend([*_list_properties(batch.comparisons), *cases])
    indent(suites)
    return suites


def _count(cases: Sequence[Element], outcome: str) -> str:
    return str(sum(case.find(outcome) is not None for case in cases))


def _case(run: Run) -> Element:
    case = _empty_case(run.scenario, run.file, run.seconds)
    if run.status is Status.ERROR:
        _add(case, "error", run.reason, "error")
    elif run.status is Status.INTERRUPTED:
        SubElement(case, "skipped", message=_clean(run.reason))
    elif run.verdict is Verdict.FAILED:
        _add(
            case, "failure", "\n".join([*_describe_failures(run), run.reason, *_diagnoses(run)]).strip(), "expectation"
        )
    SubElement(case, "system-out").text = _clean("\n".join(_describe_run(run)))
    return case


def _sweep_case(sweep: Sweep) -> Element:
    case = _empty_case(sweep.scenario, sweep.file, sweep.seconds)
    if sweep.interrupted:
        SubElement(case, "skipped", message="interrupted")
    elif sweep.verdict is Verdict.FAILED:
        _add(case, "failure", "\n".join(_describe_failures(sweep)), "expectation")
    SubElement(case, "system-out").text = f"{sweep.runs} of {sweep.size} runs, {sweep.computed} computed"
    return case


def _comparison_cases(comparison: Comparison) -> Iterator[Element]:
    """Yield a case for each expectation; without any, a case that passes for each pair."""
    sentences = {name_pair(comparison, pair): " ".join(pair_sentences(pair)) for pair in comparison.pairs}
    names = [each.what for each in comparison.expectations] or list(sentences)
    for place, name in enumerate(names):
        seconds = 0.0 if place else comparison.duration  # the time of all cases together
        case = _empty_case(f"{comparison.scenario}: {name}", comparison.file, seconds)
        if comparison.interrupted:
            SubElement(case, "skipped", message="interrupted")
        elif comparison.expectations and not (expectation := comparison.expectations[place]).passed:
            _add(case, "failure", f"{expectation.what}, found {expectation.value}", "expectation")
        told = [sentences[name]] if not comparison.expectations else sentences.values()
        SubElement(case, "system-out").text = _clean("\n".join(told))
        yield case


def _list_properties(comparisons: Sequence[Comparison]) -> list[Element]:
    """Return factor, interval and word of each pair, on problems like these and on the suite, as properties."""
    properties = Element("properties")
    for comparison in comparisons:
        for pair in comparison.pairs:
            for where, effect in (("problems like these", pair.like_these), ("this suite", pair.suite)):
                if effect is not None:
                    name = f"{pair.optimizer} relative to {pair.baseline} on {where}"
                    value = f"{effect.factor:.6g} [{effect.low:.6g}, {effect.high:.6g}] {effect.word}"
                    SubElement(properties, "property", name=_clean(name), value=_clean(value))
    return [properties] if len(properties) else []


def _invalid_cases(batch: Batch) -> Iterator[Element]:
    """Yield a case for each file that is not valid, with all its faults."""
    for file in batch.invalid:
        case = _empty_case(PurePath(file).stem, file, 0)
        _add(case, "error", "\n".join(str(error) for error in batch.errors if error.file == file), "invalid")
        yield case


def _empty_case(name: str, file: str, seconds: float) -> Element:
    """Return a case whose class is the file with dots between its folders; readers group by the part before a dot."""
    path = PurePath(file)
    parts = [part for part in path.with_suffix("").parts if part not in (path.anchor, "..")] if path.name else []
    names = {
        "name": _nonempty_attribute(name, "unnamed"),
        "classname": _nonempty_attribute(".".join(parts), "playground"),
    }
    return Element("testcase", names, time=f"{seconds:.3f}")


def _describe_failures(run: Run | Sweep) -> Iterator[str]:
    for expectation in run.expectations:
        if not expectation.passed:
            note = f" ({expectation.note})" if expectation.note else ""
            yield f"{expectation.what}, measured {format_short(expectation.value, 6)}{note}"


def _diagnoses(run: Run) -> Iterator[str]:
    for diagnosis in run.diagnoses:
        yield f"{diagnosis.name}: {diagnosis.sentence} {diagnosis.remedy}"


def _describe_run(run: Run) -> Iterator[str]:
    """Yield how the run went, in a few lines."""
    loss = f", loss {format_short(run.loss.first)} -> {format_short(run.loss.last)}" if run.loss else ""
    yield f"{run.status} after {run.steps} steps from seed {run.seed}{loss}"
    for expectation in run.expectations:
        if expectation.vacuous:
            yield f"vacuous: {expectation.what}: {expectation.note}"


def _add(case: Element, tag: str, text: str, kind: str) -> None:
    """Add an outcome: the first line of the text as its message, the whole text as its content."""
    SubElement(case, tag, message=_nonempty_attribute(text.split("\n", 1)[0], kind), type=kind).text = _clean(text)


def _nonempty_attribute(text: str, otherwise: str) -> str:
    """Return text for an attribute that must not be blank."""
    return _clean(text).strip() or otherwise


def _clean(text: str) -> str:
    return FORBIDDEN_CHARACTERS.sub("\ufffd", text)
