"""Many scenarios: find them, run each, let no broken one stop the others."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from playground.errors import Place, PlaygroundError
from playground.plugins.manager import Plugins, load_plugins
from playground.plugins.signature import build
from playground.result import Batch, Invalid, Run, Status, Verdict
from playground.runner.catalogue import Catalogue
from playground.runner.preparing import one_line, prepared
from playground.runner.running import Observer, run_one
from playground.scenario.model import Loaded, load_scenario, parse_scenario

ENDINGS = (".yaml", ".yml")

FAULTS = 20
"""Faults of one file that are told; nobody reads more before mending some."""


@dataclass(frozen=True)
class Request:
    """How every scenario of a batch is to be run, as plain data that can travel to another process.

    :param overrides: dotted keys with their YAML text, as `--set` gives them.
    :param seed: in place of the scenario's own.
    :param steps: in place of the scenario's own, where the task descends.
    """

    overrides: tuple[tuple[str, str], ...] = ()
    seed: int | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Answer:
    """What became of one file: a run, or what is wrong with it."""

    run: Run | None = None
    errors: tuple[Invalid, ...] = ()


@dataclass
class Progress:
    """What a display may read while a batch grows."""

    total: int
    done: int = 0
    now: str = ""
    observe: Observer = field(default=nullcontext)


def collect(paths: Sequence[Path]) -> tuple[list[Path], list[Invalid]]:
    """Find scenario files: each path is a file, or a folder with all `*.yaml` and `*.yml` below it.

    Hidden folders are passed over. A file that is named twice is run once.

    :returns: the files in order, and what is wrong with the paths that gave none.
    """
    files: dict[Path, None] = {}
    errors = []
    for path in paths:
        found = sorted(_below(path)) if path.is_dir() else [path]
        if not found:
            errors.append(Invalid(str(path), 0, 0, f"no scenario in this folder (looked for *{', *'.join(ENDINGS)})"))
        files.update(dict.fromkeys(found))
    return list(files), errors


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in ENDINGS and path.is_file() and not hidden:
            yield path


def load(file: Path | str, request: Request, plugins: Plugins) -> Loaded:
    """Load one scenario with a request's changes applied.

    :raises ScenarioError: it is not valid.
    """
    loaded = load_scenario(file, request.overrides)
    return changed(loaded, request.seed, request.steps, plugins)


def changed(loaded: Loaded, seed: int | None, steps: int | None, plugins: Plugins) -> Loaded:
    """Return a scenario with another seed, and another budget if its task descends.

    :raises ScenarioError: one of them is out of range.
    """
    source, task, catalogue = loaded.source, loaded.scenario.task.name, Catalogue(plugins)
    if seed is not None:
        source = source.set("seed", str(seed))
    if steps is not None and task in catalogue.names("task") and catalogue.descends(task):
        source = source.set("steps", str(steps))
    return loaded if source is loaded.source else Loaded(parse_scenario(source), source)


def run_batch(
    files: Sequence[Path],
    request: Request,
    plugins: Plugins,
    jobs: int = 1,
    fail_fast: bool = False,
    progress: Progress | None = None,
) -> Batch:
    """Run scenarios, one after the other or side by side.

    :param jobs: processes to use; with 1 everything happens in this one.
    :param fail_fast: stop after the first scenario that did not pass.
    """
    start = time.perf_counter()
    progress = progress or Progress(len(files))
    answers: dict[Path, Answer] = {}
    run = _side_by_side(files, request, plugins, jobs) if jobs > 1 else _in_turn(files, request, plugins, progress)
    interrupted = False
    try:
        for file, answer in run:
            answers[file] = answer
            progress.done += 1
            interrupted = answer.run is not None and answer.run.status is Status.INTERRUPTED
            if interrupted or (fail_fast and _went_wrong(answer)):
                break
    except KeyboardInterrupt:
        interrupted = True
    finally:
        run.close()
    ordered = [answers[file] for file in files if file in answers]
    return Batch(
        tuple(answer.run for answer in ordered if answer.run),
        tuple(error for answer in ordered for error in answer.errors),
        interrupted,
        time.perf_counter() - start,
    )


def _went_wrong(answer: Answer) -> bool:
    return answer.run is None or answer.run.verdict is Verdict.FAILED


def _in_turn(
    files: Sequence[Path], request: Request, plugins: Plugins, progress: Progress
) -> Generator[tuple[Path, Answer], None, None]:
    for file in files:
        progress.now = file.stem
        yield file, answer(file, request, plugins, progress.observe)


def _side_by_side(
    files: Sequence[Path], request: Request, plugins: Plugins, jobs: int
) -> Generator[tuple[Path, Answer], None, None]:
    """Yield answers as they come; a worker that dies costs its own scenario an `error`."""
    component = plugins.registry.get("executor", "processes")
    with build(component, {"workers": jobs}, {}) as executor:
        recipe = json.dumps(plugins.recipe)
        futures = {executor.submit(_work, str(file), request, recipe): file for file in files}
        for future in as_completed(futures):
            file = futures[future]
            failure = future.exception()
            yield file, future.result() if failure is None else Answer(_lost(file, failure))


def _work(file: str, request: Request, recipe: str) -> Answer:
    """Answer for one file in a worker process."""
    return answer(Path(file), request, _plugins_here(recipe))


@lru_cache
def _plugins_here(recipe: str) -> Plugins:
    """Load the same plugins once for each worker process."""
    return load_plugins(**json.loads(recipe))


def _lost(file: Path, failure: BaseException) -> Run:
    """Return the row of a scenario whose worker process died."""
    reason = f"the process that ran it ended ({one_line(failure)})"
    return Run(file.stem, "", 0, Status.ERROR, Verdict.FAILED, file=str(file), reason=reason)


def answer(file: Path, request: Request, plugins: Plugins, observe: Observer = nullcontext) -> Answer:
    """Run one file, or say what is wrong with it."""
    try:
        return Answer(run_one(load(file, request, plugins), plugins, observe))
    except PlaygroundError as error:
        return Answer(errors=invalid(error, file))


def invalid(error: PlaygroundError, file: Path) -> tuple[Invalid, ...]:
    """Return an error's faults as plain rows, the first `FAULTS` of them."""
    rows = []
    for fault in error.faults[:FAULTS]:
        place = fault.place or Place(str(file))
        rows.append(Invalid(place.file, place.line, place.column, fault.message))
    if (more := len(error.faults) - FAULTS) > 0:
        rows.append(Invalid(str(file), 0, 0, f"and {more} more"))
    return tuple(rows)


def check_file(file: Path, plugins: Plugins) -> tuple[Invalid, ...]:
    """Return what is wrong with one file, found without running it."""
    try:
        with prepared(load_scenario(file), plugins):
            return ()
    except PlaygroundError as error:
        return invalid(error, file)
