"""The seeds of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from playground.errors import Fault, ScenarioError
from playground.scenario.base import Seed
from playground.scenario.choices import Column
from playground.scenario.messages import faults

_SEED: TypeAdapter[int] = TypeAdapter(Seed)


def seeds_of(column: Column) -> Sequence[int]:
    """Return the seeds that the axis `seed` lists or counts.

    :raises ScenarioError: the axis has values that are not seeds, or one seed twice; its runs would then count twice.
    """
    if column.axis.values is None:
        if column.axis.model_fields_set != {"count"}:
            message = "seeds are whole numbers; expected a list of them, or {count: N} for 0 to N - 1"
            raise ScenarioError(Fault(message, place=column.written.place))
        return range(column.axis.count or 0)
    found: dict[int, None] = {}
    wrong: list[Fault] = []
    for node in column.listed:
        try:
            seed = _SEED.validate_python(node.data(), strict=True)
        except ValidationError as error:
            wrong += [Fault(fault.message, place=node.place) for fault in faults(error)]
            continue
        if seed in found:
            wrong.append(Fault(f"the seed {seed} is given twice; its runs would count twice", place=node.place))
        found[seed] = None
    if wrong:
        raise ScenarioError(*wrong)
    return tuple(found)
