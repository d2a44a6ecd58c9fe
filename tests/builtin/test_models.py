import typing

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F  # noqa: N812

from playground.builtin import models

ORACLES = {
    "identity": nn.Identity(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(),
    "elu": nn.ELU(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "softplus": nn.Softplus(),
    "hardtanh": nn.Hardtanh(),
    "sin": torch.sin,
}
X = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [-2.0, 0.5]], dtype=torch.float64)

# how to build it, the shape of each parameter, the formula in terms of them
MODELS = {
    "linear": (
        lambda: models.linear(2, 3),
        {"weight": (3, 2), "bias": (3,)},
        lambda p: X @ p["weight"].T + p["bias"],
    ),
    "linear without bias": (
        lambda: models.linear(2, 1, bias=False),
        {"weight": (1, 2)},
        lambda p: X @ p["weight"].T,
    ),
    "perceptron": (
        lambda: models.Perceptron(2, 1),
        {"weight": (1, 2), "bias": (1,)},
        lambda p: torch.sigmoid(X @ p["weight"].T + p["bias"]),
    ),
    "mlp": (
        lambda: models.mlp(2, 1),
        {"layer1.weight": (8, 2), "layer1.bias": (8,), "layer2.weight": (1, 8), "layer2.bias": (1,)},
        lambda p: torch.tanh(X @ p["layer1.weight"].T + p["layer1.bias"]) @ p["layer2.weight"].T + p["layer2.bias"],
    ),
    "mlp of three layers": (
        lambda: models.mlp(2, 2, hidden=(4, 3), activation="relu", output="sigmoid"),
        {
            "layer1.weight": (4, 2),
            "layer1.bias": (4,),
            "layer2.weight": (3, 4),
            "layer2.bias": (3,),
            "layer3.weight": (2, 3),
            "layer3.bias": (2,),
        },
        lambda p: torch.sigmoid(
            F.linear(
                F.relu(
                    F.linear(
                        F.relu(F.linear(X, p["layer1.weight"], p["layer1.bias"])), p["layer2.weight"], p["layer2.bias"]
                    )
                ),
                p["layer3.weight"],
                p["layer3.bias"],
            )
        ),
    ),
    "mlp without hidden layers": (
        lambda: models.mlp(2, 1, hidden=(), output="sigmoid"),
        {"layer1.weight": (1, 2), "layer1.bias": (1,)},
        lambda p: torch.sigmoid(X @ p["layer1.weight"].T + p["layer1.bias"]),
    ),
    "handwritten": (
        lambda: models.Handwritten(2, 1),
        {"w": (2, 1), "b": (1,)},
        lambda p: torch.sigmoid(X @ p["w"] + p["b"]),
    ),
    "polynomial": (
        lambda: models.Polynomial(2, 3, degree=3),
        {"coefficients": (7, 3)},
        lambda p: (
            p["coefficients"][0]
            + sum(X[:, [i]] ** k * p["coefficients"][2 * k - 1 + i] for k in (1, 2, 3) for i in (0, 1))
        ),
    ),
}
every_model = pytest.mark.parametrize(("build", "shapes", "formula"), MODELS.values(), ids=MODELS)


def seeded(build, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().double()


@every_model
def test_parameters_have_their_names_and_shapes(build, shapes, formula):
    model = seeded(build)
    assert {name: tuple(parameter.shape) for name, parameter in model.named_parameters()} == shapes
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not list(model.buffers())


@every_model
def test_prediction_is_the_formula(build, shapes, formula):
    model = seeded(build)
    torch.testing.assert_close(model(X), formula(dict(model.named_parameters())))


@every_model
def test_the_seed_decides_the_start(build, shapes, formula):
    once, again, other = seeded(build, 1), seeded(build, 1), seeded(build, 2)
    for name, parameter in once.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name))
        assert not torch.equal(parameter, other.get_parameter(name))


@every_model
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(build, shapes, formula, dtype):
    assert seeded(build).to(dtype)(X.to(dtype)).dtype == dtype


@every_model
def test_gradient_is_that_of_the_value(build, shapes, formula):
    model = seeded(build)
    names = list(shapes)

    def predict(*values):
        return functional_call(model, dict(zip(names, values, strict=True)), (X,))

    assert torch.autograd.gradcheck(predict, tuple(model.parameters()))


@every_model
def test_batched_equals_alone(build, shapes, formula):
    replicas = [seeded(build, seed) for seed in range(3)]
    parameters, buffers = stack_module_state(replicas)
    batched = vmap(lambda p, b: functional_call(replicas[0], (p, b), (X,)))(parameters, buffers)
    torch.testing.assert_close(batched, torch.stack([replica(X) for replica in replicas]), rtol=1e-12, atol=1e-14)


def test_the_hint_names_every_activation():
    assert set(typing.get_args(models.Activation)) == set(models.ACTIVATIONS) == set(ORACLES)


@pytest.mark.parametrize("name", ORACLES)
def test_activation_is_that_of_torch(name):
    x = torch.linspace(-3, 3, 61, dtype=torch.float64)
    assert torch.equal(models.ACTIVATIONS[name](x), ORACLES[name](x))
    perceptron = seeded(lambda: models.Perceptron(2, 1, activation=name))
    linear = F.linear(X, perceptron.weight, perceptron.bias)
    assert torch.equal(perceptron(X), ORACLES[name](linear))
    hand = seeded(lambda: models.Handwritten(2, 1, activation=name))
    assert torch.equal(hand(X), ORACLES[name](X @ hand.w + hand.b))


@pytest.mark.parametrize("build", [lambda: models.Handwritten(5, 900), lambda: models.Polynomial(2, 900)])
def test_drawn_uniformly_from_minus_one_to_one(build):
    for parameter in seeded(build).parameters():
        assert -1 <= parameter.min() < -0.98
        assert 0.98 < parameter.max() <= 1
        assert parameter.mean().item() == pytest.approx(0, abs=0.06)
        assert parameter.var().item() == pytest.approx(1 / 3, abs=0.03)


def test_a_polynomial_of_one_input_reads_like_one():
    model = models.Polynomial(1, 1, degree=3).double()
    with torch.no_grad():
        model.coefficients.copy_(torch.tensor([[5.0], [-4.0], [3.0], [2.0]]))
    x = torch.tensor([[-1.0], [0.0], [2.0]], dtype=torch.float64)
    assert torch.equal(model(x), 5 - 4 * x + 3 * x**2 + 2 * x**3)


def test_perceptron_and_handwritten_are_the_same_neuron():
    """The tutorial's two ways, from the same numbers."""
    perceptron, hand = models.Perceptron(2, 1), models.Handwritten(2, 1)
    with torch.no_grad():
        hand.w.copy_(torch.tensor([[3.2761], [3.4772]]))
        hand.b.copy_(torch.tensor([-1.3895]))
        perceptron.weight.copy_(hand.w.T)
        perceptron.bias.copy_(hand.b)
    x = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    expected = torch.tensor([[0.9953], [0.8684], [0.8897], [0.1995]])
    torch.testing.assert_close(hand(x), expected, atol=5e-5, rtol=0)
    torch.testing.assert_close(perceptron(x), hand(x))
    assert nn.functional.mse_loss(hand(x), torch.tensor([[1.0], [1.0], [1.0], [0.0]])).item() == pytest.approx(
        0.017327, abs=5e-7
    )


def test_a_perceptron_shows_its_activation():
    assert (
        repr(models.Perceptron(2, 1, "tanh")) == "Perceptron(in_features=2, out_features=1, bias=True, activation=tanh)"
    )
