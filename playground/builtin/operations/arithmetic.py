"""Arithmetic on two operands, and matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from playground.core.operations import Call, Operation, ShareTerms, Template

_ARGUMENT_NAMES = {"input": "a", "self": "a", "other": "b", "exponent": "b", "mat2": "b", "tensor": "b"}


def _binary_operation(
    formula: str, a: str, b: str, pull: Callable[[Any, Any, Call, Tensor], dict[str, Any]]
) -> Operation:
    rules = {"a": "{dy}" + a, "b": b if b.startswith("−") else "{dy}" + b}
    return Operation(
        formula,
        rules,
        lambda call, g: pull(call["a"], call["b"], call, g),
        ("a", "b"),
        names=_ARGUMENT_NAMES,
        entrywise=True,
    )


def add() -> Operation:
    """a + b, or a + alpha · b."""

    def formula(call: Call) -> str:
        return "{a} + {b}" if call.get("alpha", 1) == 1 else "{a} + {alpha}·{b}"

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        return {"a": g, "b": g * call.get("alpha", 1)}

    rules: dict[str, Template] = {
        "a": "{dy}",
        "b": lambda call: "{dy}" if call.get("alpha", 1) == 1 else "{dy} · {alpha}",
    }
    return Operation(formula, rules, pull, ("a", "b"), names=_ARGUMENT_NAMES, entrywise=True)


def sub() -> Operation:
    """a − b, or a − alpha · b."""

    def formula(call: Call) -> str:
        return "{a} − {b}" if call.get("alpha", 1) == 1 else "{a} − {alpha}·{b}"

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        return {"a": g, "b": -g * call.get("alpha", 1)}

    rules: dict[str, Template] = {
        "a": "{dy}",
        "b": lambda call: "−{dy}" if call.get("alpha", 1) == 1 else "−{dy} · {alpha}",
    }
    return Operation(formula, rules, pull, ("a", "b"), names=_ARGUMENT_NAMES, entrywise=True)


def rsub() -> Operation:
    """b − a, or b − alpha · a: subtraction from the right."""

    def formula(call: Call) -> str:
        return "{b} − {a}" if call.get("alpha", 1) == 1 else "{b} − {alpha}·{a}"

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        return {"a": -g * call.get("alpha", 1), "b": g}

    rules: dict[str, Template] = {
        "a": lambda call: "−{dy}" if call.get("alpha", 1) == 1 else "−{dy} · {alpha}",
        "b": "{dy}",
    }
    return Operation(formula, rules, pull, ("a", "b"), names=_ARGUMENT_NAMES, entrywise=True)


def mul() -> Operation:
    """a · b, entry by entry."""
    return _binary_operation("{a}·{b}", " · {b}", " · {a}", lambda a, b, call, g: {"a": g * b, "b": g * a})


def div() -> Operation:
    """a / b."""

    def pull(a: Any, b: Any, call: Call, g: Tensor) -> dict[str, Any]:
        return {"a": g / b, "b": -g * call.output / b}

    return _binary_operation("{a} / {b}", " / {b}", "−{dy} · {y} / {b}", pull)


def rdiv() -> Operation:
    """b / a: division from the right."""
    return Operation(
        "{b} / {a}",
        {"a": "−{dy} · {y} / {a}", "b": "{dy} / {a}"},
        lambda call, g: {"a": -g * call.output / call["a"], "b": g / call["a"]},
        ("a", "b"),
        names=_ARGUMENT_NAMES,
        entrywise=True,
    )


def power() -> Operation:
    """a to the power b; the slope is 0 where b is 0."""

    def rule(call: Call) -> str:
        return "{dy} · 2·{a}" if _is_number(call["b"], 2) else "{dy} · {b}·{a}^({b} − 1)"

    def formula(call: Call) -> str:
        return "{a}²" if _is_number(call["b"], 2) else "{a}^{b}"

    return Operation(
        formula,
        {"a": rule, "b": "{dy} · {y}·log({a})"},
        lambda call, g: _powers(call["a"], call["b"], call.output, g),
        ("a", "b"),
        names=_ARGUMENT_NAMES,
        entrywise=True,
    )


def rpow() -> Operation:
    """b to the power a: power with swapped operands."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        found = _powers(call["b"], call["a"], call.output, g)
        return {"a": found["b"], "b": found["a"]}

    rules = {"a": "{dy} · {y}·log({b})", "b": "{dy} · {a}·{b}^({a} − 1)"}
    return Operation("{b}^{a}", rules, pull, ("a", "b"), names=_ARGUMENT_NAMES, entrywise=True)


def square() -> Operation:
    """x²."""
    return Operation(
        "{x}²",
        {"x": "{dy} · 2·{x}"},
        lambda call, g: {"x": g * 2 * call["x"]},
        names={"input": "x", "self": "x"},
        entrywise=True,
    )


def maximum() -> Operation:
    """The larger of two; at a tie the gradient is halved."""
    return _extreme_operation("max", lambda a, b: a > b)


def minimum() -> Operation:
    """The smaller of two; at a tie the gradient is halved."""
    return _extreme_operation("min", lambda a, b: a < b)


def _extreme_operation(name: str, wins: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        a, b = call["a"], call["b"]
        tie = (a == b) / 2
        return {"a": g * (wins(a, b) + tie), "b": g * (wins(b, a) + tie)}

    rules = {side: f"{{dy}} · [{{{side}}} is the {name}]" for side in ("a", "b")}
    return Operation(f"{name}({{a}}, {{b}})", rules, pull, ("a", "b"), names=_ARGUMENT_NAMES, entrywise=True)


def matmul() -> Operation:
    """The matrix product a · b; a vector counts as a row on the left and as a column on the right."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        a, b = call["a"], call["b"]
        rows, columns = (a if a.dim() > 1 else a[None]), (b if b.dim() > 1 else b[:, None])
        if a.dim() == 1:
            g = g.unsqueeze(-2) if b.dim() > 1 else g.reshape(1, 1)
        elif b.dim() == 1:
            g = g.unsqueeze(-1)
        to_a, to_b = g @ columns.transpose(-1, -2), rows.transpose(-1, -2) @ g
        return {"a": to_a.squeeze(-2) if a.dim() == 1 else to_a, "b": to_b.squeeze(-1) if b.dim() == 1 else to_b}

    def terms(call: Call, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        a, b = call["a"], call["b"]
        inner = (a.dim() > 1) + (b.dim() > 1)
        batch, place = at[: len(at) - inner], at[len(at) - inner :]
        row = a if a.dim() == 1 else _matrix_of(a, batch)[place[0]]
        column = b if b.dim() == 1 else _matrix_of(b, batch)[:, place[-1]]
        return _products(row, column, number)

    def to_a(call: Call, g: Tensor, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        _, b, g = _matrices(call, g)
        return _products(g[at[0] if len(at) == 2 else 0], b[at[-1]], number)

    def to_b(call: Call, g: Tensor, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        a, _, g = _matrices(call, g)
        return _products(a[:, at[0]], g[:, at[1] if len(at) == 2 else 0], number)

    def of_matrices(terms: ShareTerms) -> ShareTerms:
        return lambda call, g, *more: terms(call, g, *more) if call["a"].dim() <= 2 and call["b"].dim() <= 2 else ""

    rules = {"a": "{dy} · {b}ᵀ", "b": "{a}ᵀ · {dy}"}
    sums = {"a": of_matrices(to_a), "b": of_matrices(to_b)}
    return Operation(
        "{a} · {b}",
        rules,
        pull,
        ("a", "b"),
        terms,
        _ARGUMENT_NAMES,
        sums=sums,
        forward=lambda call: call["a"] @ call["b"],
    )


def linear() -> Operation:
    """x · Wᵀ + b: a linear layer. The gradients of W and b are sums over the samples."""

    def formula(call: Call) -> str:
        return "{x} · {w}ᵀ" + ("" if call.get("b") is None else " + {b}")

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        x, w = call["x"], call["w"]
        rows = w if w.dim() > 1 else w[None]
        flat = g.reshape(-1, rows.shape[0])
        found = {"x": (flat @ rows).reshape(x.shape), "w": (flat.T @ x.reshape(-1, rows.shape[1])).reshape(w.shape)}
        return found if call.get("b") is None else found | {"b": flat.sum(0).reshape(call["b"].shape)}

    def terms(call: Call, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        if call["w"].dim() == 1:
            bias = "" if call.get("b") is None else f" + {number(call['b'].item())}"
            return _products(call["x"][at], call["w"], number) + bias
        bias = "" if call.get("b") is None else f" + {number(call['b'][at[-1]].item())}"
        return _products(call["x"][at[:-1]], call["w"][at[-1]], number) + bias

    def to_x(call: Call, g: Tensor, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        if call["w"].dim() == 1:
            return f"{number(g[at[:-1]].item())}·{number(call['w'][at[-1]].item())}"
        return _products(g[at[:-1]], call["w"][:, at[-1]], number)

    def to_w(call: Call, g: Tensor, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        rows = g.reshape(-1, g.shape[-1] if call["w"].dim() > 1 else 1)
        out, into = at if call["w"].dim() > 1 else (0, *at)
        return _products(rows[:, out], call["x"].reshape(-1, call["x"].shape[-1])[:, into], number)

    def to_b(call: Call, g: Tensor, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        rows = g.reshape(-1, g.shape[-1] if call["w"].dim() > 1 else 1)
        return " + ".join(map(number, rows[:, at[0] if at else 0].tolist()))

    return Operation(
        formula,
        {"x": "{dy} · {w}", "w": "{dy}ᵀ · {x}", "b": "Σ {dy} (over samples)"},
        pull,
        ("x", "w", "b"),
        terms,
        {"input": "x", "weight": "w", "bias": "b"},
        sums={"x": to_x, "w": to_w, "b": to_b},
        forward=lambda call: torch.nn.functional.linear(call["x"], call["w"], call.get("b")),
    )


def _matrices(call: Call, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a, b and dL/dy of a product as matrices: a vector is a row on the left and a column on the right."""
    a, b = call["a"], call["b"]
    rows, columns = (a if a.dim() > 1 else a[None]), (b if b.dim() > 1 else b[:, None])
    return rows, columns, g.reshape(rows.shape[0], columns.shape[1])


def _matrix_of(tensor: Tensor, batch: tuple[int, ...]) -> Tensor:
    """Return the matrix that a batched product takes for a place in the batch, whose axes of length 1 are broadcast."""
    sizes = tensor.shape[:-2]
    places = batch[len(batch) - len(sizes) :]
    return tensor[tuple(place if size > 1 else 0 for place, size in zip(places, sizes, strict=True))]


def _products(row: Tensor, column: Tensor, number: Callable[[float], str]) -> str:
    return " + ".join(f"{number(u)}·{number(v)}" for u, v in zip(row.tolist(), column.tolist(), strict=True))


def _powers(base: Any, exponent: Any, output: Tensor, g: Tensor) -> dict[str, Any]:
    """Return the gradients by base and exponent; 0 · log 0 is 0, as in torch."""
    b = torch.as_tensor(exponent, dtype=g.dtype)
    a = torch.as_tensor(base, dtype=g.dtype)
    by_base = torch.where(b == 0, torch.zeros_like(output), b * a ** (b - 1))
    by_exponent = torch.where((a == 0) & (b >= 0), torch.zeros_like(output), output * a.log())
    return {"a": g * by_base, "b": g * by_exponent}


def _is_number(value: Any, number: float) -> bool:
    return isinstance(value, int | float) and value == number
