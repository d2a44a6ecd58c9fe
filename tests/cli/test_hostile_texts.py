"""Texts of a scenario, a data set, a plugin or the command line never act in what is written from them."""

import csv
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree, html
from markdown_it import MarkdownIt

from playground.figures.text import escape_markdown, make_printable
from playground.plugins.manager import load_plugins
from playground.runner.ejecting.program import eject
from playground.runner.ejecting.rendering import render_notebook, render_script
from playground.runner.loading.overrides import Changes, load_with_changes
from playground.runner.single.running import run_one

TOUCH = "__import__('os').system('touch pwned')"
TEXTS = {
    "double quote": '"; import os; os.system("touch pwned") #',
    "single quote": f"'; {TOUCH}; '",
    "triple quotes": f'"""; {TOUCH}; """',
    "triple single quotes": f"'''\n{TOUCH}\n'''",
    "quotes at the end": 'a"',
    "four quotes": 'a""""',
    "backslash at the end": "a\\",
    "escaped quotes": f'\\"\\"\\"\n{TOUCH}\n\\"\\"\\"',
    "line end": f"a\n{TOUCH}\n",
    "carriage return": f"a\r{TOUCH}\r",
    "line separator": f"a\u2028{TOUCH}\u2029\x85{TOUCH}\x0b\x0c",
    "cell": f"a\n# %% b\n{TOUCH}\n#%% c\n# In[1]:\n{TOUCH}",
    "coding": "a\n# -*- coding: utf-7 -*-\n",
    "format": f"{{0}} {{1}} {{{TOUCH}}} {{x!r:>{{y}}}} %s %(a)s $name ${{name}}",
    "parts of programs": "LOSS PARAMETERS STEP DTYPE SIZES PIECES loss model",
    "escapes": "\\N{BULLET} \\x41 \\u0041 \\101 \\z",
    "control": "\x01\x1b[31m\x1b]0;title\x07\x9b31m\x7f",
    "direction": "\u202eabc\u2066def\u200f",
    "script": "</script><script>document.title='pwned'</script><!--",
    "html": "<img src=x onerror=alert(1)><a href='javascript:1'>a</a> &lt;b&gt; \" onload=\"alert(1)",
    "xml": "]]></failure> <!ENTITY a> &a; \ufffe",
    "shell": "$(touch pwned) `touch pwned`; touch pwned | touch pwned & touch pwned",
    "latex": r"\input{/etc/passwd} ^^5cinput $x_1^2$ % # & ~ _ {a} \end{document}",
    "mathtext": "$\\frac{1}{2}$ $unclosed",
    "markdown": "[a](javascript:1) ![b](c) `d` **e** _f_ | g\n\n# h\n- i\n\n    code\n***\n<b>j</b> https://k.l $m$",
    "rich": "[bold red]a[/] [link=x]b[/link] :smile:",
    "command of GitHub": "::error::a\n::add-mask::b %0A",
    "formula": "=cmd|' /C calc'!A0",
    "long": "long " * 2000,
}
"""Each would act if it reached a program or a page of its language as it is."""

PLUGIN = """
from playground import hookimpl

def labelled(label: str, labels: list[str]):
    {docstring}
    # {comment}
    def loss(prediction, target):
        return (prediction - target).square().mean() * (len(label) + len(labels))

    return loss

@hookimpl
def playground_losses():
    return {{"labelled": labelled}}
"""

RUN_ALL = """
import contextlib, io, json, sys
sys.modules["playground"] = None  # whoever imports it raises
printed = {}
for name, text in json.load(sys.stdin).items():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, name, "exec"), {"__name__": "__main__"})
    printed[name] = out.getvalue()
print(json.dumps(printed))
"""


@pytest.fixture(autouse=True)
def _nothing_is_done(tmp_path):
    """Whatever happens, nobody has run a command."""
    yield
    assert not list(tmp_path.rglob("pwned*"))


def scenario(text, **more):
    """Return a scenario that has a text wherever it may have one."""
    name = "".join(filter(str.isprintable, text))[:200] or "a"
    return json.dumps(
        {
            "name": name,
            "summary": text,
            "task": "regression",
            "dataset": {"name": "line", "samples": 5},
            "model": "linear",
            "loss": {"name": "labelled", "label": text, "labels": [text, "{0}"]},
            "optimizer": {"name": "sgd", "lr": 0.001 / len(text)},
            "steps": 3,
            **more,
        }
    )


def run_elsewhere(programs, folder):
    """Run programs in one process of its own, without playground; return what each prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN_ALL],
        input=json.dumps(programs), capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def losses(printed):
    return [float(loss) for loss in re.findall(r"^(?:first|last) loss +(\S+)$", printed, re.MULTILINE)]


def plain_words(tokens):
    """Return the text of parsed Markdown, and the kinds of everything else in it."""
    inner = [child for token in tokens for child in (token.children or [])]
    text = "".join(child.content for child in inner if child.type in ("text", "text_special"))
    return text, {child.type for child in inner} - {"text", "text_special"}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """Return plugins, of which one has a loss whose docstring, comment and options are hostile."""
    file = tmp_path_factory.mktemp("plugin") / "mine.py"
    every = "\n".join(TEXTS.values())
    file.write_text(PLUGIN.format(docstring=repr(every), comment=make_printable(every)), encoding="utf-8")
    return load_plugins(specs=[str(file)], autoload=False)


FEW = ("triple quotes", "cell", "format")


@pytest.mark.slow
@pytest.mark.parametrize("names", [FEW, pytest.param([*TEXTS], marks=pytest.mark.slow)], ids=["few", "all"])
def test_ejected_programs_do_nothing_else_and_give_the_losses_of_the_run(plugins, write, tmp_path, names):
    programs, expected = {}, {}
    for what, text in ((name, TEXTS[name]) for name in names):
        loaded = load_with_changes(write("a.yaml", scenario(text)), Changes(), plugins)
        loss = run_one(loaded, plugins).loss
        program = eject(loaded, plugins)
        programs[what] = made = render_script(program)
        assert all(line.isprintable() for line in made.split("\n"))
        headings = [line.removeprefix("# %% ") for line in made.splitlines() if re.match(r"#\s*(%%|In\[)", line)]
        assert headings == [cell.heading for cell in program.cells]
        markdown_cell, *cells = json.loads(render_notebook(program))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        programs[f"{what}, notebook"] = "\n\n".join(code)
        shown, others = plain_words(MarkdownIt("commonmark").parse("".join(markdown_cell["source"])))
        assert others == {"code_inline"}  # of the note, which is ours
        assert " ".join(make_printable(text).split()) in shown
        expected[what] = expected[f"{what}, notebook"] = [loss.first, loss.last]
    printed = run_elsewhere(programs, tmp_path)
    assert {what: losses(text) for what, text in printed.items()} == expected


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("before", ["", "# ", "- "])
def test_markdown_shows_a_text_as_it_is(text, before):
    made = before + escape_markdown(text)
    words, others = plain_words(MarkdownIt("commonmark").enable("table").parse(made))
    assert others == set()
    assert words == " ".join(make_printable(text).split())
    assert "\n" not in made


@pytest.fixture
def hostile_run(playground, write):
    """Run a hostile scenario whose data set has hostile columns, with options."""

    def run(text, *words):
        columns = [f"{text[:60]} a", f"{text[:60]} b", "target"]
        with Path("data.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(
                [[" ".join(make_printable(each).split()) for each in columns], [1, 0, 1], [0, 1, 2]]
            )
        write("mine.py", PLUGIN.format(docstring=repr(text), comment="a"))
        write("a.yaml", scenario(text, dataset={"name": "csv", "file": "data.csv", "target": "target"}))
        result = playground("-p", "mine.py", words[0], "a.yaml", *words[1:])
        assert result.exit_code == 0, result.stdout + result.stderr
        return result

    return run


SOME = ("control", "script", "html", "xml", "shell", "latex", "rich")


@pytest.mark.slow
@pytest.mark.parametrize("text", [TEXTS[what] for what in SOME], ids=SOME)
def test_reports_hold_a_text_as_text(hostile_run, text):
    result = hostile_run(text, "run", "--junit-xml", "a.xml", "--html", "a.html", "--report", "picture=a.svg")
    for line in (result.stdout + result.stderr).split("\n"):
        assert line.isprintable()
    assert etree.parse("a.xml").find(".//testcase").get("name")
    assert etree.parse("a.svg").getroot().tag.endswith("svg")
    page = html.parse("a.html").getroot()
    assert len(page.xpath("//script")) == 3
    assert page.xpath("//*[@onerror or @onload]|//img|//a[starts-with(@href, 'javascript')]") == []
    data = json.loads(page.xpath("//script[@id='data']")[0].text)
    assert data
    (shown,) = {code.text_content() for code in page.xpath("//p[@class='made']/code")}
    assert shlex.split(shown)[0] == "playground"
    assert subprocess.run(["sh", "-n", "-c", shown], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("text", [TEXTS[what] for what in SOME], ids=SOME)
def test_explanations_hold_a_text_as_text(hostile_run, text):
    shown = hostile_run(text, "explain").stdout
    assert all(line.isprintable() for line in shown.split("\n"))
    page = html.fromstring(hostile_run(text, "explain", "--format", "html", "--no-live").stdout)
    assert page.xpath("//script|//img|//*[@onerror or @onload]|//a") == []
    live = html.fromstring(hostile_run(text, "explain", "--format", "html").stdout)
    assert live.xpath("//img|//*[@onerror or @onload]") == []
    assert [each.get("id") for each in live.xpath("//script")] == ["data", None]
    assert [each.get("class") for each in live.xpath("//a")] == ["skip"]
    latex = hostile_run(text, "explain", "--format", "latex").stdout
    assert "^^" not in latex
    assert all(line.isprintable() for line in latex.split("\n"))
    assert "input" not in set(re.findall(r"\\([a-zA-Z]+)", latex))
    unescaped = re.sub(r"\\[{}]", "", latex)
    assert unescaped.count("{") == unescaped.count("}")


def test_a_command_that_is_shown_is_one_that_can_be_pasted(playground, tmp_path, monkeypatch):
    folder = "a '$(touch pwned)' \"`touch pwned`\""
    made = playground("new", "plugin", "own", "--single-file", "--out", folder)
    assert made.exit_code == 0, made.stderr
    (line,) = [line for line in made.stdout.splitlines() if line.startswith("next: ")]
    words = shlex.split(line.removeprefix("next: "))
    assert subprocess.run(["sh", "-n", "-c", line.removeprefix("next: ")], check=False).returncode == 0
    assert words == ["playground", "-p", f"{folder}/own.py", "run", f"{folder}/own.yaml"]
    assert playground(*words[1:]).exit_code == 0


def test_a_spreadsheet_takes_no_text_for_a_formula(playground, write):
    bowl = {"name": "=1+1", "task": "minimize", "function": "x**2", "start": {"x": 1}, "optimizer": "sgd", "steps": 3}
    write("a.yaml", json.dumps(bowl))
    swept = playground("sweep", "a.yaml", "--seeds", "2")
    assert swept.exit_code == 0, swept.stderr
    rows = list(csv.DictReader(playground("export").stdout.splitlines()))
    assert {row["scenario"] for row in rows} == {"'=1+1"}
    assert all(float(row["last"]) >= 0 for row in rows)
