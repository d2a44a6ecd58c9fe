"""The loss does not lead back to the parameters, because something between them was cut."""

import pytest
import torch
from torch import nn

from .examples import make_network, make_regression

x, y = make_regression()


def train(watch, make_loss, catch=False, steps=6):
    """Train with a loss; where the backward pass raises, the exception of torch comes out as it is."""
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []

    def run():
        with watch(model, optimizer):
            for _ in range(steps):
                optimizer.zero_grad()
                loss = make_loss(model)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())

    if catch:
        with pytest.raises(RuntimeError, match="does not require grad"):
            run()
    else:
        run()
    return losses, [model]


def detached_loss(watch):
    def loss(model):
        return nn.functional.mse_loss(model(x), y).detach()  # <-- here

    return train(watch, loss, catch=True)


def detached_loss_that_requires_grad(watch):
    def loss(model):
        return nn.functional.mse_loss(model(x), y).detach().requires_grad_()  # <-- here

    return train(watch, loss)


def detached_loss_that_is_divided(watch):
    """Trainers divide the loss by the number of batches for each step; here for longer than is watched closely."""

    def loss(model):
        detached = nn.functional.mse_loss(model(x), y).detach().requires_grad_()  # <-- here
        return detached / 1

    return train(watch, loss, steps=40)


def detached_prediction(watch):
    def loss(model):
        return nn.functional.mse_loss(model(x).detach(), y)  # <-- here

    return train(watch, loss, catch=True)


def detached_prediction_that_requires_grad(watch):
    def loss(model):
        predicted = model(x).detach().requires_grad_(True)  # <-- here
        return nn.functional.mse_loss(predicted, y)

    return train(watch, loss)


def a_number_made_a_tensor_again(watch):
    def loss(model):
        number = nn.functional.mse_loss(model(x), y).item()  # <-- here
        return torch.tensor(number, requires_grad=True)

    return train(watch, loss)


def a_number_made_a_tensor_that_does_not_require_grad(watch):
    def loss(model):
        number = nn.functional.mse_loss(model(x), y).item()  # <-- here
        return torch.tensor(number)

    return train(watch, loss, catch=True)


def a_tensor_of_the_loss(watch):
    def loss(model):
        value = nn.functional.mse_loss(model(x), y)
        with pytest.warns(UserWarning, match="copy construct"):
            return torch.tensor(value, requires_grad=True)  # <-- here

    return train(watch, loss)


def a_parameter_of_the_loss(watch):
    def loss(model):
        return nn.Parameter(nn.functional.mse_loss(model(x), y))

    return train(watch, loss)


def data_of_the_prediction(watch):
    def loss(model):
        predicted = model(x).data  # <-- here
        return nn.functional.mse_loss(predicted, y).requires_grad_()

    return train(watch, loss)


def data_of_the_loss(watch):
    def loss(model):
        return nn.functional.mse_loss(model(x), y).data  # <-- here

    return train(watch, loss, catch=True)


def a_way_through_numpy(watch):
    def loss(model):
        predicted = model(x).detach().numpy()  # <-- here
        return nn.functional.mse_loss(torch.from_numpy(predicted).requires_grad_(), y)

    return train(watch, loss)


def a_mean_of_numbers(watch):
    def loss(model):
        errors = [(a - b).item() ** 2 for a, b in zip(model(x), y, strict=True)]  # <-- here
        return torch.tensor(errors, requires_grad=True).mean()

    return train(watch, loss)


def a_list_of_numbers(watch):
    def loss(model):
        predicted = torch.tensor(model(x).tolist(), requires_grad=True)  # <-- here
        return nn.functional.mse_loss(predicted, y)

    return train(watch, loss)


def the_model_under_no_grad(watch):
    def loss(model):
        with torch.no_grad():
            predicted = model(x)  # <-- here
        return nn.functional.mse_loss(predicted, y)

    return train(watch, loss, catch=True)


def the_model_under_no_grad_and_requires_grad_put_on(watch):
    def loss(model):
        with torch.no_grad():
            predicted = model(x)  # <-- here
        return nn.functional.mse_loss(predicted, y).requires_grad_()

    return train(watch, loss)


def the_model_in_inference_mode(watch):
    def loss(model):
        with torch.inference_mode():
            predicted = model(x)  # <-- here
        return nn.functional.mse_loss(predicted.clone(), y)

    return train(watch, loss, catch=True)


def gradients_turned_off_for_a_function(watch):
    @torch.no_grad()
    def loss(model):
        return nn.functional.mse_loss(model(x), y)  # <-- here

    return train(watch, loss, catch=True)


def gradients_turned_off_after_a_validation(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []

    def run():
        with watch(model, optimizer):
            for _ in range(3):
                for _ in range(2):
                    optimizer.zero_grad()
                    loss = nn.functional.mse_loss(model(x), y)  # <-- here
                    loss.backward()
                    optimizer.step()
                    losses.append(loss.item())
                torch.set_grad_enabled(False)
                losses.append(nn.functional.mse_loss(model(x), y).item())

    try:
        with pytest.raises(RuntimeError, match="does not require grad"):
            run()
    finally:
        torch.set_grad_enabled(True)
    return losses, [model]


def a_count_of_right_answers(watch):
    """A comparison has no derivative."""

    def loss(model):
        right = (model(x) > 0) == (y > 0)  # <-- here
        return -right.float().mean()

    return train(watch, loss, catch=True)


def rounded_predictions_compared(watch):
    def loss(model):
        label = torch.cat([model(x), -model(x)], 1).argmax(1)  # <-- here
        return (label.float() - y.squeeze(1)).abs().mean().requires_grad_()

    return train(watch, loss)


def a_cut_in_the_second_half_of_the_network(watch):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.body = nn.Linear(3, 4)

        def forward(self, x):
            return torch.tensor(self.body(x).sum(1, keepdim=True).tolist())  # <-- here

    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for _ in range(5):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y).requires_grad_()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


SAYS = {
    "cut_graph": {
        detached_loss: "detach",
        detached_loss_that_requires_grad: "detach",
        detached_loss_that_is_divided: "detach",
        detached_prediction: "detach",
        detached_prediction_that_requires_grad: "detach",
        a_number_made_a_tensor_again: "item",
        a_number_made_a_tensor_that_does_not_require_grad: "item",
        a_tensor_of_the_loss: "torch.tensor",
        a_parameter_of_the_loss: "Parameter",
        data_of_the_prediction: "data",
        data_of_the_loss: "data",
        a_way_through_numpy: "detach",
        a_mean_of_numbers: "item",
        a_list_of_numbers: "tolist",
        the_model_under_no_grad: "no_grad",
        the_model_under_no_grad_and_requires_grad_put_on: "no_grad",
        the_model_in_inference_mode: "inference_mode",
        gradients_turned_off_for_a_function: "no_grad",
        gradients_turned_off_after_a_validation: "no_grad",
        a_count_of_right_answers: ">",
        rounded_predictions_compared: "argmax",
        a_cut_in_the_second_half_of_the_network: "tolist",
    },
}
