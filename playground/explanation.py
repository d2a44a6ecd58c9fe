"""The explanation of one step: plain frozen data that any report can show in any language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = 1
"""Version of the JSON document; increases if its readers must change."""


@dataclass(frozen=True)
class TensorSummary:
    """A tensor, in the detail that a person reads.

    :param values: all entries as nested lists; None if there are too many.
    """

    shape: tuple[int, ...]
    mean: float
    low: float
    high: float
    values: Any = None


@dataclass(frozen=True)
class GraphNode:
    """One node of the computational graph: a value with its gradient.

    :param kind: `parameter`, `data`, `constant`, `intermediate`, `prediction` or `loss`.
    """

    name: str
    kind: str
    value: TensorSummary
    gradient: TensorSummary | None = None


@dataclass(frozen=True)
class GradientShare:
    """The gradient that one operation adds to one input: local derivative × incoming gradient.

    :param rule: the right-hand side, in mathematical signs.
    :param written: the same with numbers, if it is a single number.
    :param entries: otherwise single entries, each with its position and its arithmetic:
        `("[1, 0]", "0.2·0.5 + 0.1·1 = 0.2")`.
    """

    to: str
    rule: str
    value: TensorSummary
    written: str = ""
    entries: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ExplainedOperation:
    """One operation of the forward pass.

    :param formula: the right-hand side, in mathematical signs; empty for an unknown operation.
    :param written: the arithmetic of single entries: `z[0] = 1·0.4321 + 0.2 = 0.6321`.
    :param shares: its backward pass, one share for each input that receives a gradient.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    formula: str = ""
    written: tuple[str, ...] = ()
    shares: tuple[GradientShare, ...] = ()


@dataclass(frozen=True)
class ExplainedParameter:
    """One parameter in this step.

    :param gradient: the value of `.grad`; None if the loss does not depend on the parameter.
    :param central: the same by central differences in float64; None for a large model.
    :param used: the gradient after clipping, if clipping changed it.
    :param after: None if there is no update.
    :param written: the update of its first entry, one assignment per line: `m = 0.9·0 + (1 − 0.9)·0.2 = 0.02`.
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
    """The update of the parameters.

    :param formula: the rule's declared formula, one assignment per line, without terms that its settings disable; empty
        for an optimizer that declares none.
    :param symbols: the meaning of the symbols.
    :param settings: the rule's numbers by symbol.
    """

    optimizer: str
    lr: float | None
    formula: tuple[str, ...] = ()
    symbols: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sentence:
    """A remark on these numbers: a sentence to translate, and the values to insert."""

    text: str
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The explanation of one step: forward, backward, update, in words.

    :param sample: the sample whose arithmetic is written out, as an index into the step's batch.
    :param loss_after: the loss of the updated parameters on the same data; None if there is no update.
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


NumberPiece = str | float | tuple[Any]
"""A part of arithmetic: text, a number that never changes, or what changes: its place or its name as the first item. A
second item says that it is 1 minus that number."""


@dataclass(frozen=True)
class FollowingTensor(TensorSummary):
    """A tensor whose numbers a page computes anew.

    :param index: its number among the tensors of the step.
    :param places: of its entries among the numbers that the page computes, the last axis fastest.
    """

    index: int = 0
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class LiveArithmetic:
    """The arithmetic of an entry, for a page to fill in with other numbers.

    :param head: what stands before it: `z[1, 0] = `.
    :param pieces: text, numbers and places of numbers.
    :param result: the place of its result.
    :param ends: whether its result is written after it.
    :param of_data: whether it holds for the recorded data only.
    """

    head: str
    pieces: tuple[NumberPiece, ...]
    result: int
    ends: bool
    of_data: bool = False


class FollowingText(str):
    """Arithmetic with its numbers, which a page fills in anew.

    :param number: which one it is among the texts of the step.
    """

    number: int

    def __new__(cls, text: str, number: int) -> FollowingText:
        """Return the text."""
        made = super().__new__(cls, text)
        made.number = number
        return made


@dataclass(frozen=True)
class LiveUpdate:
    """The update of a parameter's first entry, for a page to compute with other numbers.

    :param numbers: before the step, by symbol: one that never changes, a place, or the name of a setting of the page.
    :param lines: for each assignment its target and the pieces of its arithmetic, with symbols.
    :param gives: the places of what the step made, by symbol.
    """

    numbers: Mapping[str, NumberPiece]
    lines: tuple[tuple[str, tuple[NumberPiece, ...]], ...]
    gives: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class LiveExplanation(Explanation):
    """An explanation that a page keeps up with other settings.

    Its tensors and texts that follow are `FollowingTensor`s and `FollowingText`s; all others are those of the recorded
    step, and a page hides them at other settings.

    :param texts: by their index.
    :param updates: of each parameter; None where none is written out.
    :param losses: the places of the loss before and after the update; one place without an update.
    :param loss_changes: what to say of both, by kind.
    :param settings: names of the optimizer's numbers that a page changes.
    :param notes: how many of the first sentences hold whatever the numbers are.
    :param left_out: the place of a number that is not 0 if the step goes a way that was not recorded.
    """

    texts: tuple[LiveArithmetic, ...]
    updates: tuple[LiveUpdate | None, ...]
    losses: tuple[int, ...]
    loss_changes: Mapping[str, str]
    settings: tuple[str, ...]
    notes: int
    left_out: int


@dataclass(frozen=True)
class UnexplainedStep:
    """The first step that could not be explained, and the reason; later steps are not explained either."""

    step: int
    reason: str
