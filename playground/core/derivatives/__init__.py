"""Computes derivatives of a scalar function by independent routes and judges their disagreements.

The function is treated as g(z) of one flat vector z of shape `(n,)` (`points`). The stages:

1. `automatic` (reverse and forward mode), `differences` (central differences) and `complex_step` are the routes;
`checking` takes all that apply.
2. `breaks` looks for kinks, jumps and cusps, where a function has no derivative.
3. `verdict` compares the routes and decides which one is wrong, and why; `judging` sums that up over all derivatives.
`sampling` chooses what to check of a function of many numbers.
"""

from playground.core.derivatives.automatic import (
    UnavailableError,
    forward_gradient,
    forward_hessian,
    gradient,
    hessian,
    rounding_sensitivity,
)
from playground.core.derivatives.breaks import FunctionBreak, find_breaks
from playground.core.derivatives.checking import check_derivatives
from playground.core.derivatives.complex_step import complex_gradient
from playground.core.derivatives.differences import Estimate, central_gradient, central_hessian, probe
from playground.core.derivatives.judging import JudgedDerivative, judge_derivatives, list_routes
from playground.core.derivatives.points import (
    Coordinate,
    VectorFunction,
    flat_loss,
    flatten,
    list_coordinates,
    list_parameter_coordinates,
    locate_coordinate,
    restrict_to_entries,
    restrict_to_line,
)
from playground.core.derivatives.sampling import MAX_CHECKED_PARAMETERS, check_sample
from playground.core.derivatives.verdict import (
    Cause,
    DerivativeEntry,
    Finding,
    PointDerivatives,
    judge_entry,
    routes_agree,
)

__all__ = [
    "MAX_CHECKED_PARAMETERS",
    "Cause",
    "Coordinate",
    "DerivativeEntry",
    "Estimate",
    "Finding",
    "FunctionBreak",
    "JudgedDerivative",
    "PointDerivatives",
    "UnavailableError",
    "VectorFunction",
    "central_gradient",
    "central_hessian",
    "check_derivatives",
    "check_sample",
    "complex_gradient",
    "find_breaks",
    "flat_loss",
    "flatten",
    "forward_gradient",
    "forward_hessian",
    "gradient",
    "hessian",
    "judge_derivatives",
    "judge_entry",
    "list_coordinates",
    "list_parameter_coordinates",
    "list_routes",
    "locate_coordinate",
    "probe",
    "restrict_to_entries",
    "restrict_to_line",
    "rounding_sensitivity",
    "routes_agree",
]
