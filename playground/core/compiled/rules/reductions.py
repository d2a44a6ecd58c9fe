"""Operations of torch that combine many entries into one: sums, products, extremes, matrix products."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.program import Program
from playground.core.compiled.symbol import Symbol

if TYPE_CHECKING:
    from playground.core.compiled.recorder import ProgramRecorder, ScalarRule

Dims = Sequence[int] | int | None


def _group_entries(ids: Tensor, dims: Dims) -> tuple[list[list[int]], list[int], list[int]]:
    """Return the groups of entries to combine, the axes they extend over, and the shape of the result."""
    axes = range(ids.dim()) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims
    over = sorted(axis % max(ids.dim(), 1) for axis in axes)
    if ids.dim() == 0:
        return [[int(ids)]], [], []
    kept = [axis for axis in range(ids.dim()) if axis not in over]
    shape = [ids.shape[axis] for axis in kept]
    flat = ids.permute(*kept, *over).reshape(*shape, -1).reshape(-1, _product(ids.shape[axis] for axis in over))
    return flat.tolist(), over, shape


def _product(sizes: Any) -> int:
    return reduce(lambda a, b: a * b, sizes, 1)


def combine_pairwise(combine: Callable[[int, int], int], values: list[int]) -> int:
    """Combine values in pairs, then the results in pairs, and so on: exact and fast.

    Each value passes through few roundings, and independent pairs are computed in parallel.
    """
    while len(values) > 1:
        pairs = zip_longest(values[::2], values[1::2])
        values = [a if b is None else combine(a, b) for a, b in pairs]
    return values[0]


def add_in_torch_order(program: Program, values: list[int]) -> int:
    """Add values in torch's order.

    torch keeps four partial sums of every fourth value, adds the remaining values to the first, then adds the four. The
    order matters where the exact sum is 0: the rounding error left over has a sign, and update rules such as Rprop
    follow the sign of the gradient.
    """
    add = lambda x, y: program.apply("add", x, y)  # noqa: E731
    whole = len(values) // 4 * 4
    if not values:
        return program.constant(0.0)
    if not whole:
        return reduce(add, values)
    first, *others = (reduce(add, values[i:whole:4]) for i in range(4))
    return reduce(add, [reduce(add, [first, *values[whole:]]), *others])


def reduce_axes(
    recorder: ProgramRecorder,
    a: Symbol,
    dims: Dims,
    keepdim: bool,
    of_row: Callable[[list[int]], int],
    dtype: torch.dtype,
) -> Symbol:
    """Combine the entries along some axes by a rule; without axes, all entries."""
    rows, over, shape = _group_entries(a.ids, dims)
    found = torch.tensor([of_row(row) for row in rows], dtype=torch.int64).reshape(shape)
    if keepdim:
        for axis in over:
            found = found.unsqueeze(axis)
    return recorder.symbol(found, dtype)


def _as_summands(recorder: ProgramRecorder, a: Any, dtype: torch.dtype | None) -> Symbol:
    """Return a tensor in the dtype that torch sums in: booleans as integers."""
    symbol = recorder.lift(a)
    return recorder.cast(symbol, dtype or (torch.int64 if symbol.dtype is torch.bool else symbol.dtype))


def sum_(
    recorder: ProgramRecorder, a: Any, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Symbol:
    """Σ a, in the order of `add_in_torch_order`."""
    a = _as_summands(recorder, a, dtype)
    return reduce_axes(recorder, a, dim, keepdim, lambda values: add_in_torch_order(recorder.program, values), a.dtype)


def mean(
    recorder: ProgramRecorder, a: Any, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Symbol:
    """Σ a / n."""
    total = sum_(recorder, a, dim, keepdim, dtype=dtype)
    count = recorder.program.constant(float(a.numel() / max(total.numel(), 1)))
    return recorder.entrywise(lambda x: recorder.program.apply("div", x, count), total.dtype, total)


def prod(
    recorder: ProgramRecorder, a: Any, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Symbol:
    """Π a."""
    a, program = _as_summands(recorder, a, dtype), recorder.program
    return reduce_axes(recorder, a, dim, keepdim, lambda v: reduce(lambda x, y: program.apply("mul", x, y), v), a.dtype)


def _extreme(operation: str) -> ScalarRule:
    def rule(recorder: ProgramRecorder, a: Symbol, dim: Dims = None, keepdim: bool = False) -> Symbol:
        combine = lambda x, y: recorder.program.apply(operation, x, y)  # noqa: E731
        return reduce_axes(recorder, a, dim, keepdim, lambda values: combine_pairwise(combine, values), a.dtype)

    return rule


def _overall(operation: str) -> ScalarRule:
    """Return the rule for the extreme of all entries.

    Along an axis, torch also returns an index, which depends on the run.
    """

    def rule(recorder: ProgramRecorder, a: Symbol, *more: Any, **_: Any) -> Symbol:
        if more:
            raise CannotCompileError("an index depends on the parameters (max or min along an axis)")
        found: Symbol = _extreme(operation)(recorder, a)
        return found

    return rule


def _any_all(operation: str) -> ScalarRule:
    def rule(recorder: ProgramRecorder, a: Symbol, dim: Dims = None, keepdim: bool = False) -> Symbol:
        truth = recorder.cast(a, torch.bool)
        combine = lambda x, y: recorder.program.apply(operation, x, y)  # noqa: E731
        return reduce_axes(recorder, truth, dim, keepdim, lambda values: combine_pairwise(combine, values), torch.bool)

    return rule


def var_mean(
    recorder: ProgramRecorder,
    a: Any,
    dim: Dims = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Symbol, Symbol]:
    """Σ (a - mean)² / (n - correction), and the mean."""
    apply = recorder.program.apply
    center = mean(recorder, a, dim, keepdim=True)
    away = recorder.entrywise(lambda x, m: apply("sub", x, m), a.dtype, a, _expand_mean(center, a, dim))
    squares = recorder.entrywise(lambda x: apply("mul", x, x), a.dtype, away)
    total = sum_(recorder, squares, dim, keepdim)
    count = a.numel() / max(total.numel(), 1) - (float(unbiased) if correction is None else correction)
    divided = recorder.entrywise(lambda x: apply("div", x, recorder.program.constant(count)), a.dtype, total)
    return divided, mean(recorder, a, dim, keepdim)


def _expand_mean(center: Symbol, a: Symbol, dim: Dims) -> Symbol:
    """Give a mean over all entries, which has no axes, the axes of the original tensor."""
    return center if center.dim() == a.dim() else Symbol(center.ids.reshape([1] * a.dim()), a.dtype)


def var(recorder: ProgramRecorder, *args: Any, **options: Any) -> Symbol:
    """The variance, as in `var_mean`."""
    return var_mean(recorder, *args, **options)[0]


def mm(recorder: ProgramRecorder, a: Any, b: Any) -> Symbol:
    """Σₖ aᵢₖ bₖⱼ, summed in order with fused multiply-add, as torch's library does."""
    apply = recorder.program.apply
    left, right = recorder.lift(a), recorder.lift(b)
    columns = right.ids.transpose(-1, -2).tolist()

    def dot(row: list[int], column: list[int]) -> int:
        pairs = list(zip(row, column, strict=True))
        if not pairs:
            return recorder.program.constant(0.0)
        return reduce(lambda total, pair: apply("fma", *pair, total), pairs[1:], apply("mul", *pairs[0]))

    found = [[dot(row, column) for column in columns] for row in left.ids.tolist()]
    shape = (left.shape[0], right.shape[1])
    return recorder.symbol(torch.tensor(found, dtype=torch.int64).reshape(shape), recorder.lift(a).dtype)


def vector_norm(
    recorder: ProgramRecorder,
    a: Any,
    ord: Any = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Symbol:
    """(Σ |a|ᵖ)^(1/p); the largest or smallest |a| for p = ±∞, the number of entries that are not 0 for p = 0."""
    apply, constant = recorder.program.apply, recorder.program.constant
    a, p = recorder.cast(a, dtype or recorder.lift(a).dtype), 2.0 if ord is None else float(ord)
    size = recorder.entrywise(lambda x: apply("abs", x), a.dtype, a)
    if math.isinf(p):
        largest: Symbol = _extreme("maximum" if p > 0 else "minimum")(recorder, size, dim, keepdim)
        return largest
    power: Callable[[int], int] = {
        0.0: lambda x: apply("select", apply("ne", x, constant(0.0)), constant(1.0), constant(0.0)),
        1.0: lambda x: x,
        2.0: lambda x: apply("mul", x, x),
    }.get(p, lambda x: apply("pow", x, constant(p)))
    total = sum_(recorder, recorder.entrywise(power, a.dtype, size if p != 2 else a), dim, keepdim)
    root: Callable[[int], int] = {0.0: lambda x: x, 1.0: lambda x: x, 2.0: lambda x: apply("sqrt", x)}.get(
        p, lambda x: apply("pow", x, constant(1 / p))
    )
    return recorder.entrywise(root, a.dtype, total)


def norm(
    recorder: ProgramRecorder, a: Any, p: Any = 2, dim: Dims = None, keepdim: bool = False, **options: Any
) -> Symbol:
    """The vector norm, by its older name."""
    return vector_norm(recorder, a, 2 if p is None else p, dim, keepdim, **options)


def dot(recorder: ProgramRecorder, a: Any, b: Any) -> Symbol:
    """Σ aᵢ bᵢ."""
    left, right = recorder.lift(a), recorder.lift(b)
    product = mm(recorder, Symbol(left.ids[None, :], left.dtype), Symbol(right.ids[:, None], right.dtype))
    return Symbol(product.ids.reshape(()), product.dtype)


def mv(recorder: ProgramRecorder, a: Any, b: Any) -> Symbol:
    """Σⱼ aᵢⱼ bⱼ."""
    vector = recorder.lift(b)
    product = mm(recorder, a, Symbol(vector.ids[:, None], vector.dtype))
    return Symbol(product.ids[:, 0], product.dtype)


def bmm(recorder: ProgramRecorder, a: Any, b: Any) -> Symbol:
    """One matrix product per batch entry."""
    left, right = recorder.lift(a), recorder.lift(b)
    pairs = zip(left.ids, right.ids, strict=True)
    products = [mm(recorder, Symbol(x, left.dtype), Symbol(y, right.dtype)).ids for x, y in pairs]
    return recorder.symbol(torch.stack(products), left.dtype)


def _running(operation: str) -> ScalarRule:
    def rule(recorder: ProgramRecorder, a: Symbol, dim: int, *, dtype: torch.dtype | None = None) -> Symbol:
        a = _as_summands(recorder, a, dtype)
        if a.dim() == 0:
            return a
        rows = a.ids.transpose(dim, -1)
        combine = lambda x, y: recorder.program.apply(operation, x, y)  # noqa: E731
        found = [list(accumulate(row, combine)) for row in rows.reshape(-1, rows.shape[-1]).tolist()]
        ids = torch.tensor(found, dtype=torch.int64).reshape(rows.shape).transpose(dim, -1)
        return recorder.symbol(ids.contiguous(), a.dtype)

    return rule


RULES: dict[str, ScalarRule] = {
    "sum": sum_,
    "mean": mean,
    "prod": prod,
    "amax": _extreme("maximum"),
    "amin": _extreme("minimum"),
    "max": _overall("maximum"),
    "min": _overall("minimum"),
    "any": _any_all("or"),
    "all": _any_all("and"),
    "var": var,
    "var_mean": var_mean,
    "mm": mm,
    "bmm": bmm,
    "linalg_vector_norm": vector_norm,
    "norm": norm,
    "dot": dot,
    "mv": mv,
    "cumsum": _running("add"),
    "cumprod": _running("mul"),
}
