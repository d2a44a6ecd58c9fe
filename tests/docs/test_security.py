"""What SECURITY.md promises of scenarios and says of plugins."""

import pytest

HEAD = "start: {x: 1}\noptimizer: sgd\nsteps: 1\ntask: minimize\n"
MARK = "import pathlib\npathlib.Path(__file__).with_name('imported').touch()\n"


REFUSED = {
    "a tag": ("function: !!python/object/apply:os.system [id]", "plain data only"),
    "a module": ("function: {name: 'os:system'}", "unknown function 'os:system'"),
    "a call": ("function: __import__(1)", "unknown function '__import__'"),
    "an attribute": ("function: x.real", "x.real"),
    "depth": (f"function: x\nname: {'[' * 65 + ']' * 65}", "64"),
    "values": (f"function: x\nname: [{'0, ' * 100_000}]", "100,000"),
    "size": (f"function: x\n# {'x' * 1_000_000}", "1,000,000"),
    "length": (f"function: {'+'.join('x' * 501)}", "at most 1,000"),
    "points": ("function: x\nsweep: {over: {optimizer.lr: {linear: [0, 1], points: 100001}}}", "100,000"),
    "runs": ("function: x\nsweep: {over: {seed: {count: 100000001}}}", "100,000,000"),
    "a plugin": ("function: x\nrequires: [os]", "the plugin 'os'"),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED)
def test_a_scenario_is_refused_before_it_runs(playground, write, text, told):
    write("a.yaml", HEAD + text)
    result = playground("run", "a.yaml")
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.slow
def test_a_run_that_needs_too_much_memory_is_refused(playground, write):
    data = "task: regression\ndataset: {name: line, samples: 100000000}\nmodel: {name: mlp, hidden: [100]}\nloss: mse\n"
    write("a.yaml", f"{data}optimizer: sgd\nsteps: 1\n")
    result = playground("run", "a.yaml")
    assert result.exit_code == 2
    assert "--memory" in result.stderr


def test_a_scenario_reads_a_table_anywhere(playground, write, tmp_path):
    table = write("elsewhere/table.csv", "a,b\n1,2\n2,3\n")
    text = f"dataset: {{name: csv, file: '{table}', target: b}}\ntask: regression\nmodel: linear\nloss: mse\n"
    write("here/a.yaml", f"{text}optimizer: sgd\nsteps: 1\n")
    assert playground("run", "here/a.yaml").exit_code == 0
    table.write_text("a,b\n1,a word\n", encoding="utf-8")
    assert "'a word'" in playground("check", "here/a.yaml").stderr


@pytest.fixture
def strange(write):
    """A stranger's checkout with a plugin that leaves a mark where it is imported."""
    write("strange/pyproject.toml", '[tool.playground]\nplugins = ["mark.py"]\n')
    write("strange/mark.py", MARK)
    write("strange/a.yaml", HEAD + "function: x**2\n")
    return lambda: (write("strange/done", "").parent / "imported").exists()


def test_a_strangers_scenario_runs_from_another_folder_without_their_code(playground, strange):
    assert playground("run", "strange/a.yaml").exit_code == 0
    assert not strange()


@pytest.mark.parametrize("command", [("check", "a.yaml"), ("list", "task"), ("schema",), ("run", "a.yaml")])
def test_inside_their_folder_every_command_imports_it(playground, strange, monkeypatch, command):
    monkeypatch.chdir("strange")
    assert playground(*command).exit_code == 0
    assert strange()


def test_what_is_left_out_is_not_imported(playground, strange, monkeypatch):
    monkeypatch.chdir("strange")
    assert playground("-p", "no:mark", "run", "a.yaml").exit_code == 0
    assert not strange()
