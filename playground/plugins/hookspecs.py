"""The hooks of plugins: one for each kind of component, and two events.

A plugin is a module, installed or a single file, with functions marked by `hookimpl`::

    from playground import hookimpl

    @hookimpl
    def playground_optimizers():
        return {"lion": Lion}

**Component hooks** return a mapping of names to factories. A factory is a class, a function, or a string
`"package.module:attribute"`, which is imported when the component is first used. Use a string wherever the import is
slow (torch takes seconds), because every command loads every plugin. Names start with a lower-case letter and continue
with letters, digits, `_`, `.` and `-`. A factory's parameters, with their types, defaults and the `:param name:` lines
of its docstring, define what a scenario may set, what `playground show` prints and the JSON Schema. Bounds are written
`Annotated[float, Ge(0)]`. The framework passes the parameters that are named below as supplied if the signature has
them; a scenario cannot set them.

**Each plugin loads on its own, all or nothing.** A plugin that fails (it raises on import, marks a function with an
unknown hook's name, returns something other than a mapping, uses a name that is taken) is not loaded at all, does not
affect other plugins, and is reported in one line with distribution, version, hook and cause. Wrappers (`wrapper=True`)
would have nothing to wrap and are refused. Plugins load in this order: built-in, installed ones by name, those of
`pyproject.toml`, those of `-p`; if two plugins use one name, the later one fails. Imports and hooks must have no side
effects, because worker processes load plugins again. Their output goes to standard error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from playground.result import Run

PROJECT: Final = "playground"
"""The prefix of all hooks, the name of the entry-point group and of the table in `pyproject.toml`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Factory = Callable[..., Any] | str
"""Makes a component: a class, a function, or `"package.module:attribute"`, which is imported on first use."""


class Hooks:
    """The catalogue. Component hooks take no argument and are called once, before any scenario is read."""

    @hookspec
    def playground_tasks(self) -> Mapping[str, Factory]:
        """Return tasks: each defines the objective and what a run measures.

        The framework supplies the scenario's components to parameters named `dataset`, `model`, `loss`, `optimizer`,
        `schedule` and `function`; a scenario must have those without a default. Every other parameter is a key at the
        top of the scenario. The factory returns a `DescentTask` or a `DirectTask`; its method `listing` defines how
        `eject` writes the task.
        """
        raise NotImplementedError

    @hookspec
    def playground_models(self) -> Mapping[str, Factory]:
        """Return models.

        The framework supplies `inputs: int` and `outputs: int`, the sizes of the dataset's samples and targets. The
        factory returns an `nn.Module`.
        """
        raise NotImplementedError

    @hookspec
    def playground_losses(self) -> Mapping[str, Factory]:
        """Return losses.

        A function whose first two parameters are `prediction, target` *is* the loss, and its other parameters are
        options. Anything else is a factory that returns a callable `(prediction, target) -> scalar tensor`.
        """
        raise NotImplementedError

    @hookspec
    def playground_optimizers(self) -> Mapping[str, Factory]:
        """Return optimizers: update rules, or unmodified subclasses of `torch.optim.Optimizer`.

        The framework supplies `params` to a factory with this parameter, such as any `torch.optim.Optimizer`; a factory
        without `params` returns an `UpdateRule`.
        """
        raise NotImplementedError

    @hookspec
    def playground_schedules(self) -> Mapping[str, Factory]:
        """Return schedules of the learning rate.

        The framework supplies `steps: int`, the budget. The factory returns a pure callable `step -> factor`.
        """
        raise NotImplementedError

    @hookspec
    def playground_functions(self) -> Mapping[str, Factory]:
        """Return functions to minimize.

        A function whose first parameter is `x`, a tensor of shape `(..., n)`, *is* the function, and its other
        parameters are options. Anything else is a factory that returns a callable, with its domain and minima if they
        are known (`playground.core.function.Function`).
        """
        raise NotImplementedError

    @hookspec
    def playground_datasets(self) -> Mapping[str, Factory]:
        """Return datasets.

        The framework supplies `generator: torch.Generator`, and then accepts a `seed` for it in the scenario, and
        `folder: Path`, the scenario's folder. The factory returns a `playground.core.data.Data`.
        """
        raise NotImplementedError

    @hookspec
    def playground_reporters(self) -> Mapping[str, Factory]:
        """Return reporters.

        A function whose first two parameters are `results, path` *is* the reporter; anything else is a factory that
        returns such a callable. It writes a file to `path`, or adds its files to a folder. A reporter that shows the
        course of a run has an attribute `record`, the number of steps to record; each run then has `trace.recording`,
        `views` and `written`. If it has a true attribute `explanations`, some of these steps are also explained, in
        `explanations`; this repeats the run. If it has a true attribute `live`, `live_data` has the program of the
        descent, or why there is none, and a sweep has a run in `example`.
        """
        raise NotImplementedError

    @hookspec
    def playground_executors(self) -> Mapping[str, Factory]:
        """Return executors.

        The factory's parameters are its options; `workers` is the number of workers, by default the value of `-j`. It
        returns a context manager that yields a `concurrent.futures.Executor`. An executor whose workers may have other
        software than this process also has a method `everywhere(function, *arguments)`, which calls the function on
        each worker and returns the results, or exceptions, by the worker's name. It is used to compare plugins and
        versions before anything runs.
        """
        raise NotImplementedError

    @hookspec
    def playground_operations(self) -> Mapping[str, Factory]:
        """Return the operations that `explain` knows, by the short names of torch's functions: `sigmoid`.

        A factory takes no argument and returns a `playground.core.operations.Operation`: the formula, and the local
        derivative in words and as tensor arithmetic. The short name is the last part of the function's name, in lower
        case and without leading or trailing underscores; for a `torch.autograd.Function` it is the node's name: the
        class's name in lower case, followed by `backward`.
        """
        raise NotImplementedError

    @hookspec
    def playground_diagnoses(self) -> Mapping[str, Factory]:
        """Return diagnoses: mistakes that can be recognized in a run that ended badly, by the names for `expect`.

        A factory takes no argument and returns a `playground.core.evidence.Diagnoser`: a function that takes the
        `Evidence` and returns one sentence with the run's own numbers, or nothing, and the remedy. It is called once,
        after the run, and only if the run ended badly or expects a diagnosis; an exception counts as no diagnosis.
        """
        raise NotImplementedError

    @hookspec
    def playground_loop_diagnoses(self) -> Mapping[str, Factory]:
        """Return loop diagnoses: mistakes that `playground.watch` recognizes in a training loop that is not ours.

        A factory takes no argument and returns a `playground.core.watching.loop_evidence.LoopDiagnoser`: a function
        that takes the `LoopEvidence` and returns a finding with the loop's own numbers, or None, and the remedy.
        """
        raise NotImplementedError

    @hookspec
    def playground_suites(self) -> Mapping[str, Factory]:
        """Return suites of problems, which `playground compare --suite NAME` judges optimizers on.

        A factory takes no argument and returns the `Path` of the suite's file.
        """
        raise NotImplementedError

    @hookspec
    def playground_run_started(self, spec: Mapping[str, Any]) -> None:
        """Observe that a run begins; called for every plugin with this hook, in the process of the run.

        The return value is ignored. An exception is reported as a failure of the plugin; it affects neither the run nor
        other plugins.

        :param spec: the resolved scenario, plain data.
        """

    @hookspec
    def playground_run_finished(self, result: Run) -> None:
        """Observe that a run ended, for whatever reason; otherwise like `playground_run_started`.

        :param result: the result of the run, plain data.
        """


COMPONENT_HOOKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "playground_tasks": "task",
        "playground_models": "model",
        "playground_losses": "loss",
        "playground_optimizers": "optimizer",
        "playground_schedules": "schedule",
        "playground_functions": "function",
        "playground_datasets": "dataset",
        "playground_reporters": "reporter",
        "playground_executors": "executor",
        "playground_operations": "operation",
        "playground_diagnoses": "diagnosis",
        "playground_loop_diagnoses": "loop_diagnosis",
        "playground_suites": "suite",
    }
)
"""The kind of component that each hook returns."""

EVENTS: Final = ("playground_run_started", "playground_run_finished")
"""Hooks that are called in every plugin that implements them."""

ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {hook: tuple(inspect.signature(getattr(Hooks, hook)).parameters)[1:] for hook in (*COMPONENT_HOOKS, *EVENTS)}
)
"""The arguments that an implementation of each hook may have; all of them are optional."""
