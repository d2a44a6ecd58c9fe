"""Every shipped scenario, mutated, through every command: a sentence or a result comes of it, and nothing worse.

What is mutated follows from fixed seeds. PLAYGROUND_FUZZ=20 tries twenty times as many as CI does, and others.
"""

import ast
import json
import os
import random
import re
import resource
import time
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

FILES = sorted((Path(__file__).parent.parent.parent / "scenarios").rglob("*.yaml"))
EFFORT = int(os.environ.get("PLAYGROUND_FUZZ", "1"))

CHECKS, COMMANDS, TRIED = 5, 1, 5
"""Mutants of each scenario that are checked, those that go through other commands, and through how many of them."""

CPU_OF_CHECK = 1.0
"""Seconds of CPU that `check` of one file may take, torch once imported."""

MEMORY = 1_000_000
"""Kilobytes that this process may have grown by at its height."""

BUDGET = 30
"""Steps that a mutant makes, so that what is tried is the program and not the processor."""

ODD = [
    None, True, 0, 1, -1, 2, 7, 1.5, -0.0, 10**9, 10**30, 1e-300, 1e300, 1e30, float("inf"), float("nan"), "", "adam",
    "mse", "torch.SGD", "torch.SparseAdam", "bowl\"\"\"; 1/0; \"\"\"", "</script><b>", "$x$ & \\frac{", "\x1b[31mred",
    "中文 مثال 🎉", "%s {0} {x}", "a" * 300, "erf(x**10**9)", "erf(3**x)", "x/0", "log(x)",
    "sin(" * 40 + "x" + ")" * 40,
    [], [[]], [1], [[1, 2]], [3100, 31000], [10**9], {}, {"x": 1e30}, {"x": [1, 2]}, {"below": 1}, {"norm": 1},
    {"name": "mlp", "hidden": [100_000, 100_000]}, {"name": "moons", "samples": 10**10},
    {"name": "blobs", "samples": 10**9, "classes": 10**8}, {"name": "polynomial", "degree": 10**6},
    {"over": {"steps": [0, 1, 5]}}, {"over": {"optimizer.lr": [1e-3, 1e30]}}, {"over": {"seed": {"count": 3}}},
]  # fmt: skip
KEYS = [
    "name", "summary", "steps", "seed", "batch_size", "stop", "clip", "dtype", "expect", "plot", "sweep", "schedule",
    "model", "loss", "function", "dataset", "optimizer", "start", "at", "derivative", "order", "same_as", "task",
]  # fmt: skip

COMMANDS_TRIED = {
    "check": ["check", "{file}"],
    "run": ["run", "{file}", "--junit-xml", "out.xml", "--json"],
    "page": ["run", "{file}", "--html", "out.html"],
    "explain": ["explain", "{file}"],
    "explain as LaTeX": ["explain", "{file}", "--format", "latex"],
    "explain as HTML": ["explain", "{file}", "--format", "html", "--out", "step.html"],
    "eject": ["eject", "{file}"],
    "eject a notebook": ["eject", "{file}", "--as", "notebook"],
    "plot": ["plot", "{file}", "--out", "out.svg"],
    "plot the loss": ["plot", "{file}", "--out", "loss.svg", "--kind", "loss"],
    "sweep": ["sweep", "{file}", "--seeds", "3"],
    "sweep in batches": ["sweep", "{file}", "--seeds", "3", "--engine", "batched", "--fresh"],
}


def places(value, path=()):
    """Yield the path of everything inside a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def mutant(file, draw):
    """Return a scenario with one to three things replaced, added or dropped, as YAML."""
    data = yaml.safe_load(file.read_text())
    if isinstance(data.get("steps", 0), int):
        data["steps"] = min(data.get("steps", BUDGET), BUDGET)
    for _ in range(draw.choice([1, 1, 2, 3])):
        if draw.random() < 0.3:
            data[draw.choice(KEYS)] = draw.choice(ODD)
            continue
        *above, key = draw.choice(list(places(data)) or [("name",)])
        parent = data
        for step in above:
            parent = parent[step]
        if draw.random() < 0.2:
            del parent[key]
        else:
            parent[key] = draw.choice(ODD)
    if isinstance(data.get("steps"), int) and data["steps"] > BUDGET:
        data["steps"] = BUDGET
    return yaml.safe_dump(data, allow_unicode=True)


def faults_of(name, result):
    """Yield what is wrong with what a command printed."""
    text = result.stdout + result.stderr
    if "Traceback (most recent call last)" in text:
        yield "a traceback"
    if match := re.search(r".*(\(\w+\.py, line \d+\)|playground/\w+/\w+\.py).*", result.stderr):
        yield f"a source line of ours: {match[0]}"
    if bad := {letter for letter in text if unicodedata.category(letter) == "Cc" and letter not in "\n\t"}:
        yield f"control characters {sorted(bad)!r}"
    if result.exit_code not in (0, 1, 2):
        yield f"exit code {result.exit_code}"
    if name == "eject" and result.exit_code == 0:
        yield from _raised(lambda: ast.parse(result.stdout))
    if name in ("eject a notebook", "run") and result.exit_code == 0:
        yield from _raised(lambda: json.loads(result.stdout))
    for file in Path().glob("*.xml"):
        yield from _raised(lambda file=file: ET.parse(file))
    for file in Path().glob("*.svg"):
        yield from _raised(lambda file=file: ET.parse(file))


def _raised(read):
    try:
        read()
    except (SyntaxError, ValueError, ET.ParseError) as error:  # what cannot be read as what it claims to be
        yield f"not readable: {type(error).__name__}: {error}"


@pytest.mark.product(10)
@pytest.mark.timeout(600 * EFFORT)
@pytest.mark.filterwarnings("always")  # which the command shows, and which `faults_of` finds there
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_mutant_of_a_scenario_breaks_a_command(file, write, playground):
    draw = random.Random(f"{file.stem} {EFFORT}")
    found = []

    def attempt(text, names):
        write("mutant.yaml", text)
        for name in names:
            arguments = [word.format(file="mutant.yaml") for word in COMMANDS_TRIED[name]]
            before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
            try:
                result = playground(*arguments)
            except Exception as error:  # every one of them is a fault of ours
                found.append(f"{name}: {type(error).__name__}: {error}\n{text}")
                continue
            seconds = time.process_time() - start
            faults = list(faults_of(name, result))
            if name == "check" and seconds > CPU_OF_CHECK and EFFORT > 1:
                faults.append(f"{seconds:.1f} s of CPU")
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > MEMORY:
                faults.append("more than 1 GB")
            found.extend(f"{name}: {fault}\n{text}" for fault in faults)

    attempt(file.read_text(), ["check"])  # torch and what it needs are imported
    found.clear()
    for _ in range(CHECKS * EFFORT):
        attempt(mutant(file, draw), ["check"])
    for _ in range(COMMANDS * EFFORT):
        attempt(mutant(file, draw), draw.sample(list(COMMANDS_TRIED), TRIED))
    assert not found, "\n\n".join(found)
