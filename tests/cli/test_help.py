"""Help pages at 80 columns: nothing is cut off, values have names, and one option means one thing on every command."""

import re

import pytest
import typer

from playground.cli import choices
from playground.cli.app import app
from playground.plugins.registry import KINDS


def find_commands(command, path=()):
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from find_commands(each, (*path, name))


COMMANDS = {" ".join(path): command for path, command in find_commands(typer.main.get_command(app))}

CLOSED_SETS = {
    ("run", "--engine"): choices.engine_names,
    ("sweep", "--engine"): choices.engine_names,
    ("explain", "--format"): choices.explanation_formats,
    ("explain", "--language"): choices.languages,
    ("eject", "--as"): choices.program_forms,
    ("export", "--format"): lambda: ("csv", "parquet", "json"),
    ("plot", "--kind"): choices.picture_kinds,
    ("new plugin", "--kind"): lambda: ("loss", "model", "optimizer", "function", "dataset", "task", "schedule"),
    ("list", "KIND"): lambda: KINDS,
    ("show", "KIND"): lambda: KINDS,
}

SAME_NAME_FOR_TWO_THINGS = {"--format", "--kind", "--out"}
"""The forms of an explanation and of a table; a figure and a component; `plot` and `new` say what they write."""


@pytest.fixture
def show_help(playground, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    def show_help(command):
        result = playground(*command.split(), "--help")
        assert result.exit_code == 0
        return result.stdout

    return show_help


def collect_values(parameter):
    """The words of a help page that name a value of this parameter."""
    return re.findall(r"\w+", f"{parameter.metavar} {parameter.help}")


@pytest.mark.sampled(6)
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_and_cuts_nothing_off(show_help, command):
    text = show_help(command)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    rest = text.partition("\n\n")[2]
    assert "..." not in rest  # in the usage it means: several
    for name, each in getattr(COMMANDS[command], "commands", {}).items():
        assert f"{name} {each.get_short_help_str()}" in " ".join(text.split())
        assert each.get_short_help_str().endswith(".")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_values_and_no_types(show_help, command):
    text = show_help(command)
    assert not re.search(r"<[\w\[\] ]+>|\b(TEXT|INTEGER|FLOAT)\b|\bx[<>]=", text)
    for parameter in COMMANDS[command].params:
        if not getattr(parameter, "is_flag", False):
            assert parameter.metavar, parameter.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_parameter_has_a_sentence(command):
    for parameter in COMMANDS[command].params:
        assert parameter.help.endswith("."), parameter.name


@pytest.mark.parametrize(("command", "option"), CLOSED_SETS)
def test_help_lists_the_values_of_closed_sets(command, option):
    (parameter,) = (each for each in COMMANDS[command].params if option in (*each.opts, each.metavar))
    assert set(CLOSED_SETS[command, option]()) <= set(collect_values(parameter))


def test_an_option_has_one_meaning_on_every_command():
    meanings = {}
    for command, found in COMMANDS.items():
        for parameter in found.params:
            for option in parameter.opts:
                if option.startswith("-"):
                    meanings.setdefault(option, {})[command] = (
                        tuple(parameter.opts),
                        parameter.metavar,
                        parameter.help,
                    )
    several = {option for option, uses in meanings.items() if len(set(uses.values())) > 1}
    assert several - {"-o"} <= SAME_NAME_FOR_TWO_THINGS
    assert meanings["--out"].keys() == meanings["-o"].keys()
    assert {"explain", "export", "plot", "eject", "schema", "new plugin", "new scenario"} == meanings["-o"].keys()


def test_a_long_summary_is_wrapped(show_help, monkeypatch, playground):
    monkeypatch.setenv("COLUMNS", "50")
    text = " ".join(playground("--help").stdout.split())
    for name, each in COMMANDS[""].commands.items():
        assert f"{name} {each.get_short_help_str()}" in text


def test_a_closed_set_is_checked_with_the_accepted_values(playground):
    result = playground("explain", "a.yaml", "--format", "pdf")
    assert (result.exit_code, result.stderr) == (2, "--format pdf: unknown (accepted: html, json, latex, text)\n")
