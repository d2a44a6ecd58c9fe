"""One neuron, as docs/python.md shows it: by hand, as a module and as a scenario, the same losses step by step."""

import re
from pathlib import Path

import pytest

STEPS = 1000


@pytest.fixture(scope="module")
def ladder():
    """The names that the page's code leaves behind."""
    root = Path(__file__).parent.parent
    page = (root / "docs" / "python.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page[page.index("## The same descent in PyTorch") :], re.DOTALL)[1]
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")
        exec(compile(code, "docs/python.md", "exec"), names)
    return names


@pytest.mark.sampled(1)
@pytest.mark.parametrize("rung", ["by_hand", "by_module", "by_scenario", "by_scenario_too"])
def test_every_rung_goes_downhill_for_a_thousand_steps(ladder, rung):
    assert len(ladder[rung]) == STEPS
    assert ladder[rung][-1] < 0.2 * ladder[rung][0]


def test_the_scenario_makes_the_same_operations_and_so_gives_the_same_bits(ladder):
    assert list(ladder["by_scenario"]) == ladder["by_hand"]
    assert list(ladder["by_scenario_too"]) == ladder["by_module"]


def test_by_hand_and_as_a_module_differ_by_rounding_at_most(ladder):
    """`x.matmul(w) + b` and a linear layer are different kernels: equal bits happen, and nothing promises them."""
    assert ladder["by_hand"] == pytest.approx(ladder["by_module"], rel=1e-6, abs=0)
