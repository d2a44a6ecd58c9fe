"""The functions for Python users."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from playground.comparison import Comparison
from playground.errors import ComponentError, PluginError
from playground.plugins.manager import Plugins, load_plugins
from playground.plugins.use import ParameterizedObject
from playground.repeatable import RepeatableRun, RunOrigin
from playground.report.progress import show_progress
from playground.result import Run
from playground.runner.loading.calls import ScenarioCall
from playground.runner.loading.objects import ObjectScope, locate_call
from playground.runner.single.record_options import RecordOptions
from playground.runner.store.temporary import TemporaryFolder
from playground.runner.sweeping.summary import StoredSweep
from playground.runner.sweeping.sweep import SweepOptions, SweepProgress, run_sweep
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.data import Dataset

    from playground.core.data import Data
    from playground.core.update import UpdateRule
    from playground.runner.comparing.measuring import CompareProgress

ComponentLike: TypeAlias = str | Callable[..., Any] | ParameterizedObject | Mapping[str, Any]
"""What stands for a component: a name, a class or function, `use(...)`, or `{"name": ..., parameter: value}`."""

Samples: TypeAlias = "Data | Dataset[Any] | tuple[Any, Any] | list[Any]"
"""Data in hand: `(x, y)`, each a tensor, an array or a list; a `Data`; or a dataset of torch."""


def load_scenario(
    path: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    plugins: Sequence[str] | Plugins = (),
    **keys: Any,
) -> Loaded:
    """Load and validate a scenario: a file, or the keys of a scenario as keywords, as for `run`.

    :param path: the file.
    :param changes: new values by dotted key: `{"optimizer.lr": 0.1}`. A component that replaces another one keeps the
        parameters that both have.
    :param plugins: files or names of plugins whose components the changes use, or the result of `load_plugins`.
    :param keys: keys of the scenario; they replace those of the file. Objects may stand for names.
    :returns: the scenario, with the places of its values, for `run` and `sweep`.
    :raises ScenarioError: the scenario is not valid; contains every fault with its place.
    """
    call = ScenarioCall(name="load_scenario()", path=path, keys=keys, changes=changes or {})
    return call.load(load_requested_plugins(plugins)).loaded


def run(
    path: str | Path | Loaded | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    task: ComponentLike | None = None,
    dataset: ComponentLike | Samples | None = None,
    model: ComponentLike | None = None,
    loss: ComponentLike | None = None,
    optimizer: ComponentLike | UpdateRule | None = None,
    schedule: ComponentLike | None = None,
    function: ComponentLike | None = None,
    start: Mapping[str, Any] | None = None,
    expect: Mapping[str, Any] | None = None,
    seed: int | None = None,
    steps: int | None = None,
    plugins: Sequence[str] | Plugins = (),
    record: int = 0,
    memory: int | None = None,
    **keys: Any,
) -> RepeatableRun:
    """Run a scenario once: a file, or the keys of a scenario as keywords, where objects may stand for names.

    With a file, keywords replace its keys. A component that replaces another one keeps the parameters that both have.

    :param path: the scenario's file, or the result of `load_scenario`; None if `task` and other keys are given.
    :param changes: new values by dotted key: `{"optimizer.lr": 0.1}`.
    :param task: a name, or a class of tasks.
    :param dataset: a pair `(x, y)` with one row for each sample, a `Data`, a dataset of torch, or what makes one.
    :param model: a class, a function of `inputs` and `outputs`, or a module, whose parameters each run starts from.
    :param loss: a function of prediction and target, or a module of torch.
    :param optimizer: a class; `use(MyOptimizer, lr=0.1)` has parameters.
    :param schedule: a function from the step to a factor of the learning rate.
    :param function: to minimize: a function of one vector, or of named variables; or a formula.
    :param start: initial values by name.
    :param expect: expectations by quantity: `{"loss": {"below": 0.1}}`.
    :param seed: replaces the scenario's seed.
    :param steps: replaces the scenario's budget of steps, if the task descends.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out a plugin, as for `-p`; or the result
        of `load_plugins`.
    :param record: record the parameters at up to this many steps, spaced evenly by ratio, and at the end, in
        `result.trace.recording`; `result.views` then has the available views.
    :param memory: bytes that the run may use; by default 2 GB, as for `--memory`.
    :param keys: any other key of a scenario: `batch_size`, `stop`, `clip`, `dtype`, and those of its task.
    :returns: the run, as plain data; a notebook displays it. Its method `live` returns its page.
    :raises ScenarioError: the scenario is not valid.
    :raises PluginError: a plugin in `plugins` cannot be loaded.
    """
    given: dict[str, Any] = {"task": task, "dataset": dataset, "model": model, "loss": loss, "optimizer": optimizer}
    given |= {"schedule": schedule, "function": function, "start": start, "expect": expect}
    given |= {"seed": seed, "steps": steps}
    call = ScenarioCall(name="run()", path=path, keys=_drop_absent(given) | keys, changes=changes or {})
    found = call.load(load_requested_plugins(plugins))
    return RepeatableRun.make(RunOrigin(found, memory), RecordOptions(record))


def sweep(
    path: str | Path | Loaded | None = None,
    over: Mapping[str, Any] | None = None,
    seeds: int | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    task: ComponentLike | None = None,
    dataset: ComponentLike | Samples | None = None,
    model: ComponentLike | None = None,
    loss: ComponentLike | None = None,
    optimizer: ComponentLike | UpdateRule | None = None,
    schedule: ComponentLike | None = None,
    function: ComponentLike | None = None,
    start: Mapping[str, Any] | None = None,
    expect: Mapping[str, Any] | None = None,
    steps: int | None = None,
    store: bool = True,
    plugins: Sequence[str] | Plugins = (),
    options: SweepOptions | None = None,
    folder: str | Path | None = None,
    progress: SweepProgress | bool | None = None,
    **keys: Any,
) -> StoredSweep:
    """Run a scenario many times; store the results in `.playground` in the working directory.

    :param path: the scenario's file, or the result of `load_scenario`; None if `task` and other keys are given.
    :param over: values by dotted key, as in a scenario's `sweep.over`: `{"optimizer.lr": [0.01, 0.1]}`,
        `{"optimizer.lr": {"log": [1e-4, 1], "points": 20}}`; objects too: `{"optimizer": [MyOptimizer, "adam"]}`.
    :param seeds: run every point with the seeds 0 to `seeds - 1`.
    :param changes: new values by dotted key.
    :param task: this and the following keys are as for `run`.
    :param store: False keeps no results: they are in a temporary folder while the returned object lives.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out a plugin, as for `-p`; or the result
        of `load_plugins`.
    :param options: engine, processes, memory, and whether to compute stored runs again.
    :param folder: the folder of `.playground`, instead of the working directory.
    :param progress: True shows the number of finished runs in a terminal, False shows nothing; by default it is shown
        in notebooks alone. An object is updated during the sweep, for a display of one's own.
    :param keys: any other key of a scenario.
    :returns: the summary of the sweep; `to_pandas()` returns every run.
    :raises ScenarioError: the scenario or its sweep is not valid, or an object cannot be kept in the store.
    :raises PluginError: a plugin in `plugins` cannot be loaded.
    """
    if not isinstance(store, bool):
        raise ComponentError(f"sweep(): store: expected True or False, got {store!r}; folder= takes a folder")
    given: dict[str, Any] = {"task": task, "dataset": dataset, "model": model, "loss": loss, "optimizer": optimizer}
    given |= {"schedule": schedule, "function": function, "start": start, "expect": expect, "steps": steps}
    call = ScenarioCall(
        name="sweep()", path=path, keys=_drop_absent(given) | keys, changes=changes or {}, over=over or {}, seeds=seeds
    )
    found = call.load(load_requested_plugins(plugins), keeps=store)
    temporary = None if store else TemporaryFolder()
    place = Path.cwd() if folder is None else Path(folder)
    counts = progress if isinstance(progress, SweepProgress) else SweepProgress()
    with show_progress(lambda: (found.loaded.scenario.name, int(counts.share), max(counts.total, 1)), _wants(progress)):
        result = run_sweep(found.loaded, found.plugins, options, counts, temporary.path if temporary else place)
    return replace(result, temporary=temporary)


def compare(
    optimizer: ComponentLike | UpdateRule,
    against: Sequence[ComponentLike | UpdateRule] = (),
    *,
    suite: str | Path = "core",
    plugins: Sequence[str] | Plugins = (),
    folder: str | Path | None = None,
    progress: CompareProgress | bool | None = None,
    **options: Any,
) -> Comparison:
    """Judge an optimizer on a suite of problems, each optimizer tuned with the same budget.

    :param optimizer: a name, such as `"adam"` or `"mine(beta=log:0.5:0.99)"`, or a class of your own, which may be any
        `torch.optim.Optimizer`; `use(MyOptimizer, beta=0.9)` has parameters that are not tuned.
    :param against: the baselines, likewise; by default sgd, momentum, adam and adamw.
    :param suite: name of a suite, or its file.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out a plugin, as for `-p`; or the result
        of `load_plugins`.
    :param folder: the folder of `.playground`, instead of the working directory.
    :param progress: as for `sweep`.
    :param options: further fields of `CompareOptions`: `all_pairs`, `more`, `studies`, `expect`, `jobs`.
    :returns: the findings; a notebook displays them, and `to_pandas()` returns the table.
    :raises PlaygroundError: an optimizer or the suite is not valid.
    """
    from playground.runner.comparing.compare import CompareOptions, compare_optimizers
    from playground.runner.comparing.measuring import CompareProgress

    scope = ObjectScope(load_requested_plugins(plugins), keeps=True)
    with locate_call("compare()"):
        names = [_write_contestant(scope.write("optimizer", each)) for each in (optimizer, *against)]
    chosen = CompareOptions(against=names[1:], suite=str(suite), **options)
    counts = progress if isinstance(progress, CompareProgress) else CompareProgress()
    with show_progress(lambda: (counts.now, counts.stored + counts.done, max(counts.total, 1)), _wants(progress)):
        return compare_optimizers(names[0], scope.plugins, chosen, counts, None if folder is None else Path(folder))


def plot(result: Run | StoredSweep, kind: str | None = None, *, width: float = 5.0) -> Figure:
    """Draw a run or a sweep; a notebook displays the figure, `savefig` writes it.

    :param result: the result of `sweep`, or of `run(..., record=60)`; without `record` only the loss can be drawn.
    :param kind: `path`, `surface`, `function`, `boundary`, `fit`, `loss`; for a sweep `lr` or `loss`; None for the
        first one available.
    :param width: in inches.
    :raises PlaygroundError: the result has no such picture, or matplotlib is not installed.
    """
    from playground.report.plotting.needed import require

    if not isinstance(result, Run | StoredSweep):
        raise ComponentError(f"plot(): expected the result of run or sweep, got {type(result).__name__}")
    require()
    from playground.report.plotting.kinds import drawing
    from playground.runner.sweeping.ensemble import read_ensemble

    subject = result if isinstance(result, Run) else read_ensemble(Path(result.store).parent.parent, result.id)
    return drawing(subject, kind, width).figure


def _drop_absent(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that were given."""
    return {key: value for key, value in keys.items() if value is not None}


def _wants(progress: object) -> bool | None:
    """Return whether a display was asked for; None if that depends on the place, and False beside a display."""
    return progress if isinstance(progress, bool) or progress is None else False


def _write_contestant(written: Any) -> str:
    """Return an optimizer as `compare` reads it: `mine(beta=0.9)`."""
    if not isinstance(written, Mapping):
        return str(written)
    fixed = {key: [value] if isinstance(value, list) else value for key, value in written.items() if key != "name"}
    given = ", ".join(f"{key}={json.dumps(value)}" for key, value in fixed.items())  # a list there is a range to tune
    return f"{written['name']}({given})" if given else str(written["name"])


def load_requested_plugins(specs: Sequence[str] | Plugins) -> Plugins:
    """Load plugins; a requested plugin that fails is an error."""
    if isinstance(specs, Plugins):
        return specs
    if isinstance(specs, str) or not isinstance(specs, Iterable) or not all(isinstance(each, str) for each in specs):
        got = repr(specs) if isinstance(specs, str | list | tuple) else type(specs).__name__
        raise PluginError(f"plugins: expected a list of files and names, such as ['mine.py'], got {got}")
    plugins = load_plugins(specs=tuple(specs), folder=Path.cwd())
    failures = [failure for failure in plugins.failures if failure.requested]
    if failures:
        raise PluginError(*map(str, failures))
    return plugins
