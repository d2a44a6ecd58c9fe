"""Writes down what PyTorch does to one run, operation by operation, as a scalar program."""

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

Rule = Callable[..., Any]
"""Writes one operation of torch into the program: called with the recorder and the operation's arguments."""

Result = TypeVar("Result")

MEMORY_READERS: Final = frozenset({"as_strided", "as_strided_copy", "as_strided_scatter"})
"""Operations that read memory by its order. Ids need not lie as torch lays the numbers: `x.T.exp()` keeps x's order."""


class ProgramRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, every operation of torch lands here instead of being computed.

    - A tensor that was there before is data: its numbers are constants, and it must not be written to.
    - Every new tensor is a `Symbol`, so that in-place operations simply change which value an entry is.
    - A view is taken of the symbol's ids, which so share what the tensors would share.
    - Any other operation has a rule, or torch has a decomposition into operations that have one.

    :param dtype: of all numbers; float32 or float64.
    :param rules: for operations of torch by name, without `_` for in place.
    :param uniform: the inputs that are the same for all runs, at the step that is recorded: a decision may depend on
        them, and then holds for steps alike.
    """

    def __init__(self, dtype: torch.dtype, rules: Mapping[str, Rule], uniform: Mapping[Any, float]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype = dtype
        self.program = Program(torch.empty(0, dtype=dtype).numpy().dtype.type)
        self.decisions: list[tuple[int, float]] = []
        """Values that something was decided by, and what they were."""
        self._refusal: CannotCompileError | None = None
        self._is_decomposing = False
        """Whether torch's own decomposition runs: it takes strides from the symbols, so that ids are in their order."""
        self._rules = rules
        self._uniform = uniform

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep torch from importing its compiler, which takes longer than all that happens here."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Write one operation down."""
        try:
            return self._operation(func, args, kwargs or {})
        except CannotCompileError as error:
            self._refusal = self._refusal or error
            raise

    def _operation(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise CannotCompileError(f"draws random numbers ({_name(func)})")
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        symbolic = [tensor for tensor in tensors if isinstance(tensor, Symbol)]
        if symbolic and not self._is_decomposing and _name(func) in MEMORY_READERS:
            raise CannotCompileError(f"torch's operation {_name(func)!r} depends on how a tensor lies in memory")
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
        """Write an operation down by its rule, or by those of the operations that it consists of."""
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
        """Do an operation on constants at once, as torch does it."""
        found = func(*tree_map(self.values, args), **tree_map(self.values, kwargs))
        return tree_map(lambda each: self.constant(each) if isinstance(each, Tensor) else each, found)

    def _in_place(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Do an operation out of place, and let the entries of the tensor it writes to be what came out."""
        name, target = _name(func), args[0]
        reshapes = torch.Tag.inplace_view in func.tags and name != "detach_"  # as `t_` does: a symbol keeps its shape
        if not name.endswith("_") or name.startswith("_") or "out" in kwargs or reshapes:
            raise CannotCompileError(f"torch's operation {name!r} has no rule")
        if not isinstance(target, Symbol):
            raise CannotCompileError("the module writes to a tensor that it keeps, such as running statistics")
        if name == "copy_":
            new = self.cast(args[1], target.dtype)
        elif name in ("fill_", "zero_"):
            new = self.lift(args[1] if name == "fill_" else 0.0, target.dtype)
        else:
            packet = getattr(torch.ops.aten, name[:-1])
            new = self.cast(self._operation(getattr(packet, func._overloadname), args, kwargs), target.dtype)
        target.ids.copy_(new.ids)
        return target

    def record(self, work: Callable[[], Result]) -> Result:
        """Write down what happens in a call.

        :raises CannotCompileError: for whatever goes wrong: modules and losses of others may raise anything.
        """
        default = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)  # of a whole number times a number
        try:
            with self:
                result = work()
            if self._refusal is not None:  # and somebody caught it, and went another way than with numbers
                raise self._refusal
            return result
        except CannotCompileError:
            raise
        except Exception as error:
            message = str(error).strip().partition("\n")[0]
            raise CannotCompileError(message or type(error).__name__) from error
        finally:
            torch.set_default_dtype(default)

    # What rules are written with

    def lift(self, value: Any, dtype: torch.dtype | None = None) -> Symbol:
        """Return a number or a tensor as a symbol, a symbol as it is."""
        if isinstance(value, Symbol):
            return value
        if isinstance(value, Tensor):
            return self.constant(value)
        dtype = dtype or torch.tensor(value).dtype
        number = bool(value) if dtype is torch.bool else value
        return self.symbol(torch.tensor(self.program.constant(number)), dtype)

    def constant(self, tensor: Tensor) -> Symbol:
        """Return the numbers of a tensor as a symbol.

        :raises CannotCompileError: there are too many to look at.
        """
        if tensor.numel() > MAX_RECORDED_VALUES:
            raise CannotCompileError(f"a step computes with {tensor.numel():,} numbers of data")
        flat = [self.program.constant(number) for number in tensor.detach().flatten().tolist()]
        return self.symbol(torch.tensor(flat, dtype=torch.int64).reshape(tensor.shape), tensor.dtype, known=True)

    def symbol(self, ids: Tensor, dtype: torch.dtype, known: bool = False) -> Symbol:
        """Return a symbol of these values.

        :param known: whether they are constants, which may be of any precision.
        :raises CannotCompileError: numbers in another precision than the run's.
        """
        if dtype.is_complex or (dtype.is_floating_point and dtype != self.dtype and not known):
            raise CannotCompileError(f"the module computes in {dtype} within a run of {self.dtype}")
        return Symbol(ids, dtype)

    def cast(self, value: Any, dtype: torch.dtype) -> Symbol:
        """Return a tensor in another dtype: a number that is not 0 is true, true is 1."""
        symbol = self.lift(value)
        if dtype is torch.bool and symbol.dtype is not torch.bool:
            return self.entrywise(lambda x: self.program.apply("ne", x, self.program.constant(0.0)), dtype, symbol)
        if symbol.dtype is torch.bool and dtype is not torch.bool:
            return self.entrywise(self._as_number, dtype, symbol)
        if symbol.dtype.is_floating_point and not dtype.is_floating_point:
            return self.entrywise(lambda x: self.program.apply("trunc", x), dtype, symbol)
        return self.symbol(symbol.ids, dtype)

    def entrywise(self, rule: Callable[..., int], dtype: torch.dtype, *operands: Any) -> Symbol:
        """Apply a rule for scalars to the entries of tensors, which broadcast."""
        lifted = [self.lift(operand) for operand in operands]
        ids = torch.broadcast_tensors(  # type: ignore[no-untyped-call]
            *(symbol.ids for symbol in lifted)
        )
        columns = zip(*(each.flatten().tolist() for each in ids), strict=True)
        found = torch.tensor([rule(*entries) for entries in columns], dtype=torch.int64)
        if any(self.program.is_boolean(index) != (dtype is torch.bool) for index in found.flatten().tolist()):
            raise CannotCompileError("an operation takes truth values for numbers")  # which LLVM keeps apart
        return self.symbol(found.reshape(ids[0].shape), dtype)

    def values(self, value: Any) -> Any:
        """Return a symbol of constants as a tensor with numbers; anything else as it is."""
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
        """Return a single number that the step goes on by.

        :raises CannotCompileError: it is another for another run.
        """
        if not isinstance(value, Symbol):
            return value.item()  # type: ignore[no-any-return]
        (index,) = value.ids.flatten().tolist()
        if not self.program.uniform[index]:
            raise CannotCompileError("what happens depends on a number of the run")
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
