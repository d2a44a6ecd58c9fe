"""Derivatives by the complex step, exact to the last bits, for analytic functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from playground.core.derivatives.automatic import UnavailableError
from playground.core.derivatives.points import VectorFunction

STEP, LONGER = 1e-30, 1e-25
"""The steps h. Nothing is subtracted, so they may be as short as the numbers allow.

Two steps reveal a branch point, where each of them gives a different slope.
"""

MAX_SLOPE_DIFFERENCE = 1e-9
"""The largest relative difference of the slopes from two steps."""

ZERO_SLOPE_RESIDUE = 1e-14
"""Smaller slopes count as zero."""

MAX_PRODUCT_POWER = 64
"""Powers up to this integer exponent are computed as products."""

ANALYTIC_OPERATIONS = frozenset(
    """
    add sub rsub mul div neg reciprocal square sqrt rsqrt exp exp2 expm1 log log1p log2 log10
    sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh sigmoid silu addcmul addcdiv lerp
    sum mean prod cumsum cumprod mm bmm mv dot addmm addmv addbmm baddbmm addr trace det _linalg_det
    linalg_inv_ex linalg_solve_ex _linalg_solve_ex convolution
    clone _to_copy copy fill zero full full_like zeros zeros_like ones ones_like empty empty_like new_zeros new_ones
    new_full new_empty new_empty_strided empty_strided scalar_tensor lift_fresh arange eye
    detach alias view _unsafe_view reshape _reshape_alias as_strided t transpose permute expand squeeze unsqueeze
    select slice narrow split split_with_sizes unbind chunk cat stack flip roll repeat diagonal diag diag_embed
    tril triu index index_select index_put _index_put_impl masked_fill masked_select gather scatter scatter_add
    slice_scatter select_scatter diagonal_scatter constant_pad_nd unfold movedim where
    """.split()  # noqa: SIM905
)
"""Operations that are analytic in every complex argument.

Any other operation is refused, since it may conjugate internally or ignore the imaginary part.
"""


class _Analytic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses operations that are not analytic. A private hook, since a public mode would import `torch._dynamo`."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        name = function.overloadpacket.__name__
        if name == "pow" and isinstance(args[0], Tensor) and args[0].is_complex():
            return _complex_power(*args)
        if name.removesuffix("_") not in ANALYTIC_OPERATIONS and any(
            _is_complex(arg) for arg in tree_leaves((args, kwargs))
        ):
            raise UnavailableError(f"{name} is not known to be analytic")
        result = function(*args, **(kwargs or {}))
        if name == "_to_copy" and _is_complex(args[0]) and not _is_complex(result):
            raise UnavailableError("a cast to real numbers is not analytic")
        return result


def _is_complex(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_complex()


def _complex_power(base: Tensor, exponent: float | Tensor) -> Tensor:
    """Return a power as products. By a logarithm, the power of a negative number would get an imaginary rounding error.

    :raises UnavailableError: the exponent is not a small integer, and a base is not positive.
    """
    if isinstance(exponent, int | float) and float(exponent).is_integer() and abs(exponent) <= MAX_PRODUCT_POWER:
        product = torch.ones_like(base)
        for _ in range(abs(int(exponent))):
            product = product * base
        return product if exponent >= 0 else 1 / product
    if bool((base.real <= 0).any()):
        raise UnavailableError("a power of a number that is not positive")
    return (torch.as_tensor(exponent, dtype=base.dtype) * base.log()).exp()


def complex_gradient(g: VectorFunction, z: Tensor) -> Tensor:
    """Return Im g(z + i h eᵢ) / h, shape `(n,)`, computed in complex128 on the CPU.

    :param z: shape `(n,)`.
    :raises UnavailableError: g is not analytic, or not defined for complex numbers.

    Source: Squire & Trapp 1998.
    """
    z = z.detach().to("cpu", torch.complex128)
    return torch.stack([_slope(g, z, row) for row in torch.eye(len(z), dtype=z.dtype)])


def _slope(g: VectorFunction, z: Tensor, direction: Tensor) -> Tensor:
    short, longer = (_imaginary_part(g, z + 1j * step * direction) / step for step in (STEP, LONGER))
    if (short - longer).abs() > MAX_SLOPE_DIFFERENCE * short.abs() + ZERO_SLOPE_RESIDUE:
        raise UnavailableError("it is not analytic at this point")
    return short


def _imaginary_part(g: VectorFunction, z: Tensor) -> Tensor:
    try:
        with torch.no_grad(), _Analytic():  # type: ignore[no-untyped-call]
            value = g(z)
    except UnavailableError:
        raise
    except Exception as error:  # functions refuse complex numbers by many different exceptions
        raise UnavailableError(str(error).strip().partition("\n")[0]) from error
    if not value.is_complex() or not math.isfinite(value.imag.item()):
        raise UnavailableError("its value is not a finite complex number")
    return value.imag
