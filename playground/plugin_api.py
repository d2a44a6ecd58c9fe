"""Everything that a plugin imports, besides `playground` itself and the contracts in `playground.testing`.

======================  ==============================================================================================
A plugin of a …         imports
======================  ==============================================================================================
model                   nothing: any `torch.nn.Module`
loss                    `declares`, `require_same_shape`
optimizer               `UpdateRule`, `Hyperparameter`, `State`; nothing for a `torch.optim.Optimizer`; `LogRange`,
                        `LinearRange` and `Choices` to declare what `compare` tunes
schedule                nothing: a function from step to factor
function                `Function`, `Minimum`
dataset                 `Data`
task                    `DescentTask`, `DirectTask`, `Outcome`, `Problem`, `Objective`, `MovingPoint`, `Setting`,
                        `Expectation`, `ResultTable`
operation (`explain`)   `Operation`, `Call`, `elementwise`
diagnosis               `Diagnoser`, `Evidence`, `to_vector`
loop diagnosis          `LoopDiagnoser`, `LoopEvidence`, `LoopFinding`
reporter                `Batch`, `Run`, `Sweep`, `Comparison`, `Summary`, `Status`, `Verdict`, `format_short`
suite                   nothing: a function that returns the `Path` of a suite's file
executor                `PackedChunk`, what an executor is given; its `Members`
======================  ==============================================================================================

Errors that a plugin raises for its users are `ComponentError` and `ScenarioError`, built from `Fault`s; these and
`PluginError` derive from `PlaygroundError`. Programs that run scenarios use
`load_plugins` (which returns `Plugins`), `Store`, `SweepProgress` and `one_thread`. Names are imported on first use, so
that a plugin that needs only `Batch` does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playground.comparison import Comparison
    from playground.core.data import Data
    from playground.core.evidence import Diagnoser, Evidence, to_vector
    from playground.core.function import Function, Minimum, Objective
    from playground.core.losses import declares, require_same_shape
    from playground.core.operations import Call, Operation, elementwise
    from playground.core.point import MovingPoint
    from playground.core.problem import Problem
    from playground.core.setting import Setting, one_thread
    from playground.core.task import DescentTask, DirectTask, Outcome
    from playground.core.update import Hyperparameter, State, UpdateRule
    from playground.core.watching.loop_evidence import LoopDiagnoser, LoopEvidence, LoopFinding
    from playground.errors import ComponentError, Fault, PlaygroundError, PluginError, ScenarioError
    from playground.figures.numbers import format_short
    from playground.plugins.manager import Plugins, load_plugins
    from playground.plugins.search_ranges import Choices, LinearRange, LogRange
    from playground.result import Batch, Expectation, ResultTable, Run, Status, Summary, Sweep, Verdict
    from playground.runner.store import Store
    from playground.runner.sweeping.plan import Members, PackedChunk
    from playground.runner.sweeping.sweep import SweepProgress

_MODULES: Final = {
    "Batch": "result",
    "Call": "core.operations",
    "Choices": "plugins.search_ranges",
    "Comparison": "comparison",
    "ComponentError": "errors",
    "Data": "core.data",
    "DescentTask": "core.task",
    "Diagnoser": "core.evidence",
    "DirectTask": "core.task",
    "Evidence": "core.evidence",
    "Expectation": "result",
    "Fault": "errors",
    "Function": "core.function",
    "Hyperparameter": "core.update",
    "LinearRange": "plugins.search_ranges",
    "LogRange": "plugins.search_ranges",
    "LoopDiagnoser": "core.watching.loop_evidence",
    "LoopEvidence": "core.watching.loop_evidence",
    "LoopFinding": "core.watching.loop_evidence",
    "Members": "runner.sweeping.plan",
    "Minimum": "core.function",
    "MovingPoint": "core.point",
    "Objective": "core.function",
    "Operation": "core.operations",
    "Outcome": "core.task",
    "PackedChunk": "runner.sweeping.plan",
    "PlaygroundError": "errors",
    "PluginError": "errors",
    "Plugins": "plugins.manager",
    "Problem": "core.problem",
    "ResultTable": "result",
    "Run": "result",
    "ScenarioError": "errors",
    "Setting": "core.setting",
    "State": "core.update",
    "Status": "result",
    "Store": "runner.store",
    "Summary": "result",
    "Sweep": "result",
    "SweepProgress": "runner.sweeping.sweep",
    "UpdateRule": "core.update",
    "Verdict": "result",
    "declares": "core.losses",
    "elementwise": "core.operations",
    "format_short": "figures.numbers",
    "load_plugins": "plugins.manager",
    "one_thread": "core.setting",
    "require_same_shape": "core.losses",
    "to_vector": "core.evidence",
}

__all__ = [
    "Batch",
    "Call",
    "Choices",
    "Comparison",
    "ComponentError",
    "Data",
    "DescentTask",
    "Diagnoser",
    "DirectTask",
    "Evidence",
    "Expectation",
    "Fault",
    "Function",
    "Hyperparameter",
    "LinearRange",
    "LogRange",
    "LoopDiagnoser",
    "LoopEvidence",
    "LoopFinding",
    "Members",
    "Minimum",
    "MovingPoint",
    "Objective",
    "Operation",
    "Outcome",
    "PackedChunk",
    "PlaygroundError",
    "PluginError",
    "Plugins",
    "Problem",
    "ResultTable",
    "Run",
    "ScenarioError",
    "Setting",
    "State",
    "Status",
    "Store",
    "Summary",
    "Sweep",
    "SweepProgress",
    "UpdateRule",
    "Verdict",
    "declares",
    "elementwise",
    "format_short",
    "load_plugins",
    "one_thread",
    "require_same_shape",
    "to_vector",
]


def __getattr__(name: str) -> Any:
    """Import a name on first use, so that a reporter does not import torch."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"playground.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what can be imported."""
    return sorted(__all__)
