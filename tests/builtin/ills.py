"""Models, losses, functions and optimizers with one mistake each, and some that only look like one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the field's own abbreviation)
from torch import nn

from playground import hookimpl
from playground.core.update import UpdateRule

# Functions: of x, a vector.


def where_sqrt(x):
    return torch.where(x[..., 0] > 0, x[..., 0].sqrt(), x[..., 0] ** 2)


def where_log(x):
    return torch.where(x[..., 0] > 0, x[..., 0].log(), x[..., 0]).square()


def acos_at_1(x):
    return (x[..., 0].acos() - 1) ** 2


def norm_by_hand(x):
    return (x.square().sum(-1).sqrt() - 1) ** 2


def atan2_at_0(x):
    return torch.atan2(x[..., 0], x[..., 1]) ** 2 + (x[..., 0] - 1) ** 2


def zero_by_zero(x):
    return (x[..., 0] / x[..., 1]) ** 2


def power_of_negative(x):
    return x[..., 0] ** x[..., 1]


def difference_of_infinities(x):
    return x[..., 0].exp() - (x[..., 0].exp() - 1)


class BadSqrt(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0).sqrt()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / (2 * x.clamp(min=0).sqrt()) * (x > 0)


def bad_sqrt(x):
    return BadSqrt.apply(x[..., 0]) + x[..., 0] ** 2


def cut_by_data(x):
    return (x.data[..., 0] - 3) ** 2 + 0 * x[..., 0]


def cut_by_item(x):
    return ((x[..., 0] - 30) ** 2).item() + x[..., 0] ** 2


def cut_in_one_branch(x):
    return (x[..., 0] - 3) ** 2 + (x[..., 1].detach() + 2) ** 2 + 0 * x[..., 1]


def cut_in_one_factor(x):
    return (x[..., 0] - 3) * (x[..., 0].detach() - 3)


def rounds(x):
    return (x[..., 0].round() - 3) ** 2 + 0 * x[..., 0]


def floors(x):
    return (torch.floor(2 * x).sum(-1) - 7) ** 2 + 0 * x.sum(-1)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x * 0.1


def wrong_backward(x):
    return Doubled.apply(x[..., 0] - 3) + x[..., 0] * 0


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, g):
        return g


def straight_through(x):
    return (Straight.apply(x[..., 0]) - 3) ** 2


def straight_through_by_detach(x):
    return ((x[..., 0] + (x[..., 0].round() - x[..., 0]).detach()) - 3) ** 2


def bowls(x):
    return (x**2).sum(-1)


# Losses.


def cut_off_mse(prediction, target):
    loss = ((prediction - target) ** 2).mean()
    return loss / 2 + torch.tensor(loss.item() / 2, requires_grad=True)


def detached_mse(prediction, target):
    return ((prediction.detach() - target) ** 2).mean() + 0 * prediction.mean()


def numpy_mse(prediction, target):
    errors = prediction.detach().numpy() - target.numpy()
    return torch.as_tensor(np.square(errors).mean(), dtype=prediction.dtype) + 0 * prediction.mean()


def half_detached_mse(prediction, target):
    return ((prediction - target) * (prediction.detach() - target)).mean()


def argmax_errors(prediction, target):
    return (prediction.argmax(1) != target.argmax(1)).double().mean() + 0 * prediction.mean()


def rmse(prediction, target):
    return ((prediction - target) ** 2).mean().sqrt()


def log_of_probability(prediction, target):
    return -(target * prediction.log() + (1 - target) * (1 - prediction).log()).mean()


def relative_error(prediction, target):
    return ((prediction - target) / target).square().mean()


def logits(prediction, target):
    return F.binary_cross_entropy_with_logits(prediction, target)


def signs(prediction, target):
    return (((prediction.sign() + 1) / 2 - target) ** 2).mean()


# Models.


class Model(nn.Module):
    def __init__(self, inputs, outputs, width=4):
        super().__init__()
        self.a, self.b = nn.Linear(inputs, width), nn.Linear(width, outputs)

    def forward(self, x):
        return self.b(self.hidden(self.a(x)))


class Straightened(Model):
    def hidden(self, x):
        return x


class CutInside(Model):
    def hidden(self, x):
        return torch.tanh(x.detach())


class CutByNoGrad(Model):
    def hidden(self, x):
        with torch.no_grad():
            return torch.tanh(x)


class Softmaxed(Model):
    def forward(self, x):
        return torch.softmax(super().forward(x), dim=1)

    def hidden(self, x):
        return torch.tanh(x)


class LogSoftmaxed(Softmaxed):
    def forward(self, x):
        return torch.log(super().forward(x))


class SoftmaxLayer(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs), nn.Softmax(dim=-1))


class SigmoidLayer(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs), nn.Sigmoid())


class SqrtInside(Model):
    def hidden(self, x):
        return x.sqrt()


class WhereInside(Model):
    def hidden(self, x):
        return torch.where(x > 0, x.sqrt(), x)


class NormInside(Model):
    def hidden(self, x):
        return x / (0 * x).square().sum(1, keepdim=True).sqrt()


class Unbiased(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer = nn.Linear(inputs, outputs, bias=False)

    def forward(self, x):
        return torch.sigmoid(self.layer(x))


class Ones(nn.Module):
    """A column of ones, written, in place of the bias."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer = nn.Linear(inputs + 1, outputs, bias=False)

    def forward(self, x):
        return self.layer(torch.cat([torch.ones_like(x[:, :1]), x], 1))


class Dropped(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Linear(inputs, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, outputs))


class Normed(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Linear(inputs, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, outputs))


# Optimizers.


@dataclass(frozen=True)
class NoEpsilon(UpdateRule):
    """Divide by the size of the gradient, whatever that is.

    :param lr: learning rate.
    """

    lr: float = 0.1
    formula = ("p = p - lr * g / abs(g)",)
    symbols = {"p": "parameter", "g": "gradient", "lr": "learning rate"}  # noqa: RUF012

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient / gradient.abs(), state


@dataclass(frozen=True)
class Velocity(UpdateRule):
    """Momentum by another name.

    :param lr: learning rate.
    :param inertia: share of the velocity that stays.
    """

    lr: float = 0.01
    inertia: float = 0.9
    formula = ("v = inertia * v + g", "p = p - lr * v")
    symbols = {"p": "parameter", "g": "gradient", "lr": "learning rate", "v": "velocity", "inertia": "share"}  # noqa: RUF012

    def init(self, parameter):
        return {"v": torch.zeros_like(parameter)}

    def update(self, parameter, gradient, state, step, lr):
        velocity = self.inertia * state["v"] + gradient
        return parameter - lr * velocity, {"v": velocity}


class Plain(torch.optim.Optimizer):
    """Gradient descent as one writes it by hand."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.data.add_(p.grad, alpha=-group["lr"])


class Climber(Plain):
    """Adds what should be subtracted."""

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.data.add_(p.grad, alpha=group["lr"])


def plain(params, lr: float = 0.01):
    """Gradient descent.

    :param lr: learning rate.
    """
    return Plain(params, lr)


def climber(params, lr: float = 0.01):
    """Gradient ascent.

    :param lr: learning rate.
    """
    return Climber(params, lr)


FUNCTIONS = (
    where_sqrt, where_log, acos_at_1, norm_by_hand, atan2_at_0, zero_by_zero, power_of_negative,
    difference_of_infinities, bad_sqrt, cut_by_data, cut_by_item, cut_in_one_branch, cut_in_one_factor, rounds, floors,
    wrong_backward, straight_through, straight_through_by_detach, bowls,
)  # fmt: skip
LOSSES = (
    cut_off_mse, detached_mse, numpy_mse, half_detached_mse, argmax_errors, rmse, log_of_probability, relative_error,
    logits, signs,
)  # fmt: skip
MODELS = (
    Straightened, CutInside, CutByNoGrad, Softmaxed, LogSoftmaxed, SoftmaxLayer, SigmoidLayer, SqrtInside, WhereInside,
    NormInside, Unbiased, Ones, Dropped, Normed,
)  # fmt: skip


def _named(components, names=str.lower):
    return {f"ill.{names(each.__name__)}": each for each in components}


@hookimpl
def playground_functions():
    return _named(FUNCTIONS)


@hookimpl
def playground_losses():
    return _named(LOSSES)


@hookimpl
def playground_models():
    return _named(MODELS)


@hookimpl
def playground_optimizers():
    return {"ill.noepsilon": NoEpsilon, "ill.velocity": Velocity, "ill.plain": plain, "ill.climber": climber}
