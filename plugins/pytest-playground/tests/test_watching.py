"""The fixture `watch` fails a test with the mistakes of its loop, and shows no code but the test's own."""

import re
import textwrap
from pathlib import Path

import numpy  # noqa: F401  pytester forgets what a session imported, and these cannot be imported twice
import pytest
import sympy  # noqa: F401
import torch._dynamo  # noqa: F401

pytest_plugins = ["pytester"]

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
EXAMPLE = next(code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "watch" in code)

START = """
import pytest
import torch
from torch import nn

x, y = torch.linspace(-1, 1, 16).unsqueeze(1), torch.linspace(0, 1, 16).unsqueeze(1)


def make():
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)

"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Write the tests of a module and run them: `run(text, "-rP")`."""
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(text, *arguments):
        pytester.makepyfile(test_training=text)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-W", "default", *arguments)

    return run


def write(body):
    return START + textwrap.dedent(body)


RIGHT = """
def test_right(watch):
    model, optimizer = make()
    with watch(model, optimizer) as watched:
        for _ in range(10):
            optimizer.zero_grad()
            ((model(x) - y) ** 2).mean().backward()
            optimizer.step()
    assert len(watched.trace.loss) == 10
    assert watched.trace.loss[-1] < watched.trace.loss[0]
"""

WRONG = RIGHT.replace("            optimizer.zero_grad()\n", "").replace("test_right", "test_wrong")


def test_the_example_of_the_readme_fails_with_place_sentence_and_remedy(run):
    result = run(EXAMPLE)
    result.assert_outcomes(failed=1)
    line = next(number for number, line in enumerate(EXAMPLE.strip().splitlines(), 1) if "model(x) - y" in line)
    result.stdout.fnmatch_lines(
        [
            ">*with watch(model, optimizer) as watched:",
            f"E*Failed: *test_training.py:{line}: `sub` broadcasts shape (16, 1) against (16,)*[[]broadcast_in_loss[]]",
            "E*Give both the same shape*",
        ]
    )
    result.stdout.no_fnmatch_line("*watching.py:*: Failed")
    assert f"test_training.py:{line}: `sub` broadcasts" in README


def test_a_right_loop_passes_and_a_wrong_one_fails_without_an_assertion(run):
    result = run(write(RIGHT + WRONG))
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E*Failed: *test_training.py:*forgotten_zero_grad[]]", "E*optimizer.zero_grad()*"])


def test_several_loops_of_one_test_are_watched_apart(run):
    body = RIGHT + WRONG.replace(
        "test_wrong(watch)", "test_both(watch):\n    test_right(watch)\n    wrong(watch)\n\n\ndef wrong(watch)"
    )
    result = run(write(body))
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_both*"])


def test_an_exception_of_the_loop_fails_the_test_and_mistakes_are_a_section_of_its_report(run):
    result = run(write(WRONG.replace("    assert len", "        raise OSError('disk full')\n    assert len")))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*OSError: disk full", "*mistakes of the watched loop*", "*forgotten_zero_grad*"])


def test_an_expected_exception_passes(run):
    body = """
    def test_raises(watch):
        model, optimizer = make()
        with pytest.raises(RuntimeError, match="does not require grad"), watch(model, optimizer):
            model(x).mean().detach().backward()
    """
    run(write(body)).assert_outcomes(passed=1)
    result = run(write(body), "-rP")
    result.stdout.fnmatch_lines(["*mistakes of the watched loop*", "*cut_graph*"])


def test_a_bad_argument_fails_in_one_line(run):
    body = """
    def test_bad(watch):
        model, optimizer = make()
        with watch(optimizer, model):
            pass
    """
    result = run(write(body))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">*with watch(optimizer, model):", "E*Failed: *expected an nn.Module*"])
