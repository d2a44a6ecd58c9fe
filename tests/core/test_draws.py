"""The initial parameters of many seeds, drawn together, have the bits that a module built for each seed has."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from playground.core.problem import Batches, Problem, assign
from playground.core.replicas import CannotBatchError, draw_parameters, initial_parameters, stack_parameters
from playground.core.replicas.draws import draw_together

SEEDS = [*range(7, 30), 2**40, 2**63 - 1, 3]


class Initialised(nn.Sequential):
    """Two layers whose weights are initialised by a function."""

    def __init__(self, initialise) -> None:
        super().__init__(nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 1))
        initialise(self[0].weight)


class Free(nn.Module):
    """Parameters from `torch.rand` and `torch.randn`, with arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(2 * torch.rand(2, 3) - 1)
        self.bias = nn.Parameter(torch.randn(3) / 3)
        self.shared = self.bias

    def forward(self, x):
        return x @ self.weight + self.bias


class Choosing(nn.Linear):
    """Draws again, depending on what was drawn."""

    def __init__(self) -> None:
        super().__init__(2, 1)
        if self.weight[0, 0] > 0:
            nn.init.uniform_(self.weight)


class Detoured(nn.Linear):
    """Passes its weights through numpy, where torch cannot see them."""

    def __init__(self) -> None:
        super().__init__(2, 1)
        self.weight.data = torch.from_numpy(np.exp(self.weight.detach().numpy()))


class Sliced(nn.Linear):
    """Draws into a part of a parameter, twice."""

    def __init__(self) -> None:
        super().__init__(2, 6)
        with torch.no_grad():
            self.weight[::2].normal_()
            self.bias[1:4].uniform_(-1, 1)
            self.bias.mul_(0.5)


class Bounded(nn.Module):
    """Draws between bounds that are strided views of one tensor."""

    def __init__(self) -> None:
        super().__init__()
        low, high = torch.tensor([[-1.0, 1.0], [-2.0, 3.0]]).T
        self.weight = nn.Parameter(low + (high - low) * torch.rand(2))

    def forward(self, x):
        return x @ self.weight


MODULES = {
    "bounded": (Bounded, True),
    "linear": (partial(nn.Linear, 2, 1), True),
    "layers": (lambda: nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 1)), True),
    "convolution": (
        lambda: nn.Sequential(nn.Linear(2, 16), nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 3, 3), nn.Flatten()),
        True,
    ),
    "normal": (partial(Initialised, nn.init.normal_), True),
    "xavier": (partial(Initialised, nn.init.xavier_normal_), True),
    "zeros": (partial(Initialised, nn.init.zeros_), True),
    "free": (Free, True),
    "sliced": (Sliced, True),
    "orthogonal": (partial(Initialised, nn.init.orthogonal_), False),
    "truncated": (partial(Initialised, nn.init.trunc_normal_), False),
    "choosing": (Choosing, False),
    "detoured": (Detoured, False),
}
"""A module, and whether its parameters are drawn together; otherwise each seed builds its own."""


def problem_of(make, dtype, start, seed):
    module = make().to(dtype)
    assign(module, start)
    return Problem(module, lambda forward, batch: forward(batch[0]).sum(), Batches((torch.ones(4, 2, dtype=dtype),)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MODULES)
def test_every_seed_has_the_bits_that_its_module_has(name, dtype):
    make, together = MODULES[name]
    build = partial(problem_of, make, dtype, {})
    wanted, state = stack_parameters(initial_parameters(build, SEEDS)), torch.get_rng_state()
    found = draw_parameters(build, SEEDS)
    assert torch.equal(torch.get_rng_state(), state)
    assert list(found) == list(wanted)
    for key, tensor in wanted.items():
        assert found[key].dtype == dtype
        assert torch.equal(found[key].view(torch.uint8), tensor.view(torch.uint8))
    assert (draw_together(build, SEEDS) is not None) is together


def test_given_parameters_are_given_to_every_seed():
    build = partial(problem_of, partial(nn.Linear, 2, 1), torch.float64, {"weight": [[1.0, -2.0]]})
    assert draw_together(build, SEEDS) is not None
    found = draw_parameters(build, SEEDS)
    assert (found["weight"] == torch.tensor([[1.0, -2.0]])).all()
    assert len(set(found["bias"].flatten().tolist())) == len(SEEDS)


def test_a_generator_of_its_own_is_left_to_modules():
    def build(seed):
        linear = nn.Linear(2, 1)
        with torch.no_grad():
            linear.weight.uniform_(generator=torch.Generator().manual_seed(seed))
        return problem_of(lambda: linear, torch.float32, {}, seed)

    assert draw_together(build, SEEDS) is None
    wanted = stack_parameters(initial_parameters(build, SEEDS))
    assert torch.equal(draw_parameters(build, SEEDS)["weight"], wanted["weight"])


def test_seeds_that_change_more_than_the_parameters_cannot_share_a_module():
    class Noisy(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 1)
            self.noise = torch.rand(2)  # of its own, and in no list

        def forward(self, x):
            return super().forward(x * self.noise)

    with pytest.raises(CannotBatchError, match="differ in more than"):
        draw_parameters(partial(problem_of, Noisy, torch.float32, {}), SEEDS)
