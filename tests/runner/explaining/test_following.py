"""Every number of an explained step is an output of its program: with the recorded settings, and with others."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from playground.explanation import FollowingText, LiveExplanation
from playground.live import Live, NoModule
from playground.plugins.manager import load_plugins
from playground.runner.explaining.explained_step import examine_step
from playground.runner.explaining.observed_tape import TapeObserver
from playground.runner.explaining.replay import replay
from playground.runner.explaining.step import explain, explain_live, known_operations
from playground.runner.single.live import make_live
from playground.runner.single.preparing import prepare
from playground.scenario.model import load_scenario

PLUGINS = load_plugins(autoload=False)
SCENARIOS = Path(__file__).parents[3] / "scenarios"
TOLERANCES = {"float64": 1e-12, "float32": 5e-5}
"""Relative to the largest entry of a tensor; single precision has sums in which terms cancel."""

NO_DESCENT = "task 'derivative' has no descent"
REASONS = {
    "backward_check": NO_DESCENT,
    "quadratic_derivative": NO_DESCENT,
    "square_derivative": NO_DESCENT,
    "two_moons": "the step has 13,353 scalar operations, more than 10,000",
}
"""Why the steps of some shipped scenarios do not follow."""

WITHOUT_DATA = {"bowl", "bowl_diverges", "himmelblau", "rosenbrock"}

STEPS = [
    (path.stem, step)
    for path in sorted(SCENARIOS.glob("*.yaml"))
    for step in ((0,) if path.stem in {*REASONS, "forward_pass"} else (0, 3) if path.stem == "and_gate" else (3,))
]
FOLLOWING = [each for each in STEPS if each[0] not in REASONS]
OTHER = [
    (name, key, value) for name, step in FOLLOWING if step for key, value in (("optimizer.lr", 0.003), ("seed", 1))
]


@pytest.fixture(scope="module")
def page_of():
    """What runs a module, as the tests of WebAssembly have it."""
    file = Path(__file__).parents[2] / "core" / "compiled" / "wasm" / "conftest.py"
    spec = importlib.util.spec_from_file_location("wasm_pages", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.LivePage


def observe(loaded, step):
    """Return the numbers of a step by key, as Python computes them, and what reads them."""
    with replay(loaded, PLUGINS) as made:
        made.advance(step)
        examined = examine_step(made.subject(), known_operations(PLUGINS), check=False)
    return TapeObserver(examined)


class ObservedPage:
    """A page that computes the numbers of a step."""

    def __init__(self, page_of, loaded, observer):
        with prepare(loaded, PLUGINS) as ready:
            self.live = make_live(ready, PLUGINS, alternatives=False, observer=observer)
        assert isinstance(self.live, Live), self.live.reason
        self.module = next(iter(self.live.programs.values()))
        self.observer = observer
        data = [torch.tensor(each.values).reshape(each.shape) for each in self.live.data]
        orders = None
        if self.live.orders:
            every = np.array(self.live.orders).reshape(len(self.live.seeds), self.module.steps, -1)
            orders = every[[self.live.seeds.index(self.live.seed)]]
        self.page = page_of(self.module, data=data, orders=orders, kept=[0])

    def numbers(self, seed, lr=None):
        """Return the numbers of the step by key."""
        page, step, module = self.page, self.observer.step, self.module
        page.put("starts", [self.live.starts[self.live.seeds.index(seed)]])
        if lr is not None:
            page["varying"][:, [each.name for each in module.varying].index("lr")] = lr
        page.call("uniform", 0, step + 1)
        assert page.call("begin", 0, 1) == 1
        page.call("descend", 0, 1, 0, step)
        page.call("observe", 0, 1, step)
        columns = page["observed"].reshape(-1, module.layout.width)[:, 0].astype(np.float64)
        left_out, *flat = columns[list(module.observed)]
        assert left_out == 0
        sizes = np.cumsum([each.numel() for each in self.observer.numbers.values()])[:-1]
        return dict(zip(self.observer.numbers, np.split(np.array(flat), sizes), strict=True))


def require_close(found, wanted, dtype):
    assert found.keys() == wanted.keys()
    for key, tensor in wanted.items():
        numbers = tensor.detach().double().numpy().reshape(-1)
        room = TOLERANCES[dtype] * max(np.abs(numbers).max(initial=0), 1e-30)
        np.testing.assert_allclose(found[key], numbers, rtol=0, atol=room, err_msg=str(key))


@pytest.mark.parametrize(("name", "step"), FOLLOWING)
def test_a_program_computes_every_number_of_a_step(page_of, name, step):
    loaded = load_scenario(SCENARIOS / f"{name}.yaml")
    observer = observe(loaded, step)
    page = ObservedPage(page_of, loaded, observer)
    require_close(page.numbers(loaded.scenario.seed), observer.numbers, page.module.dtype)


def test_the_mini_batch_of_a_step_follows(page_of):
    loaded = load_scenario(SCENARIOS / "and_gate.yaml", (("batch_size", "3"),))
    for step in (4, 5):  # the last batch of an epoch has one sample
        observer = observe(loaded, step)
        page = ObservedPage(page_of, loaded, observer)
        require_close(page.numbers(loaded.scenario.seed), observer.numbers, page.module.dtype)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "key", "value"), OTHER)
def test_it_computes_the_step_with_other_settings(page_of, name, key, value):
    path = SCENARIOS / f"{name}.yaml"
    loaded, changed = load_scenario(path), load_scenario(path, ((key, str(value)),))
    page = ObservedPage(page_of, loaded, observe(loaded, 3))
    seed, lr = (value, None) if key == "seed" else (loaded.scenario.seed, value)
    require_close(page.numbers(seed, lr), observe(changed, 3).numbers, page.module.dtype)


def texts_of(explanation):
    """Return every line of arithmetic of the passes."""
    for operation in explanation.operations:
        yield from operation.written
        for share in operation.shares:
            yield from filter(None, (share.written, *(text for _, text in share.entries)))


@pytest.mark.parametrize(("name", "step"), STEPS)
def test_every_line_of_a_shipped_scenario_follows(name, step):
    loaded = load_scenario(SCENARIOS / f"{name}.yaml")
    sample = None if name in {*REASONS, *WITHOUT_DATA} else 0
    explanation, live = explain_live(loaded, PLUGINS, step, sample)
    if name in REASONS:
        assert isinstance(live, NoModule)
        assert live.reason == REASONS[name]
        return
    assert isinstance(explanation, LiveExplanation)
    assert [text for text in texts_of(explanation) if not isinstance(text, FollowingText)] == []
    written = [bool(each.written) for each in explanation.parameters]
    assert [each is not None for each in explanation.updates] == written
    recorded = explain(loaded, PLUGINS, step, sample)
    assert list(texts_of(explanation)) == list(texts_of(recorded))
    assert explanation.words == recorded.words


SCENARIO = """
task: minimize
function: {function}
optimizer: {optimizer}
steps: 20
{more}
"""


def write_scenario(folder, function="(x - 3)**2", optimizer="{name: sgd, lr: 0.1}", more="start: {x: 1.0}"):
    path = folder / "one.yaml"
    path.write_text(SCENARIO.format(function=function, optimizer=optimizer, more=more))
    return load_scenario(path)


def test_a_step_after_the_end_of_a_run_says_why_it_does_not_follow(tmp_path):
    loaded = write_scenario(tmp_path, more="start: {x: 1.0}\nstop: {loss: 100.0}")
    explanation, live = explain_live(loaded, PLUGINS, 0)
    assert not isinstance(explanation, LiveExplanation)
    assert live == NoModule("the run ends at step 0")


def test_the_last_parameters_follow_without_an_update(page_of, tmp_path):
    loaded = write_scenario(tmp_path)
    explanation, _ = explain_live(loaded, PLUGINS, 20)
    assert isinstance(explanation, LiveExplanation)
    assert len(explanation.losses) == 1
    observer = observe(loaded, 20)
    page = ObservedPage(page_of, loaded, observer)
    require_close(page.numbers(0), observer.numbers, page.module.dtype)


@pytest.mark.parametrize(
    "optimizer",
    [
        "{name: adam, lr: 0.1}",
        "{name: sgd, lr: 0.1, momentum: 0.9}",
        "{name: radam, lr: 0.1}",
        "{name: torch.Adam, lr: 0.1}",
        "{name: torch.RMSprop, lr: 0.1, centered: true}",
        "{name: torch.Rprop, lr: 0.1}",
    ],
)
@pytest.mark.parametrize("step", [0, 7])
def test_states_of_optimizers_follow(page_of, tmp_path, optimizer, step):
    loaded = write_scenario(tmp_path, optimizer=optimizer)
    observer = observe(loaded, step)
    page = ObservedPage(page_of, loaded, observer)
    require_close(page.numbers(0), observer.numbers, page.module.dtype)


def test_clipping_and_a_schedule_follow(page_of, tmp_path):
    more = "start: {x: 1.0}\nclip: {norm: 1.0}\nschedule: {name: exponential, gamma: 0.9}"
    loaded = write_scenario(tmp_path, more=more)
    explanation, _ = explain_live(loaded, PLUGINS, 5)
    assert isinstance(explanation, LiveExplanation)
    assert explanation.parameters[0].used is not None
    observer = observe(loaded, 5)
    page = ObservedPage(page_of, loaded, observer)
    require_close(page.numbers(0), observer.numbers, page.module.dtype)
