"""The scalar operations of programs, with their meaning in one table.

The meaning is a numpy expression for arrays of any shape. It folds constants, computes the values that are equal in all
runs at a step, and serves as the reference in tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ScalarOperation:
    """One scalar operation.

    :param meaning: its value as a numpy expression.
    :param boolean: whether the value is a boolean instead of a number.
    :param sign: the infix operator to print it with; without one, it is printed as a function.
    """

    meaning: Callable[..., Any]
    boolean: bool = False
    sign: str = ""


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _round_to_float32(x: Any) -> Any:
    return np.float64(x).astype(np.float32).astype(np.float64)


class Dependence:
    """What a value depends on, as bits; 0 for a constant."""

    STEP, LANE, RUN = 1, 2, 4


_erf = np.vectorize(math.erf, otypes=[float])

OPERATIONS = {
    "add": ScalarOperation(np.add, sign="+"),
    "sub": ScalarOperation(np.subtract, sign="-"),
    "mul": ScalarOperation(np.multiply, sign="*"),
    "div": ScalarOperation(np.true_divide, sign="/"),
    "fma": ScalarOperation(lambda a, b, c: a * b + c),  # rounded once on CPUs with fused multiply-add
    "neg": ScalarOperation(np.negative),
    "abs": ScalarOperation(np.abs),
    "sqrt": ScalarOperation(np.sqrt),
    "exp": ScalarOperation(np.exp),
    "expm1": ScalarOperation(np.expm1),
    "log": ScalarOperation(np.log),
    "log1p": ScalarOperation(np.log1p),
    "sin": ScalarOperation(np.sin),
    "cos": ScalarOperation(np.cos),
    "atan": ScalarOperation(np.arctan),
    "tanh": ScalarOperation(np.tanh),
    "sigmoid": ScalarOperation(_sigmoid),
    "erf": ScalarOperation(_erf),
    "pow": ScalarOperation(np.power, sign="**"),
    "floor": ScalarOperation(np.floor),
    "ceil": ScalarOperation(np.ceil),
    "trunc": ScalarOperation(np.trunc),
    "round": ScalarOperation(np.rint),
    # if either number is NaN, so is the result
    "maximum": ScalarOperation(np.maximum),
    "minimum": ScalarOperation(np.minimum),
    "lt": ScalarOperation(np.less, boolean=True, sign="<"),
    "le": ScalarOperation(np.less_equal, boolean=True, sign="<="),
    "gt": ScalarOperation(np.greater, boolean=True, sign=">"),
    "ge": ScalarOperation(np.greater_equal, boolean=True, sign=">="),
    "eq": ScalarOperation(np.equal, boolean=True, sign="=="),
    "ne": ScalarOperation(np.not_equal, boolean=True, sign="!="),
    "and": ScalarOperation(np.logical_and, boolean=True, sign="and"),
    "or": ScalarOperation(np.logical_or, boolean=True, sign="or"),
    "not": ScalarOperation(np.logical_not, boolean=True),
    "select": ScalarOperation(np.where),
    "float32": ScalarOperation(_round_to_float32),  # the nearest number of single precision
}
"""By name. `select(condition, a, b)` is a if the condition holds, else b; a and b may be numbers or booleans."""
