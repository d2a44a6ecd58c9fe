"""A recorded step, made again from its calls, against the step itself: losses and gradients bit for bit."""

import weakref

import pytest
import torch
from torch import nn

from playground.core.watching.call_recorder import CallRecorder, find_refs
from playground.core.watching.recorded_program import BackwardCall, UnrepeatableStepError, cut_program
from playground.core.watching.replayed_step import ReplayedModule

pytestmark = pytest.mark.usefixtures("one_thread")

F = nn.functional


class Net(nn.Module):
    """Has batch normalization, dropout, a view that is changed in place, and a branch that the loss does not use."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(4, 1)

    def forward(self, x):
        hidden = self.drop(torch.relu(self.norm(self.first(x))))
        unused = hidden.exp().sum()
        rows = hidden * 2
        rows[0] = rows[0] + 1
        rows[:, 1].mul_(0.5)
        assert unused.isfinite()
        return self.last(rows)


class Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


def squares(model, x, y):
    return F.mse_loss(model(x), y)


def penalty(model, x, y):
    x = x.clone().requires_grad_()
    out = model(x)
    (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    return F.mse_loss(out, y) + slope.square().mean()


def custom_function(model, x, y):
    return (Doubling.apply(model(x)) - y).abs().mean()


def detached_target(model, x, y):
    with torch.no_grad():
        target = model(x) * 0.1
    return F.mse_loss(model(x), target + y)


def random_noise(model, x, y):
    return F.mse_loss(model(x + 0.1 * torch.randn_like(x)), y)


def autocast(model, x, y):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return F.mse_loss(model(x).float(), y)


def numbers_between(model, x, y):
    out = model(x)
    return F.mse_loss(out / (1 + out.abs().max().item()), y)


LOSSES = [squares, penalty, custom_function, detached_target, random_noise, autocast, numbers_between]


def record(loss, model, x, y, loops=1):
    """Record a forward and backward pass as a loop makes it; return its program, losses and gradients."""
    from playground.core.watching.loop_evidence import LoopEvidence, OptimizerEvidence
    from playground.core.watching.step_recording import StepRecording

    evidence = LoopEvidence(model, [OptimizerEvidence(torch.optim.SGD(model.parameters(), lr=0.1))])
    recording = StepRecording.begin(evidence, 0, CallRecorder(), [])
    calls = []
    try:
        for _ in range(loops):
            value = loss(model, x, y)
            calls.append((recording.recorder.find(value), len(recording.recorder.calls), value))
    finally:
        recording.leave()
    losses = [BackwardCall(number, None, position) for number, position, _ in calls]
    program = cut_program(recording.recorder, losses, dict(model.named_parameters()), [x], None)
    total = sum(value for *_, value in calls)
    gradients = torch.autograd.grad(total, list(model.parameters()))
    return program, total.detach(), gradients


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_program_gives_the_loss_and_the_gradients_of_the_step(loss, dtype):
    torch.manual_seed(0)
    model, x, y = Net().to(dtype), torch.randn(6, 3, dtype=dtype), torch.randn(6, 1, dtype=dtype)
    program, total, gradients = record(loss, model, x, y)
    with torch.no_grad():  # the loop goes on: nothing of it may be used
        for parameter in model.parameters():
            parameter.add_(1)
    model(x)
    for _ in range(2):  # twice, because a replay must not change what the next begins with
        module = ReplayedModule(program)
        module(*(program.leaves[index] for index in program.data))
        assert torch.equal(module.loss.detach(), total)
        found = torch.autograd.grad(module.loss, list(module.parameters()))
        names = [name for name, _ in module.named_parameters()]
        wanted = dict(zip(dict(model.named_parameters()), gradients, strict=True))
        for name, gradient in zip(names, found, strict=True):
            torch.testing.assert_close(gradient, wanted[name], rtol=1e-6, atol=1e-7)


def test_losses_of_several_backward_calls_add_up():
    torch.manual_seed(0)
    model, x, y = nn.Linear(3, 1), torch.randn(6, 3), torch.randn(6, 1)
    program, total, gradients = record(squares, model, x, y, loops=3)
    module = ReplayedModule(program)
    module(*(program.leaves[index] for index in program.data))
    torch.testing.assert_close(module.loss.detach(), total)
    for ours, theirs in zip(torch.autograd.grad(module.loss, list(module.parameters())), gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_what_the_loss_does_not_use_is_left_out():
    model, x, y = nn.Linear(3, 1), torch.randn(6, 3), torch.randn(6, 1)

    def loss(model, x, y):
        with torch.no_grad():
            (model(x) - y).square().sum()
        return F.mse_loss(model(x), y)

    program, *_ = record(loss, model, x, y)
    assert [call.name for call in program.calls] == ["linear", "mse_loss"]


def test_data_that_changed_before_the_step_is_noticed():
    model, x, y = nn.Linear(3, 1), torch.randn(6, 3), torch.randn(6, 1)
    recorder = CallRecorder()
    with recorder:
        value = F.mse_loss(model(x), y)
    x.zero_()
    losses = [BackwardCall(recorder.find(value), None, len(recorder.calls))]
    with pytest.raises(UnrepeatableStepError, match="was changed in place"):
        cut_program(recorder, losses, dict(model.named_parameters()), [x], None)


def test_a_recorder_keeps_no_results():
    """Otherwise a validation pass inside a recorded step would need the memory of all its activations."""
    freed = []
    with CallRecorder(), torch.no_grad():
        made = torch.ones(3) * 2
        weakref.finalize(made, freed.append, True)
        del made
        assert freed == [True]


def test_nested_arguments_are_found():
    recorder = CallRecorder()
    parts = [torch.ones(2), torch.zeros(2)]
    with recorder:
        torch.cat(parts)
        torch.stack(tensors=parts)
        torch.arange(6)[torch.tensor(1) : torch.tensor(3)]
    cat, stack = recorder.calls[0], recorder.calls[1]
    assert list(cat.inputs()) == [0, 1] == list(stack.inputs())
    assert [call.name for call in recorder.calls][-1] == "getitem"
    assert len(list(find_refs(recorder.calls[-1].arguments))) == 3
