"""The failure of a contract's rule: what is wrong, and why it matters."""

from __future__ import annotations


def require(met: bool, wrong: str, why: str) -> None:
    """Fail unless a rule of a contract is met.

    Contracts do not use `assert`: the operands of a comparison of tensors tell a plugin's author nothing, and
    `python -O` drops assertions.

    :param wrong: what the component did, with numbers.
    :param why: the consequence, and for whom.
    :raises AssertionError: the rule is not met.
    """
    __tracebackhide__ = True  # pytest shows the contract's line instead of this one
    if not met:
        raise AssertionError(f"{wrong}\n  why it matters: {why}")
