"""What a run tells when it ends badly."""

from playground import run

PLUGIN = """
import torch
from playground import hookimpl


def single(prediction, target):
    if prediction.dtype == torch.float64:
        raise ValueError("only float32")
    return (prediction - target).square().mean()


@hookimpl
def playground_losses():
    return {"single": single}
"""

SCENARIO = """
task: regression
dataset: {name: inline, inputs: [[1], [2]], targets: [[1], [2]]}
model: linear
loss: single
optimizer: {name: sgd, lr: 1e30}
"""


def test_a_loss_that_refuses_float64_costs_the_bound_and_not_the_run(tmp_path, monkeypatch) -> None:
    """The largest stable rate is worked out in float64, after the run."""
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")
    plugin, scenario = tmp_path / "single.py", tmp_path / "a.yaml"
    plugin.write_text(PLUGIN, encoding="utf-8")
    scenario.write_text(SCENARIO, encoding="utf-8")
    found = run(scenario, plugins=[str(plugin)])
    assert (found.status, found.steps) == ("nonfinite", 1)
    assert "last finite loss" in found.reason
