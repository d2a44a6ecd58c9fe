"""The error probability that each look at a comparison may spend."""

from __future__ import annotations

TOTAL_ALPHA = 0.05
"""The probability of a wrong decision over all looks at one comparison."""
SAMPLE_GROWTH = 4
"""The factor by which the sample should grow from one look to the next; looks at a similar sample only spend α."""


def spend_alpha(look: int) -> float:
    """Return `α_k = 0.05 / 2^k`, what look k = 1, 2, ... spends; the sum over all looks is at most 0.05."""
    if look < 1:
        raise ValueError(f"looks count from 1, not {look}")
    return float(TOTAL_ALPHA / 2**look)
