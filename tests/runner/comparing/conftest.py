"""A suite of three small problems, and optimizers of a plugin, with targets that are frozen once."""

import textwrap

import pytest

from playground.plugins.manager import load_plugins
from playground.runner.comparing.freezing import format_targets, freeze_suite
from playground.runner.comparing.suites import load_suite, targets_path

PROBLEM = """
    task: minimize
    function: {{name: {function}}}
    optimizer: {{name: sgd, lr: 0.01}}
    steps: 80
    dtype: float64
"""

SUITE = """
    name: tiny
    problems:
      bowl: {family: bowl, probe: ill-conditioning, least: 0.0}
      booth: {family: booth, probe: ill-conditioning, least: 0.0}
      matyas: {family: matyas, probe: valley, least: 0.0}
    contrasts:
      tilt:
        - {with: booth, without: bowl}
"""

PLUGIN = """
    import torch
    from playground import hookimpl


    class Copy(torch.optim.SGD):
        def __init__(self, params, lr=0.1):
            super().__init__(params, lr)


    class Stays(torch.optim.SGD):
        def step(self, closure=None):
            return None


    class Raises(torch.optim.SGD):
        def step(self, closure=None):
            raise RuntimeError("not today")


    class NeedsClosure(torch.optim.SGD):
        def step(self, closure):
            with torch.enable_grad():
                closure()
                loss = closure()
            super().step()
            return loss


    class Draws(torch.optim.SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.grad.add_(torch.randn_like(p), alpha=1e-3)
            return super().step(closure)


    class Reshapes(torch.optim.SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.data = p.data.repeat(2)


    class NoRate(torch.optim.SGD):
        def __init__(self, params):
            super().__init__(params, 0.05)


    @hookimpl
    def playground_optimizers():
        return {"copy": Copy, "stays": Stays, "raises": Raises, "needs_closure": NeedsClosure, "draws": Draws,
                "reshapes": Reshapes, "no_rate": NoRate}
"""


def write(path, text, **values):
    path.parent.mkdir(exist_ok=True)
    content = textwrap.dedent(text).strip() + "\n"
    path.write_text(content.format(**values) if values else content, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def suite_folder(tmp_path_factory):
    """A folder with `tiny.yaml`, its targets, the plugin `mine.py` and a store with the pool's runs."""
    folder = tmp_path_factory.mktemp("suite")
    functions = {"bowl": "quadratic, dim: 2", "booth": "booth", "matyas": "matyas"}
    for name, function in functions.items():
        write(folder / "tiny" / f"{name}.yaml", PROBLEM, function=function)
    file = write(folder / "tiny.yaml", SUITE)
    write(folder / "mine.py", PLUGIN)
    plugins = load_plugins()
    outcome = freeze_suite(load_suite(file, frozen=False), plugins, folder, jobs=1)
    assert not outcome.refusals
    targets_path(file).write_text(format_targets(outcome), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def mine(suite_folder):
    """The plugins with those of `mine.py`."""
    return load_plugins(specs=(str(suite_folder / "mine.py"),))
