"""Which of several names was meant by one that nobody knows."""

import pytest

from playground.suggestions import closest, distance

OPTIMIZERS = ("sgd", "adam", "adamax", "adamw", "lion", "nadam", "radam", "rmsprop", "torch.Adam", "torch.LBFGS")
LOSSES = ("bce", "bce_with_logits", "cross_entropy", "hinge", "huber", "mae", "mse", "smooth_l1")
ADAM = ("lr", "beta1", "beta2", "eps", "amsgrad", "weight_decay")
KEYS = ("task", "dataset", "model", "loss", "optimizer", "schedule", "function", "steps", "seed", "start", "expect")


@pytest.mark.parametrize(
    ("word", "accepted", "near"),
    [
        ("adma", OPTIMIZERS, ["adam"]),
        ("dam", OPTIMIZERS, ["adam"]),
        ("amda", OPTIMIZERS, ["adam"]),
        ("lino", OPTIMIZERS, ["lion"]),
        ("SGD", OPTIMIZERS, ["sgd"]),
        ("Adam", OPTIMIZERS, ["adam"]),
        ("RMSProp", OPTIMIZERS, ["rmsprop"]),
        ("rms_prop", OPTIMIZERS, ["rmsprop"]),
        ("torch.adam", OPTIMIZERS, ["torch.Adam"]),
        ("LBFGS", OPTIMIZERS, ["torch.LBFGS"]),
        ("adamx", OPTIMIZERS, ["adam", "adamax", "adamw"]),
        ("gradient_descent", OPTIMIZERS, ["sgd"]),
        ("quasar", OPTIMIZERS, []),
        ("MSELoss", LOSSES, ["mse"]),
        ("CrossEntropyLoss", LOSSES, ["cross_entropy"]),
        ("BCEWithLogitsLoss", LOSSES, ["bce_with_logits"]),
        ("mean_squared_error", LOSSES, ["mse"]),
        ("binary_cross_entropy", LOSSES, ["bce"]),
        ("learning_rate", ADAM, ["lr"]),
        ("learning-rate", ADAM, ["lr"]),
        ("LR", ADAM, ["lr"]),
        ("rl", ADAM, ["lr"]),
        ("lrr", ADAM, ["lr"]),
        ("beta", ADAM, ["beta1", "beta2"]),
        ("betas", ADAM, ["beta1", "beta2"]),
        ("momentum", ADAM, ["beta1"]),
        ("epsilon", ADAM, ["eps"]),
        ("beta1", ("lr", "momentum"), ["momentum"]),
        ("beta1", ("lr", "betas"), ["betas"]),
        ("epochs", KEYS, ["steps"]),
        ("optimiser", KEYS, ["optimizer"]),
        ("optimzer", KEYS, ["optimizer"]),
        ("network", KEYS, ["model"]),
        ("criterion", KEYS, ["loss"]),
        ("Expect", KEYS, ["expect"]),
        ("classify", ("classification", "regression"), ["classification"]),
        ("w", ("b", "x"), []),
        ("xx", ("x", "weight"), ["x"]),
        ("float16", ("float32", "float64"), []),
        ("", KEYS, []),
        ("adam", (), []),
    ],
)
def test_the_names_that_were_meant(word, accepted, near):
    assert closest(word, accepted) == near


@pytest.mark.parametrize(
    ("left", "right", "errors"),
    [("", "", 0), ("a", "", 1), ("adma", "adam", 1), ("ca", "ac", 1), ("sitting", "kitten", 3), ("abc", "abc", 0)],
)
def test_typing_errors_between_two_words(left, right, errors):
    assert distance(left, right) == distance(right, left) == errors
