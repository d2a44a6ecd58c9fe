"""Records what PyTorch does to one run, operation by operation, as a scalar program.

The idea: the module, the loss, autograd and the update rule all run once, unchanged, on tensors without numbers.
`ProgramRecorder` intercepts every operation below autograd, so backward passes are recorded like forward passes and no
component has to know about recording.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from playground.core.compiled.errors import CannotCompileError
from playground.core.compiled.program import MAX_RECORDED_VALUES, Program
from playground.core.compiled.symbol import Symbol

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

    :param dtype: of all numbers, float32 or float64.
    :param rules: for operations of torch, by name without the `_` of in-place variants.
    :param uniform: the values of the inputs that are equal in all runs, at the recorded step. Python code may branch on
        them; the recording is then valid for all steps that branch the same way (see `phases`).
    """

    def __init__(self, dtype: torch.dtype, rules: Mapping[str, ScalarRule], uniform: Mapping[Any, float]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype = dtype
        self.program = Program(torch.empty(0, dtype=dtype).numpy().dtype.type)
        self.decisions: list[tuple[int, float]] = []
        """The values that Python code branched on, and the numbers they had."""
        self._refusal: CannotCompileError | None = None
        self._is_decomposing = False
        """Whether one of torch's decompositions is running. It reads strides from the symbols, so their ids are in that
        order."""
        self._rules = rules
        self._uniform = uniform

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
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise CannotCompileError(f"draws random numbers ({_name(func)})")
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        symbolic = [tensor for tensor in tensors if isinstance(tensor, Symbol)]
        if symbolic and not self._is_decomposing and _name(func) in MEMORY_READERS:
            raise CannotCompileError(f"torch's operation {_name(func)!r} depends on a tensor's memory layout")
        if func._schema.is_mutable:
            return self._in_place(func, args, kwargs)
        if func is torch.ops.aten.lift_fresh.default and not symbolic:
            return self.constant(args[0].clone())
        if func.is_view and not symbolic:
            return func(*args, **kwargs)
        if func.is_view and _name(func) not in self._rules:
            dtype = symbolic[0].dtype
            views = func(*tree_map(_ids, args), **kwargs)
            return tree_map(lambda view: Symbol(view, dtype), views)
        if func is torch.ops.aten._local_scalar_dense.default:
            return self._read_number(args[0])
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
        name, target = _name(func), args[0]
        # Such as `t_`: a symbol cannot change its shape.
        reshapes = torch.Tag.inplace_view in func.tags and name != "detach_"
        if not name.endswith("_") or name.startswith("_") or "out" in kwargs or reshapes:
            raise CannotCompileError(f"torch's operation {name!r} has no rule")
        if not isinstance(target, Symbol):
            raise CannotCompileError(
                "the module writes to a tensor that it keeps between steps, such as running statistics"
            )
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

    def record(self, work: Callable[[], Result]) -> Result:
        """Record the operations in a call.

        :raises CannotCompileError: for any failure, since modules and losses of plugins may raise anything.
        """
        default = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)  # which determines the dtype of an integer tensor times a Python number
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
            torch.set_default_dtype(default)

    # Helpers for rules

    def lift(self, value: Any, dtype: torch.dtype | None = None) -> Symbol:
        """Return a number or a tensor as a symbol; return a symbol unchanged."""
        if isinstance(value, Symbol):
            return value
        if isinstance(value, Tensor):
            return self.constant(value)
        dtype = dtype or torch.tensor(value).dtype
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
        :raises CannotCompileError: the precision differs from that of the run.
        """
        if dtype.is_complex or (dtype.is_floating_point and dtype != self.dtype and not known):
            raise CannotCompileError(f"the module computes in {dtype} within a run of {self.dtype}")
        return Symbol(ids, dtype)

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

    def _read_number(self, value: Any) -> float | bool | int:
        """Return a single number that Python code asks for, for example to branch on it.

        :raises CannotCompileError: the number differs between runs.
        """
        if not isinstance(value, Symbol):
            return value.item()  # type: ignore[no-any-return]
        (index,) = value.ids.flatten().tolist()
        if not self.program.uniform[index]:
            raise CannotCompileError("the control flow depends on a number that differs between runs")
        (found,) = self.program.evaluate([index], self._uniform)
        if self.program.number(index) is None:
            self.decisions.append((index, float(found)))
        return torch.tensor(found.item() if hasattr(found, "item") else found).to(value.dtype).item()


def _name(func: Any) -> str:
    """Return an operation's name: `add` for `aten::add.Tensor`, `prims::sum` for those of another library."""
    library, _, name = func._schema.name.partition("::")
    return str(name if library == "aten" else func._schema.name)


def _ids(value: Any) -> Any:
    return value.ids if isinstance(value, Symbol) else value
