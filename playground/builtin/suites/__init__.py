"""Suites of problems to compare optimizers on; each file says what it covers, and where its problems are from."""

from __future__ import annotations

from pathlib import Path


def core() -> Path:
    """Small problems of many kinds: ill-conditioned, curved, noisy, sparse, flat, rotated, and data.

    It says nothing about large networks.
    """
    return Path(__file__).with_name("core.yaml")
