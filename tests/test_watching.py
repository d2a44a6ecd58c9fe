"""`playground.watch` as people use it: what it returns, shows and refuses."""

import math
import threading

import pytest
import torch
from torch import nn

import playground as pg
from playground.errors import PlaygroundError
from playground.watching import ChosenSteps

pytestmark = pytest.mark.usefixtures("one_thread")


def make(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    return model, torch.optim.Adam(model.parameters(), lr=0.05)


@pytest.fixture
def loader():
    torch.manual_seed(1)
    return [(torch.randn(8, 2), torch.randn(8, 1)) for _ in range(12)]


def fit(model, optimizer, loader, clip=None):
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_example_of_the_documentation(loader, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, optimizer = make()
    loss_fn = nn.MSELoss()
    with pg.watch(model, optimizer) as watched:
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
    watched.diagnoses, watched.trace.loss, watched.explain(step=3), watched.html("watched.html")
    assert watched.diagnoses == ()
    assert len(watched.trace.loss) == 12
    assert "<title>Sequential with Adam" in (tmp_path / "watched.html").read_text(encoding="utf-8")


def test_the_trace_has_the_loop_s_own_numbers(loader):
    losses = fit(*make(), loader)
    model, optimizer = make()
    with pg.watch(model, optimizer) as watched:
        assert fit(model, optimizer, loader) == losses
    assert watched.trace.loss == losses
    assert sorted(watched.trace.gradient_norm) == list(range(12))
    assert all(0 < norm < math.inf for norm in watched.trace.gradient_norm.values())


@pytest.mark.parametrize("clip", [None, 0.1], ids=["unclipped", "clipped"])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Rprop"])
def test_an_explained_step_is_the_loop_s_step(loader, name, clip):
    """The parameters before and after it are those of the loop, bit for bit."""
    model, _ = make()
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.01)
    with pg.watch(model, optimizer, steps=range(12)) as watched:
        history = []
        for batch in loader:
            history.append([each.detach().clone() for each in model.parameters()])
            fit(model, optimizer, [batch], clip)
        history.append([each.detach().clone() for each in model.parameters()])
    for step in (0, 7, 11):
        told = watched.explain(step).explanation
        assert told.step == step
        assert told.loss == watched.trace.loss[step]
        for index, each in enumerate(told.parameters):
            assert each.before.values == history[step][index].tolist()
            assert each.after.values == history[step + 1][index].tolist()
            assert (each.used is not None) == (clip is not None)


def test_a_step_may_be_explained_while_the_loop_runs(loader):
    model, optimizer = make()
    plain = fit(*make(), loader)
    with pg.watch(model, optimizer) as watched:
        losses = fit(model, optimizer, loader[:6])
        assert watched.explain(2).explanation.loss == losses[2]
        assert watched.diagnoses == ()
        losses += fit(model, optimizer, loader[6:])
    assert losses == plain
    assert watched.steps == (0, 1, 2, 3, 5, 10)


def test_watching_can_begin_and_end_without_a_block(loader):
    model, optimizer = make()
    watched = pg.watch(model, optimizer)
    fit(model, optimizer, loader[:2])
    watched.start()
    fit(model, optimizer, loader[2:5])
    watched.stop()
    fit(model, optimizer, loader[5:])
    assert len(watched.trace.loss) == 3


def test_steps_that_are_kept_by_default():
    chosen = [step for step in range(1200) if step in ChosenSteps()]
    assert chosen == [0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000]
    assert "1" not in ChosenSteps()
    assert -1 not in ChosenSteps()


UNEXPLAINED = {
    "not made": (12, "step 12 cannot be explained: the loop made 12 steps"),
    "negative": (-1, "step -1 cannot be explained: the loop made 12 steps"),
    "not kept": (4, r"step 4 cannot be explained: it was not kept \(kept: 0, 1, 2, 3, 5, 10\); keep it by `watch"),
}


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_a_step_that_cannot_be_explained_is_one_line(loader, name):
    step, message = UNEXPLAINED[name]
    model, optimizer = make()
    with pg.watch(model, optimizer) as watched:
        fit(model, optimizer, loader)
    with pytest.raises(PlaygroundError, match=message) as caught:
        watched.explain(step)
    assert "\n" not in str(caught.value)
    with pytest.raises(PlaygroundError, match=r"no sample 8 in step 0 \(samples: 0 to 7\)"):
        watched.explain(0, sample=8)


BAD = {
    "model": (lambda m, o: pg.watch("net", o), r"watch\(\): model: expected an nn.Module, got str"),
    "optimizer": (lambda m, o: pg.watch(m, 0.1), r"watch\(\): optimizer: expected a torch.optim.Optimizer, or several"),
    "class": (
        lambda m, o: pg.watch(m, torch.optim.SGD),
        r"watch\(\): optimizer: .*, got the class SGD; pass an instance",
    ),
    "scheduler": (
        lambda m, o: pg.watch(m, torch.optim.lr_scheduler.StepLR(o, 1)),
        r"watch\(\): optimizer: expected a torch.optim.Optimizer, or several, got StepLR; pass its optimizer",
    ),
    "none": (lambda m, o: pg.watch(m, []), r"watch\(\): optimizer: expected at least one"),
    "accumulate": (lambda m, o: pg.watch(m, o, accumulate=0), r"watch\(\): accumulate: expected a whole number from 1"),
    "steps": (
        lambda m, o: pg.watch(m, o, steps=3),
        r"watch\(\): steps: expected numbers of steps, such as range\(10\)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_one_line(name):
    call, message = BAD[name]
    with pytest.raises(PlaygroundError, match=message) as caught:
        call(*make())
    assert "\n" not in str(caught.value)


def test_what_it_shows(loader):
    model, optimizer = make()
    with pg.watch(model, optimizer) as watched:
        for x, y in loader:
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
    assert repr(watched) == watched.text()
    first, finding, remedy = watched.text().splitlines()
    assert first.startswith("Sequential with Adam: 12 steps watched, loss ")
    assert "test_watching.py:" in finding
    assert finding.endswith("[forgotten_zero_grad]")
    assert remedy == "    Call `optimizer.zero_grad()` before each `backward()`."
    shown = watched._repr_html_()
    assert "forgotten_zero_grad" in shown
    assert "12 steps watched" in shown
    assert watched.result.seed is None
    assert watched.result.verdict == "failed"


def test_a_loop_without_steps_shows_itself():
    with pg.watch(*make()) as watched:
        pass
    assert watched.text().splitlines() == [
        "Sequential with Adam: 0 steps watched",
        "no step was seen: `step()` of a watched optimizer was not called in this thread",
    ]
    assert watched.diagnoses == ()
    assert "0 steps watched" in watched._repr_html_()


def test_an_exception_passes_and_is_told(loader):
    model, optimizer = make()

    def stop(*_):
        raise ZeroDivisionError("stop")

    optimizer.register_step_post_hook(lambda *_: stop() if len(watched.trace.loss) == 3 else None)
    watched = pg.watch(model, optimizer)
    with pytest.raises(ZeroDivisionError), watched:
        fit(model, optimizer, loader)
    assert watched.text().splitlines()[0].startswith("Sequential with Adam: 3 steps watched; ZeroDivisionError")


def test_what_cannot_be_seen_is_told(loader):
    model, optimizer = make()
    with pg.watch(torch.compile(model, backend="eager"), optimizer) as watched:
        fit(model, optimizer, loader[:2])
    assert watched.limits[0] == "torch.compile runs the model: its calls cannot be seen, so no step can be explained"
    model, optimizer = make()
    with pg.watch(model, optimizer) as watched, torch.device("cpu"):
        fit(model, optimizer, loader[:2])
    assert watched.limits == ("step 1 cannot be explained: the program is inside `with DeviceContext`",)


def test_a_fault_of_watching_does_not_end_the_loop(loader, monkeypatch):
    from playground.core.watching.watcher import LoopWatcher

    def fail(self, *_):
        raise KeyError("a fault")

    monkeypatch.setattr(LoopWatcher, "_note_mode", fail)
    model, optimizer = make()
    with pg.watch(model, optimizer) as watched:
        assert fit(model, optimizer, loader) == fit(*make(), loader)
    assert watched.limits[0] == "watching stopped at step 0: KeyError: 'a fault'"


def test_plugins_add_loop_diagnoses(loader, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from playground import hookimpl\n"
        "from playground.plugin_api import LoopDiagnoser, LoopFinding\n"
        "def few():\n"
        "    find = lambda loop: LoopFinding(f'Only {loop.steps} steps.') if loop.steps < 20 else None\n"
        "    return LoopDiagnoser(find, 'Make more steps.', None)\n"
        "@hookimpl\n"
        "def playground_loop_diagnoses():\n"
        "    return {'few': few}\n"
    )
    model, optimizer = make()
    with pg.watch(model, optimizer, plugins=[str(tmp_path / "mine.py")]) as watched:
        fit(model, optimizer, loader)
    assert [str(each) for each in watched.diagnoses] == ["Only 12 steps. [few]"]


def test_a_watched_optimizer_has_no_traces_afterwards(loader):
    model, optimizer = make()
    before = set(vars(optimizer)), set(vars(model))
    with pg.watch(model, optimizer):
        fit(model, optimizer, loader)
    assert (set(vars(optimizer)), set(vars(model))) == before
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


class Spoiled(nn.Module):
    """Its gradient is not finite at one step: the square root of 0 has no slope."""

    def __init__(self, spoiled):
        super().__init__()
        self.first, self.last = nn.Linear(2, 4), nn.Linear(1, 1)
        self.spoiled, self.step = spoiled, 0

    def forward(self, x):
        hidden = self.first(x) * (self.step != self.spoiled)
        self.step += 1
        return self.last(hidden.square().sum(1, keepdim=True).sqrt())


LATE = {
    "not kept": ((), "not finite; `watch(..., steps=[42])` keeps that step, and names the operation."),
    "kept": ([42], "not finite: the backward of sqrt at 0 gives -inf."),
}


@pytest.mark.parametrize("name", LATE)
def test_an_operation_of_a_late_step_is_named_once_the_step_is_kept(name):
    steps, end = LATE[name]
    torch.manual_seed(0)
    model, x, y = Spoiled(42), torch.randn(8, 2), torch.randn(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with pg.watch(model, optimizer, steps=steps) as watched:
        fit(model, optimizer, [(x, y)] * 60)
    (diagnosis,) = watched.diagnoses
    assert diagnosis.name == "nonfinite"
    assert diagnosis.sentence == f"After step 42 the parameter first.weight is {end}"


def test_starting_twice_is_starting_once(loader):
    model, optimizer = make()
    watched = pg.watch(model, [optimizer, optimizer]).start()
    assert watched.start() is watched
    with watched:
        losses = fit(model, optimizer, loader[:3])
    watched.stop()
    fit(model, optimizer, loader[3:])
    assert watched.trace.loss == losses
    assert watched.limits == ()


def test_a_training_in_another_thread_is_no_part_of_it(loader):
    begun, done = threading.Event(), threading.Event()

    def train():
        model, optimizer = make(seed=1)
        while not done.is_set():
            fit(model, optimizer, loader[:2])
            begun.set()

    model, optimizer = make()
    plain = fit(*make(), loader * 5)
    thread = threading.Thread(target=train)
    thread.start()
    begun.wait()
    with pg.watch(model, optimizer) as watched:
        losses = fit(model, optimizer, loader * 5)
    done.set()
    thread.join()
    assert watched.trace.loss == losses == plain
    assert watched.diagnoses == watched.limits == ()
    assert watched.steps == (0, 1, 2, 3, 5, 10, 20, 50)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking with threads
def test_batches_of_worker_processes_are_explained():
    data = torch.utils.data.TensorDataset(torch.randn(32, 2), torch.randn(32, 1))
    model, optimizer = make()
    with pg.watch(model, optimizer) as watched:
        fit(model, optimizer, torch.utils.data.DataLoader(data, 8, num_workers=1))
    assert watched.limits == ()
    assert watched.steps == (0, 1, 2, 3)


def test_complex_parameters(loader):
    class Rotation(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 1, dtype=torch.complex64))

        def forward(self, x):
            return (x.to(torch.complex64) @ self.weight).abs()

    model = Rotation()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with pg.watch(model, optimizer) as watched:
        losses = fit(model, optimizer, loader)
    assert watched.trace.loss == losses
    assert not [each for each in watched.limits if "watching stopped" in each]


def test_losses_that_are_not_known_are_said_to_be(loader):
    model, optimizer = make()
    with pg.watch(model, optimizer) as watched:
        for x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            for each, gradient in zip(
                model.parameters(), torch.autograd.grad(loss, list(model.parameters())), strict=True
            ):
                each.grad = gradient
            optimizer.step()
    assert watched.diagnoses == ()
    first, second, *_ = watched.text().splitlines()
    assert first == "Sequential with Adam: 12 steps watched"
    assert second.startswith("the loss of 12 of 12 steps is not known")


def test_a_page_that_cannot_be_written_is_one_line(loader, tmp_path):
    with pg.watch(*make()) as watched:
        pass
    with pytest.raises(PlaygroundError, match="cannot be written") as caught:
        watched.html(tmp_path)
    assert "\n" not in str(caught.value)
