"""Imported once in the process that all recordings are copies of: what they share is imported and used there already.

A copy takes some 15 ms to make, where a new process takes 3 s to import torch. This process loads no plugin but the
built-in ones, so a copy imports the user's plugins as they are in that moment.
"""

from __future__ import annotations

import gc

from playground.plugins.manager import load_plugins
from playground.report.html.page import index_of_one, main_content
from playground.report.html.run_part import run_part
from playground.runner.single.record_options import RecordOptions
from playground.runner.single.running import run_beginning
from playground.scenario.model import Loaded, parse_scenario
from playground.scenario.source import parse_source

SCENARIOS = (
    "task: minimize\nfunction: (x - 1)**2 + 2*y**2\nstart: {x: 0, y: 1}\noptimizer: adam\nsteps: 3\n",
    "task: classification\ndataset: and_gate\nmodel: perceptron\nloss: mse\noptimizer: adam\nsteps: 3\n",
)
"""Short scenarios that use what most scenarios use."""


def warm_up() -> None:
    """Record short scenarios as a page, which fills caches: the first use of torch, of signatures and of templates."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the threads of OpenMP do not survive in a copy
    plugins = load_plugins(autoload=False, specs=(), folder="/")
    for text in SCENARIOS:
        source = parse_source(text, "warm")
        run = run_beginning(
            Loaded(parse_scenario(source), source), plugins, RecordOptions(3, live=True, alternatives=False), steps=2
        )
        if run is None:  # it has more steps than these
            raise AssertionError(text)
        part = run_part("part0", run)
        main_content([part], index_of_one(part))
    torch.set_num_threads(threads)


def import_slow_modules() -> None:
    """Import what torch imports at the first use of some operations, with sympy, in about a second."""
    import torch.fx.experimental.symbolic_shapes  # noqa: F401


def may_compute_gradients() -> bool:
    """Tell whether copies of this process can compute gradients after it has done so.

    Where there is an accelerator, the first gradient starts a thread for it, and torch refuses gradients in copies.
    Source: https://github.com/pytorch/pytorch/wiki/Autograd-and-Fork.
    """
    import torch

    # the number of CUDA's devices is known without its driver; whether there is Metal or XPU is not asked for
    return not (torch.cuda.device_count() or torch.backends.mps.is_built() or torch.xpu._is_compiled())


import_slow_modules()
if may_compute_gradients():
    warm_up()
gc.freeze()  # the collector of a copy then leaves these objects, whose pages are shared, alone
