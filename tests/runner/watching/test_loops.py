"""`watch` says nothing about right loops and the one cause of each wrong one, and changes nothing in either."""

import contextlib
import importlib
import importlib.util
import inspect
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch

import playground
from playground.plugin_api import load_plugins, one_thread

FOLDER = Path(__file__).with_name("loops")

MARK = "# <-- here"

watch = partial(playground.watch, plugins=load_plugins(folder=FOLDER))
"""Loads plugins once for all loops."""


def load_modules(kind):
    """Import the modules of the folder `loops` whose names begin with a kind."""
    name = "watched_loops"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
        )
        sys.modules[name] = importlib.util.module_from_spec(spec)
    return [importlib.import_module(f"{name}.{path.stem}") for path in sorted(FOLDER.glob(f"{kind}_*.py"))]


def list_loops(module):
    """List the functions of a module that take `watch` alone."""
    functions = [each for each in vars(module).values() if inspect.isfunction(each)]
    return [each for each in functions if list(inspect.signature(each).parameters) == ["watch"]]


def name_loop(loop):
    return f"{loop.__module__.split('_', 2)[2]}-{loop.__name__}"


HEALTHY = [loop for module in load_modules("healthy") for loop in list_loops(module)]

FAULTY = [
    (name, loop, fragments if isinstance(fragments, tuple) else (fragments,))
    for module in load_modules("faulty")
    for name, loops in module.SAYS.items()
    for loop, fragments in loops.items()
]

PATCHABLE = [
    torch,
    torch.Tensor,
    torch.amp.GradScaler,
    torch.autograd,
    torch.autograd.graph,
    torch.nn.functional,
    torch.nn.Module,
    torch.nn.modules.module,
    torch.optim.Optimizer,
    sys.modules["torch.optim.optimizer"],  # torch deletes the attribute
    torch.optim.lr_scheduler.LRScheduler,
    torch.optim.lr_scheduler.ReduceLROnPlateau,
    torch.optim.SGD,
    torch.optim.Adam,
    torch.utils.data,
]
"""Modules and classes of torch in which something could be replaced, or hooks for all modules be left."""


class Watching:
    """Stands for `watch` in a loop: keeps what was watched, or watches nothing."""

    def __init__(self, watch=None):
        self.watch = watch
        self.watched = []
        self.optimizers = []

    @contextlib.contextmanager
    def __call__(self, model, optimizer, **options):
        self.optimizers += optimizer if isinstance(optimizer, list) else [optimizer]
        if self.watch is None:
            yield None
            return
        with self.watch(model, optimizer, **options) as watched:
            self.watched.append(watched)
            yield watched

    @property
    def diagnoses(self):
        return [diagnosis for watched in self.watched for diagnosis in watched.diagnoses]


def describe(thing):
    """Return the class of a module, optimizer or parameter, its attributes, and how many entries its hooks have."""
    sizes = {key: len(value) if isinstance(value, dict) else 0 for key, value in vars(thing).items()}
    hooks = [len(getattr(thing, key, None) or ()) for key in ("_backward_hooks", "_post_accumulate_grad_hooks")]
    return type(thing).__qualname__, sizes, hooks


def describe_all(things, optimizers):
    """Describe optimizers, and modules with their parts and parameters."""
    parts = [part for thing in things for part in [*thing.modules(), *thing.parameters()]]
    return [describe(part) for part in [*parts, *optimizers]]


def read_torch():
    """Return what could be replaced in torch, and how many modes are active."""
    found = {}
    for owner in PATCHABLE:
        for key, value in vars(owner).items():
            if not isinstance(value, ModuleType) and not key.startswith("__"):
                found[owner.__name__, key] = list(value) if isinstance(value, dict) else value
    found["modes"] = torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()
    found["tracing"] = sys.gettrace(), sys.getprofile()
    found["switches"] = torch.is_grad_enabled(), torch.is_anomaly_enabled(), torch.get_default_dtype()
    return found


def list_changes(before, after):
    """List the names of what was added, removed or replaced."""
    same = {key for key in before.keys() & after.keys() if before[key] is after[key] or _equal(before[key], after[key])}
    return sorted(map(str, (before.keys() | after.keys()) - same))


def _equal(one, other):
    return isinstance(one, list | tuple | int | torch.dtype) and one == other


def assert_same(one, other):
    """Assert that losses, parameters, buffers and gradients of two runs are equal bit for bit."""
    (losses, things), (other_losses, other_things) = one, other
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(other_losses), rtol=0, atol=0, equal_nan=True)
    for thing, other_thing in zip(things, other_things, strict=True):
        torch.testing.assert_close(thing.state_dict(), other_thing.state_dict(), rtol=0, atol=0, equal_nan=True)
        gradients = [[p.grad for p in each.parameters()] for each in (thing, other_thing)]
        for gradient, other_gradient in zip(*gradients, strict=True):
            torch.testing.assert_close(gradient, other_gradient, rtol=0, atol=0, equal_nan=True)


def run(loop, watch=None):
    """Run a loop from the same random state; return what it returned, what watched it, and the state after it."""
    torch.manual_seed(0)
    watching = Watching(watch)
    result = loop(watching)
    return result, watching, torch.get_rng_state()


def find_line(loop):
    """Return the line that a loop, or a helper that it calls, marks; None if it marks none."""
    module = sys.modules[loop.__module__]
    for function in [loop, *(vars(module).get(name) for name in list_names(loop.__code__))]:
        if inspect.isfunction(function):
            lines, first = inspect.getsourcelines(function)
            marked = [first + index for index, line in enumerate(lines) if MARK in line]
            assert len(marked) < 2
            if marked:
                return marked[0]
    return None


def list_names(code):
    """List the names that a function uses, and those that the functions in it use."""
    inner = [name for each in code.co_consts if hasattr(each, "co_names") for name in list_names(each)]
    return [*code.co_names, *inner]


@pytest.fixture(autouse=True)
def single_threaded():
    """Compute with one thread: for tensors this small, several only wait for each other."""
    with one_thread():
        yield


def test_every_faulty_loop_is_in_the_table():
    named = {loop for _, loop, _ in FAULTY}
    assert named == {loop for module in load_modules("faulty") for loop in list_loops(module)}


@pytest.mark.sampled(100)
@pytest.mark.parametrize("loop", HEALTHY, ids=name_loop)
def test_a_right_loop_gets_no_diagnosis_and_keeps_every_bit(loop):
    plain, unwatched, state = run(loop)
    before = read_torch()
    result, watching, state_after = run(loop, watch)
    assert [each.name for each in watching.diagnoses] == [], watching.diagnoses
    assert list_changes(before, read_torch()) == []
    assert_same(result, plain)
    assert torch.equal(state, state_after)
    expected = describe_all(plain[1], unwatched.optimizers)
    assert describe_all(result[1], watching.optimizers) == expected


@pytest.mark.sampled(60)
@pytest.mark.parametrize(
    ("name", "loop", "fragments"), FAULTY, ids=[f"{name}-{loop.__name__}" for name, loop, _ in FAULTY]
)
def test_a_wrong_loop_gets_the_diagnosis_of_its_cause_and_no_other(name, loop, fragments):
    plain, unwatched, _ = run(loop)
    before = read_torch()
    result, watching, _ = run(loop, watch)
    assert [each.name for each in watching.diagnoses] == [name], watching.diagnoses
    (diagnosis,) = watching.diagnoses
    for fragment in fragments:
        assert fragment in diagnosis.sentence
    assert "\n" not in diagnosis.sentence
    assert diagnosis.remedy
    line = find_line(loop)
    if line is not None:
        path = Path(sys.modules[loop.__module__].__file__)
        assert str(diagnosis.place).endswith(f"{path.name}:{line}")
    assert list_changes(before, read_torch()) == []
    assert_same(result, plain)
    assert describe_all(result[1], watching.optimizers) == describe_all(plain[1], unwatched.optimizers)


@pytest.mark.slow
def test_nothing_is_lost_where_few_steps_are_watched_closely(monkeypatch):
    """The loops are shorter than the stretch that is watched closely; here they are longer."""
    for constant, value in (("ATTENTIVE_STEPS", 3), ("ATTENTION_INTERVAL", 6), ("ATTENTION_LENGTH", 2)):
        monkeypatch.setattr(f"playground.core.watching.watcher.{constant}", value)
    for name, loop, _ in FAULTY:
        assert [each.name for each in run(loop, watch)[1].diagnoses] == [name], loop.__name__
    for loop in HEALTHY:
        assert run(loop, watch)[1].diagnoses == [], loop.__name__
