"""The fixture `check_derivatives` fails a test with one line, and shows no code but the test's own."""

import re
from pathlib import Path

import numpy  # noqa: F401  pytester forgets what a session imported, and these cannot be imported twice
import pytest
import sympy  # noqa: F401
import torch  # noqa: F401

pytest_plugins = ["pytester"]

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
EXAMPLE = next(code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "check_derivatives" in code)


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(text):
        pytester.makepyfile(text)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-W", "default")

    return run


def test_the_example_of_the_readme_fails_with_its_line(run):
    result = run(EXAMPLE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*check_derivatives(HalfBackward.apply, torch.tensor([[]3.0[]]))",
            "E*Failed: HalfBackward: output[[]0[]] by x[[]0[]]: autograd 3, complex 6; a wrong backward*",
        ]
    )
    result.stdout.no_fnmatch_line("*derivatives.py:*: Failed")


def test_right_derivatives_pass_and_bad_input_fails_in_one_line(run):
    result = run(
        """
        import torch

        def test_right(check_derivatives):
            assert check_derivatives(torch.sin, torch.ones(2)).passed

        def test_integers(check_derivatives):
            check_derivatives(torch.sin, torch.tensor([1]))
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E*Failed: nothing to differentiate by: x is torch.int64; expected*"])
