"""Eval mode that a validation leaves on."""

import torch
from torch import nn

from .examples import make_classes

x, labels = make_classes()


def make(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), *layers, nn.Linear(8, 3))


def train(watch, model, validate, begin_epoch=lambda model: None):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(3):
            begin_epoch(model)
            for _ in range(4):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            validate(model)
    return losses, [model]


def measure(model):
    model.eval()
    with torch.no_grad():
        return nn.functional.cross_entropy(model(x), labels).item()


def eval_mode_with_dropout(watch):
    return train(watch, make(nn.ReLU(), nn.Dropout(0.3)), measure)


def eval_mode_with_batch_norm(watch):
    return train(watch, make(nn.BatchNorm1d(8), nn.ReLU()), measure)


def eval_mode_with_both(watch):
    return train(watch, make(nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3)), measure)


def eval_mode_by_train_false(watch):
    def validate(model):
        model.train(False)
        with torch.inference_mode():
            nn.functional.cross_entropy(model(x), labels).item()

    return train(watch, make(nn.Tanh(), nn.Dropout(0.2)), validate)


def train_named_but_not_called(watch):
    def begin_epoch(model):
        model.train  # noqa: B018

    return train(watch, make(nn.Tanh(), nn.Dropout(0.2)), measure, begin_epoch)


def train_before_the_loop_only(watch):
    model = make(nn.ReLU(), nn.Dropout(0.3))
    model.train()
    return train(watch, model, measure)


def eval_mode_without_no_grad(watch):
    def validate(model):
        model.eval()
        nn.functional.cross_entropy(model(x), labels).item()

    return train(watch, make(nn.ReLU(), nn.Dropout(0.3)), validate)


def dropout_inside_a_layer(watch):
    torch.manual_seed(0)

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.2, batch_first=True)
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.layer(x.unsqueeze(1)).squeeze(1))

    def validate(model):
        model.eval()
        with torch.no_grad():
            nn.functional.cross_entropy(model(x), labels).item()

    return train(watch, Encoder(), validate)


def eval_mode_of_a_model_whose_parts_are_called(watch):
    """The model as a whole is never called, as in many trainers."""
    torch.manual_seed(0)

    class Trainable(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = make(nn.ReLU(), nn.Dropout(0.3))

    model = Trainable()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(3):
            for _ in range(4):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model.network(x), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            model.eval()
            with torch.no_grad():
                model.network(x)
    return losses, [model]


SAYS = {
    "eval_mode_left_on": {
        eval_mode_with_dropout: "Dropout",
        eval_mode_with_batch_norm: "BatchNorm1d",
        eval_mode_with_both: "eval",
        eval_mode_by_train_false: "Dropout",
        train_named_but_not_called: "Dropout",
        train_before_the_loop_only: "Dropout",
        eval_mode_without_no_grad: "Dropout",
        dropout_inside_a_layer: "Dropout",
        eval_mode_of_a_model_whose_parts_are_called: "Dropout",
    },
}
