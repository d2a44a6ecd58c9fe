"""Losses of `torch.nn.functional`, each as one operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from playground.engine.operations import Call, Operation

_NAMES = {"input": "p", "target": "t"}
_OLD = ("size_average", "reduce")
"""Arguments that torch has retired and still takes."""


def _n(call: Call) -> str:
    return {"mean": " / n", "sum": "", "none": ""}[call.get("reduction", "mean")]


def _loss(
    each: str,
    slope: str,
    derivative: Callable[[Call], Any],
    terms: Callable[[float, float, Callable[[float], str]], str] | None = None,
    *more: str,
) -> Operation:
    """Return a loss that is the mean (or sum) of one term for each entry; ∂/∂t is known where it is −∂/∂p."""

    def formula(call: Call) -> str:
        sign = {"mean": "mean", "sum": "Σ", "none": ""}[call.get("reduction", "mean")]
        return f"{sign}({each})"

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        share = call["p"].numel() if call.get("reduction", "mean") == "mean" else 1
        found = g * derivative(call) / share
        return {"p": found, "t": -found} if slope_of_difference else {"p": found}

    def written(call: Call, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        if terms is None:
            return ""
        pairs = zip(call["p"].flatten().tolist(), call["t"].flatten().tolist(), strict=True)
        joined = " + ".join(terms(p, t, number) for p, t in pairs)
        return f"({joined})" + (f" / {call['p'].numel()}" if call.get("reduction", "mean") == "mean" else "")

    slope_of_difference = "{p} − {t}" in slope
    rules: dict[str, Any] = {"p": lambda call: "{dy} · " + slope + _n(call)}
    if slope_of_difference:
        rules["t"] = lambda call: "−{dy} · " + slope + _n(call)
    return Operation(formula, rules, pull, ("p", "t", *more), written, _NAMES)


def mse_loss() -> Operation:
    """Mean squared error: mean((p − t)²)."""
    return _loss(
        "({p} − {t})²",
        "2({p} − {t})",
        lambda call: 2 * (call["p"] - call["t"]),
        lambda p, t, number: f"({number(p)} − {number(t)})²",
        *_OLD,
        "reduction",
    )


def l1_loss() -> Operation:
    """Mean absolute error: mean |p − t|."""
    return _loss(
        "|{p} − {t}|",
        "sign({p} − {t})",
        lambda call: (call["p"] - call["t"]).sign(),
        lambda p, t, number: f"|{number(p)} − {number(t)}|",
        *_OLD,
        "reduction",
    )


def huber_loss() -> Operation:
    """½ r² near 0, delta (|r| − ½ delta) beyond delta, with r = p − t."""

    def derivative(call: Call) -> Any:
        delta = call.get("delta", 1.0)
        return (call["p"] - call["t"]).clamp(-delta, delta)

    return _loss("huber({p} − {t})", "clamp({p} − {t}, ±δ)", derivative, None, "reduction", "delta")


def smooth_l1_loss() -> Operation:
    """½ r² / beta near 0, |r| − ½ beta beyond beta, with r = p − t."""

    def derivative(call: Call) -> Any:
        beta, r = call.get("beta", 1.0), call["p"] - call["t"]
        return r.sign() if beta == 0 else (r / beta).clamp(-1, 1)

    return _loss("smooth_l1({p} − {t})", "clamp(({p} − {t})/β, ±1)", derivative, None, *_OLD, "reduction", "beta")


def binary_cross_entropy() -> Operation:
    """Mean of −(t log p + (1 − t) log(1 − p)) for probabilities p."""

    def derivative(call: Call) -> Any:
        p, t = call["p"], call["t"]
        return (p - t) / (p * (1 - p)).clamp(min=1e-12)  # torch's own bound, which keeps p = 0 and p = 1 finite

    made = _loss(
        "−{t}·log {p} − (1 − {t})·log(1 − {p})",
        "(p − t) / (p(1 − p))",
        derivative,
        lambda p, t, number: f"(−log {number(p if t == 1 else 1 - p)})" if t in (0, 1) else "…",
        "weight",
        *_OLD,
        "reduction",
    )
    rules = {"p": lambda call: "{dy} · ({p} − {t}) / ({p}(1 − {p}))" + _n(call)}
    return Operation(made.formula, rules, made.pull, made.arguments, made.terms, made.names)


def binary_cross_entropy_with_logits() -> Operation:
    """Mean of the binary cross-entropy of σ(z)."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        share = call["p"].numel() if call.get("reduction", "mean") == "mean" else 1
        return {"p": g * (torch.sigmoid(call["p"]) - call["t"]) / share}

    rules = {"p": lambda call: "{dy} · (σ({p}) − {t})" + _n(call)}
    formula = "mean(log(1 + exp({p})) − {t}·{p})"
    return Operation(formula, rules, pull, ("p", "t", "weight", *_OLD, "reduction"), None, _NAMES)


def cross_entropy() -> Operation:
    """Mean over samples of log Σ exp(z) − z[t], classes along the second axis."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        z, t, smoothing = call["p"], call["t"], call.get("label_smoothing", 0.0)
        classes = z.shape[1]
        wanted = torch.nn.functional.one_hot(t, classes).to(z) if t.dim() == 1 else t
        wanted = wanted * (1 - smoothing) + smoothing / classes
        share = len(z) if call.get("reduction", "mean") == "mean" else 1
        return {"p": g * (torch.softmax(z, 1) - wanted) / share}

    rules = {"p": lambda call: "{dy} · (softmax({p}) − onehot({t}))" + _n(call)}
    arguments = ("p", "t", "weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing")
    return Operation("mean(log Σ exp({p}) − {p}[{t}])", rules, pull, arguments, None, _NAMES)
