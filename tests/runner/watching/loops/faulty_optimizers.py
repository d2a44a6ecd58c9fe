"""The optimizer does not have the parameters it should have, or steps at the wrong time."""

import copy

import torch
from torch import nn

from .examples import make_network, make_regression

x, y = make_regression()


def train(watch, model, optimizer, steps=8):
    losses = []
    with watch(model, optimizer):
        for _ in range(steps):
            optimizer.zero_grad()
            model.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def a_layer_added_after_the_optimizer(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    model.append(nn.Linear(1, 1))
    return train(watch, model, optimizer)


def only_the_last_layer(watch):
    model = make_network()
    return train(watch, model, torch.optim.SGD(model[2].parameters(), lr=0.05))


def a_layer_replaced_after_the_optimizer(watch):
    model = make_network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model[2] = nn.Linear(8, 1)
    return train(watch, model, optimizer)


def only_weights(watch):
    model = make_network()
    return train(watch, model, torch.optim.SGD([p for n, p in model.named_parameters() if "weight" in n], lr=0.05))


def layers_in_a_plain_list(watch):
    """The layers of the list are no submodules, so neither `parameters()` nor the optimizer knows them."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layers = [nn.Linear(3, 4), nn.Linear(4, 4)]
            self.last = nn.Linear(4, 1)

        def forward(self, x):
            for layer in self.layers:
                x = torch.tanh(layer(x))
            return self.last(x)

    model = Net()
    return train(watch, model, torch.optim.SGD(model.parameters(), lr=0.05))


def a_tensor_that_requires_grad_but_is_no_parameter(watch):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.scale = torch.ones(3, requires_grad=True)
            self.last = nn.Linear(3, 1)

        def forward(self, x):
            return self.last(x * self.scale)

    model = Net()
    return train(watch, model, torch.optim.SGD(model.parameters(), lr=0.05))


def parameters_frozen_when_the_optimizer_was_made(watch):
    model = make_network()
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
    model[0].requires_grad_(True)
    return train(watch, model, optimizer)


def a_model_made_again(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    model = make_network()
    return train(watch, model, optimizer)


def the_optimizer_of_another_network(watch):
    model, other = make_network(), make_network(seed=1)
    return train(watch, model, torch.optim.Adam(other.parameters(), lr=0.05))


def a_copy_of_the_model(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return train(watch, copy.deepcopy(model), optimizer)


def parameters_replaced_when_loading(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    model.load_state_dict(make_network(seed=1).state_dict(), assign=True)
    return train(watch, model, optimizer)


def copies_of_the_parameters(watch):
    model = make_network()
    copies = [p.detach().clone().requires_grad_() for p in model.parameters()]
    return train(watch, model, torch.optim.SGD(copies, lr=0.05))


PARAMETERS_NOT_IN_OPTIMIZER = {
    a_layer_added_after_the_optimizer: "3.weight",
    only_the_last_layer: "0.weight",
    a_layer_replaced_after_the_optimizer: "2.weight",
    only_weights: "0.bias",
    layers_in_a_plain_list: "ModuleList",
    a_tensor_that_requires_grad_but_is_no_parameter: "nn.Parameter",
    parameters_frozen_when_the_optimizer_was_made: "0.weight",
}

OPTIMIZER_OF_ANOTHER_MODEL = dict.fromkeys(
    [
        a_model_made_again,
        the_optimizer_of_another_network,
        a_copy_of_the_model,
        parameters_replaced_when_loading,
        copies_of_the_parameters,
    ],
    "optimizer",
)

SAYS = {
    "parameters_not_in_optimizer": PARAMETERS_NOT_IN_OPTIMIZER,
    "optimizer_of_another_model": OPTIMIZER_OF_ANOTHER_MODEL,
}
