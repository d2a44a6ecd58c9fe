"""README and documentation: every command, scenario and Python block runs, shown output is real, links lead somewhere.

A block whose first line is a file's name in a comment is saved under it. In shown output, `…` stands for anything.
"""

import doctest
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from playground.errors import ExitCode

ROOT = Path(__file__).parents[2]
PAGES = {str(page.relative_to(ROOT)): page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
LINKED = {
    **PAGES,
    **{str(page.relative_to(ROOT)): page for page in (ROOT / ".github/CONTRIBUTING.md", ROOT / ".github/SECURITY.md")},
}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^# (\S+\.(?:py|yaml|yml|toml))\n")
NAMED = re.compile(r"^```yaml\n# (\S+\.yaml)$", re.MULTILINE)
HISTORY = "docs/decisions.md"

EXIT_CODES = {
    "playground run bowl.yaml --set optimizer.lr=0.3": 1,
    "playground run scenarios/bowl.yaml --set optimizer.lr=0.3": 1,
    "playground run scenarios/and_gate.yaml --set optimizer.lrr=0.1": 2,
    "playground check wrong.yaml": 2,
    "playground check suites/own.yaml": 2,  # its targets are not frozen yet
    "playground -p mine.py run scenarios/backward_check.yaml --set loss=mine": 1,
    "playground run kink.yaml": 1,
}
"""What a command ends with, where that is not 0."""

SLOW = (
    "playground run scenarios/broken",
    "playground --strict-plugins run scenarios/ -j 2 --junit-xml results.xml",
    "playground plot scenarios/two_moons.yaml --out moons.gif",
)
"""Commands that only the slow tests run, with fewer scenarios and steps; `.ci/run` runs every scenario."""

OTHERS = ("python3 -m venv", ". .venv/bin/activate", "pip install", "git ")
"""Beginnings of commands that set a machine up, which no test runs."""


def blocks(text):
    """Every fenced block: its language and its content."""
    return BLOCK.findall(text)


def steps(console):
    """Every command of a console block, and the lines shown below it."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)


def commands(text):
    """Every command of a page."""
    return [line for language, content in blocks(text) if language == "console" for line, _ in steps(content)]


def flatten(text):
    """Return a text on one line; a rule has any length, because a column of durations may have any width."""
    return re.sub("─+", "─", " ".join(text.split()))


class Reader:
    """Somebody who follows a page from the top in one folder."""

    def __init__(self, page, playground, folder):
        self.page, self.playground, self.folder = page, playground, folder
        self.names = {}
        self.scenario = None

    def follow(self, text):
        for language, content in blocks(text):
            if name := NAME.match(content):
                path = self.folder / name[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
            getattr(self, language)(content, name[1] if name else "")

    def console(self, content, _):
        for line, shown in steps(content):
            if line.startswith("pytest "):
                self.run_pytest(line)
            elif line.startswith("playground live "):
                self.run_until_interrupted(line, shown)
            elif line.startswith("playground ") and line not in SLOW:
                self.run_command(line, shown)

    def run_command(self, line, shown):
        result = self.playground(*shlex.split(line)[1:])
        printed = result.stdout + result.stderr
        assert result.exit_code == EXIT_CODES.get(line, 0), f"{self.page}: {line}\n{printed}"
        at, printed = 0, flatten(printed)
        for part in shown.split("…"):
            part = flatten(part)
            found = printed.find(part, at)
            assert found >= 0, f"{self.page}: {line}\ndoes not print, or not here:\n{part}\nbut:\n{printed}"
            at = found + len(part)

    def run_pytest(self, line):
        (self.folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        command = [sys.executable, "-m", *shlex.split(line), "-p", "no:cacheprovider"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{self.page}: {line}\n{done.stdout}"

    def run_until_interrupted(self, line, shown):
        """Start a command that does not end, read the lines that are shown, and press Ctrl-C."""
        command = [sys.executable, "-m", *shlex.split(line), "--no-browser"]
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True) as started:
            printed = "".join(started.stdout.readline() for _ in shown.splitlines() or [line])
            started.send_signal(signal.SIGINT)
        assert started.returncode == 0, f"{self.page}: {line}"
        assert not shown or re.fullmatch(".*".join(map(re.escape, shown.split("…"))), printed), printed

    def text(self, content, _):
        """What no test runs: a sketch."""

    def yaml(self, content, name):
        data = yaml.safe_load(content)
        if name.startswith(".github/"):
            assert data["jobs"]
            return
        if {"task", "problems"} & data.keys():
            self.scenario = data
        else:  # a few keys of the scenario above
            content = json.dumps({**self.scenario, **data})
        (self.folder / "block.yaml").write_text(content, encoding="utf-8")
        line = f"playground check {name or 'block.yaml'}"
        result = self.playground(*line.split()[1:])
        assert result.exit_code == EXIT_CODES.get(line, 0), f"{self.page}:\n{content}{result.stderr}"

    def python(self, content, name):
        code = compile(content, str(self.page), "exec")
        if not name:
            exec(code, self.names)

    def pycon(self, content, _):
        test = doctest.DocTestParser().get_doctest(content, self.names, str(self.page), str(self.page), 0)
        told = []
        # No IGNORE_EXCEPTION_DETAIL: the messages of errors are part of what is shown.
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append, clear_globs=False)
        assert not told, "".join(told)
        self.names = test.globs

    def toml(self, content, _):
        assert tomllib.loads(content)

    def sh(self, content, _):
        """The README's two blocks: `.ci/run` runs one, and `test_readme.py` holds what both say."""


@pytest.fixture
def checkout(playground, tmp_path, monkeypatch):
    """The command in a folder with what a page assumes: the scenarios and the plugin of the broken ones."""
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return playground


TOLD = {page: commands(path.read_text(encoding="utf-8")) for page, path in PAGES.items()}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("page", [page for page in PAGES if page != HISTORY])
def test_what_a_page_shows_is_real(checkout, tmp_path, page):
    Reader(page, checkout, tmp_path).follow(PAGES[page].read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("line", SLOW)
def test_a_slow_command_runs(checkout, tmp_path, line):
    for folder in (tmp_path / "scenarios", tmp_path / "scenarios" / "broken"):
        for file in sorted(folder.glob("*.yaml"))[3:]:
            if file.name in line:
                file.write_text(re.sub(r"^steps: .*", "steps: 10", file.read_text(), flags=re.MULTILINE))
            else:
                file.unlink()
    result = checkout(*shlex.split(line)[1:])
    assert result.exit_code == 0, result.stdout + result.stderr


def test_no_command_escapes():
    lines = {line for page in TOLD.values() for line in page}
    unknown = [line for line in lines if not line.startswith(("playground ", "pytest ", *OTHERS))]
    assert not unknown
    checked = {f"playground check {name}" for page in PAGES.values() for name in NAMED.findall(page.read_text())}
    assert {*EXIT_CODES, *SLOW} <= lines | checked, "a command has changed: change it here too"


LIST = re.findall(r"^  `(playground [^`\n]+)`$", PAGES["README.md"].read_text(encoding="utf-8"), re.MULTILINE)


def test_the_readmes_list_has_a_command_for_each_topic():
    assert len(LIST) == 8


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in LIST if not line.startswith("playground live ")])
def test_a_command_of_the_readmes_list_runs(checkout, line):
    result = checkout(*shlex.split(line)[1:])
    assert result.exit_code == 0, result.stdout + result.stderr


def anchors(text):
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED)
def test_links_lead_somewhere(page):
    path = LINKED[page]
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{page}: {link}"


def test_the_index_has_every_page():
    index = PAGES["docs/README.md"].read_text(encoding="utf-8")
    assert [page for page in PAGES if page.startswith("docs/") and f"({Path(page).name})" not in index] == [
        "docs/README.md"
    ]


def column(text, begin, position=0):
    """The names in backticks in one column of the table that begins with a line."""
    table = text[text.index(begin) :].partition("\n\n")[0]
    cells = [re.split(r"(?<!\\) \| ", line.strip("| "))[position] for line in table.splitlines()[2:]]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_every_key_of_a_scenario_has_its_place(playground):
    text = PAGES["docs/scenarios.md"].read_text(encoding="utf-8")
    told = column(text, "| key | meaning |")
    assert sorted(told) == sorted(json.loads(playground("schema").stdout)["properties"])


def test_the_forms_of_an_axis_mean_the_same(checkout, write):
    """An option of a sweep and the keys of a scenario give the same runs."""
    text = PAGES["docs/sweeps.md"].read_text(encoding="utf-8")
    begin = "| `--over` | in a scenario | values |"
    bowl = (ROOT / "scenarios" / "bowl.yaml").read_text(encoding="utf-8")

    def axes(*arguments):
        (sweep,) = json.loads(checkout("sweep", *arguments, "--set", "steps=1", "--json").stdout)["sweeps"]
        return sweep["spec"]["sweep"]["over"]

    options, forms = column(text, begin), column(text, begin, 1)
    assert len(options) == len(forms) == 5
    for option, form in zip(options, forms, strict=True):
        seeds = option.startswith("--seeds")
        write("axes.yaml", bowl + f"sweep: {{over: {{{form if seeds else f'optimizer.lr: {form}'}}}}}\n")
        given = option.split() if seeds else ["--over", option]
        assert axes("scenarios/bowl.yaml", *given) == axes("axes.yaml"), option


def test_every_condition_of_an_expectation_has_its_place(playground):
    text = PAGES["docs/scenarios.md"].read_text(encoding="utf-8")
    told = column(text, "| condition | holds when")
    schema = json.loads(playground("schema").stdout)["definitions"]["Check"]
    accepted = next(form for form in schema["anyOf"] if "properties" in form)["properties"]
    assert set(told) - {"accuracy: 1"} == set(accepted)


def test_every_diagnosis_has_its_place(playground):
    text = PAGES["docs/diagnoses.md"].read_text(encoding="utf-8")
    told = column(text, "| diagnosis | evidence | fix |")
    listed = re.findall(r"^  (\w+)  ", playground("list", "diagnosis").stdout, re.MULTILINE)
    assert sorted(told) == sorted(listed)


def test_every_command_has_its_place(playground):
    text = PAGES["docs/command-line.md"].read_text(encoding="utf-8")
    told = {line.split()[1] for line in column(text, "| command | what it does |")}
    listed = re.findall(r"^  (\w+)  ", playground("--help").stdout.split("Commands:")[1], re.MULTILINE)
    assert told == set(listed)


@pytest.mark.parametrize("position", [0, 1])
def test_every_option_that_is_told_exists(playground, position):
    text = PAGES["docs/command-line.md"].read_text(encoding="utf-8")
    table = text[text.index("| command | options |") :].partition("\n\n")[0]
    rows = [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in table.splitlines()[2:]]
    if position == 0:
        common = re.findall(r"(?<![\w-])(-[-\w]+)", " ".join(column(text, "| option | meaning |")))
        rows = [["`run`", " ".join(common)]]
    for command, options in rows:
        help_text = playground(*command.strip("`").split(), "--help").stdout
        told = set(re.findall(r"(?<![\w=-])(-[-a-z]+)", options))
        assert told
        assert told <= set(re.findall(r"(?<![\w-])(-[-a-z]+)", help_text)), command


def test_the_table_of_exit_codes():
    text = PAGES["docs/command-line.md"].read_text(encoding="utf-8")
    table = text[text.index("| exit code |") :].partition("\n\n")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [code.value for code in ExitCode]
