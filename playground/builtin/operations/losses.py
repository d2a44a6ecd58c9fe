"""Losses of `torch.nn.functional`, each as one operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from playground.core.operations import Call, Operation, Template, fill_template

_ARGUMENT_NAMES = {"input": "p", "prediction": "p", "target": "t", "weight": "w"}
_RETIRED_ARGUMENTS = ("size_average", "reduce")
"""Deprecated arguments that torch still accepts."""

TermWriter = Callable[[float, float, Callable[[float], str]], str]
"""Formats the term of one entry with the numbers of its prediction and target."""


def _reduction_formula(call: Call, term: str, count: str = "") -> str:
    """Return a formula for the mean or the sum of some terms, or the terms themselves.

    :param count: the divisor of a mean, if it is not the number of terms.
    """
    reduction = call.get("reduction", "mean")
    if reduction == "mean":
        return f"Σ({term}) / {count}" if count else f"mean({term})"
    return {"sum": f"Σ({term})", "none": f"({term})"}[reduction]


def _mean_divisor(call: Call, count: str) -> str:
    """Return the divisor of a mean's slope."""
    return f" / {count}" if call.get("reduction", "mean") == "mean" else ""


def _entrywise(
    term: str,
    slope: Template,
    derivative: Callable[[Call], Any],
    terms: TermWriter | None,
    *more: str,
    by_weight: bool = False,
    of_difference: bool = True,
    forward: Callable[[Call], Any] | None = None,
) -> Operation:
    """Return a loss that is the mean (or sum) of one term per entry, weighted if there are weights.

    :param by_weight: a mean divides by the sum of the weights instead of the number of entries.
    :param of_difference: the loss depends on p − t only, so that ∂/∂t is −∂/∂p.
    :param forward: the loss in tensors, if the formula cannot be evaluated as written.
    """

    def weighted(call: Call) -> bool:
        return call.get("w") is not None

    def count(call: Call, entries: Tensor) -> float:
        if call.get("reduction", "mean") != "mean":
            return 1.0
        return call["w"].expand_as(entries).sum().item() if by_weight and weighted(call) else float(entries.numel())

    def formula(call: Call) -> str:
        return _reduction_formula(call, "{w}·(" + term + ")" if weighted(call) else term, _by(call))

    def _by(call: Call) -> str:
        return "Σ{w}" if by_weight and weighted(call) else ""

    def rule(sign: str) -> Callable[[Call], str]:
        def write_rule(call: Call) -> str:
            weight = "{w} · " if weighted(call) else ""
            return sign + "{dy} · " + weight + fill_template(slope, call) + _mean_divisor(call, _by(call) or "{n}")

        return write_rule

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        found = derivative(call)
        found = found * call["w"] if weighted(call) else found
        found = g * found / count(call, found)
        return {"p": found, "t": -found} if of_difference else {"p": found}

    def arithmetic(call: Call, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        if (
            terms is None
            or weighted(call)
            or call.get("reduction", "mean") == "none"
            or call["p"].shape != call["t"].shape
        ):
            return ""
        pairs = zip(call["p"].flatten().tolist(), call["t"].flatten().tolist(), strict=True)
        joined = " + ".join(terms(p, t, number) for p, t in pairs)
        return f"({joined})" + (f" / {call['p'].numel()}" if call.get("reduction", "mean") == "mean" else "")

    rules: dict[str, Any] = {"p": rule(""), "t": rule("−")} if of_difference else {"p": rule("")}
    return Operation(
        formula, rules, pull, ("p", "t", *more), arithmetic, _ARGUMENT_NAMES, entrywise=True, forward=forward
    )


def _call_torch(loss: Callable[..., Tensor], *options: str) -> Callable[[Call], Tensor]:
    """Return a function that calls torch's own loss with the arguments of the formula only."""
    known = {"w": "weight", "reduction": "reduction", **{name: name for name in options}}

    def forward(call: Call) -> Tensor:
        given = {torch_name: call[name] for name, torch_name in known.items() if call.get(name) is not None}
        return loss(call["p"], call["t"], **given)

    return forward


def mse_loss() -> Operation:
    """Mean squared error: mean((p − t)²)."""
    return _entrywise(
        "({p} − {t})²",
        "2({p} − {t})",
        lambda call: 2 * (call["p"] - call["t"]),
        lambda p, t, number: f"({number(p)} − {number(t)})²",
        *(*_RETIRED_ARGUMENTS, "reduction", "w"),
        by_weight=True,
    )


def l1_loss() -> Operation:
    """Mean absolute error: mean |p − t|."""
    return _entrywise(
        "|{p} − {t}|",
        "sign({p} − {t})",
        lambda call: (call["p"] - call["t"]).sign(),
        lambda p, t, number: f"|{number(p)} − {number(t)}|",
        *(*_RETIRED_ARGUMENTS, "reduction", "w"),
        by_weight=True,
    )


def huber_loss() -> Operation:
    """½ r² near 0, delta (|r| − ½ delta) beyond delta, with r = p − t."""

    def derivative(call: Call) -> Any:
        delta = call.get("delta", 1.0)
        return (call["p"] - call["t"]).clamp(-delta, delta)

    def slope(call: Call) -> str:
        return "clamp({p} − {t}, ±" + f"{call.get('delta', 1.0):.12g})"

    more, forward = ("reduction", "delta", "w"), _call_torch(torch.nn.functional.huber_loss, "delta")
    return _entrywise("huber({p} − {t})", slope, derivative, None, *more, forward=forward)


def smooth_l1_loss() -> Operation:
    """½ r² / beta near 0, |r| − ½ beta beyond beta, with r = p − t."""

    def derivative(call: Call) -> Any:
        beta, r = call.get("beta", 1.0), call["p"] - call["t"]
        return r.sign() if beta == 0 else (r / beta).clamp(-1, 1)

    def slope(call: Call) -> str:
        beta = call.get("beta", 1.0)
        return "sign({p} − {t})" if beta == 0 else "clamp(({p} − {t})/" + f"{beta:.12g}, ±1)"

    more, forward = (*_RETIRED_ARGUMENTS, "reduction", "beta"), _call_torch(torch.nn.functional.smooth_l1_loss, "beta")
    return _entrywise("smooth_l1({p} − {t})", slope, derivative, None, *more, forward=forward)


def binary_cross_entropy() -> Operation:
    """Mean of −(t log p + (1 − t) log(1 − p)) for probabilities p."""

    def derivative(call: Call) -> Any:
        p, t = call["p"], call["t"]
        return (p - t) / (p * (1 - p)).clamp(min=1e-12)  # torch's own bound, which keeps p = 0 and p = 1 finite

    def term(p: float, t: float, number: Callable[[float], str]) -> str:
        if t in (0, 1):
            return f"(−log {number(p if t == 1 else 1 - p)})"
        return f"(−{number(t)}·log {number(p)} − {number(1 - t)}·log {number(1 - p)})"

    return _entrywise(
        "−{t}·log {p} − (1 − {t})·log(1 − {p})",
        "({p} − {t}) / ({p}(1 − {p}))",
        derivative,
        term,
        *("w", *_RETIRED_ARGUMENTS, "reduction"),
        of_difference=False,
        forward=_call_torch(torch.nn.functional.binary_cross_entropy),
    )


def binary_cross_entropy_with_logits() -> Operation:
    """The mean binary cross-entropy of σ(z); `pos_weight` multiplies the terms of class 1."""

    def derivative(call: Call) -> Any:
        p, t, positive = call["p"], call["t"], call.get("pos_weight", 1.0)
        return (1 - t) * torch.sigmoid(p) - (1.0 if positive is None else positive) * t * torch.sigmoid(-p)

    more = ("w", *_RETIRED_ARGUMENTS, "reduction", "pos_weight")
    plain = _entrywise("log(1 + exp({p})) − {t}·{p}", "(σ({p}) − {t})", derivative, None, *more, of_difference=False)
    counted = _entrywise(
        "(1 − {t})·log(1 + exp({p})) + {pos_weight}·{t}·log(1 + exp(−{p}))",
        "((1 − {t})·σ({p}) − {pos_weight}·{t}·σ(−{p}))",
        derivative,
        None,
        *more,
        of_difference=False,
    )

    def choose_operation(call: Call) -> Operation:
        return plain if call.get("pos_weight") is None else counted

    return Operation(
        lambda call: fill_template(choose_operation(call).formula, call),
        {"p": lambda call: fill_template(choose_operation(call).rules["p"], call)},
        plain.pull,
        plain.arguments,
        names=_ARGUMENT_NAMES,
        entrywise=True,
        forward=_call_torch(torch.nn.functional.binary_cross_entropy_with_logits, "pos_weight"),
    )


def cross_entropy() -> Operation:
    """Mean over samples of log Σ exp(z) − z[t], classes along the second axis.

    In general Σ W·(log Σ exp(z) − z) over classes. W is 1 for the class t. Label smoothing spreads it over all classes,
    weights multiply it, and it is 0 for samples of the ignored class. Weights and ignored samples change the divisor of
    a mean, unless the targets are class probabilities.
    """

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        axis = _classes(call)
        wanted, count = _class_weights(call)
        found = torch.softmax(call["p"], axis) * wanted.sum(axis, keepdim=True) - wanted
        return {"p": (g.unsqueeze(axis) if call.get("reduction", "mean") == "none" else g) * found / count}

    def formula(call: Call) -> str:
        named = _weight_formula(call)
        if named == "onehot({t})":
            return _reduction_formula(call, "log Σ exp({p}) − {p}[{t}]")
        return f"{_reduction_formula(call, 'Σ W·(log Σ exp({p}) − {p})', _count(call))}, W = {named}"

    def rule(call: Call) -> str:
        named = _weight_formula(call)
        slope = "softmax({p}) − onehot({t})" if named == "onehot({t})" else "softmax({p})·ΣW − W"
        return "{dy} · (" + slope + ")" + _mean_divisor(call, _count(call) or "{n}")

    def arithmetic(call: Call, g: Tensor, at: tuple[int, ...], number: Callable[[float], str]) -> str:
        axis = _classes(call)
        wanted, count = _class_weights(call)
        arriving = g if g.dim() == 0 else g[at[:axis] + at[axis + 1 :]]
        share, whole = torch.softmax(call["p"], axis)[at].item(), wanted.sum(axis, keepdim=True).expand_as(wanted)[at]
        times = "" if whole == 1 else f"·{number(whole.item())}"
        divided = f" / {number(count)}" if call.get("reduction", "mean") == "mean" else ""
        return f"{number(arriving.item())} · ({number(share)}{times} − {number(wanted[at].item())}){divided}"

    arguments = ("p", "t", "w", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing")
    forward = _call_torch(torch.nn.functional.cross_entropy, "ignore_index", "label_smoothing")
    return Operation(
        formula, {"p": rule}, pull, arguments, None, _ARGUMENT_NAMES, sums={"p": arithmetic}, forward=forward
    )


def nll_loss() -> Operation:
    """Mean over samples of −p[t] for log-probabilities p, classes along the second axis; weighted as cross_entropy."""

    def pull(call: Call, g: Tensor) -> dict[str, Any]:
        wanted, count = _class_weights(call)
        return {"p": -(g.unsqueeze(_classes(call)) if call.get("reduction", "mean") == "none" else g) * wanted / count}

    def formula(call: Call) -> str:
        named = _weight_formula(call)
        if named == "onehot({t})":
            return _reduction_formula(call, "−{p}[{t}]")
        return f"{_reduction_formula(call, '−Σ W·{p}', _count(call))}, W = {named}"

    def rule(call: Call) -> str:
        return f"−{{dy}} · {_weight_formula(call)}" + _mean_divisor(call, _count(call) or "{n}")

    arguments = ("p", "t", "w", "size_average", "ignore_index", "reduce", "reduction")
    forward = _call_torch(torch.nn.functional.nll_loss, "ignore_index")
    return Operation(formula, {"p": rule}, pull, arguments, None, _ARGUMENT_NAMES, forward=forward)


def _classes(call: Call) -> int:
    """Return the axis of the classes."""
    return 1 if call["p"].dim() > 1 else 0


def _counted_samples(call: Call) -> Tensor:
    """Return the mask of samples that are not ignored."""
    return call["t"] != call.get("ignore_index", -100)  # type: ignore[no-any-return]


def _class_weights(call: Call) -> tuple[Tensor, float]:
    """Return W, in the logits' shape, and the divisor of the sum over samples."""
    z, t, axis, smoothing = call["p"], call["t"], _classes(call), call.get("label_smoothing", 0.0)
    classes = z.shape[axis]
    weight = torch.ones(classes).to(z) if call.get("w") is None else call["w"]
    weight = weight.reshape(-1, *[1] * (z.dim() - axis - 1))
    if t.is_floating_point():
        wanted, samples = t, z.numel() / classes
    else:
        counted = _counted_samples(call)
        wanted = torch.nn.functional.one_hot(t.where(counted, torch.zeros_like(t)), classes).to(z)
        wanted = (wanted * counted.unsqueeze(-1)).movedim(-1, axis)
        samples = (wanted * weight).sum().item()
        weight = weight * counted.unsqueeze(axis)
    wanted = (wanted * (1 - smoothing) + smoothing / classes) * weight
    return wanted, samples if call.get("reduction", "mean") == "mean" else 1.0


def _weight_formula(call: Call) -> str:
    """Return the formula of W."""
    shares, smoothing = call["t"].is_floating_point(), call.get("label_smoothing", 0.0)
    named = "{t}" if shares else "onehot({t})"
    if smoothing:
        classes = call["p"].shape[_classes(call)]
        named = f"{1 - smoothing:g}·{named} + {smoothing:g}/{classes}"
    if call.get("w") is not None:
        named = "{w}·(" + named + ")" if smoothing else "{w}·" + named
    ignored = not shares and not bool(_counted_samples(call).all())
    return named + (" (0 where {t} = " + str(call.get("ignore_index", -100)).replace("-", "−") + ")" if ignored else "")


def _count(call: Call) -> str:
    """Return the formula of a mean's divisor, if it is not the number of samples."""
    if call["t"].is_floating_point():
        return ""
    if call.get("w") is not None:
        return "Σ{w}[{t}]"
    return "" if bool(_counted_samples(call).all()) else str(int(_counted_samples(call).sum()))
