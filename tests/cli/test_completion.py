"""Completion by the protocol of the shells: environment variables in, candidates out; no shell is started."""

import os
import subprocess
import sys

import pytest

from playground.cli import main
from playground.cli.completion import join_bash_words

BOWL = "task: minimize\nfunction: x**2\nstart: {x: 1}\noptimizer: {name: sgd, lr: 0.1}\n"

PLUGIN = """\
from playground import hookimpl


@hookimpl
def playground_reporters():
    return {"paper": lambda results, path: None}
"""


@pytest.fixture
def complete(tmp_path, monkeypatch, capsys, write):
    """Complete a line as fish asks for it: `complete("run sc")`; candidates without their descriptions."""
    write("bowl.yaml", BOWL)
    write("notes.txt", "")
    write("mine.py", PLUGIN)
    write("folder/deep.yml", BOWL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")

    def complete(line, shell="fish", **variables):
        monkeypatch.setenv("_PLAYGROUND_COMPLETE", f"complete_{shell}")
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", f"playground {line}")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as end:
            main()
        monkeypatch.delenv("_PLAYGROUND_COMPLETE")  # other commands of the test run as they are
        assert end.value.code == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        return [candidate.partition("\t")[0] for candidate in printed.out.splitlines() if candidate]

    return complete


CANDIDATES = {
    "s": ["sweep", "show", "schema", "suite"],
    "results ": ["list", "show"],
    "run ": ["folder/", "bowl.yaml"],
    "run f": ["folder/", "folder/deep.yml"],
    "run bowl.yaml fol": ["folder/", "folder/deep.yml"],
    "explain b": ["bowl.yaml"],
    "plot b": ["bowl.yaml"],
    "list o": ["optimizer", "operation"],
    "show sch": ["schedule"],
    "show optimizer adam": ["adam", "adamax", "adamw"],
    "show dataset and": ["and_gate"],
    "new scenario x --task min": ["minimize"],
    "new plugin x --kind op": ["optimizer"],
    "sweep bowl.yaml --engine ": ["auto", "compiled", "batched", "plain"],
    "run --engine b": ["batched"],
    "sweep bowl.yaml --executor ": ["processes", "serial"],
    "sweep bowl.yaml --executor processes --executor-option ": ["workers="],
    "run bowl.yaml --report ju": ["junit="],
    "-p mine.py run bowl.yaml --report pa": ["paper="],
    "run bowl.yaml -p mine.py --report pa": ["paper="],
    "run -p m": ["mine.py"],
    "run -p no:": ["no:builtin"],
    "plugins doctor b": ["builtin"],
    "explain bowl.yaml --language ": ["en", "id"],
    "explain bowl.yaml --format h": ["html"],
    "eject bowl.yaml --as n": ["notebook"],
    "export --format p": ["parquet"],
    "plot bowl.yaml --kind su": ["surface"],
    "results show x --where status=d": ["status=diverged"],
    "results show x --sort la": ["last"],
    "run bowl.yaml --set optimizer.w": ["optimizer.weight_decay="],
    "run bowl.yaml --set optimizer.l": ["optimizer.lr=", "optimizer.lr=0.1"],
    "run bowl.yaml --set optimizer=adam": ["optimizer=adam", "optimizer=adamax", "optimizer=adamw"],
    "run bowl.yaml --set optimizer.name=li": ["optimizer.name=lion"],
    "run bowl.yaml --set dtype=": ["dtype=float32", "dtype=float64"],
    "run bowl.yaml --set stop.pat": ["stop.patience="],
    "run bowl.yaml --set start.": ["start.x=", "start.x=1"],
    "check bowl.yaml --set ste": ["steps="],
    "run bowl.yaml --set batch_size=": [],
    "run missing.yaml --set optim": ["optimizer="],
    "sweep bowl.yaml --over optimizer=sgd,adam": ["optimizer=sgd,adam", "optimizer=sgd,adamax", "optimizer=sgd,adamw"],
    "sweep bowl.yaml --over optimizer.lr=lo": ["optimizer.lr=log:"],
    "run broken.yaml --set optim": ["optimizer="],
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("line", "candidates"), CANDIDATES.items(), ids=CANDIDATES)
def test_candidates(complete, write, line, candidates):
    write("../broken.yaml", "task: [")
    assert complete(line) == candidates


def test_only_scenarios_are_offered_where_one_is_expected(complete):
    assert complete("run n") == []  # notes.txt; where nothing is offered, the shell completes files by itself


@pytest.mark.slow
def test_ids_of_stored_sweeps(complete, playground):
    assert complete("results show ") == []
    assert playground("sweep", "bowl.yaml", "--seeds", "1", "--engine", "plain").exit_code == 0
    (sweep,) = complete("results show ")
    assert playground("results", "show", sweep).exit_code == 0
    assert complete("export ") == complete("report ") == [sweep]


def test_zsh_gets_its_own_form(complete):
    assert complete("eject --as s", shell="zsh") == ["""_arguments '*: :(("script"))'"""]


BASH = {
    "a word": (["show", "optimizer", "lio"], 3, ["lion"]),
    "an empty word": (["eject", "--as", ""], 3, ["script", "notebook"]),
    "after an equals sign": (["run", "bowl.yaml", "--set", "optimizer", "=", "adam"], 6, ["adam", "adamax", "adamw"]),
    "at an equals sign": (["run", "bowl.yaml", "--set", "dtype", "="], 5, ["float32", "float64"]),
    "a key": (["run", "bowl.yaml", "--set", "optimizer.w"], 4, ["optimizer.weight_decay="]),
    "after a colon": (["run", "-p", "no", ":", "b"], 5, ["builtin"]),
    "after an option with a value": (["run", "--set", "seed", "=", "1", "b"], 6, ["bowl.yaml"]),
    "an option's own equals sign": (["eject", "--as", "=", "s"], 4, ["script"]),
}


@pytest.mark.parametrize(("words", "position", "candidates"), BASH.values(), ids=BASH)
def test_bash_splits_words_at_equals_signs_and_colons(complete, words, position, candidates):
    found = complete("", "bash", COMP_WORDS="\n".join(["playground", *words]), COMP_CWORD=str(position))
    assert found == candidates


def test_words_are_left_alone_without_a_completion():
    environment = {"COMP_WORDS": "playground\nrun\na\n=\nb", "COMP_CWORD": "4"}
    before = dict(environment)
    with join_bash_words(environment):
        assert environment == before


@pytest.mark.slow
def test_nothing_heavy_is_imported_for_a_completion(tmp_path, write):
    write("bowl.yaml", BOWL)
    code = (
        "import sys, atexit; from playground.cli import main\n"
        "atexit.register(lambda: print(sorted({'torch', 'numpy', 'sympy', 'rich.progress'} & set(sys.modules))))\n"
        "main()"
    )
    environment = {
        **os.environ,
        "PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD": "1",
        "_PLAYGROUND_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": "playground run bowl.yaml --set optimizer.lr=",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["optimizer.lr=0.1", "[]"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_can_be_shown_and_installed(playground, tmp_path, monkeypatch, shell):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    shown = playground("--show-completion")
    assert shown.exit_code == 0
    assert f"complete_{shell}" in shown.stdout
    installed = playground("--install-completion")
    assert installed.exit_code == 0
    assert any("complete_" in path.read_text() for path in tmp_path.rglob("*playground*") if path.is_file())
