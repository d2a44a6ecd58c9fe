"""Parameters that a module has twice, through the derivative task by command line."""

import json
from pathlib import Path

import pytest

TIED = """
import torch
from torch import nn
from playground import hookimpl


class Times(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight, FACTOR * gradient.T @ x


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(2, 2))

    def forward(self, x):
        return Times.apply(x, self.weight).tanh()


class Tied(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = nn.ModuleList([Layer() for _ in range(TIMES)])
        for layer in self.layers:
            layer.weight = self.layers[0].weight
        self.last = nn.Linear(inputs, outputs)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.last(x)


@hookimpl
def playground_models():
    return {"tied": Tied}
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("factor", [1, 2])
def test_tied_weights_are_checked_once_by_command(playground, tmp_path, monkeypatch, times, factor):
    monkeypatch.chdir(tmp_path)
    Path("tied.py").write_text(TIED.replace("TIMES", str(times)).replace("FACTOR", str(factor)), encoding="utf-8")
    Path("x.yaml").write_text(
        "task: derivative\ndataset: {name: moons, samples: 8}\nmodel: tied\nloss: bce_with_logits\ndtype: float64\n",
        encoding="utf-8",
    )
    found = playground("-p", "tied.py", "run", "x.yaml", "--json")
    assert found.exit_code == (0 if factor == 1 else 1), found.stdout
    (run,) = json.loads(found.stdout)["runs"]
    names = [each["by"][0] for each in run["points"][0]["derivatives"]]
    assert len(names) == len(set(names)) == 4 + 3
    wrong = {each["by"][0] for each in run["points"][0]["derivatives"] if each["finding"] == "wrong_backward"}
    assert wrong == {name for name in names if factor == 2 and name.startswith("layers.0.weight")}
