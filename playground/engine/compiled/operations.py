"""The scalar operations a program is made of: what each means, in one table.

The meaning is given in numpy, for arrays of any shape: it folds constants, computes what is the same for all runs at a
step, and is the oracle of the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Operation:
    """One scalar operation.

    :param meaning: its value, in numpy.
    :param boolean: whether the value is a truth value and not a number.
    :param sign: how to print it between two operands; without one it is printed as a function.
    """

    meaning: Callable[..., Any]
    boolean: bool = False
    sign: str = ""


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


_erf = np.vectorize(math.erf, otypes=[float])

OPERATIONS = {
    "add": Operation(np.add, sign="+"),
    "sub": Operation(np.subtract, sign="-"),
    "mul": Operation(np.multiply, sign="*"),
    "div": Operation(np.true_divide, sign="/"),
    "fma": Operation(lambda a, b, c: a * b + c),  # rounded once where the CPU can
    "neg": Operation(np.negative),
    "abs": Operation(np.abs),
    "sqrt": Operation(np.sqrt),
    "exp": Operation(np.exp),
    "expm1": Operation(np.expm1),
    "log": Operation(np.log),
    "log1p": Operation(np.log1p),
    "sin": Operation(np.sin),
    "cos": Operation(np.cos),
    "atan": Operation(np.arctan),
    "tanh": Operation(np.tanh),
    "sigmoid": Operation(_sigmoid),
    "erf": Operation(_erf),
    "pow": Operation(np.power, sign="**"),
    "floor": Operation(np.floor),
    "ceil": Operation(np.ceil),
    "trunc": Operation(np.trunc),
    "round": Operation(np.rint),
    # of two numbers of which one is not a number, neither is the larger or the smaller one
    "maximum": Operation(np.maximum),
    "minimum": Operation(np.minimum),
    "lt": Operation(np.less, boolean=True, sign="<"),
    "le": Operation(np.less_equal, boolean=True, sign="<="),
    "gt": Operation(np.greater, boolean=True, sign=">"),
    "ge": Operation(np.greater_equal, boolean=True, sign=">="),
    "eq": Operation(np.equal, boolean=True, sign="=="),
    "ne": Operation(np.not_equal, boolean=True, sign="!="),
    "and": Operation(np.logical_and, boolean=True, sign="and"),
    "or": Operation(np.logical_or, boolean=True, sign="or"),
    "not": Operation(np.logical_not, boolean=True),
    "select": Operation(np.where),
}
"""By name. `select(condition, a, b)` is a where the condition holds, else b, of either type."""
