"""Everything a user can get wrong: one line that says where and what, the right exit code, and no traceback."""

import re
from xml.etree import ElementTree

import pytest

AND = """\
task: classification
dataset: and_gate
model: perceptron
loss: mse
optimizer: {name: adam, lr: 0.01}
steps: 2
"""
BOWL = """\
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.1}
steps: 2
"""
SLOPE = """\
task: derivative
function: x**2
at: {x: [1]}
"""
POINTS = """\
task: regression
dataset: {name: csv, file: points.csv, target: y}
model: linear
loss: mse
optimizer: sgd
steps: 2
"""


def changed(text, old, new):
    assert old in text
    return text.replace(old, new)


def lines(result):
    """The lines of standard error; a traceback would be several, and has a name."""
    assert "Traceback" not in result.stderr + result.stdout
    return result.stderr.splitlines()


NOT_YAML = {
    "empty": ("", "a.yaml: the file is empty; a scenario has at least a task"),
    "only a comment": ("# later\n", "a.yaml: the file is empty; a scenario has at least a task"),
    "not YAML": ("task: [minimize\n", r"a\.yaml:\d+:\d+: .+"),
    "a sentence": ("hello\n", "a.yaml:1:1: expected keys and values, such as 'task: minimize', got 'hello'"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\xff", "a.yaml:1:1: byte 0x89 is not UTF-8; is this a text file?"),
    "NUL": (b"task: \x00minimize\n", "a.yaml:1:7: character U+0000 is not allowed in YAML; is this a text file?"),
    "two documents": (BOWL + "---\n" + BOWL, r"a\.yaml:6:1: .*document.*"),
    "duplicate key": (BOWL + "steps: 3\n", "a.yaml:6:1: key 'steps' is given twice, on lines 5 and 6"),
}

STRUCTURE = {
    "unknown key": (BOWL + "stepz: 1\n", "a.yaml:6:1: unknown key 'stepz'; did you mean 'steps'?"),
    "no task": ("steps: 1\n", r"a\.yaml:1:1: missing key 'task'.*"),
    "unknown task": (
        changed(BOWL, "minimize", "minimise"),
        "a.yaml:1:7: unknown task 'minimise'; did you mean 'minimize'?",
    ),
    "unknown component": (
        changed(BOWL, "name: sgd", "name: sdg"),
        "a.yaml:4:19: unknown optimizer 'sdg'; did you mean 'sgd'?",
    ),
    "component of another task": (
        BOWL + "model: mlp\n",
        r"a\.yaml:6:1: the task 'minimize' takes no model; it takes .*",
    ),
    "component missing": (
        changed(BOWL, "optimizer: {name: sgd, lr: 0.1}\n", ""),
        r"a\.yaml:1:1: missing key 'optimizer'.*",
    ),
    "steps -1": (changed(BOWL, "steps: 2", "steps: -1"), "a.yaml:5:8: expected at least 0, got -1"),
    "steps 2.0": (changed(BOWL, "steps: 2", "steps: 2.0"), "a.yaml:5:8: expected a whole number, got 2.0"),
    "seed as text": (BOWL + "seed: one\n", "a.yaml:6:7: expected a whole number, got 'one'"),
    "dtype": (
        BOWL + "dtype: float16\n",
        "a.yaml:6:8: expected 'float32' or 'float64', got 'float16'",
    ),
    "absent plugin": (
        BOWL + "requires: [muon]\n",
        "a.yaml:6:12: needs the plugin 'muon'; install it, for example with: pip install gradient-playground-muon",
    ),
    "steps for a derivative": (
        SLOPE + "steps: 5\n",
        "a.yaml:4:1: task 'derivative' does not descend and takes no 'steps'",
    ),
    "optimizer for a derivative": (
        SLOPE + "optimizer: sgd\n",
        "a.yaml:4:1: the task 'derivative' takes no optimizer; it takes function, dataset, model, loss",
    ),
    "near without within": (BOWL + "expect: {x: {near: 1}}\n", r"a\.yaml:6:13: 'near' needs 'within'.*"),
    "unknown condition": (BOWL + "expect: {x: {blow: 1}}\n", "a.yaml:6:14: unknown key 'blow'; did you mean 'below'?"),
}

COMPONENTS = {
    "unknown parameter": (
        changed(AND, "lr: 0.01", "lrr: 0.01"),
        "a.yaml:5:25: unknown parameter 'lrr' of optimizer 'adam'; did you mean 'lr'?",
    ),
    "lr true": (changed(AND, "lr: 0.01", "lr: true"), "a.yaml:5:29: expected a number, got true"),
    "lr -1": (changed(AND, "lr: 0.01", "lr: -1"), "a.yaml:5:29: expected at least 0, got -1"),
    "lr as text": (changed(AND, "lr: 0.01", "lr: fast"), "a.yaml:5:29: expected a number, got 'fast'"),
    "lr missing value": (changed(AND, "lr: 0.01", "lr:"), r"a\.yaml:5:2\d: expected a number, got null"),
    "torch.optim's own complaint": (
        changed(AND, "{name: adam, lr: 0.01}", "{name: torch.SGD, lr: -1.0}"),
        r"a\.yaml:5:\d+: optimizer 'torch\.SGD': .*[Ii]nvalid learning rate: -1\.0.*",
    ),
    "unknown activation": (
        changed(AND, "model: perceptron", "model: {name: perceptron, activation: sigmoit}"),
        r"a\.yaml:3:39: .*'sigmoid'.*",
    ),
    "model wider than the data's targets": (
        changed(
            changed(AND, "loss: mse", "loss: bce_with_logits"),
            "dataset: and_gate",
            "dataset: {name: blobs, classes: 3}",
        )
        + "start: {weight: [[1, 2]]}\n",
        r"a\.yaml:7:17: weight: expected shape \(3, 2\), got \(1, 2\)",
    ),
    "loss that tells classes apart for quantities": (
        changed(changed(AND, "task: classification", "task: regression"), "loss: mse", "loss: cross_entropy"),
        "a.yaml:4:7: this loss takes classes; use task: classification",
    ),
    "inputs and targets of different lengths": (
        changed(AND, "dataset: and_gate", "dataset: {name: inline, inputs: [[1], [2]], targets: [[1]]}"),
        r"a\.yaml:2:\d+: .*2.*1.*",
    ),
    "batch larger than the data": (AND + "batch_size: 5\n", "a.yaml:7:13: batch_size 5 exceeds the 4 samples"),
    "batch without data": (
        BOWL + "batch_size: 2\n",
        "a.yaml:6:13: this task has no data to take batches of",
    ),
    "unknown parameter in start": (
        AND + "start: {wight: [[1, 1]]}\n",
        "a.yaml:7:16: unknown parameter 'wight'; did you mean 'weight'?",
    ),
    "unknown variable in start": (changed(BOWL, "{x: 1}", "{x: 1, z: 1}"), r"a\.yaml:3:\d+: unknown variable 'z'.*x.*"),
    "start misses a variable": (changed(BOWL, "(2*x + 10)**2", "x**2 + y**2"), "a.yaml:3:8: no value for variable 'y'"),
    "start of another shape": (
        changed(BOWL, "{x: 1}", "{x: [1, 2]}"),
        "a.yaml:3:12: start of 'x': expected a number, got [1.0, 2.0]",
    ),
    "expression, a name": (changed(BOWL, "(2*x + 10)**2", "sni(x)"), r"a\.yaml:2:11: .*'sni'.*'sin'.*"),
    "expression, syntax": (changed(BOWL, "(2*x + 10)**2", "2x"), r"a\.yaml:2:1\d: .*2\*x.*"),
    "expression, quoted": (changed(BOWL, "(2*x + 10)**2", '"x**2 + ().__class__"'), r"a\.yaml:2:\d\d: .+"),
    "a derivative of nothing": (
        "task: derivative\n",
        "a.yaml:1:7: expected a 'function', or a 'dataset', a 'model' and a 'loss'",
    ),
    "a derivative nowhere": (
        "task: derivative\nfunction: x**2\n",
        "a.yaml:2:11: missing key 'at', required with a function: {x: [4]}",
    ),
    "a derivative of two things": (
        SLOPE + "loss: mse\n",
        (
            "a.yaml:4:7: 'loss' cannot be combined with the other keys: expected "
            "either a 'function' and 'at', or a 'dataset', a 'model' and a 'loss'"
        ),
    ),
    "a model whose derivative is of another shape": (
        "task: derivative\ndataset: and_gate\nmodel: linear\nloss: mse\nstart: {weight: [[1]]}\n",
        r"a\.yaml:5:17: weight: expected shape \(1, 2\), got \(1, 1\)",
    ),
    "unknown variable in a derivative": (
        SLOPE + "derivative: 2*y\n",
        "a.yaml:4:15: unknown variable 'y' (accepted: x)",
    ),
    "entry of a scalar in a derivative": (
        SLOPE + "derivative: {x: '2*x[0]'}\n",
        "a.yaml:4:20: 'x' is a scalar and has no entries",
    ),
    "unknown variable in what is the same": (
        SLOPE + "same_as: x*xx\n",
        "a.yaml:4:12: unknown variable 'xx'; did you mean 'x'?",
    ),
    "unknown variable at a point": (
        changed(SLOPE, "{x: [1]}", "{x: [1], z: [1]}"),
        "a.yaml:3:17: unknown variable 'z' (accepted: x)",
    ),
    "schedule longer than the run": (
        AND + "schedule: {name: cosine, warmup: 5}\n",
        "a.yaml:7:34: a warm-up of 5 steps is longer than the run; expected at most 2",
    ),
    "device": (AND + "device: cuda\n", r"a\.yaml:7:9: device 'cuda' is not available here \(available: cpu.*\)"),
    "device that never was": (
        AND + "device: abacus\n",
        r"a\.yaml:7:9: device 'abacus' is not available here \(available: cpu.*\)",
    ),
    "expects what is not measured": (
        AND + "expect: {acuracy: 1}\n",
        "a.yaml:7:10: nothing named 'acuracy' is measured here; did you mean 'accuracy'?",
    ),
    "expects the loss of a derivative": (
        SLOPE + "expect: {loss: 1}\n",
        r"a\.yaml:4:10: nothing named 'loss' is measured here \(accepted: derivative, status, value\)",
    ),
    "expects a name that means two things": (
        changed(changed(BOWL, "(2*x + 10)**2", "loss**2"), "{x: 1}", "{loss: 1}") + "expect: {loss: {below: 1}}\n",
        "a.yaml:6:10: 'loss' is measured, and a parameter has that name too",
    ),
}

SHEETS = {
    "hole": ("x,y\n1,2\n3,\n", r"points\.csv:3:3: .+"),
    "word": ("x,y\n1,2\nthree,4\n", r"points\.csv:3:1: .*'three'.*"),
    "missing column": ("x,z\n1,2\n", r"(a\.yaml:2:\d+|points\.csv:1:1): .*'y'.*"),
    "ragged row": ("x,y\n1,2,3\n", r"points\.csv:2:\d: .+"),
    "empty": ("", r"a\.yaml: points\.csv: expected a line of column names and at least one row"),
    "no rows": ("x,y\n", r"a\.yaml: points\.csv: expected a line of column names and at least one row"),
    "infinite": ("x,y\n1,inf\n", r"points\.csv:2:3: .+"),
    "missing": (None, r"(a\.yaml:2:\d+|points\.csv): .+"),
}


def assert_told(result, message):
    """One line, which is `message` or matches it as a pattern, and exit code 2."""
    (line,) = lines(result)
    assert line == message or re.fullmatch(message, line), line
    assert result.exit_code == 2


@pytest.mark.sampled(4)
@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("text", "message"), [*NOT_YAML.values(), *STRUCTURE.values()], ids=[*NOT_YAML, *STRUCTURE])
def test_a_file_that_is_no_scenario(playground, write, command, text, message):
    write("a.yaml", text)
    assert_told(playground(command, "a.yaml"), message)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("text", "message"), COMPONENTS.values(), ids=COMPONENTS)
def test_components_that_do_not_fit(playground, write, command, text, message):
    if "cuda" in text:
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("this machine has the device")
    write("a.yaml", text)
    assert_told(playground(command, "a.yaml"), message)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("sheet", "message"), SHEETS.values(), ids=SHEETS)
def test_a_sheet_that_is_no_data(playground, write, command, sheet, message):
    write("a.yaml", POINTS)
    if sheet is not None:
        write("points.csv", sheet)
    assert_told(playground(command, "a.yaml"), message)


@pytest.mark.parametrize("command", ["run", "check"])
def test_files_that_are_not_there(playground, write, command):
    write("bowl.yaml", BOWL)
    write("empty/readme.txt", "")
    write("hidden/.old/bowl.yaml", BOWL)
    assert_told(playground(command, "bowll.yaml"), "bowll.yaml: no such file; did you mean 'bowl.yaml'?")
    assert_told(playground(command, "empty"), "empty: no scenario in this folder (looked for *.yaml, *.yml)")
    assert_told(playground(command, "hidden"), "hidden: no scenario in this folder (looked for *.yaml, *.yml)")


def test_every_fault_of_a_file_is_told_in_the_order_of_the_file(playground, write):
    write("a.yaml", "task: minimize\nfunktion: x\nsteps: -1\nseed: true\n")
    result = playground("run", "a.yaml")
    assert [line.split(": ")[0] for line in lines(result)] == ["a.yaml:3:8", "a.yaml:4:7"]
    assert result.exit_code == 2


def test_more_faults_than_anybody_reads_are_counted(playground, write):
    write("a.yaml", "task: minimize\n" + "".join(f"key{i}: 1\n" for i in range(30)))
    told = lines(playground("check", "a.yaml"))
    assert len(told) == 21
    assert re.fullmatch(r"a\.yaml: and \d+ more", told[-1])


SETS = {
    "unknown parameter": (
        "optimizer.lrr=0.1",
        "--set optimizer.lrr=0.1: unknown parameter 'lrr' of optimizer 'adam'; did you mean 'lr'?",
    ),
    "wrong type": ("optimizer.lr=true", "--set optimizer.lr=true: expected a number, got true"),
    "unknown component": ("optimizer=adm", "--set optimizer=adm: unknown optimizer 'adm'; did you mean 'adam'?"),
    "unknown key": ("stepz=1", "--set stepz=1: unknown key 'stepz'; did you mean 'steps'?"),
    "not YAML": ("optimizer=[", r"--set optimizer=\[: .+"),
    "a scalar's key": ("steps.x=1", "--set steps.x=1: 'steps' is 2 and has no keys; set it as a whole"),
    "no value": ("steps", "--set steps: expected KEY=VALUE"),
    "no key": ("=1", "--set =1: expected KEY=VALUE"),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("text", "message"), SETS.values(), ids=SETS)
def test_values_set_from_the_command_line_are_judged_alike(playground, write, text, message):
    write("a.yaml", AND)
    written = message.endswith("KEY=VALUE")  # else the scenario is at fault, together with what was set in it
    assert_told(playground("run", "a.yaml", "--set", text), message if written else f"a.yaml: {message}")


def test_a_wrong_value_is_told_for_every_file_that_it_is_wrong_for(playground, write, tmp_path):
    for name in "ab":
        write(f"all/{name}.yaml", AND)
    write("all/c.yaml", SLOPE)
    result = playground("run", "all", "--set", "optimizer.lr=true", "--junit-xml", "x.xml")
    told = [f"all/{name}.yaml: {SETS['wrong type'][1]}" for name in "ab"]
    assert result.stderr.splitlines()[:2] == told
    assert result.exit_code == 2
    rows = [line.split()[:3] for line in result.stdout.splitlines()]
    assert all([name, "not", "valid"] in rows for name in "ab")
    cases = ElementTree.parse(tmp_path / "x.xml").iter("testcase")
    assert sorted(case.get("classname") for case in cases) == ["all.a", "all.b", "all.c"]


def test_a_scenario_with_a_sweep_is_judged_by_run(playground, write):
    write("a.yaml", BOWL + "sweep: {over: {seed: [1, 2]}}\n")
    assert playground("check", "a.yaml").exit_code == 0
    result = playground("run", "a.yaml")
    assert result.exit_code == 0, result.output
    assert "2 of 2: 2 seeds" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["check"],
        ["run", "a.yaml", "--seed", "-1"],
        ["run", "a.yaml", "-j", "0"],
        ["run", "--stepz", "a.yaml"],
        ["rum"],
    ],
)
def test_usage(playground, write, arguments):
    write("a.yaml", BOWL)
    result = playground(*arguments)
    assert result.exit_code == 2
    assert lines(result)[-1].startswith("Error: ")
    assert result.stdout == ""


def test_seed_beyond_what_a_generator_takes(playground, write):
    write("a.yaml", BOWL)
    result = playground("run", "a.yaml", "--seed", 2**63)
    assert_told(result, rf"a\.yaml: --set seed={2**63}: expected less than {2**63}, got {2**63}")


def test_unknown_reporter_costs_no_run(playground, write):
    write("a.yaml", BOWL)
    result = playground("run", "a.yaml", "--report", "jnit=x.xml")
    assert_told(result, "--report jnit: unknown; did you mean 'junit'? (accepted: console, html, json, junit, picture)")
    assert result.stdout == ""


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "optimiser"], "unknown kind 'optimiser'; did you mean 'optimizer'?"),
        (["show", "optimizer", "adm"], "unknown optimizer 'adm'; did you mean 'adam'?"),
        (["show", "optimiser", "adam"], "unknown kind of component 'optimiser'; did you mean 'optimizer'?"),
        (["schema", "--out", "file/x.json"], "file/x.json: cannot be written: .*"),
    ],
)
def test_other_commands(playground, write, arguments, message):
    write("file", "no folder")
    assert_told(playground(*arguments), message)


def test_a_project_file_that_is_malformed(playground, write):
    write("pyproject.toml", "[tool.playground\n")
    write("a.yaml", BOWL)
    assert_told(playground("run", "a.yaml"), r".*pyproject\.toml.*")
