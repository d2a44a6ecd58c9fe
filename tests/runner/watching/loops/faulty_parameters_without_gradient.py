"""Some parameters get no gradient in any step, although others do."""

import torch
from torch import nn

from .examples import fit, make_regression

x, y = make_regression()


def train(watch, model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return fit(watch, model, optimizer, data=(x, y), steps=50)


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(3, 4)
        self.side = nn.Linear(4, 4)
        self.last = nn.Linear(4, 1)


def a_layer_that_is_never_used(watch):
    class Net(Base):
        def forward(self, x):
            return self.last(torch.tanh(self.first(x)))

    return train(watch, Net())


def a_layer_whose_result_is_thrown_away(watch):
    class Net(Base):
        def forward(self, x):
            hidden = torch.tanh(self.first(x))
            self.side(hidden)
            return self.last(hidden)

    return train(watch, Net())


def a_detached_branch(watch):
    class Net(Base):
        def forward(self, x):
            hidden = torch.tanh(self.first(x))
            branch = self.side(hidden).detach()  # <-- here
            return self.last(hidden + branch)

    return train(watch, Net())


def a_submodule_under_no_grad(watch):
    class Net(Base):
        def forward(self, x):
            with torch.no_grad():
                hidden = torch.tanh(self.first(x))  # <-- here
            return self.last(hidden + self.side(hidden))

    return train(watch, Net())


def a_submodule_in_inference_mode(watch):
    class Net(Base):
        def forward(self, x):
            with torch.inference_mode():
                hidden = torch.tanh(self.first(x))  # <-- here
            hidden = hidden.clone()
            return self.last(hidden + self.side(hidden))

    return train(watch, Net())


def a_detached_body(watch):
    class Net(Base):
        def forward(self, x):
            hidden = torch.tanh(self.first(x)).detach()  # <-- here
            return self.last(hidden + self.side(hidden))

    return train(watch, Net())


def a_choice_by_argmax(watch):
    class Net(Base):
        def forward(self, x):
            index = self.first(x).argmax(1)  # <-- here
            hidden = nn.functional.one_hot(index, 4).float()
            return self.last(hidden + self.side(hidden))

    return train(watch, Net())


def a_gate_by_comparison(watch):
    class Net(Base):
        def forward(self, x):
            hidden = torch.tanh(self.first(x))
            gate = (self.side(hidden) > 0).float()  # <-- here
            return self.last(hidden * gate)

    return train(watch, Net())


def a_parameter_read_as_a_number(watch):
    class Net(Base):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, x):
            scale = self.scale.item()  # <-- here
            hidden = torch.tanh(self.first(x)) * scale
            return self.last(hidden + self.side(hidden))

    return train(watch, Net())


def the_data_of_a_weight(watch):
    class Net(Base):
        def forward(self, x):
            hidden = torch.tanh(nn.functional.linear(x, self.first.weight.data, self.first.bias))  # <-- here
            return self.last(hidden + self.side(hidden))

    return train(watch, Net())


SAYS = {
    "parameters_without_gradient": {
        a_layer_that_is_never_used: "side.weight",
        a_layer_whose_result_is_thrown_away: "side.weight",
        a_detached_branch: "side.weight",
        a_submodule_under_no_grad: "first.weight",
        a_submodule_in_inference_mode: "first.weight",
        a_detached_body: "first.weight",
        a_choice_by_argmax: "first.weight",
        a_gate_by_comparison: "side.weight",
        a_parameter_read_as_a_number: "scale",
        the_data_of_a_weight: "first.weight",
    },
}
