"""How a contract fails: what is wrong, and why it matters."""

from __future__ import annotations


def require(met: bool, wrong: str, why: str) -> None:
    """Fail unless a rule of a contract is met.

    Contracts do not use `assert`: what stands to the left and right of a comparison of tensors tells a plugin's author
    nothing, and a bare assertion is dropped under `python -O`.

    :param wrong: what the component did, with numbers.
    :param why: what would go wrong in whose hands.
    :raises AssertionError: the rule is not met.
    """
    __tracebackhide__ = True  # pytest shows the contract's line instead of this one
    if not met:
        raise AssertionError(f"{wrong}\n  why it matters: {why}")
