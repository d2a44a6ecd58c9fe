"""One step explained: plain frozen data, which any report can show in any language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = 1
"""Counts up when the JSON document changes so that its readers must."""


@dataclass(frozen=True)
class TensorSummary:
    """A tensor, as much of it as a person reads.

    :param values: all entries as nested lists; None where there are too many.
    """

    shape: tuple[int, ...]
    mean: float
    low: float
    high: float
    values: Any = None


@dataclass(frozen=True)
class GraphNode:
    """A value with its gradient: one node of the graph.

    :param kind: `parameter`, `data`, `constant`, `intermediate`, `prediction` or `loss`.
    """

    name: str
    kind: str
    value: TensorSummary
    gradient: TensorSummary | None = None


@dataclass(frozen=True)
class GradientShare:
    """What one operation adds to the gradient of one input: local derivative × incoming gradient.

    :param rule: the right-hand side, in signs.
    :param written: the same with numbers, where it is one number.
    :param entries: single entries otherwise: the place, and its arithmetic: `("[1, 0]", "0.2·0.5 + 0.1·1 = 0.2")`.
    """

    to: str
    rule: str
    value: TensorSummary
    written: str = ""
    entries: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ExplainedOperation:
    """One operation of the forward pass.

    :param formula: the right-hand side, in signs; empty for an operation of which nothing is known.
    :param written: the arithmetic of single entries: `z[0] = 1·0.4321 + 0.2 = 0.6321`.
    :param shares: what it does in the backward pass, one for each input that a gradient flows to.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    formula: str = ""
    written: tuple[str, ...] = ()
    shares: tuple[GradientShare, ...] = ()


@dataclass(frozen=True)
class ExplainedParameter:
    """One parameter through the step.

    :param gradient: as `.grad` has it; None where the loss does not depend on it.
    :param central: the same by central differences in float64; None for a large model.
    :param used: the gradient after clipping, where that changed it.
    :param after: None where there is no update.
    :param written: the update of its first entry, an assignment a line: `m = 0.9·0 + (1 − 0.9)·0.2 = 0.02`.
    """

    name: str
    before: TensorSummary
    gradient: TensorSummary | None
    central: TensorSummary | None = None
    used: TensorSummary | None = None
    after: TensorSummary | None = None
    state_before: Mapping[str, TensorSummary] = field(default_factory=dict)
    state_after: Mapping[str, TensorSummary] = field(default_factory=dict)
    written: tuple[str, ...] = ()


@dataclass(frozen=True)
class Update:
    """How the parameters move.

    :param formula: as the rule declares it, an assignment a line, without what its settings switch off; empty for an
        optimizer that declares none.
    :param symbols: what they mean.
    :param settings: the rule's numbers by symbol.
    """

    optimizer: str
    lr: float | None
    formula: tuple[str, ...] = ()
    symbols: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sentence:
    """Something true of these numbers: a sentence to translate, and what to put into it."""

    text: str
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """One step: forward, backward, update, in words.

    :param sample: the sample whose arithmetic is written out, counted within the step's batch.
    :param loss_after: of the moved parameters on the same data; None where there is no update.
    """

    scenario: str
    summary: str
    file: str
    step: int
    samples: int
    sample: int | None
    digits: int
    nodes: tuple[GraphNode, ...]
    operations: tuple[ExplainedOperation, ...]
    parameters: tuple[ExplainedParameter, ...]
    loss: float
    loss_after: float | None = None
    update: Update | None = None
    words: tuple[Sentence, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"schema": SCHEMA, **asdict(self)}


@dataclass(frozen=True)
class UnexplainedStep:
    """A step that could not be explained, nor any after it, and why."""

    step: int
    reason: str
