"""What a type checker says about the functions for Python users."""

import subprocess
import sys

import pytest

RIGHT = """
from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import playground as pg
from playground.plugin_api import State, UpdateRule

x, y = torch.randn(8, 2), torch.zeros(8)


class Net(nn.Module):
    pass


class Steps(torch.optim.Optimizer):
    def __init__(self, params: list[nn.Parameter], lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})


@dataclass(frozen=True)
class Rule(UpdateRule):
    lr: float = 0.1

    def update(
        self, parameter: Tensor, gradient: Tensor, state: State, step: int, lr: float | Tensor
    ) -> tuple[Tensor, State]:
        return parameter - lr * gradient, state


def loss(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).square().mean()


run = pg.run(
    task="classification", dataset=(x, y), model=Net, loss=loss, optimizer=pg.use(Steps, lr=0.1), steps=5, batch_size=4
)
first: float = run.loss.first if run.loss else 0.0
pg.run(task="regression", dataset=TensorDataset(x, y), model=Net(), loss=nn.MSELoss(), optimizer="adam")
pg.run(task="regression", dataset=[np.ones(3), np.ones(3)], loss=nn.MSELoss, optimizer=functools.partial(Steps, lr=1))
pg.run(task="minimize", function="x**2", start={"x": 1.0}, optimizer=Rule(0.2), schedule=lambda step: 0.9**step)
pg.run("bowl.yaml", {"optimizer.lr": 0.1}, optimizer=Steps, record=60)
found = pg.sweep(
    task="minimize",
    function=lambda v: (v**2).sum(),
    start={"x": [1.0, -2.0]},
    optimizer={"name": "sgd", "lr": 0.1},
    over={"optimizer.lr": [0.01, 0.1]},
    seeds=50,
    store=False,
    progress=True,
)
identity: str = found.id
"""

WRONG = """
import playground as pg

pg.run(task=3)
pg.run(task="minimize", optimizer=0.1)
pg.sweep("bowl.yaml", seeds="many")
pg.use(3)
pg.run("bowl.yaml").looss
"""


@pytest.mark.slow
def test_a_type_checker_accepts_what_runs_and_refuses_what_does_not(tmp_path, root):
    pytest.importorskip("mypy")
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    cache = f"--cache-dir={root / '.mypy_cache'}"  # which a check of the package fills: torch takes half a minute
    command = [sys.executable, "-m", "mypy", "--strict", "--warn-unreachable", cache, "--follow-imports=silent"]
    found = subprocess.run(
        [*command, "right.py", "wrong.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    lines = [line for line in found.stdout.splitlines() if ": error:" in line]
    assert [line.split(":")[:2] for line in lines] == [["wrong.py", str(line)] for line in range(4, 9)], found.stdout
