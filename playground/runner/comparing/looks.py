"""Counts how often a comparison was looked at, because every look may be wrong by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from playground.errors import ComponentError
from playground.runner.comparing.protocol import STUDIES
from playground.runner.store import Store
from playground.runner.sweeping.plan import digest

GROWTH = 4
"""How many times as many studies the next look has."""

FIRST_TIERS = ("quick",)

ALL_TIERS = ("quick", "slow")

MORE = ("families", "studies")


@dataclass(frozen=True, kw_only=True)
class Look:
    """A look at a comparison.

    :param question: hash of the optimizers with their sources, the suite and the metric.
    :param subject: hash of the optimizers' names and the suite's name.
    :param number: from 1.
    :param studies: studies of each optimizer on each problem.
    :param tiers: of the problems.
    :param is_new: it was not made before with this sample.
    """

    question: str
    subject: str
    number: int
    studies: int
    tiers: Sequence[str]
    is_new: bool


def identify_question(sources: Mapping[str, str], suite_hash: str, metric: str) -> str:
    """Return the hash of a question.

    :param sources: for each optimizer the hash of its source and parameters.
    """
    return digest(sorted(sources.items()), suite_hash, metric)


def plan_look(
    store: Store, question: str, subject: str, more: str | None, studies: int | None, has_slow: bool
) -> tuple[Look, Sequence[str]]:
    """Return the look to make, and remarks about it.

    Asked again with the same sample, a comparison is the same look. A larger sample is the next one.

    :param more: `families` or `studies`: what the last look advised to increase.
    :param studies: a number of studies, in place of the default or the last.
    :param has_slow: whether the suite has problems that are computed on request.
    :raises ComponentError: there is nothing to increase.
    """
    made = store.looks(question)
    first: dict[str, Any] = {"studies": STUDIES, "tiers": list(FIRST_TIERS)}
    last = made[-1]["sample"] if made else first
    count, tiers = studies or last["studies"], tuple(last["tiers"])
    if more == "studies":
        count = last["studies"] * GROWTH
    elif more == "families":
        if not has_slow or tiers == ALL_TIERS:
            raise ComponentError(
                "the suite has no more families: write a suite with further problems, and pass it as --suite FILE"
            )
        tiers = ALL_TIERS
    sample = {"studies": count, "tiers": list(tiers)}
    number = next((place for place, each in enumerate(made, 1) if each["sample"] == sample), len(made) + 1)
    remarks = []
    if not made and store.looks_of_subject(subject):
        remarks.append("an optimizer or the suite has changed since these were last compared: this is a new first look")
    look = Look(
        question=question, subject=subject, number=number, studies=count, tiers=tiers, is_new=number > len(made)
    )
    return look, remarks


def keep_look(store: Store, look: Look, words: Sequence[str]) -> None:
    """Store a look that was made.

    :param words: the verdicts that it gave.
    """
    if look.is_new:
        record: dict[str, Any] = {
            "sample": {"studies": look.studies, "tiers": list(look.tiers)},
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "words": list(words),
        }
        store.add_look(look.question, look.subject, record)
