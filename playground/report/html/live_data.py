"""What a live page is given, as JSON: arrays in base64, little-endian."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from playground.figures.numbers import flatten
from playground.live import SIZES, Dial, ExpectedCondition, Live, LiveModule, NoModule, WasmArray, count_index_bytes
from playground.report.html.encoding import thin_indices
from playground.result import Run, json_value

INDEX_TYPES = {1: "u1", 2: "<u2", 4: "<i4"}
"""The type of an index in an array, by its bytes."""


def live_data(live: Live | NoModule, run: Run | None = None) -> dict[str, Any]:
    """Return what the page's script reads of a descent that it can run itself, or why it cannot.

    :param run: what Python computed, which the script compares itself with; None if it does not.
    """
    if isinstance(live, NoModule):
        return {"reason": live.reason}
    first = next(iter(live.programs.values()))
    index_bytes = count_index_bytes(live.data[0].shape[0]) if live.orders else 0
    content = {
        "programs": [_program(name, module) for name, module in live.programs.items()],
        "steps": live.steps,
        "most": live.most,
        "factors": live.factors,
        "seed": live.seed,
        "seeds": live.seeds,
        "starts": _encode((number for row in live.starts for number in row), "<f8"),
        "parameters": list(first.parameters.items()),
        "data": [{"name": each.name, "shape": each.shape, "values": _encode(each.values, "<f8")} for each in live.data],
        "orders": _encode(live.orders, INDEX_TYPES[index_bytes]) if live.orders else None,
        "orderBytes": index_bytes,
        "losses": _losses(run) if run else None,
        "last": run.loss.last if run and run.loss else None,
        "expectations": _expectations(live.conditions, run) if run else [],
        "scenario": live.scenario,
    }
    return dict(json_value(content))


def _program(name: str, module: LiveModule) -> dict[str, Any]:
    return {
        "name": name,
        "code": base64.b64encode(module.code).decode(),
        "dtype": module.dtype,
        "width": module.layout.width,
        "reserved": module.layout.reserved,
        "sizes": SIZES,
        "arrays": [_array(each) for each in module.layout.arrays],
        "dials": [_dial(each) for each in module.dials],
        "varying": [_dial(each) for each in module.varying],
        "phases": _trim(module.phases),
        "counts": module.counts,
        "data": module.data,
        "batch": module.batch,
        "ends": module.ends,
        "statuses": module.statuses,
        "records": module.records,
        "leftOut": module.left_out,
        "outputs": module.outputs,
        "fixedData": module.fixed_data,
        "apart": module.apart,
        "operations": module.operations,
    }


def _trim(numbers: Sequence[int]) -> Sequence[int]:
    """Return numbers without the zeros at their end: memory is filled with zeros."""
    return numbers[: max((place for place, number in enumerate(numbers, 1) if number), default=0)]


def _array(array: WasmArray) -> list[Any]:
    return [array.name, array.element, array.count, array.lanes, array.rows, array.role]


def _dial(dial: Dial) -> list[Any]:
    offered = [dial.range.low, dial.range.high, dial.range.is_logarithmic] if dial.range else [None, None, False]
    return [dial.name, dial.value, *offered]


def _losses(run: Run) -> dict[str, str]:
    """Return the recorded losses, or some of many, with their steps."""
    known = run.trace.full or dict(enumerate(run.trace.loss))
    steps = list(known)
    chosen = [steps[place] for place in thin_indices(len(steps))]
    return {"steps": _encode(chosen, "<i4"), "values": _encode([known[step] for step in chosen], "<f8")}


def _expectations(conditions: Mapping[tuple[str, str], ExpectedCondition], run: Run) -> list[dict[str, Any] | None]:
    """Return for each expectation of a run what judges it; None if a page cannot."""
    found: list[dict[str, Any] | None] = []
    for each in run.expectations:
        condition = conditions.get((each.path[0], each.path[1])) if len(each.path) == 2 else None
        if condition is None or each.value is None:
            found.append(None)
            continue
        within = [condition.within] if condition.word in ("near", "equals") else []
        judged = [condition.word, condition.wanted, *within]
        value = each.value if isinstance(each.value, str) else list(flatten(each.value))
        found.append({"what": each.what, "quantity": each.path[0], "value": value, "condition": judged})
    return found


def _encode(numbers: Iterable[float], kind: str) -> str:
    import numpy as np

    return base64.b64encode(np.array(list(numbers), dtype=kind).tobytes()).decode()
