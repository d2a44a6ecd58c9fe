"""What a plugin returns is checked once, before anything is computed: one line with the class, the file, the line."""

import re

import pytest

PLUGIN = """\
from dataclasses import dataclass
import torch
from torch import nn
from playground import hookimpl
from playground.core.update import UpdateRule
from playground.core.data import Data


@dataclass(frozen=True)
class Good(UpdateRule):
    lr: float = 0.1

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient, state


class One(Good):
    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient


class Lst(Good):
    def update(self, parameter, gradient, state, step, lr):
        return [parameter - lr * gradient, state]


class Triple(Good):
    def update(self, parameter, gradient, state, step, lr):
        return parameter, state, 1


class Shape(Good):
    def update(self, parameter, gradient, state, step, lr):
        return (parameter - lr * gradient).sum(), state


class NoneUp(Good):
    def update(self, parameter, gradient, state, step, lr):
        pass


class BadInit(Good):
    def init(self, parameter):
        return torch.zeros_like(parameter)


class Raises(Good):
    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * state["m"], state


class NoFrozen(UpdateRule):
    lr: float = 0.1

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient, state


@dataclass(frozen=True)
class NoLr(UpdateRule):
    rate: float = 0.1

    def update(self, parameter, gradient, state, step, lr):
        return parameter - self.rate * gradient, state


class Opt(torch.optim.SGD):
    def step(self, closure=None):
        raise ValueError("boom")


@hookimpl
def playground_optimizers():
    return {
        **{
            c.__name__.lower(): c
            for c in (Good, One, Lst, Triple, Shape, NoneUp, BadInit, Raises, NoFrozen, NoLr, Opt)
        },
        "optnone": optnone,
    }


def optnone():
    return lambda parameters: None


def tens(steps: int):
    return lambda step: torch.tensor(1.0)


def none(steps: int):
    return lambda step: 1.0 if step < 5 else None


@hookimpl
def playground_schedules():
    return {"tens": tens, "none": none}


x = torch.rand(5, 1)


def tup():
    return x, x


def one():
    return x


def num():
    return Data(x.numpy(), x, ("x",))


def mis():
    return Data(x, x[:3], ("x",))


def emp():
    return Data(x[:0], x[:0], ("x",))


def nan():
    return Data(x, x * float("nan"), ("x",))


def flat():
    return Data(x, x[:, 0], ("x",))


def nonames():
    return Data(x, x, None)


def onename():
    return Data(x, x, "x")


def numbered():
    return Data(x, x, (1,))


def textcls():
    return Data(x, x.round(), ("x",), "2")


def meta():
    return Data(x.to("meta"), x, ("x",))


def sparse():
    return Data(x, x.to_sparse(), ("x",))


@hookimpl
def playground_datasets():
    return {
        f.__name__: f
        for f in (tup, one, num, mis, emp, nan, flat, nonames, onename, numbered, textcls, meta, sparse)
    }


class Lin(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.l = nn.Linear(inputs, outputs)


def model(f, C=Lin):
    class Odd(C):
        def forward(self, x):
            return f(self.l(x))

    return Odd


class Hidden(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = [nn.Linear(inputs, outputs)]

    def forward(self, x):
        return self.layers[0](x)


class Frozen(Lin):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.requires_grad_(False)

    def forward(self, x):
        return self.l(x)


class Unused(Lin):
    def forward(self, x):
        return x[:, :1] * 2


F = {
    "m_none": lambda z: None,
    "m_tuple": lambda z: (z, z),
    "m_numpy": lambda z: z.detach().numpy(),
    "m_float": lambda z: z.sum().item(),
    "m_int": lambda z: z.long(),
    "m_complex": lambda z: z.to(torch.complex64),
    "m_detach": lambda z: z.detach(),
    "m_n": lambda z: z[:, 0],
    "m_1n": lambda z: z.T,
    "m_mean": lambda z: z.mean(),
    "m_wide": lambda z: z.expand(-1, 3),
    "m_extra": lambda z: z[..., None],
    "m_11": lambda z: z.mean(0, keepdim=True),
}


def m_function(inputs: int, outputs: int):
    return lambda x: x


def m_class(inputs: int, outputs: int):
    return nn.Linear


def m_complexpar(inputs: int, outputs: int):
    return nn.Linear(inputs, outputs, dtype=torch.complex64)


@hookimpl
def playground_models():
    return {
        **{k: model(f) for k, f in F.items()},
        **{f.__name__: f for f in (m_function, m_class, m_complexpar)},
        "m_list": Hidden,
        "m_frozen": Frozen,
        "m_unused": Unused,
    }


def l_none(prediction, target):
    pass


def l_tuple(prediction, target):
    return (prediction - target).mean(), 1


def l_vec(prediction, target):
    return (prediction - target) ** 2


def l_float(prediction, target):
    return ((prediction - target) ** 2).mean().item()


def l_det(prediction, target):
    return ((prediction - target) ** 2).mean().detach()


def l_np(prediction, target):
    return ((prediction - target) ** 2).mean().detach().numpy()


def l_int(prediction, target):
    return (prediction > target).sum()


def l_again(prediction, target):
    return torch.tensor(((prediction - target) ** 2).mean().item(), requires_grad=True)


def l_plain(prediction, target):
    return ((prediction - target) ** 2).mean()


class LMod(nn.Module):
    def forward(self, prediction, target):
        return ((prediction - target) ** 2).mean()


@hookimpl
def playground_losses():
    return {
        **{f.__name__: f for f in (l_none, l_tuple, l_vec, l_float, l_det, l_np, l_int, l_again, l_plain)},
        "l_mod": LMod,
    }
"""

SCENARIO = """\
task: regression
dataset: line
model: linear
loss: mse
optimizer: {name: sgd, lr: 0.1}
steps: 20
"""

SHAPE = r"prediction has shape \(%s\) but target has shape \(50, 1\); expected equal shapes; Odd.forward .+"

WRONG = {
    # predictions that would broadcast against targets of shape (50, 1)
    "model=m_n": SHAPE % "50,",
    "model=m_1n": SHAPE % "1, 50",
    "model=m_mean": SHAPE % "",
    "model=m_wide": SHAPE % "50, 3",
    "model=m_extra": SHAPE % "50, 1, 1",
    "model=m_11": SHAPE % "1, 1",
    # what a forward returns
    "model=m_none": r"Odd.forward \(bad.py, line \d+\) returned None, not a tensor; .+",
    "model=m_tuple": r"Odd.forward \(bad.py, line \d+\) returned a tuple of 2, not a tensor; .+",
    "model=m_numpy": r"Odd.forward \(bad.py, line \d+\) returned a numpy.ndarray, not a tensor; .+",
    "model=m_float": r"Odd.forward \(bad.py, line \d+\) returned a float, not a tensor; .+",
    "model=m_int": r"Odd.forward \(bad.py, line \d+\) returned torch.int64, not floating-point numbers; .+",
    "model=m_complex": r"Odd.forward \(bad.py, line \d+\) returned torch.complex64, not floating-point numbers; .+",
    "model=m_detach": r"nothing to descend: Odd.forward \(bad.py, line \d+\) .+ cuts its output off .+",
    # what there is to train
    "model=m_list": r"nothing to descend: Hidden.forward \(bad.py, .+\) has no parameters; self.layers .+",
    "model=m_frozen": r"nothing to descend: all 2 parameters of Frozen.forward \(bad.py, .+\) are frozen .+",
    "model=m_unused": r"nothing to descend: Unused.forward \(bad.py, .+\) uses no parameter, .+",
    "model=m_function": r"m_function \(bad.py, line \d+\) returned a function; expected an nn.Module",
    "model=m_class": r"m_class \(bad.py, line \d+\) returned the class Linear; expected an nn.Module",
    "model=m_complexpar": r"m_complexpar \(bad.py, .+\) has weight of torch.complex64; expected real numbers",
    # what a loss returns
    "loss=l_none": r"the loss must be a single number .+, got None from l_none \(bad.py, line \d+\)",
    "loss=l_tuple": r"the loss must be a single number .+, got a tuple of 2 from l_tuple \(bad.py, .+\)",
    "loss=l_vec": r"the loss must be a single number .+, got shape \(50, 1\) from l_vec \(bad.py, .+\)",
    "loss=l_float": r"the loss must be a single number .+, got a float from l_float \(bad.py, .+\)",
    "loss=l_np": r"the loss must be a single number .+, got a numpy.ndarray from l_np \(bad.py, .+\)",
    "loss=l_int": r"the loss must be a floating-point number, got torch.int64 from l_int \(bad.py, .+\)",
    "loss=l_det": r"nothing to descend: .+; l_det \(bad.py, .+\) returns a number that is cut off from the graph .+",
    "loss=l_again": r"nothing to descend: .+; l_again \(bad.py, .+\) returns a number that is cut off .+",
    # what an optimizer is and returns
    "optimizer=one": r"One.update \(bad.py, line \d+\) returned a torch.Tensor; expected \(parameter, state\)",
    "optimizer=lst": r"Lst.update \(bad.py, line \d+\) returned a list of 2; expected \(parameter, state\)",
    "optimizer=triple": r"Triple.update \(bad.py, line \d+\) returned a tuple of 3; .+",
    "optimizer=noneup": r"NoneUp.update \(bad.py, line \d+\) returned None; .+",
    "optimizer=shape": r"Shape.update \(bad.py, line \d+\) returned a parameter of shape \(\); expected shape .+",
    "optimizer=badinit": r"BadInit.init \(bad.py, line \d+\) returned a torch.Tensor as the state; .+",
    "optimizer=raises": r"optimizer 'raises': KeyError: 'm' \(bad.py, line \d+\)",
    "optimizer=nofrozen": r"NoFrozen \(bad.py, line \d+\) is not a frozen dataclass; .+",
    "optimizer=nolr": r"NoLr \(bad.py, line \d+\) has no rate; give it a field lr: float",
    "optimizer=opt": r"optimizer 'opt': ValueError: boom \(bad.py, line \d+\)",
    "optimizer=optnone": r"<lambda> \(bad.py, line \d+\) returned None; expected a torch.optim.Optimizer, or .+",
    "optimizer=torch.SparseAdam": r"optimizer 'torch.SparseAdam': RuntimeError: SparseAdam does not support dense .+",
    "optimizer=torch.Muon": r"optimizer 'torch.Muon': ValueError: Muon only supports 2D parameters .+",
    # what a schedule returns, at any of its steps
    "schedule=tens": r"<lambda> \(bad.py, line \d+\) returned a torch.Tensor at step 0; expected a number",
    "schedule=none": r"<lambda> \(bad.py, line \d+\) returned None at step 5; expected a number",
    # what a dataset returns
    "dataset=tup": r"tup \(bad.py, line \d+\) returned a tuple of 2; expected Data\(inputs=..., .+",
    "dataset=one": r"one \(bad.py, line \d+\) returned a torch.Tensor; expected Data.+",
    "dataset=num": r"num \(bad.py, line \d+\) returned inputs as a numpy.ndarray; expected a tensor .+",
    "dataset=mis": r"mis \(bad.py, line \d+\) returned 5 rows of inputs, but 3 of targets",
    "dataset=emp": r"emp \(bad.py, line \d+\) returned inputs of shape \(0, 1\); expected at least one sample .+",
    "dataset=nan": r"nan \(bad.py, line \d+\) returned targets with 5 numbers that are not finite",
    "dataset=flat": r"flat \(bad.py, line \d+\) returned targets of shape \(5,\); expected \(samples, columns\)",
    "dataset=nonames": r"nonames \(bad.py, line \d+\) returned names as None; expected a tuple of 1, one for each .+",
    "dataset=onename": r"onename \(bad.py, line \d+\) returned names as a str; expected a tuple of 1, .+",
    "dataset=numbered": r"numbered \(bad.py, line \d+\) returned 1 among the names; expected texts",
    "dataset=textcls": r"textcls \(bad.py, line \d+\) returned classes='2'; expected a whole number from 1, .+",
    "dataset=meta": r"meta \(bad.py, line \d+\) returned inputs on the meta device; expected a dense tensor",
    "dataset=sparse": r"sparse \(bad.py, line \d+\) returned targets of torch.sparse_coo; expected a dense tensor",
    # numbers that overflow
    "optimizer.lr=1e+299": r"lr 1e\+299 is more than float32 can hold, at most 3.40282e\+38; .+ dtype: float64",
    "optimizer={name: adam, eps: 1e+40}": r"eps 1e\+40 is more than float32 can hold, .+",
    "optimizer={name: adam, lr: 3e+38}": r"lr 3e\+38 is too large: what the update makes of it is more than float32 .+",
    "optimizer={name: torch.SGD, lr: 1e+299}": r"lr 1e\+299 is more than float32 can hold, .+",
    "optimizer={name: torch.Adam, eps: 1e+299}": r"eps 1e\+299 is more than float32 can hold, .+",
}


@pytest.fixture
def bad(playground, write):
    """Run a command with the plugin: `bad("run", "a.yaml")`."""
    write("bad.py", PLUGIN)
    write("a.yaml", SCENARIO)
    return lambda *arguments: playground("-p", "bad.py", *arguments)


def assert_refused(result, message):
    assert result.exit_code == 2, result.stdout
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(rf"a\.yaml:.+?: {message}", line), line
    assert "Traceback" not in result.stderr + result.stdout


@pytest.mark.product(18)
@pytest.mark.sampled(2)
@pytest.mark.parametrize(("change", "message"), WRONG.items(), ids=WRONG)
def test_what_a_plugin_returns_is_refused_before_the_run(bad, change, message):
    assert_refused(bad("run", "a.yaml", "--set", change), message)


COMMANDS = {
    "check": ("check", "a.yaml"),
    "explain": ("explain", "a.yaml"),
    "eject": ("eject", "a.yaml", "--out", "a.py"),
    "plot": ("plot", "a.yaml", "--out", "a.png"),
    "html": ("run", "a.yaml", "--html", "a.html"),
    **{
        f"sweep, {engine}": ("sweep", "a.yaml", "--over", "dtype=float32,float64", "--engine", engine)
        for engine in ("auto", "compiled", "batched", "plain")
    },
}


@pytest.mark.product(14)
@pytest.mark.sampled(2)
@pytest.mark.parametrize("change", ["model: m_n", "model: m_list", "loss: l_det", "optimizer: one", "dataset: nan"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_refuses_alike(bad, write, tmp_path, command, change):
    key = change.partition(":")[0]
    write("a.yaml", re.sub(rf"(?m)^{key}: .+$", change, SCENARIO))
    assert_refused(bad(*command), WRONG[change.replace(": ", "=")])
    assert {path.name for path in tmp_path.iterdir()} <= {"a.yaml", "bad.py", "a.html"}  # a page shows what is invalid


def test_a_rate_that_overflows_at_one_point_of_a_sweep(bad):
    for engine in ("compiled", "batched", "plain"):
        result = bad("sweep", "a.yaml", "--over", "optimizer.lr=0.1,1e+299", "--engine", engine)
        assert result.exit_code == 2
        assert "lr 1e+299 is more than float32 can hold" in result.stderr


@pytest.mark.sampled(1)
@pytest.mark.parametrize("change", ["dtype=float64", "optimizer.lr=1e30"])
def test_what_a_dtype_can_hold_runs(bad, change):
    changes = ("--set", "optimizer.lr=1e+299") if change == "dtype=float64" else ()
    assert bad("run", "a.yaml", *changes, "--set", change, "--set", "steps=1").stderr == ""


@pytest.mark.slow
def test_the_doctor_finds_what_components_return(bad):
    told = bad("plugins", "doctor", "bad.py").stdout
    wrong = {line.split("'")[1] for line in told.splitlines() if line.startswith("  WRONG")}
    assert wrong == {
        *(
            change.partition("=")[2]
            for change in WRONG
            if re.match(r"(model|loss|optimizer|schedule|dataset)=\w+$", change)
        )
    }


@pytest.mark.sampled(1)
@pytest.mark.parametrize("optimizer", ["sgd", "torch.RMSprop"])
@pytest.mark.parametrize("engine", ["compiled", "batched", "plain"])
def test_no_steps_in_a_sweep(bad, engine, optimizer):
    over = ("--over", "steps=0,1", "--set", f"optimizer={optimizer}", "--set", "stop.loss=1e-9")
    result = bad("sweep", "a.yaml", *over, "--engine", engine)
    assert result.exit_code == 0, result.stderr
    assert "ValueError" not in result.stdout
