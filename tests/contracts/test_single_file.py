"""The longer single file of `plugins/` meets the contracts, as anybody's plugin does."""

from pathlib import Path

from playground.plugins.manager import load_plugins
from playground.plugins.signature import build
from playground.testing import LossContract, OptimizerContract, TaskContract, build_registered

NEWTON = Path(__file__).parents[2] / "plugins" / "single_file" / "newton.py"
REGISTRY = load_plugins(specs=[str(NEWTON)], autoload=False).registry


class TestCautious(OptimizerContract):
    def optimizer(self):
        return build(REGISTRY.get("optimizer", "cautious"), {}, {})


class TestBiweight(LossContract):
    def loss(self):
        return build(REGISTRY.get("loss", "biweight"), {}, {})


class TestRoot(TaskContract):
    def task(self):
        function = build_registered("function", "expression", {"formula": "x**2 - 2"})
        return build(REGISTRY.get("task", "root"), {"start": {"x": 1}}, {"function": function})
