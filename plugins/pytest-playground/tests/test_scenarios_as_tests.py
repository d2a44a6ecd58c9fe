"""Scenarios are collected, run, judged and reported; each test has its own project."""

import sys
import textwrap

import numpy  # noqa: F401  pytester forgets what a session imported, and these cannot be imported twice
import pytest
import sympy  # noqa: F401
import torch  # noqa: F401

pytest_plugins = ["pytester"]

BOWL = """
    task: minimize
    function: (2*x + 10)**2
    start: {x: 1}
    optimizer: {name: sgd, lr: 0.15}
    steps: 100
    expect:
      x: {near: -5, within: 1e-4}
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """Write files of a project and run pytest in it: `project({"a.yaml": text}, "-v")`."""
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")

    def project(files, *arguments, run=pytester.runpytest_inprocess):
        for name, text in files.items():
            path = pytester.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
        return run("-p", "no:cacheprovider", "-W", "default", *arguments)

    return project


def test_a_scenario_that_holds_passes(project):
    result = project({"scenarios/bowl.yaml": BOWL}, "scenarios", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["scenarios/bowl.yaml::bowl PASSED*"])


def test_a_failed_expectation_is_reported_with_value_place_and_how_the_run_ended(project):
    result = project({"scenarios/bowl.yaml": BOWL.replace("steps: 100", "steps: 1")}, "scenarios")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*scenario bowl*",
            "scenarios/bowl.yaml:7: x near -5*measured -6.2",
            "1 step used",
            "loss 144 -> 5.76, seed 0",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*item.py*")


def test_a_run_that_diverges_fails_with_the_reason(project):
    result = project({"bowl.yaml": BOWL.replace("0.15", "0.9")})
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["diverged after *", "*largest stable rate*"])


def test_a_run_that_raises_fails_with_the_traceback_of_the_run(project):
    plugin = """
    import torch
    from playground import hookimpl

    class Broken(torch.optim.SGD):
        steps = 0

        def step(self, closure=None):
            Broken.steps += 1
            if Broken.steps > 20:  # the first ones are tried before the run
                raise ArithmeticError("no way down")
            return super().step(closure)

    @hookimpl
    def playground_optimizers():
        return {"broken": Broken}
    """
    files = {
        "bowl.yaml": BOWL.replace("sgd", "broken"),
        "mine.py": plugin,
        "pyproject.toml": '[tool.playground]\nplugins = ["mine.py"]\n',
    }
    result = project(files)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no way down*", "*raise ArithmeticError*"])


def test_every_fault_of_an_invalid_scenario_is_one_line(project):
    result = project({"bowl.yaml": BOWL.replace("lr: 0.15", "lrr: 0.15, momentumm: 0.9")})
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["bowl.yaml:4:*'lrr'*did you mean 'lr'*", "bowl.yaml:4:*'momentumm'*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_name_of_a_broken_plugin_is_reported_with_the_plugin(project):
    files = {
        "bowl.yaml": BOWL.replace("sgd, lr: 0.15", "mine"),
        "mine.py": "raise ValueError('boom')\n",
        "pyproject.toml": '[tool.playground]\nplugins = ["mine.py"]\n',
    }
    result = project(files)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["bowl.yaml:4:*unknown optimizer 'mine'*", "plugin mine*boom*"])


SWEEP = """
    sweep:
      over:
        optimizer.lr: [0.1, 0.2]
      expect:
        passed: {at_least: 0.5}
"""


def test_a_sweep_is_judged_and_leaves_nothing_in_the_project(project, pytester):
    project({"bowl.yaml": BOWL + SWEEP}).assert_outcomes(passed=1)
    assert not (pytester.path / ".playground").exists()


def test_a_sweep_that_fails_says_which_share(project):
    result = project({"bowl.yaml": BOWL + SWEEP.replace("0.2]", "0.9, 0.8]")})
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["bowl.yaml:13: passed at least 0.5, measured 0.333333", "3 of 3 runs"])


OTHERS = {
    "docker-compose.yml": "services:\n  web:\n    image: nginx\n",
    "many.yaml": "a: 1\n---\nb: 2\n",
    "indented.yaml": "jobs:\n  task: build\n",
    "Taskfile.yml": "tasks:\n  build: make\n",
    "broken.yaml": "a: [1\n",
    "tests/test_it.py": "def test_it():\n    pass\n",
}


def test_other_peoples_yaml_is_passed_over(project):
    project(OTHERS).assert_outcomes(passed=1)


def test_collecting_imports_neither_playground_nor_torch(project, pytester):
    pytester.makeconftest(
        """
        import sys

        def pytest_collection_finish(session):
            assert len(session.items) == 1
            assert not {"torch", "playground", "yaml"} & set(sys.modules)
        """
    )
    (pytester.path / "bowl.yaml").write_text(textwrap.dedent(BOWL), encoding="utf-8")
    result = pytester.run(sys.executable, "-m", "pytest", "--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["bowl.yaml::bowl"])


def test_in_the_folders_of_the_ini_option_every_yaml_file_is_a_scenario_and_nowhere_else(project):
    files = {
        "scenarios/misspelt.yaml": BOWL.replace("task:", "taks:"),
        "elsewhere/bowl.yaml": BOWL,
        "pytest.ini": "[pytest]\nplayground_scenarios = scenarios\n",
    }
    result = project(files)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["scenarios/misspelt.yaml*taks*did you mean 'task'*"])


def test_a_file_named_on_the_command_line_is_a_scenario_whatever_it_looks_like(project):
    result = project({"compose.yaml": OTHERS["docker-compose.yml"]}, "compose.yaml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["compose.yaml:1:1: missing key 'task'"])


def test_vacuous_expectations_are_warnings_and_fail_nothing(project):
    result = project({"bowl.yaml": BOWL + "      loss: {below: 1000}\n"})
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*VacuousExpectationWarning: bowl.yaml:8: vacuous: loss below 1000*"])


def test_a_vacuous_expectation_fails_where_the_project_wants_that(project):
    text = BOWL + "      loss: {below: 1000}\n"
    result = project({"bowl.yaml": text}, "-W", "error::pytest_playground.VacuousExpectationWarning")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["bowl.yaml:8: vacuous: loss below 1000*"])
    result.stdout.no_fnmatch_line("*item.py*")


def test_ctrl_c_in_a_scenario_ends_the_session(project, pytester):
    plugin = """
    import torch
    from playground import hookimpl

    class Stop(torch.optim.SGD):
        def step(self, closure=None):
            raise KeyboardInterrupt

    @hookimpl
    def playground_optimizers():
        return {"stop": Stop}
    """
    files = {
        "a.yaml": BOWL.replace("sgd", "stop"),
        "b.yaml": BOWL,
        "mine.py": plugin,
        "pyproject.toml": '[tool.playground]\nplugins = ["mine.py"]\n',
    }
    result = project(files, run=pytester.runpytest_subprocess)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes()


def test_by_relative_path_from_a_folder_below(project, pytester, monkeypatch):
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    result = project({"scenarios/bowl.yaml": BOWL.replace("steps: 100", "steps: 1")}, "../scenarios")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*bowl.yaml:7: x near -5*"])
