"""Results as JUnit XML, which CI systems read: one suite, one test case for each scenario."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from playground.report.numbers import short
from playground.result import Batch, Run, Status, Verdict

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, however they are escaped."""


def write(results: Batch, path: Path) -> None:
    """Write the file."""
    ElementTree.ElementTree(tree(results)).write(path, encoding="utf-8", xml_declaration=True)


def tree(batch: Batch) -> ElementTree.Element:
    """Return the document.

    A verdict `failed` is a `<failure>`; a run that ended in status `error`, or a scenario that is not valid, is an
    `<error>`; an interrupted run is `<skipped>`.
    """
    cases = [_case(run) for run in batch.runs]
    invalid: dict[str, list[str]] = {}
    for error in batch.errors:
        invalid.setdefault(error.file, []).append(str(error))
    cases += [_invalid_case(file, messages) for file, messages in invalid.items()]
    suite = ElementTree.Element(
        "testsuite",
        name="playground",
        tests=str(len(cases)),
        failures=_count(cases, "failure"),
        errors=_count(cases, "error"),
        skipped=_count(cases, "skipped"),
        time=f"{batch.seconds:.3f}",
    )
    suite.extend(cases)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    return suites


def _count(cases: list[ElementTree.Element], outcome: str) -> str:
    return str(sum(case.find(outcome) is not None for case in cases))


def _case(run: Run) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", name=_clean(run.scenario), classname=_clean(run.file or "playground"), time=f"{run.seconds:.3f}"
    )
    if run.status is Status.ERROR:
        _child(case, "error", run.reason, "error")
    elif run.status is Status.INTERRUPTED:
        ElementTree.SubElement(case, "skipped", message=_clean(run.reason))
    elif run.verdict is Verdict.FAILED:
        failed = [
            f"{expectation.what}, measured {short(expectation.value, 6)}"
            for expectation in run.expectations
            if not expectation.passed
        ]
        _child(case, "failure", "\n".join([*failed, run.reason]).strip(), "expectation")
    notes = [f"{expectation.what}: {expectation.note}" for expectation in run.expectations if expectation.vacuous]
    if notes:
        ElementTree.SubElement(case, "system-out").text = _clean("\n".join(notes))
    return case


def _invalid_case(file: str, messages: list[str]) -> ElementTree.Element:
    case = ElementTree.Element("testcase", name=_clean(Path(file).stem), classname=_clean(file), time="0.000")
    _child(case, "error", "\n".join(messages), "invalid")
    return case


def _child(case: ElementTree.Element, tag: str, text: str, kind: str) -> None:
    first = text.splitlines()[0] if text else kind
    ElementTree.SubElement(case, tag, message=_clean(first), type=kind).text = _clean(text)


def _clean(text: str) -> str:
    return FORBIDDEN.sub("\ufffd", text)
