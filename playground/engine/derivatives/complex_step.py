"""Derivatives by the complex step, exact to the last bits, for functions that are analytic."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from playground.engine.derivatives.automatic import UnavailableError
from playground.engine.derivatives.points import Flat

STEP = 1e-30
"""h: nothing is subtracted, so it can be as short as the numbers allow."""

LARGEST_POWER = 64
"""Whole exponents up to which a power is a product."""

NOT_ANALYTIC = ("abs", "angle", "sgn", "real", "imag", "view_as_real", "_conj", "conj_physical", "linalg_vector_norm")
"""Operations that take complex numbers and look at their modulus or parts: the step would not come through."""


class _Analytic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses operations that are not analytic; private hook: entering a mode must not import `torch._dynamo`."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        name = function.overloadpacket.__name__
        if name == "pow" and isinstance(args[0], Tensor) and args[0].is_complex():
            return _power(*args)
        if name in NOT_ANALYTIC and any(isinstance(arg, Tensor) and arg.is_complex() for arg in args):
            raise UnavailableError(f"{name} is not analytic")
        return function(*args, **(kwargs or {}))


def _power(base: Tensor, exponent: float | Tensor) -> Tensor:
    """Return a power as products: by way of a logarithm, that of a negative number gets an imaginary part of rounding.

    :raises UnavailableError: the exponent is no small whole number, and a base is negative.
    """
    if isinstance(exponent, int | float) and float(exponent).is_integer() and abs(exponent) <= LARGEST_POWER:
        product = torch.ones_like(base)
        for _ in range(abs(int(exponent))):
            product = product * base
        return product if exponent >= 0 else 1 / product
    if bool((base.real < 0).any()):
        raise UnavailableError("a power of a negative number")
    return (torch.as_tensor(exponent, dtype=base.dtype) * base.log()).exp()


def complex_gradient(g: Flat, z: Tensor) -> Tensor:
    """Return Im g(z + i h eᵢ) / h, shape `(n,)`, computed in complex128 on the CPU.

    :param z: shape `(n,)`.
    :raises UnavailableError: g is not analytic, or not defined for complex numbers.

    Source: Squire & Trapp 1998.
    """
    z = z.detach().to("cpu", torch.complex128)
    return torch.stack([_imaginary(g, z + 1j * STEP * row) / STEP for row in torch.eye(len(z), dtype=z.dtype)])


def _imaginary(g: Flat, z: Tensor) -> Tensor:
    try:
        with torch.no_grad(), _Analytic():  # type: ignore[no-untyped-call]
            value = g(z)
    except UnavailableError:
        raise
    except Exception as error:  # what is not defined for complex numbers refuses them in many ways
        raise UnavailableError(str(error).strip().partition("\n")[0]) from error
    if not value.is_complex() or not math.isfinite(value.imag.item()):
        raise UnavailableError("its value is not a finite complex number")
    return value.imag
