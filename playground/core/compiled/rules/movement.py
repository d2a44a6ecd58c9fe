"""Operations of torch that only move entries. torch itself applies them to the ids.

An index may come from a mini-batch's target and then differs between runs. Such an index becomes a selection among all
entries along the axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.symbol import Symbol

if TYPE_CHECKING:
    from playground.core.compiled.recorder import ProgramRecorder, ScalarRule

ENTRY_ARGUMENTS: dict[str, tuple[int | str, ...]] = {
    "cat": (0,),
    "clone": (0,),
    "constant_pad_nd": (0, 2),
    "flip": (0,),
    "index": (0,),
    "index_select": (0,),
    "repeat": (0,),
    "roll": (0,),
    "select_scatter": (0, 1),
    "slice_scatter": (0, 1),
    "stack": (0,),
    "view_copy": (0,),
    "_unsafe_view": (0,),
    "unfold_copy": (0,),
}
"""Which arguments of an operation hold entries; all others say where to put them."""


def _movement_rule(name: str, places: tuple[int | str, ...]) -> ScalarRule:
    packet = getattr(torch.ops.aten, name)

    def rule(recorder: ProgramRecorder, *args: Any, **kwargs: Any) -> Symbol:
        if name == "constant_pad_nd" and len(args) < 3:
            args = (*args, kwargs.pop("value", 0.0))
        dtype = _common_dtype(recorder, args[0])
        moved = [
            _ids(recorder, value, dtype) if i in places else _to_numbers(recorder, value)
            for i, value in enumerate(args)
        ]
        return recorder.symbol(packet(*moved, **tree_map(recorder.values, kwargs)), dtype)

    return rule


def _common_dtype(recorder: ProgramRecorder, value: Any) -> torch.dtype:
    """Return the common dtype of the entries of one or several tensors."""
    if not isinstance(value, list | tuple):
        return recorder.lift(value).dtype
    dtypes = [each.dtype for each in value]
    found: torch.dtype = dtypes[0]
    for dtype in dtypes[1:]:
        found = torch.promote_types(found, dtype)
    return found


def _ids(recorder: ProgramRecorder, value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, list | tuple):
        return [recorder.cast(each, dtype).ids for each in value]
    ids = recorder.cast(value, dtype).ids
    return ids if isinstance(value, Tensor) else int(ids)


def _to_numbers(recorder: ProgramRecorder, value: Any) -> Any:
    return tree_map(recorder.values, value)


# Entries written to, or read from, the places in an index


def gather(recorder: ProgramRecorder, a: Any, dim: int, index: Any, **_: Any) -> Symbol:
    """Entry i of the result is entry index[i] along the axis."""
    source = recorder.lift(a)
    if not _depends_on_batch(recorder, index):
        return recorder.symbol(torch.gather(source.ids, dim, recorder.values(index)), source.dtype)
    # Select entry k where the index is k, one candidate after the other: the class probability of a mini-batch's
    # target.
    found: Symbol | None = None
    for k in range(source.shape[dim] if source.dim() else 1):
        here = torch.gather(source.ids, dim, torch.full(index.shape, k))
        entries = recorder.symbol(here, source.dtype)
        found = entries if found is None else _select_where(recorder, index, k, entries, found)
    if found is None:
        raise CannotCompileError("an index into an empty tensor")
    return found


def scatter(recorder: ProgramRecorder, a: Any, dim: int, index: Any, value: Any, **options: Any) -> Symbol:
    """Write entries to the places in an index along the axis."""
    if options.get("reduce") is not None:
        raise CannotCompileError("torch's operation 'scatter' with reduce has no rule")
    target = recorder.lift(a)
    entries = recorder.cast(value, target.dtype).ids.expand(index.shape)
    if not _depends_on_batch(recorder, index):
        known = recorder.values(index)
        return recorder.symbol(target.ids.scatter(dim, known, entries[_index_window(entries, known)]), target.dtype)
    if index.shape[dim] != 1:
        raise CannotCompileError("several entries are written to places that depend on the batch")
    # Write to every place in turn, and keep the old entry except where the index is this place.
    found = target.ids.clone()
    for k in range(target.shape[dim]):
        place = torch.full(index.shape, k)
        old = recorder.symbol(found.gather(dim, place), target.dtype)
        new = _select_where(recorder, index, k, recorder.symbol(entries, target.dtype), old)
        found = found.scatter(dim, place, new.ids)
    return recorder.symbol(found, target.dtype)


def _index_window(entries: Tensor, index: Tensor) -> tuple[slice, ...]:
    return tuple(slice(size) for size in index.shape) if entries.dim() else ()


def _depends_on_batch(recorder: ProgramRecorder, index: Any) -> bool:
    """Tell whether an index depends on the batch, and therefore on the run."""
    return isinstance(index, Symbol) and any(recorder.program.number(i) is None for i in index.ids.flatten().tolist())


def _select_where(recorder: ProgramRecorder, index: Symbol, k: int, entries: Symbol, otherwise: Symbol) -> Symbol:
    """Select the entries where the index is k."""
    apply, constant = recorder.program.apply, recorder.program.constant(float(k))
    return recorder.entrywise(
        lambda i, x, y: apply("select", apply("eq", i, constant), x, y), entries.dtype, index, entries, otherwise
    )


# Entries added at the places in an index, several of which may be equal


def _add_entries(recorder: ProgramRecorder, target: Symbol, places: Tensor, values: Tensor) -> Symbol:
    """Add values to the flattened target at these places, one after the other."""
    flat = target.ids.flatten().tolist()
    for place, value in zip(places.flatten().tolist(), values.flatten().tolist(), strict=True):
        flat[place] = recorder.program.apply("add", flat[place], value)
    return recorder.symbol(torch.tensor(flat, dtype=torch.int64).reshape(target.shape), target.dtype)


def _positions(target: Symbol) -> Tensor:
    return torch.arange(target.numel()).reshape(target.shape)


def scatter_add(recorder: ProgramRecorder, a: Any, dim: int, index: Any, source: Any) -> Symbol:
    """Add each entry of the source at its place in the index along the axis; the derivative of `gather`."""
    target, known = recorder.lift(a), recorder.values(index)
    values = recorder.cast(source, target.dtype).ids
    return _add_entries(recorder, target, _positions(target).gather(dim, known), values[_index_window(values, known)])


def index_add(recorder: ProgramRecorder, a: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Symbol:
    """Add alpha times slices of the source at the places in the index; the derivative of `index_select`."""
    target, known, factor = recorder.lift(a), recorder.values(index), recorder.program.constant(alpha)
    values = recorder.cast(source, target.dtype)
    places = _positions(target).index_select(dim, known)
    if values.shape != places.shape:
        raise CannotCompileError(f"index_add of a source of shape {list(values.shape)}, not {list(places.shape)}")
    scaled = recorder.entrywise(lambda x: recorder.program.apply("mul", x, factor), target.dtype, values)
    return _add_entries(recorder, target, places, scaled.ids)


def index_put(
    recorder: ProgramRecorder, a: Any, indices: Any, values: Any, accumulate: bool = False, *_: Any
) -> Symbol:
    """Write entries to the places in the indices, or add them there; the latter is the derivative of `index`."""
    target = recorder.lift(a)
    if len(indices) == 1 and _is_unknown_mask(recorder, indices[0], target):
        return _put_where(recorder, target, indices[0], values, accumulate)
    known = [None if each is None else recorder.values(each) for each in indices]
    places = torch.ops.aten.index(_positions(target), known)
    entries = recorder.cast(values, target.dtype).ids.expand(places.shape)
    if accumulate:
        return _add_entries(recorder, target, places, entries)
    return recorder.symbol(
        target.ids.flatten().scatter(0, places.flatten(), entries.flatten()).reshape(target.shape), target.dtype
    )


def _is_unknown_mask(recorder: ProgramRecorder, index: Any, target: Symbol) -> bool:
    """Tell whether an index is a mask over all entries that depends on the run."""
    if not isinstance(index, Symbol) or index.dtype is not torch.bool or index.shape != target.shape:
        return False
    return any(recorder.program.number(i) is None for i in index.ids.flatten().tolist())


def _put_where(recorder: ProgramRecorder, target: Symbol, mask: Symbol, values: Any, accumulate: bool) -> Symbol:
    """Write one number to the entries where a mask is set."""
    value = recorder.cast(values, target.dtype)
    if accumulate or value.numel() != 1:
        raise CannotCompileError("entries are written where a mask is set that depends on the run")
    return recorder.entrywise(
        lambda m, x, y: recorder.program.apply("select", m, x, y),
        target.dtype,
        mask,
        Symbol(value.ids.reshape(()), target.dtype),
        target,
    )


# Tensors created from constants, in the shape of another tensor


def _like_rule(value: float) -> ScalarRule:
    def rule(recorder: ProgramRecorder, a: Any, *_: Any, dtype: torch.dtype | None = None, **__: Any) -> Symbol:
        return recorder.cast(recorder.constant(torch.full(a.shape, value)), dtype or a.dtype)

    return rule


def full_like(recorder: ProgramRecorder, a: Any, value: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Symbol:
    """Return a tensor filled with one number."""
    single = recorder.cast(value, dtype or a.dtype).ids
    return recorder.symbol(single.expand(a.shape).clone(), dtype or a.dtype)


def _new_rule(value: float) -> ScalarRule:
    def rule(
        recorder: ProgramRecorder, a: Any, size: Any, *_: Any, dtype: torch.dtype | None = None, **__: Any
    ) -> Symbol:
        return recorder.cast(recorder.constant(torch.full(tuple(size), value)), dtype or a.dtype)

    return rule


def new_full(
    recorder: ProgramRecorder, a: Any, size: Any, value: Any, *, dtype: torch.dtype | None = None, **_: Any
) -> Symbol:
    """Return a tensor filled with one number, in another shape."""
    single = recorder.cast(value, dtype or a.dtype).ids
    return recorder.symbol(single.expand(tuple(size)).clone(), dtype or a.dtype)


def full(recorder: ProgramRecorder, size: Any, value: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Symbol:
    """Return a new tensor filled with one number."""
    wanted = dtype or recorder.lift(value).dtype
    return recorder.symbol(recorder.cast(value, wanted).ids.expand(tuple(size)).clone(), wanted)


def scalar_tensor(recorder: ProgramRecorder, value: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Symbol:
    """Return a number as a tensor without axes."""
    return full(recorder, (), value, dtype=dtype)


CREATION_RULES: dict[str, Callable[..., Symbol]] = {
    "empty_like": _like_rule(0.0),
    "zeros_like": _like_rule(0.0),
    "ones_like": _like_rule(1.0),
    "full": full,
    "full_like": full_like,
    "scalar_tensor": scalar_tensor,
    "new_empty": _new_rule(0.0),
    "new_empty_strided": _new_rule(0.0),
    "new_zeros": _new_rule(0.0),
    "new_ones": _new_rule(1.0),
    "new_full": new_full,
}

RULES: dict[str, ScalarRule] = {
    **{name: _movement_rule(name, places) for name, places in ENTRY_ARGUMENTS.items()},
    **CREATION_RULES,
    "gather": gather,
    "scatter": scatter,
    "scatter_add": scatter_add,
    "index_add": index_add,
    "index_put": index_put,
    "_unsafe_index_put": index_put,
}
