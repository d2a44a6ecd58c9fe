"""Contracts for plugin components: pytest classes to subclass, one for each kind of component.

::

    from playground.testing import OptimizerContract
    from playground_lion import Lion

    class TestLion(OptimizerContract):
        def optimizer(self):
            return Lion()

Each failure says what is wrong and why it matters. Needs the extra `test`: `pip install 'gradient-playground[test]'`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playground.testing.datasets import DatasetContract
    from playground.testing.diagnoses import DiagnosisContract
    from playground.testing.executors import ExecutorContract
    from playground.testing.functions import FunctionContract
    from playground.testing.lookup import build_registered
    from playground.testing.loop_diagnoses import LoopDiagnosisContract
    from playground.testing.losses import LossContract
    from playground.testing.models import ModelContract
    from playground.testing.operations import OperationContract
    from playground.testing.optimizers import OptimizerContract
    from playground.testing.reporters import ReporterContract
    from playground.testing.schedules import ScheduleContract
    from playground.testing.suites import SuiteContract
    from playground.testing.tasks import TaskContract

_CONTRACT_MODULES: Final = {
    "DatasetContract": "datasets",
    "DiagnosisContract": "diagnoses",
    "ExecutorContract": "executors",
    "FunctionContract": "functions",
    "LoopDiagnosisContract": "loop_diagnoses",
    "LossContract": "losses",
    "ModelContract": "models",
    "OperationContract": "operations",
    "OptimizerContract": "optimizers",
    "ReporterContract": "reporters",
    "ScheduleContract": "schedules",
    "SuiteContract": "suites",
    "TaskContract": "tasks",
    "build_registered": "lookup",
}

__all__ = [
    "DatasetContract",
    "DiagnosisContract",
    "ExecutorContract",
    "FunctionContract",
    "LoopDiagnosisContract",
    "LossContract",
    "ModelContract",
    "OperationContract",
    "OptimizerContract",
    "ReporterContract",
    "ScheduleContract",
    "SuiteContract",
    "TaskContract",
    "build_registered",
]


def __getattr__(name: str) -> Any:
    """Import a contract on first use: the contract of a schedule does not need torch."""
    if name in _CONTRACT_MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_CONTRACT_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
