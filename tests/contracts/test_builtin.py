"""Everything that we ship meets the contract that we publish."""

import pytest
import torch

from playground.plugins.manager import load_plugins
from playground.plugins.parameters import injected_names
from playground.testing import (
    DatasetContract,
    ExecutorContract,
    FunctionContract,
    LossContract,
    ModelContract,
    OptimizerContract,
    ReporterContract,
    ScheduleContract,
    SuiteContract,
    TaskContract,
    build_registered,
)

pytestmark = pytest.mark.sampled(6)

REGISTRY = load_plugins(specs=["no:mistakes"], autoload=False).registry
NOT_FOR_THE_CONTRACT = {
    "torch.SparseAdam",  # takes sparse gradients alone, which no dense parameter has
    "expression",  # needs a formula, and has variables of its own; the derivative task checks each
    "csv",  # needs a file
    "inline",  # has the data that the scenario gives
    "handwritten",  # needs the words that the scenario gives
}

KNOWN = {
    (
        "torch.NAdam",
        "test_state_dict_resumes",
    ): "torch keeps mu_product in float32 and loads it in the parameter's dtype",
    ("torch.RMSprop", "test_documents_its_parameters"): "torch describes `centered` nowhere",
}
"""What torch's own optimizers do wrong."""

SCHEDULES = {"step": {"every": 3}, "exponential": {"gamma": 0.9}, "linear_warmup": {"warmup": 1}}
"""What a schedule needs to be told."""


def every(kind):
    """Parametrise a class over the names of one kind, as its attribute `name`."""
    names = [name for name in REGISTRY.names(kind) if name not in NOT_FOR_THE_CONTRACT]

    # torch's optimizers are theirs, many, and slow to step: CI alone holds them against the contract
    params = [pytest.param(name, marks=pytest.mark.slow) if name.startswith("torch.") else name for name in names]

    @pytest.fixture(params=params, autouse=True)
    def named(self, request):
        self.name = request.param
        if reason := KNOWN.get((request.param, request.node.originalname)):
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    return named


class TestOptimizers(OptimizerContract):
    named = every("optimizer")

    def optimizer(self):
        return build_registered("optimizer", self.name)

    @property
    def elementwise(self):
        return self.name not in ("torch.Adafactor", "torch.LBFGS", "torch.Muon")

    @property
    def parameter_groups(self):
        return self.name != "torch.LBFGS"


class TestLosses(LossContract):
    named = every("loss")

    def loss(self):
        return build_registered("loss", self.name)


class TestModels(ModelContract):
    named = every("model")

    def model(self, inputs, outputs):
        return build_registered("model", self.name, {}, {"inputs": inputs, "outputs": outputs})


class TestFunctions(FunctionContract):
    named = every("function")

    def function(self):
        return build_registered("function", self.name)


class TestDatasets(DatasetContract):
    named = every("dataset")

    def dataset(self, generator):
        assert isinstance(generator, torch.Generator)
        return build_registered("dataset", self.name, {}, {"generator": lambda seed: generator})

    @property
    def draws(self):
        return "generator" in injected_names(REGISTRY.get("dataset", self.name))


class TestSchedules(ScheduleContract):
    named = every("schedule")

    def schedule(self, steps):
        return build_registered("schedule", self.name, SCHEDULES.get(self.name, {}), {"steps": steps})


class TestReporters(ReporterContract):
    named = every("reporter")

    def reporter(self):
        return build_registered("reporter", self.name)

    @property
    def suffix(self):
        return {"console": ".txt", "html": ".html", "json": ".json", "junit": ".xml", "picture": ".svg"}[self.name]


class TestExecutors(ExecutorContract):
    named = every("executor")

    def executor(self):
        return build_registered("executor", self.name, {"workers": 2} if self.name == "processes" else {})

    @property
    def elsewhere(self):
        return self.name != "serial"


@pytest.mark.slow
class TestSuites(SuiteContract):
    named = every("suite")

    def suite(self):
        return build_registered("suite", self.name)


class TestTasks(TaskContract):
    named = every("task")

    def task(self):
        parts, keys = {}, {}
        if self.name in ("classification", "regression"):
            parts["dataset"] = build_registered("dataset", "and_gate")
            parts["model"] = lambda inputs, outputs: build_registered(
                "model", "perceptron", {}, {"inputs": inputs, "outputs": outputs}
            )
            parts["loss"] = build_registered("loss", "mse")
        else:
            parts["function"] = build_registered("function", "expression", {"formula": "x**2 + 3*x"})
            keys = {"start": {"x": 1}} if self.name == "minimize" else {"at": {"x": [4]}}
        return build_registered("task", self.name, keys, parts)
