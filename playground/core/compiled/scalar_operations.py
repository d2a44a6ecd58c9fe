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
class ScalarOperation:
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
    "add": ScalarOperation(np.add, sign="+"),
    "sub": ScalarOperation(np.subtract, sign="-"),
    "mul": ScalarOperation(np.multiply, sign="*"),
    "div": ScalarOperation(np.true_divide, sign="/"),
    "fma": ScalarOperation(lambda a, b, c: a * b + c),  # rounded once where the CPU can
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
    # of two numbers of which one is not a number, neither is the larger or the smaller one
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
}
"""By name. `select(condition, a, b)` is a where the condition holds, else b, of either type."""
