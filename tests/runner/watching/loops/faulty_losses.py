"""Predictions and targets that broadcast, and probabilities where logits belong or the other way round."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from .examples import make_classes, make_network, make_regression


def train(watch, loss_function, data, outputs=1, last=None, steps=8):
    model = make_network(data[0].shape[1], outputs)
    if last is not None:
        model.append(last)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x, y = data
    losses = []
    with watch(model, optimizer):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_function(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def make_vector():
    """Return targets `(16,)`, where the network's predictions are `(16, 1)`."""
    x, y = make_regression()
    return x, y.squeeze(1)


def squares_by_hand(watch):
    def loss(predicted, y):
        return ((predicted - y) ** 2).mean()  # <-- here

    return train(watch, loss, make_vector())


def squares_the_other_way_round(watch):
    def loss(predicted, y):
        return (y - predicted).pow(2).mean()  # <-- here

    return train(watch, loss, make_vector())


def squares_by_a_function(watch):
    def loss(predicted, y):
        return torch.square(torch.sub(predicted, y)).mean()  # <-- here

    return train(watch, loss, make_vector())


def a_vector_of_predictions_and_a_column_of_targets(watch):
    def loss(predicted, y):
        return ((predicted - y) ** 2).mean()  # <-- here

    return train(watch, loss, make_regression(), last=nn.Flatten(0))


def absolute_differences(watch):
    def loss(predicted, y):
        return (predicted - y).abs().sum() / len(y)  # <-- here

    return train(watch, loss, make_vector())


def expect_warning(loss_function):
    """Return the loss as a function that expects the warning with which torch says the same."""

    def loss(predicted, y):
        with pytest.warns(UserWarning, match="Using a target size"):
            return loss_function(predicted, y)  # <-- here

    return loss


def mse_loss(watch):
    return train(watch, expect_warning(functional.mse_loss), make_vector())


def mse_module(watch):
    return train(watch, expect_warning(nn.MSELoss()), make_vector())


def l1_loss(watch):
    return train(watch, expect_warning(functional.l1_loss), make_vector())


def huber_loss(watch):
    return train(watch, expect_warning(nn.HuberLoss()), make_vector())


def smooth_l1_loss(watch):
    return train(watch, expect_warning(functional.smooth_l1_loss), make_vector())


def binary_cross_entropy_by_hand(watch):
    def loss(p, y):
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean()  # <-- here

    x, y = make_binary()
    return train(watch, loss, (x, y.squeeze(1)), last=nn.Sigmoid())


def squares_of_batches_of_different_sizes(watch):
    """The last batch is smaller; the mistake is the same in each."""
    model = make_network()
    x, y = make_vector()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    losses = []
    with watch(model, optimizer):
        for _ in range(3):
            for inputs, targets in zip(x.split(6), y.split(6), strict=True):
                optimizer.zero_grad()
                loss = (model(inputs) - targets).square().mean()  # <-- here
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    return losses, [model]


def squares_of_batches_from_a_loader(watch):
    """The loader stacks each batch while the loop runs."""
    model = make_network()
    loader = DataLoader(TensorDataset(*make_vector()), batch_size=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    losses = []
    with watch(model, optimizer):
        for _ in range(2):
            for x, y in loader:
                optimizer.zero_grad()
                loss = ((model(x) - y) ** 2).mean()  # <-- here
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    return losses, [model]


def squares_of_columns_that_are_squeezed_in_the_step(watch):
    def loss(predicted, y):
        return ((predicted - y.squeeze(1).clone() / 1.0) ** 2).mean()  # <-- here

    return train(watch, loss, make_regression())


def squares_in_a_method_beside_forward(watch):
    """The model as a whole is never called, as in many trainers."""

    class Trainable(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = make_network()

        def measure(self, x, y):
            return ((self.network(x) - y) ** 2).mean()  # <-- here

    model = Trainable()
    x, y = make_vector()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    losses = []
    with watch(model, optimizer):
        for _ in range(6):
            optimizer.zero_grad()
            loss = model.measure(x, y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def squares_of_batches_that_are_moved_to_the_device(watch):
    """`to` returns the same tensor where it has nothing to do."""
    model = make_network()
    loader = DataLoader(TensorDataset(*make_vector()), batch_size=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    losses = []
    with watch(model, optimizer):
        for x, y in loader:
            x, y = x.to("cpu"), y.to("cpu")
            optimizer.zero_grad()
            loss = ((model(x) - y) ** 2).mean()  # <-- here
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def softmax_in_the_network(watch):
    def loss(predicted, labels):
        return functional.cross_entropy(predicted, labels)  # <-- here

    return train(watch, loss, make_classes(), 3, nn.Softmax(1))


def softmax_in_the_loss(watch):
    criterion = nn.CrossEntropyLoss()

    def loss(logits, labels):
        return criterion(torch.softmax(logits, 1), labels)  # <-- here

    return train(watch, loss, make_classes(), 3)


def softmax_method_and_view(watch):
    def loss(logits, labels):
        p = logits.softmax(dim=-1)
        return functional.cross_entropy(p.view(-1, 3), labels)  # <-- here

    return train(watch, loss, make_classes(), 3)


def functional_softmax_with_class_weights(watch):
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 1.0]), label_smoothing=0.1)

    def loss(logits, labels):
        return criterion(functional.softmax(logits, dim=1), labels)  # <-- here

    return train(watch, loss, make_classes(), 3)


def softmax_before_cross_entropy_with_soft_targets(watch):
    x, labels = make_classes()
    targets = functional.one_hot(labels, 3).float()

    def loss(logits, targets):
        return functional.cross_entropy(logits.softmax(1), targets)  # <-- here

    return train(watch, loss, (x, targets), 3)


def make_binary():
    x, labels = make_classes(classes=2)
    return x, labels.float().unsqueeze(1)


def sigmoid_in_the_network(watch):
    criterion = nn.BCEWithLogitsLoss()

    def loss(predicted, y):
        return criterion(predicted, y)  # <-- here

    return train(watch, loss, make_binary(), last=nn.Sigmoid())


def sigmoid_in_the_loss(watch):
    def loss(logits, y):
        return functional.binary_cross_entropy_with_logits(torch.sigmoid(logits), y)  # <-- here

    return train(watch, loss, make_binary())


def sigmoid_method_and_squeeze(watch):
    def loss(logits, y):
        p = logits.sigmoid().squeeze(1)
        return functional.binary_cross_entropy_with_logits(p, y.squeeze(1))  # <-- here

    return train(watch, loss, make_binary())


def functional_sigmoid_and_view(watch):
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0))

    def loss(logits, y):
        return criterion(functional.sigmoid(logits).view(-1), y.view(-1))  # <-- here

    return train(watch, loss, make_binary())


def softmax_before_nll_loss(watch):
    criterion = nn.NLLLoss()

    def loss(predicted, labels):
        return criterion(predicted, labels)  # <-- here

    return train(watch, loss, make_classes(), 3, nn.Softmax(1))


def functional_softmax_before_nll_loss(watch):
    def loss(logits, labels):
        return functional.nll_loss(functional.softmax(logits, 1), labels)  # <-- here

    return train(watch, loss, make_classes(), 3)


def softmax_and_reshape_before_nll_loss(watch):
    def loss(logits, labels):
        p = logits.softmax(1).reshape(-1, 3)
        return functional.nll_loss(p, labels)  # <-- here

    return train(watch, loss, make_classes(), 3)


COLUMN_AND_VECTOR = ("(16, 1)", "(16,)", "(16, 16)")

SAYS = {
    "broadcast_in_loss": {
        squares_by_hand: COLUMN_AND_VECTOR,
        squares_the_other_way_round: COLUMN_AND_VECTOR,
        squares_by_a_function: COLUMN_AND_VECTOR,
        a_vector_of_predictions_and_a_column_of_targets: COLUMN_AND_VECTOR,
        absolute_differences: COLUMN_AND_VECTOR,
        mse_loss: COLUMN_AND_VECTOR,
        mse_module: COLUMN_AND_VECTOR,
        l1_loss: COLUMN_AND_VECTOR,
        huber_loss: COLUMN_AND_VECTOR,
        smooth_l1_loss: COLUMN_AND_VECTOR,
        binary_cross_entropy_by_hand: ("(18, 1)", "(18,)", "(18, 18)"),
        squares_of_batches_from_a_loader: ("(4, 1)", "(4,)", "(4, 4)"),
        squares_of_batches_that_are_moved_to_the_device: ("(4, 1)", "(4,)", "(4, 4)"),
        squares_in_a_method_beside_forward: COLUMN_AND_VECTOR,
        squares_of_columns_that_are_squeezed_in_the_step: COLUMN_AND_VECTOR,
        squares_of_batches_of_different_sizes: ("(6, 1)", "(6,)", "(6, 6)"),
    },
    "softmax_before_cross_entropy": {
        softmax_in_the_network: "softmax",
        softmax_in_the_loss: "softmax",
        softmax_method_and_view: "softmax",
        functional_softmax_with_class_weights: "softmax",
        softmax_before_cross_entropy_with_soft_targets: "softmax",
    },
    "sigmoid_before_bce_with_logits": {
        sigmoid_in_the_network: "sigmoid",
        sigmoid_in_the_loss: "sigmoid",
        sigmoid_method_and_squeeze: "sigmoid",
        functional_sigmoid_and_view: "sigmoid",
    },
    "probabilities_in_nll_loss": {
        softmax_before_nll_loss: "softmax",
        functional_softmax_before_nll_loss: "softmax",
        softmax_and_reshape_before_nll_loss: "softmax",
    },
}
