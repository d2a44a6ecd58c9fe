"""Options for several scenarios at once, of which some are meant for other tasks; options after the command's name."""

import json

import pytest

BOWL = """\
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
steps: 50
expect: {x: {near: -5, within: 0.001}}
"""
SLOPE = "task: derivative\nfunction: x**2\nat: {x: [1, 2]}\n"
SIGN = """\
from dataclasses import dataclass
from playground import hookimpl
from playground.core.update import UpdateRule

@dataclass(frozen=True)
class Sign(UpdateRule):
    lr: float = 0.01

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient.sign(), state

@hookimpl
def playground_optimizers():
    return {"sign": Sign}
"""


@pytest.fixture
def _files(write):
    write("all/bowl.yaml", BOWL)
    write("all/slope.yaml", SLOPE)


@pytest.mark.usefixtures("_files")
class TestOptionsOfOtherTasks:
    @pytest.mark.sampled(2)
    @pytest.mark.parametrize("override", ["optimizer=adam", "optimizer.lr=0.1", "steps=60", "stop={loss: 1e-9}"])
    def test_a_batch_does_without_them_and_says_so(self, playground, override):
        result = playground("run", "all", "--set", override)
        assert f"--set {override}: not used where the task has no such key: all/slope.yaml" in result.stderr
        assert result.exit_code in (0, 1)  # adam is slower here
        assert "not valid" not in result.stdout

    @pytest.mark.slow
    def test_workers_do_so_too(self, playground):
        result = playground("run", "all", "-j", "2", "--set", "optimizer.lr=0.1")
        assert "not used where the task has no such key: all/slope.yaml" in result.stderr
        assert result.exit_code == 0

    def test_alone_it_is_a_mistake(self, playground):
        result = playground("run", "all/slope.yaml", "--set", "optimizer=adam")
        assert result.exit_code == 2
        assert "the task 'derivative' takes no optimizer" in result.stderr

    def test_a_key_of_no_task_is_a_mistake_in_all(self, playground):
        result = playground("run", "all", "--set", "stepz=3")
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 2


@pytest.mark.usefixtures("_files")
class TestSweepsOfSeveral:
    def test_each_is_swept_and_summed_up(self, playground, write):
        write("all/bowl2.yaml", BOWL)
        result = playground("sweep", "all", "--over", "optimizer.lr=0.01,0.1")
        assert result.exit_code == 0, result.output
        assert result.stdout.count("best    lr = ") == 2
        assert "all/slope.yaml: skipped, nothing to sweep over" in result.stderr

    def test_one_document(self, playground, write):
        write("all/bowl2.yaml", BOWL.replace("(2*x", "(3*x"))
        result = playground("sweep", "all", "--over", "optimizer.lr=0.01,0.1", "--json")
        document = json.loads(result.stdout)
        assert [sweep["scenario"] for sweep in document["sweeps"]] == ["bowl", "bowl2"]
        assert len(document["runs"]) == 4

    def test_one_that_is_not_valid_stops_no_other(self, playground, write):
        write("all/bad.yaml", BOWL.replace("sgd", "sdg"))
        result = playground("sweep", "all", "--over", "optimizer.lr=0.01,0.1")
        assert result.exit_code == 2
        assert "all/bad.yaml:4:19: unknown optimizer 'sdg'; did you mean 'sgd'?" in result.stderr
        assert "best    lr = " in result.stdout

    def test_nothing_to_sweep_over(self, playground):
        result = playground("sweep", "all")
        assert result.exit_code == 2
        assert "nothing to sweep over" in result.stderr


@pytest.mark.usefixtures("_files")
class TestOptionsAfterTheCommand:
    @pytest.mark.sampled(1)
    @pytest.mark.product(4)
    @pytest.mark.parametrize(
        "arguments",
        [
            ["run", "all/bowl.yaml", "-p", "mine.py", "--set", "optimizer={name: sign, lr: 0.5}"],
            ["check", "all/bowl.yaml", "--set", "optimizer=sign", "--plugin", "mine.py"],
            ["sweep", "all/bowl.yaml", "--over", "optimizer=sgd,sign", "-p", "mine.py"],
            ["explain", "all/bowl.yaml", "--set", "optimizer=sign", "-p", "mine.py", "--seed", "3"],
            ["eject", "all/bowl.yaml", "--set", "optimizer=sign", "-p", "mine.py", "--seed", "3"],
            ["show", "optimizer", "sign", "-p", "mine.py"],
            ["plugins", "doctor", "mine.py", "-p", "mine.py"],
            ["schema", "-p", "mine.py"],
        ],
        ids=lambda arguments: arguments[0],
    )
    def test_a_plugin(self, playground, write, arguments):
        write("mine.py", SIGN)
        result = playground(*arguments)
        assert result.exit_code in (0, 1), result.output
        assert "unknown" not in result.output

    def test_both_places_add_up(self, playground, write):
        write("mine.py", SIGN)
        write("other.py", SIGN.replace("sign", "other"))
        result = playground("-p", "mine.py", "list", "optimizer", "-p", "other.py")
        assert "sign" in result.stdout
        assert "other" in result.stdout

    def test_strict_plugins(self, playground, write):
        write("broken.py", "raise RuntimeError")
        write("pyproject.toml", '[tool.playground]\nplugins = ["broken.py"]\n')
        assert playground("run", "all/bowl.yaml", "--strict-plugins").exit_code == 3
        assert playground("run", "all/bowl.yaml").exit_code == 0

    def test_debug(self, playground):
        assert "Traceback" in playground("run", "nothing.yaml", "--debug").stderr


def test_a_seed_and_seeds_exclude_each_other(playground, write):
    write("bowl.yaml", BOWL)
    result = playground("sweep", "bowl.yaml", "--seed", "1", "--seeds", "3")
    assert result.stderr.splitlines() == ["--seed 1 --seeds 3: give only one of them"]
    assert result.exit_code == 2
