"""A table of ill runs and healthy ones: each ill one gets its name and no other, a healthy one none.

Every run is asked, whether or not it ended badly: it expects a diagnosis.
"""

import json
import math
from pathlib import Path

import pytest

from playground.plugins.manager import load_plugins
from playground.runner.single.running import run_one
from playground.scenario.model import Loaded, parse_scenario
from playground.scenario.source import parse_source

HERE = Path(__file__).parent
BROKEN = HERE.parents[1] / "scenarios" / "broken" / "mistakes.py"

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore::UserWarning")]


def down(function, start, optimizer, steps=100, **more):
    """A descent on a function; a vector start for our own functions, names for an expression."""
    return {
        "task": "minimize",
        "function": function,
        "start": start,
        "optimizer": optimizer,
        "steps": steps,
        **more,
    }


def fit(dataset, model, loss, optimizer, steps=100, task="regression", **more):
    return {
        "task": task,
        "dataset": dataset,
        "model": model,
        "loss": loss,
        "optimizer": optimizer,
        "steps": steps,
        **more,
    }


def sort(dataset, model, loss, optimizer, steps=100, **more):
    return fit(dataset, model, loss, optimizer, steps, "classification", **more)


def sgd(lr, **more):
    return {"name": "sgd", "lr": lr, **more}


def by(name, lr, **more):
    return {"name": name, "lr": lr, **more}


def mlp(*hidden, **more):
    return {"name": "mlp", "hidden": list(hidden), **more}


def table(inputs, targets):
    return {"name": "inline", "inputs": inputs, "targets": targets}


BOWL = "(2*x + 10)**2"
VALLEY = "100*(y - x**2)**2 + (1 - x)**2"
HIMMELBLAU = "(x**2 + y - 11)**2 + (x + y**2 - 7)**2"
BEALE = "(1.5 - x + x*y)**2 + (2.25 - x + x*y**2)**2 + (2.625 - x + x*y**3)**2"
LINE = {"name": "line", "samples": 20, "slope": 2, "intercept": -1, "noise": 0.1}
GIVEN = {"weight": [[0.0]], "bias": [0.0]}
BLOBS = {"name": "blobs", "samples": 60, "classes": 3}
SINE = table([[x / 5] for x in range(30)], [[math.sin(x / 5)] for x in range(30)])
CELSIUS = [21.8, 28.1, 33.9, 40.2, 47.5, 52.3, 58.8, 66.1, 73.4, 81.9]
YEARS = list(range(1990, 2010))
PARABOLA = table([[x / 5] for x in range(-10, 11)], [[(x / 5) ** 2] for x in range(-10, 11)])
SIZES = table([[50, 1], [90, -1], [-60, 2], [-80, -2]], [[3], [-1], [4], [-6]])
BOTH = table([[x, 0.001 * math.sin(7 * x)] for x in range(1, 11)], [[3 * x + math.sin(7 * x)] for x in range(1, 11)])


def column(values, slope=0.3, shift=2.0):
    return table(
        [[x] for x in values], [[slope * x + shift + 0.1 * math.sin(97 * i * i)] for i, x in enumerate(values)]
    )


def threshold(values):
    middle = sorted(values)[len(values) // 2]
    return table([[x] for x in values], [[float((x >= middle) != (i % 7 == 3))] for i, x in enumerate(values)])


ILL = {
    # Operations that make NaN or infinity.
    "nonfinite_operation": {
        "where and sqrt at once": down("ill.where_sqrt", {"x": [-1]}, sgd(0.1)),
        "where and sqrt on the way": down("ill.where_sqrt", {"x": [0.3]}, sgd(0.1)),
        "where and sqrt, torch": down("ill.where_sqrt", {"x": [-1]}, by("torch.Adam", 0.1)),
        "sqrt of a negative number": down("sqrt(x) + x", {"x": 1}, sgd(0.3)),
        "log of a negative number": down("x - log(x)", {"x": 3}, sgd(5)),
        "log of a negative number at once": down("log(x)**2", {"x": -1}, sgd(0.1)),
        "one by zero at once": down("1/x", {"x": 0}, sgd(0.1)),
        "infinite before the first step": down("(x**300)**4", {"x": 10}, sgd(0.1)),
        "exp overflows in float32": down("exp(x)", {"x": 100}, sgd(0.1), dtype="float32"),
        "zero by zero": down("ill.zero_by_zero", {"x": [0, 0]}, by("adam", 0.1)),
        "power of a negative number": down("ill.power_of_negative", {"x": [-1, 0.5]}, sgd(0.1)),
        "infinity less infinity": down("ill.difference_of_infinities", {"x": [1000]}, sgd(0.1)),
        "acos at 1": down("ill.acos_at_1", {"x": [1]}, sgd(0.1)),
        "norm at 0": down("ill.norm_by_hand", {"x": [0, 0]}, sgd(0.1)),
        "a custom backward": down("ill.bad_sqrt", {"x": [-1]}, sgd(0.1)),
        "sqrt in a layer": fit(LINE, "ill.sqrtinside", "mse", sgd(0.1)),
        "where in a layer": fit(LINE, "ill.whereinside", "mse", by("adam", 0.1)),
        "a norm of 0 in a layer": fit(LINE, "ill.norminside", "mse", by("torch.SGD", 0.1)),
        "rmse of no error": fit(
            table([[1], [2]], [[0], [0]]), {"name": "linear", "bias": False}, "ill.rmse", sgd(0.1),
            start={"weight": [[0]]},
        ),
        "division by a target of 0": fit(table([[1], [2]], [[0], [1]]), "linear", "ill.relative_error", sgd(0.1)),
        "log of a probability of 0": sort(
            "and_gate", {"name": "perceptron", "activation": "sigmoid"}, "ill.log_of_probability", sgd(0.1),
            start={"weight": [[0, 0]], "bias": [-900]},
        ),
    },
    "nonfinite_update": {
        "0/0 in the step": down("x**2", {"x": 0}, by("ill.noepsilon", 0.1)),
        "0/0 where the run arrives": down("x**2", {"x": 0.5}, by("ill.noepsilon", 0.25)),
        "0/0 in one of two": down("x**2 + 0*y", {"x": 1, "y": 1}, by("ill.noepsilon", 0.1)),
        "adam without eps": down("x**2 + 0*y", {"x": 1, "y": 1}, by("adam", 0.1, eps=0)),
        "rmsprop without eps": down("x**2 + 0*y", {"x": 1, "y": 1}, by("rmsprop", 0.1, eps=0)),
        "torch's adam without eps": down("x**2 + 0*y", {"x": 1, "y": 1}, by("torch.Adam", 0.1, eps=0)),
    },
    "nonfinite_data": {
        "a target overflows": fit(table([[1], [2]], [[3], [1e39]]), "linear", "mse", sgd(0.1), dtype="float32"),
        "an input overflows": fit(table([[1], [-1e60]], [[3], [4]]), mlp(4), "mae", by("adam", 0.1), dtype="float32"),
    },
    # Gradients that are lost.
    "cut_off": {
        "half the loss made anew": fit(LINE, "linear", "ill.cut_off_mse", sgd(0.1)),
        "half the loss made anew, network": sort("xor_gate", mlp(4), "ill.cut_off_mse", by("adam", 0.1)),
        "loss of a detached prediction": fit(LINE, "linear", "ill.detached_mse", sgd(0.1)),
        "numpy round trip": fit(LINE, mlp(3), "ill.numpy_mse", by("torch.Adam", 0.1)),
        "one factor is detached": fit(LINE, "linear", "ill.half_detached_mse", sgd(0.1)),
        "detach in a layer": fit(LINE, "ill.cutinside", "mse", sgd(0.1)),
        "no_grad in a layer": fit(LINE, "ill.cutbynograd", "mse", by("adam", 0.01)),
        ".data": down("ill.cut_by_data", {"x": [1]}, sgd(0.1)),
        ".item()": down("ill.cut_by_item", {"x": [1]}, by("rmsprop", 0.1)),
        "one branch": down("ill.cut_in_one_branch", {"x": [1, 1]}, sgd(0.1)),
        "one factor": down("ill.cut_in_one_factor", {"x": [1]}, sgd(0.1)),
    },
    "wrong_backward": {
        "a backward of another size": down("ill.wrong_backward", {"x": [1]}, sgd(0.1)),
        "the same, torch": down("ill.wrong_backward", {"x": [8]}, by("torch.SGD", 0.1)),
    },
    "zero_gradient": {
        "round": down("ill.rounds", {"x": [0.2]}, sgd(0.1)),
        "floor": down("ill.floors", {"x": [0.2, 0.3]}, by("adam", 0.1)),
        "argmax": sort(BLOBS, "linear", "ill.argmax_errors", sgd(0.1)),
        "errors": sort("and_gate", {"name": "perceptron", "activation": "sigmoid"}, "broken.errors", sgd(1)),
        "signs": sort("or_gate", mlp(4), "ill.signs", by("torch.Adam", 0.1)),
    },
    # Optimizers.
    "wrong_sign": {
        "a rule": down(BOWL, {"x": 1}, by("broken.uphill", 0.01)),
        "a rule, on a network": fit(LINE, mlp(4), "mse", by("broken.uphill", 0.1)),
        "a torch optimizer": down(VALLEY, {"x": -1.2, "y": 1}, by("ill.climber", 0.001)),
        "maximize": down(BOWL, {"x": 1}, by("torch.SGD", 0.01, maximize=True)),
        "maximize, adam": sort("and_gate", "perceptron", "bce", by("torch.Adam", 0.1, maximize=True)),
    },
    "forgotten_zero_grad": {
        "bowl": down(BOWL, {"x": 1}, by("broken.forgetful", 0.01)),
        "line": fit(LINE, "linear", "mse", by("broken.forgetful", 0.1)),
    },
    "undamped_momentum": {
        "torch, 1": down(BOWL, {"x": 1}, by("torch.SGD", 0.01, momentum=1)),
        "torch, 1.2": down(BOWL, {"x": 1}, by("torch.SGD", 0.01, momentum=1.2)),
        "torch, 1, line": fit(LINE, "linear", "mse", by("torch.SGD", 0.01, momentum=1)),
        "torch, nesterov": down(BOWL, {"x": 1}, by("torch.SGD", 0.01, momentum=1, nesterov=True)),
        "torch's rmsprop": down(BOWL, {"x": 1}, by("torch.RMSprop", 0.01, momentum=1)),
        "a plugin's": down(BOWL, {"x": 1}, by("ill.velocity", 0.01, inertia=1)),
        "a plugin's, 1.1": fit(LINE, "linear", "mse", by("ill.velocity", 0.01, inertia=1.1)),
    },
    # Rates.
    "rate_too_large": {
        "bowl": down(BOWL, {"x": 1}, sgd(0.3)),
        "bowl, momentum": down(BOWL, {"x": 1}, sgd(0.6, momentum=0.9)),
        "bowl, at the bound": down(BOWL, {"x": 1}, sgd(0.25)),
        "bowl, at the bound, torch": down(BOWL, {"x": 1}, by("torch.SGD", 0.25)),
        "bowl, at the bound, float32": down(BOWL, {"x": 1}, sgd(0.25), dtype="float32"),
        "bowl, at the bound, momentum": down(BOWL, {"x": 1}, by("torch.SGD", 0.375, momentum=0.5), 300),
        "two curvatures, at the bound of one": down("4*x**2 + 0.1*y**2", {"x": 1, "y": 2}, sgd(0.25), 300),
        "a minimum near the start": down("x**2 + 3*sin(3*x)**2", {"x": 2}, sgd(10, momentum=0.9)),
        "bowl, torch": down(BOWL, {"x": 1}, by("torch.SGD", 0.3)),
        "bowl, a plugin": down(BOWL, {"x": 1}, by("ill.plain", 0.3)),
        "bowl, huge": down(BOWL, {"x": 1}, sgd(1e20)),
        "bowl, float32": down(BOWL, {"x": 1}, sgd(0.4), dtype="float32"),
        "ten dimensions": down("ill.bowls", {"x": [1.0] * 10}, sgd(1.5)),
        "rosenbrock": down(VALLEY, {"x": -1.2, "y": 1}, sgd(0.01)),
        "rosenbrock, torch": down(VALLEY, {"x": -1.2, "y": 1}, by("torch.SGD", 0.01)),
        "rosenbrock, momentum": down(VALLEY, {"x": -1.2, "y": 1}, sgd(0.01, momentum=0.9)),
        "himmelblau": down(HIMMELBLAU, {"x": 4, "y": 4}, sgd(0.05)),
        "himmelblau, a plugin": down(HIMMELBLAU, {"x": 4, "y": 4}, by("ill.plain", 0.1)),
        "beale": down(BEALE, {"x": 3, "y": 3}, sgd(0.01)),
        "quartic": down("x**4", {"x": 3}, sgd(0.1)),
        "line": fit(LINE, "linear", "mse", sgd(2)),
        "line, tanh": fit({**LINE, "noise": 0}, mlp(8), "mse", sgd(1.5)),
        "line, sigmoid": fit(LINE, mlp(8, activation="sigmoid"), "mse", sgd(3)),
        "line, relu": fit(LINE, mlp(8, activation="relu"), "mse", sgd(1)),
        "line, relu, torch": fit(LINE, mlp(8, activation="relu"), "mse", by("torch.SGD", 1)),
        "line, two layers": fit(LINE, mlp(8, 8), "mse", sgd(1)),
        "line, batches": fit(LINE, mlp(8), "mse", sgd(2), batch_size=5),
        "exp of a square": down("exp(x**2)", {"x": 3}, sgd(1)),
        "sine data": fit(SINE, mlp(16), "mse", sgd(3)),
    },
    "unscaled_features": {
        "no bias": fit(SIZES, {"name": "linear", "bias": False}, "mse", sgd(1e-4), 200),
        "with a bias": fit(SIZES, "linear", "mse", sgd(1e-4), 200),
        "one column far from 0": fit(column(CELSIUS), "linear", "mse", sgd(1e-4), 1000),
        "the same, torch": fit(column(CELSIUS), "linear", "mse", by("torch.SGD", 1e-4), 300),
        "the same, momentum": fit(column(CELSIUS), "linear", "mse", sgd(1e-4, momentum=0.5), 300),
        "the same, diverging": fit(column(CELSIUS), "linear", "mse", sgd(0.01)),
        "a written column of ones": fit(column(CELSIUS), "ill.ones", "mse", sgd(1e-4), 300),
        "years": fit(column(YEARS), "linear", "mse", sgd(1e-7), 300),
        "years, diverging": fit(column(YEARS), "linear", "mse", sgd(0.01)),
        "years, squared": fit(column(YEARS), {"name": "polynomial", "degree": 2}, "mse", sgd(1e-14), 300),
        "years, cubed": fit(column(YEARS), {"name": "polynomial", "degree": 3}, "mse", sgd(1e-3)),
        "small and large": fit(BOTH, "linear", "mse", sgd(0.01), 300),
        "logistic": sort(threshold(YEARS), "linear", "bce_with_logits", sgd(1e-6), 300),
        "logistic, diverging": sort(threshold(CELSIUS), "linear", "bce_with_logits", sgd(0.5), 300),
        "perceptron": sort(threshold(CELSIUS), "perceptron", "bce", sgd(1e-3), 300),
    },
    "exploding_product": {
        "factors": down(
            "(a*b*c*d*f*g*h*k - 1)**2", dict.fromkeys("abcdfghk", 3), sgd(1e-3)
        ),
        "factors, torch": down(
            "(a*b*c*d*f*g*h*k - 1)**2", dict.fromkeys("abcdfghk", 4), by("torch.SGD", 1e-3)
        ),
    },
    # Units, and what a model can do.
    "dead_relu": {
        "perceptron": sort(
            "and_gate", {"name": "perceptron", "activation": "relu"}, "mse", sgd(0.1),
            start={"weight": [[-1, -1]], "bias": [-1]},
        ),
        "network": sort(
            "xor_gate", mlp(2, activation="relu"), "mse", by("adam", 0.1),
            start={"layer1.weight": [[-1, -1], [-2, -1]], "layer1.bias": [-1, -1]},
        ),
        "function": down("(relu(x) - 1)**2", {"x": -1}, sgd(0.1)),
    },
    "saturated_sigmoid": {
        "perceptron": sort(
            "and_gate", "perceptron", "mse", sgd(0.1), start={"weight": [[0, 0]], "bias": [10]},
        ),
        "tanh": sort(
            "or_gate", {"name": "perceptron", "activation": "tanh"}, "mse", by("torch.SGD", 0.01),
            start={"weight": [[0, 0]], "bias": [-12]},
        ),
    },
    "bounded_output": {
        "sigmoid under bce_with_logits": sort("xor_gate", mlp(8, output="sigmoid"), "bce_with_logits", by("adam", 0.1)),
        "sigmoid layer under a plugin's": sort("xor_gate", "ill.sigmoidlayer", "ill.logits", by("adam", 0.1)),
        "perceptron under bce_with_logits": sort("and_gate", "perceptron", "bce_with_logits", sgd(0.5)),
        "tanh under bce_with_logits": sort("or_gate", mlp(4, output="tanh"), "bce_with_logits", by("torch.Adam", 0.1)),
        "softmax under cross_entropy": sort(BLOBS, "ill.softmaxed", "cross_entropy", by("adam", 0.1)),
        "softmax layer under cross_entropy": sort("xor_gate", "ill.softmaxlayer", "cross_entropy", by("adam", 0.1)),
        "sigmoid for quantities": fit(LINE, mlp(4, output="sigmoid"), "mse", by("adam", 0.1)),
    },
    "cannot_represent": {
        "xor, linear": sort("xor_gate", "linear", "mse", sgd(0.1), 300),
        "xor, linear, logits": sort("xor_gate", "linear", "bce_with_logits", by("adam", 0.1), 300),
        "xor, perceptron": sort("xor_gate", "perceptron", "mse", sgd(0.5), 300),
        "xor, network without non-linearity": sort("xor_gate", mlp(8, activation="identity"), "mse", sgd(0.1), 300),
        "xor, deep without non-linearity": sort(
            "xor_gate", mlp(4, 4, activation="identity"), "bce_with_logits", by("torch.Adam", 0.05), 300
        ),
        "xor, a plugin's": sort("xor_gate", "ill.straightened", "mse", by("adam", 0.1), 300),
        "and without bias": sort("and_gate", {"name": "linear", "bias": False}, "mse", sgd(0.1), 300),
        "and without bias, logits": sort(
            "and_gate", {"name": "linear", "bias": False}, "bce_with_logits", by("adam", 0.1), 300
        ),
        "and without bias, sigmoid": sort("and_gate", "ill.unbiased", "bce", by("adam", 0.1), 300),
        "a parabola by a line": fit(PARABOLA, "linear", "mse", by("adam", 0.1), 300),
        "circles by a line": sort(
            {"name": "circles", "samples": 60}, "linear", "bce_with_logits", by("adam", 0.1), 300
        ),
    },
    "plateau": {
        "xor, sigmoid, mse": sort(
            "xor_gate", mlp(4, activation="sigmoid", output="sigmoid"), "mse", sgd(0.5), 500, seed=1
        ),
        "xor, sigmoid, mse, torch": sort(
            "xor_gate", mlp(2, activation="sigmoid", output="sigmoid"), "mse", by("torch.SGD", 0.5), 500
        ),
    },
}  # fmt: skip

HEALTHY = {
    "where and log": down("ill.where_log", {"x": [-0.5]}, by("adam", 0.1)),
    "bowl, too few steps": down(BOWL, {"x": 1}, sgd(0.01), 3),
    "bowl, near the bound": down(BOWL, {"x": 1}, sgd(0.2499), 50),
    "bowl, a rate of nearly 0": down(BOWL, {"x": 1}, sgd(1e-12), 50),
    "bowl, converged": down(BOWL, {"x": 1}, sgd(0.1), 200),
    "bowl, momentum": down(BOWL, {"x": 1}, sgd(0.01, momentum=0.9), 7),
    "bowl, much momentum": down(BOWL, {"x": 1}, by("torch.SGD", 0.01, momentum=0.99), 13),
    "bowl, adam overshoots": down("x**2", {"x": 0.01}, by("adam", 0.1), 2),
    "bowl, adam": down(BOWL, {"x": 1}, by("adam", 0.5), 40),
    "bowl, a plugin": down(BOWL, {"x": 1}, by("ill.velocity", 0.01), 20),
    "bowl, clipped": down(BOWL, {"x": 1}, sgd(0.1), 20, clip={"norm": 1}),
    "bowl, lbfgs": down(BOWL, {"x": 1}, {"name": "torch.LBFGS"}, 3),
    "bowl, at the minimum": down(BOWL, {"x": -5}, sgd(0.1), 5),
    "bowl, float32": down(BOWL, {"x": 1}, sgd(0.1), 100, dtype="float32"),
    "ten dimensions": down("ill.bowls", {"x": [1.0] * 10}, sgd(0.1), 10),
    "rosenbrock, few steps": down(VALLEY, {"x": -1.2, "y": 1}, sgd(0.001), 20),
    "rosenbrock, adam": down(VALLEY, {"x": -1.2, "y": 1}, by("adam", 0.01), 20),
    "himmelblau": down(HIMMELBLAU, {"x": 0, "y": 0}, sgd(0.01), 10),
    "beale": down(BEALE, {"x": 1, "y": 1}, sgd(0.01), 30),
    "falls without end": down("x**3", {"x": -1}, sgd(0.1)),
    "a straight line": down("1*x", {"x": 1}, sgd(0.1), 10),
    "saddle": down("x**2 - y**2", {"x": 1, "y": 0}, sgd(0.1), 10),
    "local minimum": down("x**4 - 3*x**2 + x", {"x": 1}, sgd(0.01), 100),
    "flat": down("0*x + 3", {"x": 1}, sgd(0.1), 10),
    "kink": down("abs(x)", {"x": 1}, sgd(0.3), 20),
    "steep": down("abs(x)**1.1", {"x": 1}, sgd(0.01), 20),
    "straight through": down("ill.straight_through", {"x": [0.2]}, sgd(0.1), 3),
    "straight through by detach": down("ill.straight_through_by_detach", {"x": [0.2]}, sgd(0.1), 3),
    "relu at its best": down("relu(x - 3)", {"x": 1}, sgd(0.5), 10),
    "log in its domain": down("x - log(x)", {"x": 3}, sgd(0.1), 10),
    "rastrigin": down("x**2 + 10 - 10*cos(2*pi*x)", {"x": 3.2}, sgd(0.001), 50),
    "line, few steps": fit(LINE, "linear", "mse", sgd(0.1), 3),
    "line, tight": fit(LINE, "linear", "mse", sgd(0.1), 300),
    "line, noisy": fit({**LINE, "noise": 1.0, "samples": 30}, "linear", "mse", sgd(0.1), 300),
    "line, noisy, network": fit({**LINE, "noise": 1.0, "samples": 30}, mlp(4), "mse", by("adam", 0.05), 200),
    "line, mae": fit(LINE, "linear", "mae", sgd(0.05), 100),
    "line, huber": fit(LINE, "linear", "huber", by("torch.SGD", 0.1), 100),
    "line, adam": fit(LINE, "linear", "mse", by("adam", 0.1), 50),
    "line, tanh": fit(LINE, mlp(8), "mse", sgd(0.1), 50),
    "line, relu": fit(LINE, mlp(8, activation="relu"), "mse", by("adam", 0.05), 50),
    "line, batches": fit(LINE, "linear", "mse", sgd(0.1), 50, batch_size=4),
    "line, rmse": fit(LINE, "linear", "ill.rmse", sgd(0.05), 50),
    "line, dropout": fit(LINE, "ill.dropped", "mse", by("adam", 0.05), 60),
    "line, batch norm": fit(LINE, "ill.normed", "mse", by("adam", 0.05), 60),
    "line, a narrow network": fit({**LINE, "noise": 0.5}, mlp(1), "mse", by("adam", 0.05), 200),
    "line, three samples": fit({**LINE, "samples": 3}, "linear", "mse", sgd(0.1), 100),
    "parabola by a polynomial": fit(PARABOLA, {"name": "polynomial", "degree": 2}, "mse", sgd(0.05), 100),
    "sine, network": fit(SINE, mlp(16), "mse", by("adam", 0.02), 60),
    "columns of one size": fit(
        table([[1, 2], [2, 1], [-1, 1], [0.5, -2]], [[1], [2], [3], [4]]), "linear", "mse", sgd(0.05), 100
    ),
    "scaled column": fit(column([x / 10 for x in range(-10, 11)]), "linear", "mse", sgd(0.1), 30),
    "large targets, short steps": fit(
        table([[x / 5] for x in range(-10, 11)], [[2e4 * x] for x in range(-10, 11)]), "linear", "mse",
        by("adam", 0.1), 300,
    ),
    "years, adam": fit(column(YEARS), "linear", "mse", by("adam", 0.01), 50),
    "and": sort("and_gate", "perceptron", "bce", sgd(0.5), 30),
    "and, mse": sort("and_gate", "perceptron", "mse", by("adam", 0.3), 50),
    "and, handwritten": sort("and_gate", "handwritten", "mse", sgd(1), 100),
    "or": sort("or_gate", "linear", "bce_with_logits", sgd(0.5), 30),
    "or, hinge": sort("or_gate", "linear", "hinge", sgd(0.1), 300),
    "xor, few steps": sort("xor_gate", mlp(8, output="sigmoid"), "bce", by("adam", 0.05), 5),
    "xor": sort("xor_gate", mlp(8, output="sigmoid"), "bce", by("adam", 0.05), 300),
    "xor, logits": sort("xor_gate", mlp(8), "bce_with_logits", by("adam", 0.05), 100),
    "xor, relu": sort("xor_gate", mlp(16, activation="relu"), "mse", by("adam", 0.05), 100),
    "xor, a slow rate": sort("xor_gate", mlp(8), "mse", sgd(1e-4), 50),
    "xor, cross entropy": sort("xor_gate", mlp(8), "cross_entropy", by("adam", 0.05), 100),
    "xor, log of a softmax": sort("xor_gate", "ill.logsoftmaxed", "cross_entropy", by("adam", 0.05), 100),
    "blobs": sort(BLOBS, "linear", "cross_entropy", by("adam", 0.1), 100),
    "iris, softmax and mse": sort(BLOBS, "ill.softmaxed", "mse", by("adam", 0.05), 60),
    "iris, label smoothing": sort(
        BLOBS, "linear", {"name": "cross_entropy", "label_smoothing": 0.1}, by("adam", 0.1), 100
    ),
    "moons": sort({"name": "moons", "samples": 60, "noise": 0.1}, mlp(8), "bce_with_logits", by("adam", 0.05), 60),
    "blobs that overlap": sort(
        {"name": "blobs", "samples": 60, "spread": 3.0}, "linear", "cross_entropy", by("adam", 0.1), 200
    ),
}  # fmt: skip

QUICK = 1
"""Runs of each name in the quick suite, and eight times as many healthy ones; all others are slow."""


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(specs=[str(HERE / "ills.py"), str(BROKEN)], autoload=False)


def names(scenario, plugins):
    """Return the names of what is found wrong with a run that is asked in any case."""
    source = parse_source(json.dumps({**scenario, "expect": {"diagnosis": "dead_relu"}}), "scenario.yaml")
    run = run_one(Loaded(parse_scenario(source), source), plugins)
    for each in run.diagnoses:
        assert each.sentence.endswith(".")
        assert len(each.sentence) <= 300
    return run, [each.name for each in run.diagnoses]


def cases():
    for name, several in (*ILL.items(), ("healthy", HEALTHY)):
        quick = QUICK if name in ILL else 8 * QUICK
        for number, (what, scenario) in enumerate(several.items()):
            marks = () if number < quick else (pytest.mark.slow,)
            yield pytest.param(scenario, [name] if name in ILL else [], id=f"{name}: {what}", marks=marks)


def test_the_table_is_large_enough(plugins):
    assert sum(map(len, ILL.values())) >= 60
    assert len(HEALTHY) >= 60
    assert set(ILL) == set(plugins.registry.names("diagnosis"))


@pytest.mark.product(60)
@pytest.mark.sampled(10)
@pytest.mark.parametrize(("scenario", "expected"), list(cases()))
def test_a_run_gets_its_name_and_no_other(scenario, expected, plugins):
    run, found = names(scenario, plugins)
    assert found == expected, (run.status, run.reason, run.loss, run.diagnoses)
