"""What can be plugged in: one hook for each kind of component, and two events.

A plugin is a module, installed or a single file, with functions marked by `hookimpl`::

    from playground import hookimpl

    @hookimpl
    def playground_optimizers():
        return {"lion": Lion}

**Component hooks** return a mapping of names to factories. A factory is a class, a function, or a string
`"package.module:attribute"`, which is imported when the component is first used; give a string wherever the import
is slow (torch takes seconds), because every command loads every plugin. Names start with a lower-case letter and go
on with letters, digits, `_`, `.` and `-`. A factory's parameters, with their types, defaults and the `:param name:`
lines of its docstring, are what a scenario may write, what `playground show` prints and what the JSON Schema says;
bounds are written `Annotated[float, Ge(0)]`. Parameters named below as supplied by the framework are passed when the
signature names them, and never come from a scenario.

**Each plugin is called on its own, all or nothing.** Whatever it does wrong (it raises on import, marks a function
with an unknown hook's name, returns something else than a mapping, claims a name that is taken) leaves nothing of it
behind, stops nobody else, and is reported in one line with distribution, version, hook and cause. So wrappers
(`wrapper=True`) have nothing to wrap and are refused. Plugins load in this order: built-in, installed ones by name,
those of `pyproject.toml`, those of `-p`; of two that claim one name, the later fails. Import and hooks must be free of
side effects, since worker processes load plugins again, and what they print goes to standard error.
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
"""The name of the hooks' prefix, of the entry-point group and of the table in `pyproject.toml`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Factory = Callable[..., Any] | str
"""What makes a component: a class or a function, or `"package.module:attribute"`, which is imported on first use."""


class Hooks:
    """The catalogue. Component hooks take no argument and are called once, before any scenario is read."""

    @hookspec
    def playground_tasks(self) -> Mapping[str, Factory]:
        """Return tasks: what goes downhill, and what the outcome means.

        The framework supplies the scenario's components to parameters named `dataset`, `model`, `loss`, `optimizer`,
        `schedule` and `function`; one without a default is required of the scenario. Every other parameter is a
        top-level key of the scenario. The factory returns a `DescentTask` or a `DirectTask`; its
        method `listing` says how `eject` writes it out.
        """
        raise NotImplementedError

    @hookspec
    def playground_models(self) -> Mapping[str, Factory]:
        """Return models.

        The framework supplies `inputs: int` and `outputs: int`, the sizes that the dataset asks for. The factory
        returns an `nn.Module`.
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
        """Return optimizers: update rules, or subclasses of `torch.optim.Optimizer` as they are.

        The framework supplies `params` to a factory that names it, as every `torch.optim.Optimizer` does; a factory
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
        """Return functions to go down.

        A function whose first parameter is `x`, a tensor of shape `(..., n)`, *is* the function, and its other
        parameters are options. Anything else is a factory that returns a callable, with its domain and minima where
        they are known (`playground.core.function.Function`).
        """
        raise NotImplementedError

    @hookspec
    def playground_datasets(self) -> Mapping[str, Factory]:
        """Return datasets.

        The framework supplies `generator: torch.Generator`, and then lets the scenario write a `seed` for it, and
        `folder: Path`, where the scenario is. The factory returns a `playground.core.data.Data`.
        """
        raise NotImplementedError

    @hookspec
    def playground_reporters(self) -> Mapping[str, Factory]:
        """Return reporters.

        A function whose first two parameters are `results, path` *is* the reporter; anything else is a factory that
        returns such a callable. It writes a file to `path`, or a folder, whose content is added to what is there. One
        that shows how a run went has an attribute `record`, at how many steps it wants to know that: then each run has
        `trace.recording`, `views` and `written`. One with an attribute `explanations` that is true has some of those
        steps explained as well, in `explanations`; the run is made once more for that.
        """
        raise NotImplementedError

    @hookspec
    def playground_executors(self) -> Mapping[str, Factory]:
        """Return executors.

        The factory's parameters are its options; one named `workers` is how many are wanted, and `-j` unless it is
        given. It returns a context manager that yields a `concurrent.futures.Executor`. One whose workers may have
        other software than this process has a method `everywhere(function, *arguments)` besides, which calls the
        function on each worker and returns the answers, or exceptions, by the worker's name: plugins and versions are
        compared before anything runs.
        """
        raise NotImplementedError

    @hookspec
    def playground_operations(self) -> Mapping[str, Factory]:
        """Return what `explain` knows of torch's functions, by their short names: `sigmoid` for `torch.sigmoid`.

        A factory takes no argument and returns a `playground.core.operations.Operation`: the formula, and the local
        derivative in words and as tensor arithmetic. The short name is the last part of the function's own, in small
        letters and without underscores around it; for a `torch.autograd.Function` it is the node's: its class's name
        in small letters and `backward` behind it.
        """
        raise NotImplementedError

    @hookspec
    def playground_diagnoses(self) -> Mapping[str, Factory]:
        """Return mistakes that can be told from a run that ended badly, by the names that `expect` may use.

        A factory takes no argument and returns a `playground.core.evidence.Diagnoser`: a function that gets the
        `Evidence` and returns one sentence with the run's own numbers, or nothing, and the remedy. It is asked once,
        after the run, and only of one that ended badly or expects a diagnosis; an exception counts as nothing.
        """
        raise NotImplementedError

    @hookspec
    def playground_run_started(self, spec: Mapping[str, Any]) -> None:
        """Hear that a run begins; called in every plugin that has it, in the process that runs.

        What is returned is ignored. An exception is reported as a failure of the plugin and changes neither the run
        nor what other plugins hear.

        :param spec: the resolved scenario, plain data.
        """

    @hookspec
    def playground_run_finished(self, result: Run) -> None:
        """Hear that a run ended, however it ended; otherwise as `playground_run_started`.

        :param result: what the run produced, plain data.
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
    }
)
"""Which kind of component each hook returns."""

EVENTS: Final = ("playground_run_started", "playground_run_finished")
"""Hooks that are broadcast."""

ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {hook: tuple(inspect.signature(getattr(Hooks, hook)).parameters)[1:] for hook in (*COMPONENT_HOOKS, *EVENTS)}
)
"""The arguments that an implementation of each hook may name; any of them may be left out."""
