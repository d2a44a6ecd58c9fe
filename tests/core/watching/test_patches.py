"""What is replaced in torch while somebody listens, and that it is restored."""

import pytest
import torch
from torch import nn

from playground.core.watching.loop_evidence import LoopEvidence, OptimizerEvidence
from playground.core.watching.watcher import LoopWatcher

REPLACED = {
    "call": (nn.Module, "__call__"),
    "backward": (torch.Tensor, "backward"),
    "autograd": (torch.autograd, "backward"),
    "zero_grad": (torch.optim.Optimizer, "zero_grad"),
    "module_zero_grad": (nn.Module, "zero_grad"),
    "scale": (torch.amp.GradScaler, "scale"),
    "schedule": (torch.optim.lr_scheduler.LRScheduler, "step"),
    "plateau": (torch.optim.lr_scheduler.ReduceLROnPlateau, "step"),
}


def make_watcher():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return LoopWatcher(LoopEvidence(model, [OptimizerEvidence(optimizer)]), ())


@pytest.mark.parametrize("name", REPLACED)
def test_everything_is_restored_when_the_last_one_leaves(name):
    owner, attribute = REPLACED[name]
    before = vars(owner)[attribute]
    first, second = make_watcher(), make_watcher()
    first.start()
    replaced = vars(owner)[attribute]
    assert replaced is not before
    assert replaced.__name__ == before.__name__
    second.start()
    first.stop()  # not the last one to come
    assert vars(owner)[attribute] is replaced
    second.stop()
    assert vars(owner)[attribute] is before


def test_another_thread_is_not_watched():
    import threading

    watcher = make_watcher()
    watcher.start()
    model, optimizer = watcher.model, watcher.evidence.optimizers[0].optimizer

    def step():
        optimizer.zero_grad()
        model(torch.ones(2, 1)).sum().backward()

    thread = threading.Thread(target=step)
    thread.start()
    thread.join()
    watcher.stop()
    assert watcher.events == 0
