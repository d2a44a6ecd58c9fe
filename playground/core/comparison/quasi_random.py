"""Points that fill a cube evenly, for settings of several hyperparameters."""

from __future__ import annotations

import numpy as np

from playground.core.comparison.scoring import Array
from playground.errors import ComponentError


def halton_points(count: int, dimensions: int) -> Array:
    """Return the first points of Halton's sequence after the origin, in the unit cube; shape `(count, dimensions)`.

    Coordinate d of point i is the radical inverse of i in the d-th prime. The points do not depend on a seed.

    :raises ComponentError: scipy is not installed.

    J. H. Halton, "On the efficiency of certain quasi-random sequences of points in evaluating multi-dimensional
    integrals", Numerische Mathematik 2 (1960).
    """
    try:
        from scipy.stats.qmc import Halton
    except ImportError as error:
        message = "tuning several parameters needs scipy; install it: pip install 'gradient-playground[compare]'"
        raise ComponentError(message) from error
    sequence = Halton(dimensions, scramble=False)
    sequence.fast_forward(1)
    return np.asarray(sequence.random(count))
