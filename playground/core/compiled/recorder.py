"""Records what PyTorch does to one run, operation by operation, as a scalar program.

The idea: the module, the loss, autograd and the optimizer all run once, unchanged, on tensors without numbers.
`ProgramRecorder` intercepts every operation below autograd, so backward passes are recorded like forward passes and no
component has to know about recording.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from playground.core.compiled.decisions import Decisions
from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.number import SymbolicNumber
from playground.core.compiled.program import MAX_RECORDED_VALUES, Program
from playground.core.compiled.rules.lists import compute_each
from playground.core.compiled.symbol import ACTIVE_RECORDERS, Symbol

ScalarRule = Callable[..., Any]
"""Records one operation of torch; called with the recorder and the operation's arguments."""

Result = TypeVar("Result")

MEMORY_READERS: Final = frozenset({"as_strided", "as_strided_copy", "as_strided_scatter"})
"""Operations that read memory by its layout.

The layout of ids may differ from the layout of the tensor that they stand for: `x.T.exp()` keeps the order of x.
"""


class ProgramRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, records every operation of torch instead of computing it.

    - A tensor that existed before is data: its numbers become constants, and writing to it is refused.
    - Every new tensor is a `Symbol`. An in-place operation changes which values its entries refer to.
    - A view of a symbol is the same view of its ids, so views share entries exactly as tensors share storage.
    - Every other operation has a rule, or torch decomposes it into operations that have one.
    - A number that Python code reads or computes with is a `SymbolicNumber`.

    :param dtype: of the runs, float32 or float64.
    :param rules: for operations of torch, by name without the `_` of in-place variants.
    :param lanes: the hyperparameters that differ between runs, by input; arrays of shape `(runs,)`.
    """

    def __init__(
        self,
        dtype: torch.dtype,
        rules: Mapping[str, ScalarRule],
        lanes: Mapping[Any, np.ndarray[Any, Any]] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype = dtype
        self.program = Program(torch.empty(0, dtype=dtype).numpy().dtype.type)
        self.decisions = Decisions(self.program, lanes or {})
        self._refusal: CannotCompileError | None = None
        self._is_decomposing = False
        """Whether one of torch's decompositions is running. It reads strides from the symbols, so their ids are in that
        order."""
        self._rules = rules

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep torch from importing its compiler, which takes longer than the whole recording."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record one operation."""
        try:
            return self._operation(func, args, kwargs or {})
        except CannotCompileError as error:
            # Kept because the caller may catch this error and continue; see `record`.
            self._refusal = self._refusal or error
            raise

    def _operation(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = _name(func)
        if func.namespace == "profiler":  # marks that an operation begins or ends, for torch's profiler
            return func(*args, **kwargs)
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise CannotCompileError(f"draws random numbers ({name})")
        if name.startswith("_foreach_"):
            with self:
                return compute_each(name, *_map_arguments(_unwrap_number, args, kwargs))
        args, kwargs = _map_arguments(self._number_to_symbol, args, kwargs)
        symbolic = _find_symbols(args, kwargs)
        if symbolic and not self._is_decomposing and name in MEMORY_READERS:
            raise CannotCompileError(f"torch's operation {name!r} depends on a tensor's memory layout")
        if func._schema.is_mutable:
            return self._in_place(func, args, kwargs)
        if func is torch.ops.aten.lift_fresh.default and not symbolic:
            return self.constant(args[0].clone())
        if func.is_view and not symbolic:
            return func(*args, **kwargs)
        if func.is_view and name not in self._rules:
            dtype = symbolic[0].dtype
            views = func(*_map_arguments(_ids, args, {})[0], **kwargs)
            return Symbol(views, dtype) if isinstance(views, Tensor) else [Symbol(view, dtype) for view in views]
        if func is torch.ops.aten._local_scalar_dense.default:
            return self.read_number(args[0])
        if func is torch.ops.aten.equal.default:
            return self._are_equal(*args)
        if func is torch.ops.aten.allclose.default:
            return self._are_close(*args, **kwargs)
        if all(self._is_constant(symbol) for symbol in symbolic):
            return self._compute_constant(func, args, kwargs)
        return self._written(func, args, kwargs)

    def _written(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record an operation by its rule, or by the rules of the operations that torch decomposes it into."""
        rule = self._rules.get(_name(func))
        if rule is not None:
            return rule(self, *args, **kwargs)
        decomposition = torch._decomp.decomposition_table.get(func)
        outer, self._is_decomposing = self._is_decomposing, True
        try:
            with self:
                found = (decomposition or func.decompose)(*args, **kwargs)
        finally:
            self._is_decomposing = outer
        if found is NotImplemented:
            raise CannotCompileError(f"torch's operation {_name(func)!r} has no rule")
        return found

    def _compute_constant(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute an operation on constants at once, with torch."""
        found = func(*tree_map(self.values, args), **tree_map(self.values, kwargs))
        return tree_map(lambda each: self.constant(each) if isinstance(each, Tensor) else each, found)

    def _in_place(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute an in-place operation out of place, then point the target's entries at the results."""
        if "out" in kwargs:
            return self._write_out(func, args, kwargs)
        name, target = _name(func), args[0]
        # Such as `t_`: a symbol cannot change its shape.
        reshapes = torch.Tag.inplace_view in func.tags and name != "detach_"
        if not name.endswith("_") or name.startswith("_") or reshapes:
            raise CannotCompileError(f"torch's operation {name!r} has no rule")
        if not isinstance(target, Symbol):
            raise CannotCompileError("a step writes to a tensor that is not part of it, such as running statistics")
        if name == "copy_":
            new = self.cast(args[1], target.dtype)
        elif name in ("fill_", "zero_"):
            new = self.lift(args[1] if name == "fill_" else 0.0, target.dtype)
        else:
            packet = getattr(torch.ops.aten, name[:-1])
            new = self.cast(self._operation(getattr(packet, func._overloadname), args, kwargs), target.dtype)
        # Writing into the storage of `ids` updates every view of the target too.
        target.ids.copy_(new.ids)
        return target

    def _write_out(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute an operation with `out=`, then point the entries of that tensor at the results."""
        target = kwargs.pop("out")
        name = _name(func)
        if not isinstance(target, Symbol) or not hasattr(torch, name):
            raise CannotCompileError(f"torch's operation {name!r} with out= has no rule")
        with self:
            return target.copy_(getattr(torch, name)(*args, **kwargs))

    def _are_equal(self, a: Any, b: Any) -> bool:
        """Tell whether two tensors have the same entries, which is a decision."""
        if a.shape != b.shape:
            return False
        apply, every = self.program.apply, self.program.constant(True)
        same = self.entrywise(lambda x, y: apply("eq", x, y), torch.bool, self.lift(a), self.lift(b))
        for index in same.ids.flatten().tolist():
            every = apply("and", every, index)
        return self.decide(every)

    def _are_close(self, a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
        """Tell whether all entries are equal within |a - b| ≤ atol + rtol |b|, which is a decision."""
        if equal_nan:
            raise CannotCompileError("torch's operation 'allclose' with equal_nan has no rule")
        with self:
            return bool(((a - b).abs() <= atol + rtol * b.abs()).all())

    def record(self, work: Callable[[], Result]) -> Result:
        """Record the operations in a call.

        :raises CannotCompileError: for any failure, since modules, losses and optimizers of plugins may raise anything.
        """
        self._refusal = None
        ACTIVE_RECORDERS.append(self)
        try:
            with self:
                result = work()
            # The code caught the refusal and may have taken a path that it would not take with numbers.
            if self._refusal is not None:
                raise self._refusal
            return result
        except CannotCompileError:
            raise
        except Exception as error:
            message = str(error).strip().partition("\n")[0]
            raise CannotCompileError(message or type(error).__name__) from error
        finally:
            ACTIVE_RECORDERS.pop()

    # Numbers that Python code computes with

    def number(self, index: int, whole: bool = False) -> Any:
        """Return a value as a number of Python; a constant is an ordinary number.

        :param whole: whether Python would have an `int`.
        """
        known = self.program.number(index)
        if known is None:
            return SymbolicNumber(self, index, whole)
        return known if isinstance(known, bool) else int(known) if whole and math.isfinite(known) else float(known)

    def scalar(self, value: Any) -> int:
        """Return the value of a number of Python."""
        if isinstance(value, SymbolicNumber):
            if value.recorder is not self:
                raise CannotCompileError("a number of an earlier recording is used")
            return value.index
        return self.program.constant(float(value))

    def read_number(self, value: Any) -> Any:
        """Return the only entry of a tensor as a number of Python."""
        if not isinstance(value, Symbol):
            return value.item()
        if value.numel() != 1:
            raise CannotCompileError(f"a tensor with {value.numel()} elements cannot be converted to a number")
        index: Any = value.ids.tolist()
        while isinstance(index, list):
            (index,) = index
        if value.dtype is torch.bool:
            return self.decide(index)
        return self.number(index, not value.dtype.is_floating_point)

    def decide(self, index: int) -> bool:
        """Return whether a value is true, where Python code goes on by it."""
        return bool(self._keep_refusal(self.decisions.decide, index))

    def require_known(self, index: int, purpose: str) -> float:
        """Return the number that a value has, where Python code needs it.

        :param purpose: what it is needed for.
        """
        return float(self._keep_refusal(self.decisions.require_known, index, purpose))

    def _keep_refusal(self, ask: Callable[..., Any], *question: Any) -> Any:
        try:
            return ask(*question)
        except CannotCompileError as error:
            self._refusal = self._refusal or error
            raise

    def _number_to_symbol(self, value: Any) -> Any:
        """Return a number of Python as a tensor without axes, anything else unchanged."""
        if isinstance(value, torch.SymFloat):
            return Symbol(torch.tensor(self.scalar(value.node)), torch.get_default_dtype())
        # Where an operation takes a tensor, torch wraps a number in one.
        wrapped = value.__dict__.get("_wrapped_number") if isinstance(value, Tensor) else None
        return value if wrapped is None else self._number_to_symbol(wrapped)

    # Helpers for rules

    def lift(self, value: Any, dtype: torch.dtype | None = None) -> Symbol:
        """Return a number or a tensor as a symbol; return a symbol unchanged."""
        if isinstance(value, Symbol):
            return value
        if isinstance(value, Tensor):
            return self.constant(value)
        if isinstance(value, SymbolicNumber):
            return Symbol(torch.tensor(self.scalar(value)), dtype or torch.get_default_dtype())
        dtype = dtype or torch.tensor(value).dtype
        if dtype.is_floating_point:  # a number of Python has double precision, whatever tensor it meets
            return Symbol(torch.tensor(self.program.constant(value)), dtype)
        number = bool(value) if dtype is torch.bool else value
        return self.symbol(torch.tensor(self.program.constant(number)), dtype)

    def constant(self, tensor: Tensor) -> Symbol:
        """Return a tensor's numbers as a symbol of constants.

        :raises CannotCompileError: the tensor has too many entries to be recorded.
        """
        if tensor.numel() > MAX_RECORDED_VALUES:
            raise CannotCompileError(f"a step computes with {tensor.numel():,} numbers of data")
        flat = [self.program.constant(number) for number in tensor.detach().flatten().tolist()]
        return self.symbol(torch.tensor(flat, dtype=torch.int64).reshape(tensor.shape), tensor.dtype, known=True)

    def symbol(self, ids: Tensor, dtype: torch.dtype, known: bool = False) -> Symbol:
        """Return a symbol whose entries are these values.

        :param known: whether the values are constants, which may have any precision.
        :raises CannotCompileError: the precision is neither that of the run nor single precision.
        """
        if known or dtype == self.dtype or not (dtype.is_complex or dtype.is_floating_point):
            if dtype is torch.float32 and not known:
                return self._round_uniform(ids)
            return Symbol(ids, dtype)
        if dtype is torch.float32:
            # Rounding each result of double precision gives what single precision computes.
            return Symbol(self._apply_to_ids("float32", ids), dtype)
        raise CannotCompileError(f"a step computes in {dtype} within a run of {self.dtype}")

    def _round_uniform(self, ids: Tensor) -> Symbol:
        """Return a tensor of a run in single precision: what is equal in all runs is computed in double precision."""
        if ids.numel() == 1 and self.program.is_uniform(int(ids)) and self.program.number(int(ids)) is None:
            ids = self._apply_to_ids("float32", ids)
        return Symbol(ids, torch.float32)

    def _apply_to_ids(self, operation: str, ids: Tensor) -> Tensor:
        found = [self.program.apply(operation, index) for index in ids.flatten().tolist()]
        return torch.tensor(found, dtype=torch.int64).reshape(ids.shape)

    def cast(self, value: Any, dtype: torch.dtype) -> Symbol:
        """Return a tensor in another dtype. As booleans, all numbers but 0 are true; as a number, true is 1."""
        symbol = self.lift(value)
        if dtype is torch.bool and symbol.dtype is not torch.bool:
            return self.entrywise(lambda x: self.program.apply("ne", x, self.program.constant(0.0)), dtype, symbol)
        if symbol.dtype is torch.bool and dtype is not torch.bool:
            return self.entrywise(self._as_number, dtype, symbol)
        if symbol.dtype.is_floating_point and not dtype.is_floating_point:
            return self.entrywise(lambda x: self.program.apply("trunc", x), dtype, symbol)
        return self.symbol(symbol.ids, dtype)

    def entrywise(self, rule: Callable[..., int], dtype: torch.dtype, *operands: Any) -> Symbol:
        """Apply a scalar rule to the entries of tensors, after broadcasting."""
        lifted = [self.lift(operand) for operand in operands]
        ids = torch.broadcast_tensors(  # type: ignore[no-untyped-call]
            *(symbol.ids for symbol in lifted)
        )
        columns = zip(*(each.flatten().tolist() for each in ids), strict=True)
        found = torch.tensor([rule(*entries) for entries in columns], dtype=torch.int64)
        if any(self.program.is_boolean(index) != (dtype is torch.bool) for index in found.flatten().tolist()):
            raise CannotCompileError("an operation mixes booleans and numbers")  # LLVM has separate types for them
        return self.symbol(found.reshape(ids[0].shape), dtype)

    def values(self, value: Any) -> Any:
        """Return a symbol of constants as a tensor with numbers; return anything else unchanged."""
        if not isinstance(value, Symbol):
            return value
        numbers = [self.program.number(index) for index in value.ids.flatten().tolist()]
        if any(number is None for number in numbers):
            raise CannotCompileError("an index or a size depends on the parameters")
        return torch.tensor(numbers, dtype=value.dtype).reshape(value.shape)

    def _as_number(self, x: int) -> int:
        number = self.program.number(x)
        if number is not None:
            return self.program.constant(float(number))
        return self.program.apply("select", x, self.program.constant(1.0), self.program.constant(0.0))

    def _is_constant(self, symbol: Symbol) -> bool:
        return all(self.program.number(index) is not None for index in symbol.ids.flatten().tolist())


def _name(func: Any) -> str:
    """Return an operation's name: `add` for `aten::add.Tensor`, `prims::sum` for those of another library."""
    library, _, name = func._schema.name.partition("::")
    return str(name if library == "aten" else func._schema.name)


def _map_arguments(
    function: Callable[[Any], Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of an operation with a function applied to each, and to each entry of a list."""

    def apply(value: Any) -> Any:
        return [function(each) for each in value] if isinstance(value, list | tuple) else function(value)

    return tuple(map(apply, args)), {name: apply(value) for name, value in kwargs.items()}


def _find_symbols(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Symbol]:
    """Return the symbols among the arguments of an operation, and in their lists."""
    found = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, Symbol):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += [each for each in value if isinstance(each, Symbol)]
    return found


def _unwrap_number(value: Any) -> Any:
    """Return the symbolic number in the SymFloat that torch made of it, anything else unchanged."""
    return value.node if isinstance(value, torch.SymFloat) else value


def _ids(value: Any) -> Any:
    return value.ids if isinstance(value, Symbol) else value
