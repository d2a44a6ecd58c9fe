"""A step of objects in hand is the user's own next step, and nothing of the user's changes."""

import copy
import functools
import json
import random
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

import playground as pg
from playground.errors import ComponentError, PlaygroundError
from playground.figures.numbers import flatten
from playground.report.explanation.formatting import format_sentence

OPTIMIZERS = {
    "sgd": functools.partial(torch.optim.SGD, lr=0.1),
    "momentum": functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "nesterov": functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    "adam": functools.partial(torch.optim.Adam, lr=0.01, weight_decay=0.1),
    "amsgrad": functools.partial(torch.optim.Adam, lr=0.01, amsgrad=True),
    "adamw": functools.partial(torch.optim.AdamW, lr=0.01),
    "rmsprop": functools.partial(torch.optim.RMSprop, lr=0.01, momentum=0.5, centered=True),
    "adagrad": functools.partial(torch.optim.Adagrad, lr=0.05, lr_decay=0.1),
    "adadelta": torch.optim.Adadelta,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rprop": torch.optim.Rprop,
}
OTHERS = {
    "lbfgs": functools.partial(torch.optim.LBFGS, lr=0.5, max_iter=3),
    "asgd": torch.optim.ASGD,
    "maximize": functools.partial(torch.optim.SGD, lr=0.1, maximize=True),
}


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch, tmp_path):
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(7)


class Net(nn.Module):
    """Everything that a careless copy moves: running statistics, dropout, a tied and a frozen weight."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(2, 2), nn.BatchNorm1d(2)
        self.second, self.third = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.third.weight = self.second.weight
        self.last = nn.Linear(2, 1)
        self.last.bias.requires_grad_(False)
        self.calls = []

    def forward(self, x):
        self.calls.append(len(x))
        hidden = functional.dropout(torch.tanh(self.norm(self.first(x))), 0.4, self.training)
        return self.last(self.third(torch.tanh(self.second(hidden))))


def batch():
    return torch.randn(6, 2), torch.randn(6, 1)


def make_step(model, loss, data, optimizer):
    x, y = data

    def closure():
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        return value

    optimizer.step(closure)


def everything(model, optimizer, *more):
    """All numbers of the objects, bit for bit, with modes, gradients and random streams."""
    return copy.deepcopy(
        (
            model.state_dict(),
            [None if p.grad is None else p.grad.clone() for p in model.parameters()],
            [part.training for part in model.modules()],
            [
                [*map(id, (*part._forward_hooks.values(), *part._forward_pre_hooks.values()))]
                for part in model.modules()
            ],
            [p.requires_grad for p in model.parameters()],
            optimizer.state_dict() if optimizer else None,
            random.getstate(),
            np.random.get_state(),
            torch.get_rng_state(),
            more,
        )
    )


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b) and a.dtype == b.dtype
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def numbers(summary):
    return list(flatten(summary.values))


@pytest.fixture
def unchecked(monkeypatch):
    """Without central differences, which take most of the time."""
    monkeypatch.setattr("playground.runner.explaining.explained_step.MAX_CHECKED_PARAMETERS", 0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("steps", [pytest.param(0, marks=pytest.mark.slow), 5])
@pytest.mark.parametrize("name", [*OPTIMIZERS, *OTHERS])
def test_the_step_is_the_users_own_and_nothing_moves(name, steps):
    model, loss, data = Net(), nn.MSELoss(), batch()
    optimizer = {**OPTIMIZERS, **OTHERS}[name](model.parameters())
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for _ in range(steps):
        make_step(model, loss, data, optimizer)
        scheduler.step()
    before = everything(model, optimizer, scheduler.state_dict(), data, model.calls)
    told = pg.explain(model, loss, data, optimizer).explanation
    assert same(before, everything(model, optimizer, scheduler.state_dict(), data, model.calls))
    assert "step" in optimizer.__dict__  # the scheduler's wrapper is still in place
    make_step(model, loss, data, optimizer)
    for each in told.parameters:
        assert numbers(each.after) == model.state_dict()[each.name].flatten().tolist(), each.name
    assert bool(told.update.formula) == (name in OPTIMIZERS)
    assert all(each.written for each in told.parameters) == (name in OPTIMIZERS)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_keeps_its_mode(training):
    model, data = Net().train(training), batch()
    model.last.train(not training)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = everything(model, optimizer)
    told = pg.explain(model, nn.MSELoss(), data, optimizer).explanation
    assert same(before, everything(model, optimizer))
    assert any(operation.name == "dropout" and "kept" in str(operation.shares) for operation in told.operations) == (
        training
    )
    make_step(model, nn.MSELoss(), data, optimizer)
    assert numbers(told.parameters[0].after) == model.first.weight.flatten().tolist()


def test_a_later_step():
    model, data = nn.Linear(2, 1), batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(3):
        make_step(model, nn.MSELoss(), data, optimizer)
    told = pg.explain(model, nn.MSELoss(), data, optimizer, step=2).explanation
    assert told.step == 5
    for _ in range(3):
        make_step(model, nn.MSELoss(), data, optimizer)
    assert numbers(told.parameters[0].after) == model.weight.flatten().tolist()


def small():
    torch.manual_seed(1)
    return nn.Linear(2, 1), nn.MSELoss(), batch()


def test_the_documented_calls(tmp_path):
    model, loss_fn, (x, y) = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = pg.explain(model, loss_fn, (x, y), optimizer)  # one step, on copies: nothing of the user's is moved
    assert step._repr_html_()
    assert all((step.text(), step.html(), step.latex()))
    step.save("step.html")
    assert (tmp_path / "step.html").is_file()


def test_numbers_of_groups_are_their_own():
    model, loss, data = small()
    groups = [{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "lr": 0.01, "weight_decay": 0.0}]
    told = pg.explain(model, loss, data, torch.optim.AdamW(groups)).explanation
    assert told.update.lr is None
    assert told.update.optimizer == "AdamW(lr = 0.1, 0.01)"
    assert "weight_decay" not in told.update.settings
    assert all(each.written for each in told.parameters)


def test_what_an_optimizer_can_be():
    model, loss, data = small()
    with_class = pg.explain(model, loss, data, torch.optim.SGD).explanation
    assert with_class.update.lr == 0.001
    assert pg.explain(model, loss, data, functools.partial(torch.optim.SGD, lr=0.5)).explanation.update.lr == 0.5
    named = pg.explain(model, loss, data, "adam").explanation
    assert named.update.formula[0].startswith("m = ")
    used = pg.explain(model, loss, data, pg.use("adam", lr=0.5)).explanation
    assert used.update.lr == 0.5
    used = pg.explain(model, loss, data, pg.use(torch.optim.Adam, lr=0.5)).explanation
    assert used.update.lr == 0.5
    with pytest.raises(ComponentError, match="the optimizer SGD cannot be constructed"):
        pg.explain(model, loss, data, pg.use(torch.optim.SGD, rate=0.5))
    with pytest.raises(ComponentError, match="rate"):
        pg.explain(model, loss, data, pg.use("adam", rate=0.5))
    none = pg.explain(model, loss, data).explanation
    assert none.update is None
    assert none.loss_after is None


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 1)

    def forward(self, a, b):
        return self.inner(a) - self.inner(b)


class WithPenalty(nn.Linear):
    def forward(self, x):
        return super().forward(x), self.weight.square().sum()


X, Y = torch.ones(3, 2), torch.zeros(3, 1)
DATA = {
    "alone": (nn.Linear(2, 1), lambda p: p.mean(), X, ["x1"]),
    "no targets": (nn.Linear(2, 1), lambda p: p.mean(), (X,), ["x1"]),
    "a list": (nn.Linear(2, 1), nn.MSELoss(), [X, Y], ["x", "t"]),
    "two inputs": (Pair(), nn.MSELoss(), ((X, X), Y), ["x1", "x2", "t"]),
    "a dict": (Pair(), lambda p: p.mean(), {"a": X, "b": X}, ["a", "b"]),
    "a dict and a target": (Pair(), nn.MSELoss(), ({"a": X, "b": X}, Y), ["a", "b", "t"]),
    "weights": (nn.Linear(2, 1), lambda p, t, w: (w * (p - t) ** 2).mean(), (X, Y, Y + 1), ["x", "t1", "t2"]),
    "a tuple out": (WithPenalty(2, 1), lambda out, t: nn.functional.mse_loss(out[0], t) + out[1], (X, Y), ["x", "t"]),
}


@pytest.mark.parametrize("name", DATA)
def test_batches_of_every_form(name):
    model, loss, data, names = DATA[name]
    told = pg.explain(model, loss, data, torch.optim.SGD).explanation
    shown = [node.name for node in told.nodes if node.kind == "data"]
    assert shown == (names if names != ["x1"] else ["x"])
    assert told.samples == 3


def test_a_loss_that_uses_the_model_uses_its_copy():
    model, _, (x, y) = small()
    seen = []

    def loss(prediction, target):
        seen.append(prediction)
        return nn.functional.mse_loss(prediction, target) + 0.1 * sum(p.abs().sum() for p in model.parameters())

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    told = pg.explain(model, loss, (x, y), optimizer).explanation
    assert not seen
    make_step(model, loss, (x, y), optimizer)
    assert numbers(told.parameters[0].after) == model.weight.flatten().tolist()


def test_hooks_act_on_copies():
    model, loss, data = small()
    calls, doubled = [], lambda module, inputs, output: 2 * output
    model.register_forward_hook(lambda module, inputs, output: calls.append(output))
    model.register_forward_hook(doubled)
    model.weight.register_hook(lambda gradient: gradient * 0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.register_step_post_hook(lambda *_: calls.append("step"))
    told = pg.explain(model, loss, data, optimizer).explanation
    assert not calls
    make_step(model, loss, data, optimizer)
    assert numbers(told.parameters[0].after) == model.weight.flatten().tolist()


class Noisy(nn.Linear):
    """Draws from every stream."""

    def __init__(self):
        super().__init__(2, 1)
        self.generator = torch.Generator().manual_seed(3)

    def forward(self, x):
        noise = torch.randn(1, generator=self.generator) + torch.randn(1) + np.random.randn() + random.random()
        return super().forward(x) + noise.float()


class WithLoss(nn.Linear):
    def loss(self, prediction, target):
        return functional.mse_loss(prediction, target) + self.weight.norm()


OWN = WithLoss(2, 1)
PENALIZED = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))


def penalize_gradient(prediction, target):
    slopes = torch.autograd.grad(prediction.sum(), list(PENALIZED.parameters()), create_graph=True)
    return functional.mse_loss(prediction, target) + sum(slope.square().sum() for slope in slopes)


MODELS = {
    "pruned": (prune.l1_unstructured(nn.Linear(2, 1), "weight", amount=1), nn.MSELoss()),
    "spectral": (parametrizations.spectral_norm(nn.Linear(2, 1)), nn.MSELoss()),
    "noisy": (Noisy(), nn.MSELoss()),
    "a method of the model": (OWN, OWN.loss),
    "a penalty of the gradient": (PENALIZED, penalize_gradient),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_and_losses_of_many_kinds(name):
    model, loss = MODELS[name]
    data = batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = everything(model, optimizer)
    told = pg.explain(model, loss, data, optimizer).explanation
    assert same(before, everything(model, optimizer))
    make_step(model, loss, data, optimizer)
    after = dict(model.named_parameters())
    assert all(numbers(each.after) == after[each.name].flatten().tolist() for each in told.parameters)


def test_the_loss_after_the_step_is_not_of_weights_that_autocast_kept():
    model, loss, data = small()
    with torch.autocast("cpu", torch.bfloat16):
        told = pg.explain(model, loss, data, torch.optim.SGD(model.parameters(), lr=0.1)).explanation
    assert told.loss_after < told.loss


def test_a_loss_with_parameters_of_its_own():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.log_scale = nn.Parameter(torch.zeros(()))

        def forward(self, prediction, target):
            return ((prediction - target) ** 2).mean() * torch.exp(-self.log_scale) + self.log_scale

    model, _, data = small()
    loss = Scaled()
    optimizer = torch.optim.Adam([*model.parameters(), *loss.parameters()], lr=0.1)
    told = pg.explain(model, loss, data, optimizer).explanation
    assert [each.name for each in told.parameters] == ["model.weight", "model.bias", "loss.log_scale"]
    make_step(model, loss, data, optimizer)
    assert told.parameters[2].after.values == loss.log_scale.item()
    assert told.parameters[2].central.values == pytest.approx(told.parameters[2].gradient.values, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_precisions(dtype):
    model, loss, (x, y) = small()
    model, data = model.to(dtype), (x.to(dtype), y.to(dtype))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    told = pg.explain(model, loss, data, optimizer).explanation
    make_step(model, loss, data, optimizer)
    assert numbers(told.parameters[0].after) == model.weight.flatten().tolist()


def test_a_sparse_gradient():
    model = nn.Embedding(4, 2, sparse=True)
    optimizer = torch.optim.SparseAdam(list(model.parameters()), lr=0.1)
    told = pg.explain(model, lambda p: (p**2).sum(), torch.tensor([1, 3]), optimizer).explanation
    optimizer.zero_grad()
    (model(torch.tensor([1, 3])) ** 2).sum().backward()
    optimizer.step()
    assert numbers(told.parameters[0].after) == model.weight.flatten().tolist()


def test_a_compiled_model_is_named_as_such():
    model, loss, data = small()
    compiled = torch.compile(model)
    told = pg.explain(compiled, loss, data, torch.optim.SGD(compiled.parameters(), lr=0.1)).explanation
    assert "not the kernels made of it" in format_sentence(told.words[0], str)
    assert [each.name for each in told.parameters] == ["weight", "bias"]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode], ids=["no_grad", "inference_mode"])
def test_where_gradients_are_off(mode):
    model, loss, data = small()
    with mode():
        assert pg.explain(model, loss, data, torch.optim.SGD).explanation.parameters[0].gradient is not None


class Locked(nn.Linear):
    def __init__(self):
        super().__init__(2, 1)
        self.lock = threading.Lock()


class Cached(nn.Linear):
    def forward(self, x):
        self.cache = super().forward(x)
        return self.cache


class Shared(nn.Linear):
    def __deepcopy__(self, memo):
        return self


class Raising(nn.Linear):
    def forward(self, x):
        raise ValueError("too steep")


class Checkpointed(nn.Linear):
    def forward(self, x):
        return checkpoint(super().forward, x.requires_grad_(), use_reentrant=True)


class Viewed(nn.Linear):
    def __init__(self):
        super().__init__(2, 1)
        self.register_buffer("first", self.weight.data[:, :1])


def cached():
    model = Cached(2, 1)
    model(X)
    return model


L, MSE = nn.Linear(2, 1), nn.MSELoss()
HIDDEN = [lambda: L.weight]


def secretive(prediction, target):
    return nn.functional.mse_loss(prediction, target) + globals()["L"].weight.sum()


BAD = {
    "number": ((3,), "expected a scenario's file or an nn.Module, got a int"),
    "class": ((nn.Linear, MSE, (X, Y)), r"got the class Linear; pass an instance: Linear\(...\)"),
    "swapped": ((L, (X, Y), MSE), r"the loss must be callable, got a tuple; expected explain\(model, loss, data"),
    "loss class": ((L, nn.MSELoss, (X, Y)), r"the loss is the class MSELoss; pass an instance: MSELoss\(\)"),
    "loss tensor": ((L, nn.MSELoss(reduction="none"), (X, Y)), r"a single number .*, got shape \(3, 1\)"),
    "loss float": ((L, lambda p, t: 1.0, (X, Y)), "must be a single number .*, got a float"),
    "no loss": ((L, None, X), r"returns shape \(3, 1\); without a loss, its output must be a single number"),
    "cut by the loss": ((L, lambda p, t: (p.detach() - t).mean(), (X, Y)), "<lambda> .* uses none, or cuts the graph"),
    "frozen": ((nn.Linear(2, 1).requires_grad_(False), MSE, (X, Y)), "all 2 parameters of Linear.* are frozen"),
    "nothing": ((nn.ReLU(), MSE, (X, Y)), "has no parameters"),
    "meta": ((nn.Linear(2, 1, device="meta"), MSE, (X, Y)), "on the meta device"),
    "device": ((L, MSE, (X.to("meta"), Y)), r"the batch is on meta, the model on cpu; move it with .to\(...\)"),
    "shapes": ((L, MSE, (Y, Y)), "step 0: RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
    "raises": ((Raising(2, 1), MSE, (X, Y)), r"step 0: ValueError: too steep \(test_in_hand.py, line \d+\)"),
    "numpy": ((L, MSE, (X.numpy(), Y)), "got a numpy array; convert it with torch.from_numpy"),
    "loader": ((L, MSE, torch.utils.data.DataLoader([1])), r"got a DataLoader; pass next\(iter\(loader\)\)"),
    "no data": ((L, MSE), r"^no data was given: explain\(model, loss, \(x, y\)\)$"),
    "text": ((L, MSE, "x"), "no tensor in a str"),
    "lock": ((Locked(), MSE, (X, Y)), "Locked.* cannot be copied: Locked.lock cannot pickle"),
    "cache": ((cached(), MSE, (X, Y)), r"Cached.cache is a result of a forward pass, .*store self.cache.detach\(\)"),
    "memory": ((Viewed(), MSE, (X, Y)), "weight and first share memory|first and weight share memory"),
    "checkpoint": ((Checkpointed(2, 1), MSE, (X, Y)), "uses a reentrant checkpoint"),
    "lazy": ((nn.LazyLinear(1), MSE, (X, Y)), "weight has no shape before the first batch; call the model once"),
    "no copy": ((Shared(2, 1), MSE, (X, Y)), "the copy that its __deepcopy__ returns shares weight"),
    "hidden use": ((L, secretive, (X, Y)), "secretive .* uses weight of the model itself"),
    "another model's": ((L, MSE, (X, Y), torch.optim.SGD(nn.Linear(2, 1).parameters())), "it moves another model's"),
    "no optimizer": ((L, MSE, (X, Y), 3), "expected a torch.optim.Optimizer"),
    "unknown name": ((L, MSE, (X, Y), "addam"), "unknown optimizer 'addam'; did you mean 'adam'"),
    "scheduler": (
        (L, MSE, (X, Y), torch.optim.lr_scheduler.StepLR(torch.optim.SGD(L.parameters(), lr=0.1), 1)),
        "StepLR holds a SGD; pass StepLR.optimizer",
    ),
    "no rate": ((L, MSE, (X, Y), torch.optim.Optimizer), "the optimizer Optimizer cannot be constructed"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_objects_are_one_line(name):
    arguments, message = BAD[name]
    with pytest.raises(ComponentError, match=message) as caught:
        pg.explain(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample": 3}, r"no sample 3 in this batch \(samples: 0 to 2\)"),
        ({"sample": -1}, "sample: expected a whole number of at least 0, got -1"),
        ({"step": 0.5}, "step: expected a whole number of at least 0, got 0.5"),
        ({"digits": 16}, "digits: expected a whole number from 1 to 15, got 16"),
    ],
    ids=str,
)
def test_bad_numbers_are_one_line(options, message):
    with pytest.raises(ComponentError, match=message):
        pg.explain(L, MSE, (X, Y), **options)


def test_a_scenario_is_explained_as_the_command_does(root):
    file = root / "scenarios" / "bowl.yaml"
    step = pg.explain(file, step=3)
    assert step.explanation.step == 3
    assert pg.explain(pg.load_scenario(file, {"optimizer.lr": 0.1})).explanation.update.lr == 0.1
    with pytest.raises(PlaygroundError, match="explain of a scenario takes no loss"):
        pg.explain(file, MSE)


def test_what_is_returned_shows_itself(tmp_path):
    step = pg.explain(L, MSE, (X, Y), torch.optim.SGD, sample=1)
    assert str(step) == step.text()
    assert repr(step).startswith("<ExplainedStep Linear, step 0: loss ")
    assert step.text("id").startswith("Linear · langkah 0")
    assert json.loads(step.json())["scenario"] == "Linear"
    assert step.latex().startswith("\\documentclass")
    assert step.html().startswith("<!doctype html>")
    frame = step._repr_html_()
    assert frame.startswith("<iframe ")
    assert 'sandbox="allow-same-origin"' in frame
    assert "&lt;!doctype html&gt;" in frame
    for name, start in {"a.html": "<!doctype", "a.tex": "\\doc", "a.json": "{", "a.txt": "Linear"}.items():
        step.save(tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    for name in ("a.pdf", "a"):
        with pytest.raises(PlaygroundError, match=r"accepted: \.html, \.tex, \.json, \.txt"):
            step.save(tmp_path / name)
    with pytest.raises(PlaygroundError, match=r"^unknown language 'xx' \(accepted: en, id\)$"):
        step.text("xx")


@pytest.mark.usefixtures("unchecked")
def test_a_long_text_names_the_argument_that_shows_all_of_it():
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
    step = pg.explain(model, nn.CrossEntropyLoss(), (torch.randn(9, 4), torch.randint(0, 3, (9,))), torch.optim.Adam)
    whole = step.text(full=True)
    hint = f"all {len(whole.splitlines())} lines are shown with text(full=True)."
    assert hint in " ".join(step.text().split())
    assert "--full" not in step.text()
    assert "text(full=True)." in step.text("id")
    assert "full=True" not in whole
