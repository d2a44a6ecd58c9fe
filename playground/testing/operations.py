"""The contract of an operation: what `explain` knows of a torch function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from playground.core.chain import bind_call, propagate_gradient
from playground.core.operations import Operation, Template, fill_template
from playground.core.problem import Batches, Problem
from playground.core.tape import Tape, TapeRecord, TapeValue, record_on_tape
from playground.report.explanation.latex import LATEX_SIGNS
from playground.testing.differentiable import WHY_RANDOM, draws_from_stream, require_close
from playground.testing.formulas import evaluate_formula
from playground.testing.verdict import require

WHY_EXPLAINED = "`explain` would stop at this operation, or print something that is not a formula"
WHY_TRUE = "`explain` would print something false"
WHY_SLOPE = "`explain` would show a gradient that differs from that of the run"


class OperationContract(ABC):
    """The rules for an operation: `class TestMine(OperationContract)` with `name`, `operation` and `call`."""

    name: ClassVar[str]
    """The name under which it is registered: the short name of the torch function."""

    @abstractmethod
    def operation(self) -> Operation:
        """Return the operation."""

    @abstractmethod
    def call(self, *inputs: Tensor) -> Tensor:
        """Return the torch function of the inputs; the function must be the last call, as in a model."""

    def inputs(self) -> tuple[Tensor, ...]:
        """Return the differentiable inputs, float64, at which there is no kink; override if the default is not valid.

        :returns: one tensor of distinct numbers from 0.1 to 0.9, shape `(2, 3)`.
        """
        return (torch.linspace(0.1, 0.9, 6, dtype=torch.float64).reshape(2, 3),)

    def test_is_found_by_its_name(self) -> None:
        """The name of a recorded call is the registered name."""
        found, name = self._made().record.name, getattr(self, "name", "")
        wrong = f"`name` is {name!r}, but a recorded call is named {found!r}"
        require(found.lower() == name, wrong, "`explain` looks up operations by that name, and would show only numbers")

    def test_formula(self) -> None:
        """The formula is one line that uses only names of the call's arguments."""
        made = self._made()
        self._spelt(made.operation.formula, made, "the formula")

    def test_formula_is_true(self) -> None:
        """A formula that is arithmetic of entries gives the output."""
        made = self._made()
        formula = made.write(made.operation.formula)
        computed = None if made.operation.terms else evaluate_formula(formula, made.numbers)
        if computed is not None:
            wrong = f"{formula!r} does not give the result of the operation"
            require_close(computed, made.call.output, wrong, WHY_TRUE, 1e-9)

    def test_every_slope_has_a_rule(self) -> None:
        """Each derivative has a rule of one line."""
        made = self._made()
        for argument, *_ in made.shares():
            rule = made.operation.rules.get(argument)
            require(rule is not None, f"there is a derivative by {argument!r}, but no rule for it", WHY_EXPLAINED)
            self._spelt(rule or "", made, f"the rule of {argument!r}")

    def test_rules_are_true(self) -> None:
        """A rule that is arithmetic of entries gives the derivative."""
        made = self._made()
        for argument, template in made.operation.rules.items():
            value, rule = made.bound.get(argument), made.write(template)
            entries = value.tensor.numel() if isinstance(value, TapeValue) else 0
            count = torch.full_like(made.call.output, entries // max(made.call.output.numel(), 1))
            computed = evaluate_formula(rule, made.numbers | {"dy": made.gradient, "n": count})
            gradient = value.gradient if isinstance(value, TapeValue) else None
            if computed is not None and gradient is not None and gradient.shape == computed.shape:
                require_close(computed, gradient, f"{rule!r} is not dL/d{argument}", WHY_TRUE, 1e-9)

    def test_can_be_typeset(self) -> None:
        """Formula and rules use only letters, digits and signs that LaTeX output supports."""
        made = self._made()
        for template in (made.operation.formula, *made.operation.rules.values()):
            strange = sorted({sign for sign in made.write(template) if not sign.isascii() and sign not in LATEX_SIGNS})
            signs = "".join(sign for sign in LATEX_SIGNS if not sign.isascii() and sign.isprintable())
            wrong = f"{made.write(template)!r} has {''.join(strange)}, which is not among {signs}"
            require(not strange, wrong, "`explain --format latex` would write invalid LaTeX")

    def test_slope_is_that_of_autograd(self) -> None:
        """Each derivative, times an incoming gradient, equals that of autograd."""
        made = self._made()
        found: dict[TapeValue, Tensor] = {}
        for _, value, share, _ in made.shares():
            found[value] = found.get(value, torch.zeros_like(value.tensor)) + share
        for value in made.record.values:
            if value.gradient is not None:
                ours = found.get(value, torch.zeros_like(value.gradient))
                require_close(ours, value.gradient, f"dL/d{value.name} differs from autograd's", WHY_SLOPE)

    def test_no_slope_where_none_can_be(self) -> None:
        """Conditions, indices and options have no derivative: only real numbers receive a gradient."""
        made = self._made()
        for argument in made.pulled():
            item = made.call.get(argument)
            items = item if isinstance(item, list | tuple) else [item]
            real = all(
                isinstance(each, float | int) or (_is_tensor(each) and each.is_floating_point()) for each in items
            )
            wrong = f"a derivative by {argument!r}, which is {_kind(item)}"
            require(real and not isinstance(item, bool), wrong, WHY_SLOPE)

    def test_slopes_have_the_shape_of_their_arguments(self) -> None:
        """A derivative has the shape of its argument, or the shape to which the argument is broadcast."""
        made = self._made()
        for argument, pulled in made.pulled().items():
            for item, share in zip(_as_list(made.call.get(argument)), _as_list(pulled), strict=False):
                if _is_tensor(item):
                    fits = _is_broadcast(item.shape, share.shape)
                    wrong = f"the derivative by {argument!r}, {tuple(item.shape)}, has shape {tuple(share.shape)}"
                    require(fits, wrong, "each entry's derivative is shown beside the entry")

    def test_keeps_the_dtype(self) -> None:
        """A derivative has the dtype of its argument, in float32 too."""
        made = self._made(torch.float32)
        for argument, value, share, _ in made.shares():
            wanted = value.tensor.dtype
            wrong = f"the derivative by {argument!r}, {wanted}, is {share.dtype}"
            require(share.dtype == wanted, wrong, "it cannot be added to other gradients of the run's dtype")

    def test_leaves_its_inputs_alone(self) -> None:
        """Arguments, output and incoming gradient are unchanged."""
        made = self._made()
        given = [*made.tensors(), made.call.output, made.gradient]
        before = [tensor.clone() for tensor in given]
        made.pulled()
        same = all(torch.equal(old, new) for old, new in zip(before, given, strict=True))
        require(same, "its derivatives changed their inputs in place", "the inputs are shown beside them")

    def test_repeated_calls_give_equal_results(self) -> None:
        """The same call always has the same derivatives, and draws nothing."""
        made, found = self._made(), list[list[Tensor]]()
        moved = draws_from_stream(lambda: found.extend([share for _, _, share, _ in made.shares()] for _ in range(2)))
        one, other = found
        same = len(one) == len(other) and all(map(torch.equal, one, other))
        require(same, "the same call gave different derivatives", WHY_RANDOM)
        require(not moved, "its derivatives drew from torch's global random stream", WHY_RANDOM)

    def test_arithmetic_of_single_entries(self) -> None:
        """The arithmetic of an entry is one line, and gives that entry."""
        made = self._made()
        if made.operation.terms is None:
            pytest.skip("its arithmetic is the formula with numbers")
        output = made.call.output
        for at in islice(product(*map(range, output.shape)), 16):
            written = made.operation.terms(made.call, at, _number)
            _require_line(written or "nothing", f"the arithmetic of entry {list(at)}")
            computed = evaluate_formula(written, {})
            if computed is not None:
                require_close(computed, output[at], f"{written!r} is not entry {list(at)}", WHY_TRUE, 1e-9)

    def test_arithmetic_of_slopes(self) -> None:
        """The arithmetic of an entry of a derivative, usually a sum, is one line, and gives that entry."""
        made = self._made()
        if not made.operation.sums:
            pytest.skip("its arithmetic is its rules with numbers, or is not written out")
        for argument, _, share, _ in made.shares():
            if argument in made.operation.sums:
                for at in islice(product(*map(range, share.shape)), 16):
                    written = made.operation.sums[argument](made.call, made.gradient, at, _number)
                    where = f"entry {list(at)} of dL/d{argument}"
                    _require_line(written or "nothing", f"the arithmetic of {where}")
                    computed = evaluate_formula(written, {})
                    if computed is not None:
                        require_close(computed, share[at], f"{written!r} is not {where}", WHY_TRUE, 1e-9)

    def test_entrywise(self) -> None:
        """In an entrywise operation, the gradient of one entry goes to that entry only."""
        made = self._made()
        if not made.operation.entrywise:
            pytest.skip("it is not declared as entrywise")
        for place in range(made.gradient.numel()):
            alone = torch.zeros(made.gradient.numel()).to(made.gradient)
            alone[place] = 1.0
            for argument, share in made.pulled(alone.view(made.gradient.shape)).items():
                if _is_tensor(share) and share.shape == made.gradient.shape:
                    elsewhere = share.flatten()[alone == 0].any()
                    wrong = f"a gradient at entry {place} also goes to other entries of {argument!r}"
                    require(not bool(elsewhere), wrong, "its rules would show wrong numbers")

    def test_steepest(self) -> None:
        """The largest slope equals the stated steepest slope."""
        steepest = self.operation().steepest
        if steepest is None:
            pytest.skip("no steepest slope is stated: the function does not saturate")
        x = torch.linspace(-20, 20, 4001, dtype=torch.float64, requires_grad=True)
        (slopes,) = torch.autograd.grad(self.call(x).sum(), x)
        largest = slopes.abs().max().item()
        close = abs(largest - steepest) <= 0.01 * steepest
        wrong = f"the stated steepest slope is {steepest:g}, but the actual one is {largest:.4g}"
        require(close, wrong, "the saturation of a unit is measured by it")

    def _made(self, dtype: torch.dtype = torch.float64) -> _RecordedCall:
        return _RecordedCall.of(self, dtype)

    def _spelt(self, template: Template, made: _RecordedCall, what: str) -> str:
        __tracebackhide__ = True
        try:
            computed = fill_template(template, made.call).format(**made.names)
        except (KeyError, IndexError, ValueError) as error:
            wrong = f"{what}: {type(error).__name__}: {error}; the names are {', '.join(made.names)}"
            raise AssertionError(f"{wrong}\n  why it matters: {WHY_EXPLAINED}") from error
        _require_line(computed, what)
        return computed


class _RecordedCall:
    """One recorded call, with the gradient that autograd computed for each value."""

    def __init__(self, operation: Operation, record: TapeRecord, gradient: Tensor) -> None:
        self.operation = operation
        self.record = record
        self.gradient = gradient
        self.call, self.bound = bind_call(record, operation)

    @classmethod
    def of(cls, contract: OperationContract, dtype: torch.dtype) -> _RecordedCall:
        """Record the contract's call and differentiate it, with a different weight for each entry."""
        module = nn.ParameterList(nn.Parameter(each.to(dtype)) for each in contract.inputs())
        problem, tape = Problem(module, lambda inputs, _: contract.call(*inputs), Batches(())), Tape()  # type: ignore[misc]
        output = record_on_tape(problem, tape).loss(module, ())
        gradient = torch.arange(1, output.numel() + 1).to(output).reshape(output.shape)
        if output.requires_grad:
            torch.autograd.grad(output, list(module), gradient, allow_unused=True)
        record = next((each for each in tape.records if tape.loss in each.outputs), None)
        why = "`explain` would have nothing to show"
        require(record is not None, "the tensor of `call` is no torch function of the inputs", why)
        return cls(contract.operation(), record, gradient)  # type: ignore[arg-type]

    @property
    def names(self) -> Mapping[str, str]:
        """The names that the call's formula and rules may use, each mapped to itself."""
        return {name: name for name in (*self.call.arguments, "y", "dy", "n")}

    @property
    def numbers(self) -> dict[str, Tensor]:
        """Output and arguments by name: those of the output's size, and single numbers."""
        output = self.call.output
        named: dict[str, Tensor] = {"y": output}
        for name, item in self.call.arguments.items():
            if isinstance(item, int | float) and not isinstance(item, bool):
                named[name] = torch.full_like(output, item)
            elif _is_tensor(item) and item.shape == output.shape:
                named[name] = item
        return named

    def write(self, template: Template) -> str:
        """Return a template with the names filled in; empty if it does not fit them, which another rule reports."""
        try:
            return fill_template(template, self.call).format(**self.names)
        except (KeyError, IndexError, ValueError):
            return ""

    def pulled(self, gradient: Tensor | None = None) -> Mapping[str, Any]:
        """Return the operation's derivatives for the recorded gradient or another one."""
        return self.operation.pull(self.call, self.gradient if gradient is None else gradient)

    def shares(self) -> Iterator[tuple[str, TapeValue, Tensor, bool]]:
        """Yield the derivatives as `explain` uses them."""
        return (
            propagate_gradient(self.record, self.operation, self.gradient)
            if self.record.outputs[0].differentiable
            else iter(())
        )

    def tensors(self) -> list[Tensor]:
        """Return every argument that is a tensor."""
        return [each for item in self.call.arguments.values() for each in _as_list(item) if _is_tensor(each)]


def _as_list(item: Any) -> list[Any]:
    return list(item) if isinstance(item, list | tuple) else [item]


def _is_tensor(item: Any) -> bool:
    return isinstance(item, Tensor)


def _is_real(item: Any) -> bool:
    number = isinstance(item, int | float) and not isinstance(item, bool)
    return number or (_is_tensor(item) and item.is_floating_point())


def _kind(item: Any) -> str:
    return f"a tensor of {item.dtype}" if _is_tensor(item) else f"{item!r}"


def _is_broadcast(small: torch.Size, large: torch.Size) -> bool:
    """Return whether a shape can be broadcast to another."""
    return len(small) <= len(large) and all(a in (1, b) for a, b in zip(small[::-1], large[::-1], strict=False))


def _number(value: float) -> str:
    """Write a number in full, a negative one in parentheses, as `explain` does with fewer digits."""
    written = f"{value:.17g}".replace("-", "−")
    return f"({written})" if value < 0 else written


def _require_line(computed: str, what: str) -> None:
    __tracebackhide__ = True
    one = bool(computed.strip()) and computed.isprintable()
    require(one, f"{what} is not one line of text: {computed!r}", WHY_EXPLAINED)
