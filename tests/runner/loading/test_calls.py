"""Faults in what `run` and `sweep` are given: one line each, with the function and the key."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import playground as pg
from playground.errors import PlaygroundError
from playground.plugin_api import Data, declares


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)


class Steps(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)


def squares(prediction, target):
    return ((prediction - target) ** 2).mean()


def bowl(x):
    return (x**2).sum(-1)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)


SAMPLES = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]), torch.tensor([0, 1, 1, 0])
FIT = {"task": "classification", "dataset": SAMPLES, "model": Net, "loss": squares, "optimizer": Steps, "steps": 2}
DESCEND = {"task": "minimize", "function": bowl, "start": {"x": [1.0, -2.0]}, "optimizer": Steps, "steps": 2}
NET = Net()
BAD = {
    "nothing": ({"task": None}, "expected the file of a scenario, or the keys of one, at least task="),
    "a file and a task": ({"path": "x.yaml"}, "expected a file or task=, got both; a file has its own task"),
    "a number as a path": ({"path": 3, "task": None}, "expected the path of a file, got int"),
    "an empty task": ({"task": ""}, "task: expected a text that is not empty, got ''"),
    "a parameter": (
        {"optimizer": pg.use(Steps, lrr=1)},
        "optimizer: unknown parameter 'lrr' of optimizer 'Steps'; did you mean 'lr'?",
    ),
    "a parameter of a name": (
        {"optimizer": pg.use("sgd", lrr=1)},
        "optimizer: unknown parameter 'lrr' of optimizer 'sgd'; did you mean 'lr'?",
    ),
    "a key": ({"stepps": 3}, "unknown key 'stepps'; did you mean 'steps'?"),
    "a parameter as a key": ({"lr": 3}, "unknown key 'lr'; did you mean 'optimizer.lr'?"),
    "a value": ({"steps": -1}, "steps: expected at least 0, got -1"),
    "an object as a value": ({"batch_size": object()}, "batch_size: expected plain data, got object"),
    "an expectation": ({"expect": {"loss": {"belw": 1}}}, "expect: unknown key 'belw'; did you mean 'below'?"),
    "a quantity": ({"expect": {"los": 1}}, "expect: nothing named 'los' is measured here; did you mean 'loss'?"),
    "a name": ({"optimizer": "sdg"}, "optimizer: unknown optimizer 'sdg'; did you mean 'sgd'?"),
    "a number": ({"loss": 3}, "loss: expected a name or {name: ..., parameter: value}, got 3"),
    "no function": (
        {"loss": object()},
        "loss: expected a function (prediction, target), an nn.Module, or a name, got object",
    ),
    "an optimizer of a model": (
        {"optimizer": Steps(NET.parameters())},
        "optimizer: this Steps already has parameters of a model; give its class, as in use(Steps, lr=0.1)",
    ),
    "a scheduler of torch": (
        {"schedule": torch.optim.lr_scheduler.StepLR},
        (
            "schedule: expected a function from the step to a factor, a function of `steps` that makes one, or a name, "
            "got an LRScheduler of torch; write it as lambda step: 0.99**step"
        ),
    ),
    "a class that needs sizes": (
        {"model": lambda width: nn.Linear(2, width)},
        "model: model 'lambda' needs the parameter 'width'",
    ),
    "no module": ({"model": lambda: 3}, None),
    "no data": ({"dataset": lambda: 3}, None),
    "one parameter": ({"loss": lambda p: p}, "loss: a loss takes prediction and target; 'lambda' takes only p"),
    "three parameters": (
        {"loss": lambda p, t, w, power=2: p},
        "loss: a loss takes prediction and target; 'lambda' takes p, t, w: give the others by use(..., w=...)",
    ),
    "a missing variable": (
        {
            **dict.fromkeys(("dataset", "model", "loss")),
            "task": "minimize",
            "function": lambda x, y: x,
            "start": {"x": 1},
        },
        "start: no value for variable 'y'",
    ),
    "no samples": (
        {"dataset": (SAMPLES[0][:0], SAMPLES[1][:0])},
        "dataset: (x, y) has inputs of shape (0, 2); expected at least one sample and one column",
    ),
    "a factor": ({"schedule": lambda step: -1.0}, None),
    "no optimizer": ({"optimizer": lambda params: 3}, None),
    "no scalar": (
        {"loss": nn.MSELoss(reduction="none")},
        "loss: the loss must be a single number (a 0-d tensor), got shape (4, 1) from MSELoss.forward",
    ),
    "no task": (
        {"task": nn.Linear},
        "task: expected a class of tasks, a function that makes one, or a name, got the class Linear",
    ),
    "a loader": (
        {"dataset": DataLoader(TensorDataset(*SAMPLES))},
        "dataset: a DataLoader makes batches; give its dataset, and batch_size=",
    ),
    "three tensors": ({"dataset": (1, 2, 3)}, None),
    "images": (
        {"dataset": (torch.zeros(4, 1, 2, 2), torch.zeros(4))},
        "dataset: x has shape (4, 1, 2, 2); expected (samples, columns), as by x.reshape(len(x), -1)",
    ),
    "a scalar": (
        {"dataset": (torch.zeros(4, 2), torch.tensor(1.0))},
        "dataset: y has shape (); expected (samples, columns)",
    ),
    "other lengths": (
        {"dataset": (torch.zeros(4, 2), torch.zeros(3))},
        "dataset: (x, y) has 4 rows of inputs, but 3 of targets",
    ),
    "no numbers": ({"dataset": ([["a"]], [1])}, None),
    "not finite": (
        {"dataset": (torch.tensor([[1.0], [torch.nan]]), [0, 1])},
        "dataset: (x, y) has inputs with 1 numbers that are not finite",
    ),
    "a bad Data": (
        {"dataset": Data(torch.zeros(2, 2), torch.zeros(2, 1), ("a",))},
        "dataset: this Data has 1 names for 2 columns of inputs",
    ),
    "a foreign component": (
        {"function": bowl},
        "the task 'classification' takes no function; it takes dataset, model, loss, optimizer, schedule",
    ),
    "a raise inside": ({"model": lambda: 1 / 0}, None),
    "a parameter of an instance": (
        {"model": pg.use(NET, width=3)},
        "model: unknown parameter 'width': model 'Net' has none",
    ),
    "keys that are no text": ({"expect": {1: 2}}, "expect: expected keys that are text, got 1"),
}


@pytest.mark.parametrize(
    ("targets", "remedy"),
    [
        ([0, 1, 2, 0], "a loss of class indices declares them: @declares(class_indices=True)"),
        ([0, 1, 3, 0], "a loss that takes other shapes declares same_shape=False"),
        ([0, 1, -1, 0], "a loss that takes other shapes declares same_shape=False"),
        ([0, 1, 0.5, 0], "a loss that takes other shapes declares same_shape=False"),
        ([[0, 1], [1, 0], [0, 0], [1, 1]], "a loss that takes other shapes declares same_shape=False"),
    ],
    ids=["classes", "too large", "negative", "fractions", "two columns"],
)
def test_a_loss_that_compares_other_shapes(targets, remedy):
    keys = {"model": nn.Linear(2, 3), "loss": lambda p, t: nn.functional.cross_entropy(p, t)}
    with pytest.raises(PlaygroundError) as error:
        pg.run(**{**FIT, "task": "regression", "dataset": (SAMPLES[0], targets), **keys})
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(f"; expected equal shapes; Linear.forward returns the prediction; {remedy}")
    declared = declares(class_indices=True)(keys["loss"])
    classes = SAMPLES[0], [0, 1, 2, 0]
    known = pg.run(**{**FIT, "dataset": classes, **keys, "loss": nn.functional.cross_entropy}).trace.loss
    assert pg.run(**{**FIT, "dataset": classes, **keys, "loss": declared}).trace.loss == known


@pytest.mark.parametrize("case", BAD)
def test_a_fault_is_one_line(case):
    keys, message = BAD[case]
    with pytest.raises(PlaygroundError) as error:
        pg.run(**{key: value for key, value in {**FIT, **keys}.items() if value is not None})
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("run(): ")
    assert message is None or str(error.value) == f"run(): {message}"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"over": {"optimizer.lrr": [1]}},
            "over optimizer.lrr: unknown parameter 'lrr' of optimizer 'Steps'; did you mean 'lr'?",
        ),
        (
            {"over": {"optimizer": [Steps, Steps]}},
            "over optimizer: the same value twice on one axis: optimizer 'Steps'",
        ),
        (
            {"over": {"optimizer": Steps}},
            "over optimizer: expected a list of the values of 'optimizer', got one object; put it into brackets",
        ),
        (
            {"over": {"model.activation": [torch.tanh]}},
            (
                "over model.activation: expected plain data, got builtin_function_or_method; "
                "sweep over 'model' with use(..., activation=...)"
            ),
        ),
        ({"over": "optimizer.lr"}, "over: expected a mapping from dotted keys, such as {'optimizer.lr': ...}"),
        ({"over": {3: [1]}}, "over: expected a mapping from dotted keys, such as {'optimizer.lr': ...}"),
        ({"changes": ["seed"]}, "changes: expected a mapping from dotted keys, such as {'optimizer.lr': ...}"),
        ({"seeds": 0}, "seeds 0: expected at least 1, got 0"),
        ({"over": {"function": [3]}}, None),
        ({"store": 3}, "store: expected True or False, got 3; folder= takes a folder"),
        ({"store": "runs"}, "store: expected True or False, got 'runs'; folder= takes a folder"),
        ({"start": {}}, "start: this function needs a start: {x: [...]}"),
    ],
)
def test_a_fault_of_a_sweep_is_one_line(keys, message):
    with pytest.raises(PlaygroundError) as error:
        pg.sweep(**{**DESCEND, **keys})
    assert "\n" not in str(error.value)
    assert message is None or str(error.value) == f"sweep(): {message}"
