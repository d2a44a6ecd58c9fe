"""Shell completion. Nothing here imports torch, and errors give no candidates and no message."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from playground.plugins.manager import Plugins

COMPLETION_VARIABLE = "_PLAYGROUND_COMPLETE"
"""The environment variable by which a shell asks for completions."""

BASH_WORD_BREAKS = "=:"
"""Characters at which bash splits words for completion, but not for commands (part of COMP_WORDBREAKS)."""

Completer = Callable[[typer.Context, str], list[str]]


def _complete_quietly(find: Callable[[typer.Context, str], Iterable[str]]) -> Completer:
    """Return a completer that finds nothing if `find` fails: the shell would show a message inside the command line."""

    @wraps(find)
    def complete(context: typer.Context, incomplete: str) -> list[str]:
        with suppress(Exception, SystemExit):
            return list(find(context, incomplete))
        return []

    return complete


@_complete_quietly
def complete_scenario(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete scenario files and folders; enter a folder that is the only candidate, as shells do."""
    from playground.runner.loading.scenario_files import SCENARIO_SUFFIXES

    return _complete_files(incomplete, SCENARIO_SUFFIXES)


@_complete_quietly
def complete_kind(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete kinds of components."""
    from playground.plugins.registry import KINDS

    return KINDS


@_complete_quietly
def complete_component(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete names of components of the kind that the command line names before."""
    return _load_plugins(context).names(context.params["kind"])


@_complete_quietly
def complete_task(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete names of tasks."""
    return _load_plugins(context).names("task")


@_complete_quietly
def complete_optimizer(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete names of optimizers, and of the default baselines."""
    from playground.runner.comparing.contestants import BASELINES

    return dict.fromkeys([*BASELINES, *_load_plugins(context).names("optimizer")])


@_complete_quietly
def complete_suite(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete names of suites, and files."""
    return [*_load_plugins(context).names("suite"), *_complete_files(incomplete, (".yaml", ".yml"))]


@_complete_quietly
def complete_executor(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete names of executors."""
    return _load_plugins(context).names("executor")


@_complete_quietly
def complete_executor_option(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete parameters of the executor that the command line names."""
    from playground.plugins.static_docs import component_parameters

    executor = _load_plugins(context).registry.get("executor", context.params["executor"])
    return [f"{name}=" for name in component_parameters(executor)]


@_complete_quietly
def complete_reporter(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete `NAME=` for every reporter; the shell completes the file."""
    return [f"{name}=" for name in _load_plugins(context).names("reporter")]


@_complete_quietly
def complete_plugin(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete `-p`: single-file plugins, names of plugins that are loaded, and `no:NAME` to block one."""
    names = _load_plugins(context).plugin_names()
    return [*_complete_files(incomplete, (".py",)), *names, *(f"no:{name}" for name in names)]


@_complete_quietly
def complete_plugin_name(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete single-file plugins and names of plugins, whether or not they could be loaded."""
    plugins = _load_plugins(context)
    failed = (failure.origin.plugin for failure in plugins.failures)
    return [*_complete_files(incomplete, (".py",)), *plugins.plugin_names(), *failed]


@_complete_quietly
def complete_sweep(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete ids of stored sweeps."""
    from playground.cli.results import ID_CHARACTERS
    from playground.runner.store import Store

    with Store.open(Path(), create=False) as store:
        return [sweep.id[:ID_CHARACTERS] for sweep in store.sweeps()]


@_complete_quietly
def complete_run_key(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete keys of stored runs, and after `status=` and `verdict=` the words that occur there."""
    from playground.runner.store.query import COLUMN_KEYS

    key, equals, _ = incomplete.partition("=")
    if equals:
        return [f"{key}={word}" for word in COLUMN_KEYS[key].words]
    dash = "-" if incomplete.startswith("-") else ""
    return [f"{dash}{name}" for name in COLUMN_KEYS]


@_complete_quietly
def complete_override(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete `KEY=VALUE` of a scenario: its keys, and the names of components as values.

    A key that is the only candidate comes with the value that the file has, so that it can be edited.
    """
    from playground.cli.override_keys import ScenarioKeys

    known = ScenarioKeys(_load_plugins(context), _scenario_file(context))
    key, equals, _ = incomplete.partition("=")
    if equals:
        return [f"{key}={value}" for value in known.find_values(key)]
    found = [name for name in known.find_keys() if name.startswith(incomplete)]
    values = known.find_own_values(found[0]) if len(found) == 1 else []
    return [*(f"{name}=" for name in found), *(f"{found[0]}={value}" for value in values)]


@_complete_quietly
def complete_axis(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Complete `KEY=VALUES` of a sweep: keys of the scenario, names of components, and the forms of a range."""
    from playground.cli.over_option import RANGE_PARTS
    from playground.cli.override_keys import ScenarioKeys

    known = ScenarioKeys(_load_plugins(context), _scenario_file(context))
    key, equals, values = incomplete.partition("=")
    if not equals:
        return [f"{name}=" for name in known.find_keys()]
    before = values.rpartition(",")[0]
    ranges = [] if before else [f"{word}:" for word in RANGE_PARTS]
    names = [value for value in known.find_values(key) if value not in before.split(",")]
    return [f"{key}={before},{each}" if before else f"{key}={each}" for each in [*names, *ranges]]


def _load_plugins(context: typer.Context) -> Plugins:
    """Load the plugins that the command would load; ignore those that fail."""
    from playground.plugins.manager import load_plugins

    before = context.find_root().params.get("plugin") or ()
    after = context.obj.plugins if context.obj else ()
    return load_plugins(specs=(*before, *after), folder=Path.cwd())


def _scenario_file(context: typer.Context) -> Path | None:
    """Return the first scenario file that the command line names.

    Where the last option has no value yet, Typer leaves arguments in `context.args`.
    """
    given = [context.params.get(name) for name in ("paths", "path", "subject")]
    flat = [each for value in given for each in (value if isinstance(value, list | tuple) else [value])]
    return next((Path(each) for each in [*flat, *context.args] if each and Path(each).is_file()), None)


def _complete_files(incomplete: str, suffixes: Sequence[str]) -> list[str]:
    """Return the files with a suffix, and the folders, whose path begins with a text."""
    folder, _, start = incomplete.rpartition("/")
    base = f"{folder}/" if "/" in incomplete else ""
    entries = sorted(Path(base or ".").iterdir())
    shown = [each for each in entries if each.name.startswith(start) and (start or not each.name.startswith("."))]
    folders = [f"{base}{each.name}/" for each in shown if each.is_dir()]
    files = [f"{base}{each.name}" for each in shown if each.suffix in suffixes and each.is_file()]
    if len(folders) == 1 and not files and folders[0] != incomplete:
        return [*folders, *_complete_files(folders[0], suffixes)]
    return [*folders, *files]


@contextmanager
def join_bash_words(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Complete whole words for bash, which splits `optimizer=ad` at the equals sign and replaces only `ad`.

    Joins the parts of each word before the code inside runs, and removes from each candidate the part that bash keeps.
    """
    if environment.get(COMPLETION_VARIABLE) != "complete_bash" or "\n" not in environment.get("COMP_WORDS", ""):
        yield
        return
    kept = _join_current_word(environment)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        for line in printed.getvalue().splitlines():
            print(line.removeprefix(kept))


def _join_current_word(environment: MutableMapping[str, str]) -> str:
    """Join the words of `COMP_WORDS` that belong together; return the part of the current word that bash keeps."""
    words, position = environment["COMP_WORDS"].split("\n"), int(environment["COMP_CWORD"])
    words += [""] * (position + 1 - len(words))
    joined: list[str] = []
    kept, end = "", 0
    glued = False  # whether the word before ends in a break, so that the next one belongs to it
    for index, word in enumerate(words[: position + 1]):
        is_break = bool(word) and not word.strip(BASH_WORD_BREAKS)
        if joined and (is_break or glued) and len(joined) > 1:
            kept = joined[-1] + (word if is_break else "")
            joined[-1] += word
        else:
            kept = ""
            joined.append(word)
        glued, end = is_break, index
    environment["COMP_WORDS"] = "\n".join([*joined, *words[end + 1 :]])
    environment["COMP_CWORD"] = str(len(joined) - 1)
    return kept
