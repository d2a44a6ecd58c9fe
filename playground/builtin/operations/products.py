"""Products of vectors, matrices and larger arrays, and operations based on them: similarity, attention."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import Tensor

from playground.core.operations import Call, Operation, Template


def outer() -> Operation:
    """The outer product a · bᵀ of two vectors."""
    return Operation(
        "{a} · {b}ᵀ",
        {"a": "{dy} · {b}", "b": "{dy}ᵀ · {a}"},
        lambda call, g: {"a": g @ call["b"], "b": g.T @ call["a"]},
        ("a", "b"),
        names={"input": "a", "self": "a", "vec2": "b", "other": "b"},
        forward=lambda call: call["a"][:, None] * call["b"],
    )


def addmm() -> Operation:
    """beta · c + alpha · a · b for matrices a and b."""

    def factor(call: Call, name: str) -> str:
        return "" if call.get(name, 1) == 1 else f"{{{name}}}·"

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        scaled = g * call.get("alpha", 1)
        return {"c": g * call.get("beta", 1), "a": scaled @ call["b"].T, "b": call["a"].T @ scaled}

    rules: dict[str, Template] = {
        "c": lambda call: factor(call, "beta") + "{dy}",
        "a": lambda call: factor(call, "alpha") + "{dy} · {b}ᵀ",
        "b": lambda call: factor(call, "alpha") + "{a}ᵀ · {dy}",
    }
    return Operation(
        lambda call: f"{factor(call, 'beta')}{{c}} + {factor(call, 'alpha')}{{a}} · {{b}}",
        rules,
        pull,
        ("c", "a", "b"),
        names={"input": "c", "self": "c", "mat1": "a", "mat2": "b"},
        forward=lambda call: call.get("beta", 1) * call["c"] + call.get("alpha", 1) * (call["a"] @ call["b"]),
    )


def einsum() -> Operation:
    """Products of entries of several arrays, summed over the axes that are missing in the output."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        inputs, output = _subscripts(call)
        found = []
        for place, axes in enumerate(inputs):
            others = inputs[:place] + inputs[place + 1 :]
            factors = call["x"][:place] + call["x"][place + 1 :]
            met = "".join(axis for axis in axes if axis in output or any(axis in each for each in others))
            share = torch.einsum(f"{','.join([output, *others])}->{met}", g, *factors)
            for at, axis in enumerate(axes):  # an axis of this array only was summed over
                share = share if axis in met else share.unsqueeze(at)
            found.append(share.expand(call["x"][place].shape))
        return {"x": found}

    return Operation(
        lambda call: f"einsum({str(call['equation']).replace('->', '→')}; {{x}})",
        {"x": "Σ {dy} · the other factors, over the axes that only these have"},
        pull,
        ("equation", "*x"),
        forward=lambda call: torch.einsum(call["equation"], *call["x"]),
    )


def _subscripts(call: Call) -> tuple[list[str], str]:
    """Return the axes of each array and of the output.

    :raises ValueError: an axis occurs twice in one array, or the equation has an ellipsis.
    """
    left, arrow, output = call["equation"].replace(" ", "").partition("->")
    inputs = left.split(",")
    if any(len(set(axes)) < len(axes) or "." in axes for axes in inputs):
        raise ValueError(f"{call['equation']}: a diagonal or an ellipsis")
    joined = "".join(inputs)
    return inputs, output if arrow else "".join(sorted(axis for axis in set(joined) if joined.count(axis) == 1))


def bilinear() -> Operation:
    """Σ a · W · b + c: each output has its own matrix W."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        a, b, w = call["a"], call["b"], call["w"]
        flat, rows, columns = (each.reshape(-1, each.shape[-1]) for each in (g, a, b))
        found = {
            "a": torch.einsum("no,oij,nj->ni", flat, w, columns).reshape(a.shape),
            "b": torch.einsum("no,oij,ni->nj", flat, w, rows).reshape(b.shape),
            "w": torch.einsum("no,ni,nj->oij", flat, rows, columns),
        }
        return found if call.get("c") is None else found | {"c": flat.sum(0)}

    rules = {
        "a": "Σ {dy} · {w} · {b}",
        "b": "Σ {dy} · {a} · {w}",
        "w": "Σ {dy} · {a} · {b} (over samples)",
        "c": "Σ {dy} (over samples)",
    }
    return Operation(
        lambda call: "Σ {a} · {w} · {b}" + ("" if call.get("c") is None else " + {c}"),
        rules,
        pull,
        ("a", "b", "w", "c"),
        names={"input1": "a", "input2": "b", "weight": "w", "bias": "c"},
        forward=lambda call: F.bilinear(call["a"], call["b"], call["w"], call.get("c")),
    )


def cosine_similarity() -> Operation:
    """Σ a · b / (‖a‖ ‖b‖) along an axis: the cosine of the angle between two vectors."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        dim, a, b = call.get("dim", 1), call["a"], call["b"]
        g, y = g.unsqueeze(dim), call.output.unsqueeze(dim)
        of_a, of_b = a.norm(dim=dim, keepdim=True), b.norm(dim=dim, keepdim=True)
        return {"a": g * (b / of_b - y * a / of_a) / of_a, "b": g * (a / of_a - y * b / of_b) / of_b}

    def rule(one: str, other: str) -> str:
        by, of_other = f"√(Σ {{{one}}}²)", f"√(Σ {{{other}}}²)"
        return f"{{dy}} · ({{{other}}} / {of_other} − {{y}}·{{{one}}} / {by}) / {by}"

    return Operation(
        "Σ {a}·{b} / (√(Σ {a}²)·√(Σ {b}²))",
        {"a": rule("a", "b"), "b": rule("b", "a")},
        pull,
        ("a", "b", "dim", "eps"),
        names={"x1": "a", "x2": "b"},
        forward=lambda call: F.cosine_similarity(call["a"], call["b"], call.get("dim", 1), 0.0),
    )


def normalize() -> Operation:
    """x / ‖x‖ along an axis."""

    def length(call: Call) -> Tensor:
        if call.get("p", 2.0) != 2:
            raise ValueError("another norm than the Euclidean one")
        return call["x"].norm(dim=call.get("dim", 1), keepdim=True)  # type: ignore[no-any-return]

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        y = call["x"] / length(call)
        return {"x": (g - y * (g * y).sum(call.get("dim", 1), keepdim=True)) / length(call)}

    return Operation(
        "{x} / √(Σ {x}²)",
        {"x": "({dy} − {y} · Σ {dy}·{y}) / √(Σ {x}²)"},
        pull,
        ("x", "p", "dim", "eps"),
        names={"input": "x"},
        forward=lambda call: call["x"] / length(call),
    )


def scaled_dot_product_attention() -> Operation:
    """softmax(q · kᵀ / √d) · v: for each query, a mean of the values, weighted by the match of the keys."""

    def scale(call: Call) -> float:
        given = call.get("scale")
        return float(1 / math.sqrt(call["q"].shape[-1]) if given is None else given)

    def weights(call: Call) -> Tensor:
        scores = call["q"] @ call["k"].transpose(-1, -2) * scale(call)
        mask = call.get("mask")
        if call.get("is_causal", False):
            mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
        return torch.softmax(scores, -1)

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        share = weights(call)
        to_share = g @ call["v"].transpose(-1, -2)
        to_scores = share * (to_share - (to_share * share).sum(-1, keepdim=True)) * scale(call)
        return {
            "q": to_scores @ call["k"],
            "k": to_scores.transpose(-1, -2) @ call["q"],
            "v": share.transpose(-1, -2) @ g,
        }

    def shares(call: Call) -> str:
        times = " / √d" if call.get("scale") is None else f"·{scale(call):.12g}".replace("-", "−")
        mask = " + {mask}" if call.get("mask") is not None else ""
        causal = ", of queries and keys up to each" if call.get("is_causal", False) else ""
        return f"softmax({{q}} · {{k}}ᵀ{times}{mask}{causal})"

    slope = "A · ({dy}·{v}ᵀ − Σ A · {dy}·{v}ᵀ) · scale"
    rules: dict[str, Template] = {
        "q": lambda call: f"S · {{k}}, S = {slope}, A = {shares(call)}",
        "k": lambda call: f"Sᵀ · {{q}}, S = {slope}, A = {shares(call)}",
        "v": lambda call: f"{shares(call)}ᵀ · {{dy}}",
    }
    return Operation(
        lambda call: shares(call) + " · {v}",
        rules,
        pull,
        ("q", "k", "v", "mask", "dropout_p", "is_causal", "scale"),
        names={"query": "q", "key": "k", "value": "v", "attn_mask": "mask"},
        forward=lambda call: weights(call) @ call["v"],
    )
