"""How many replicas go well together."""

from __future__ import annotations


def chunk_size(problem, parameters, memory):
    return 5000
