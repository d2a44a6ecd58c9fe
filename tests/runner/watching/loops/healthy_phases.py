"""Loops with phases: validation, freezing, checkpoints, skipped batches, breaks and exceptions."""

import copy
import io

import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset

from .examples import make_classes, make_network, make_regression


def make_classifier():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))


def step_once(model, optimizer, x, y, loss_function=nn.functional.mse_loss):
    optimizer.zero_grad()
    loss = loss_function(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def validate_between_epochs(watch, context):
    model = make_classifier()
    x, labels = make_classes()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(3):
            model.train()
            losses += [step_once(model, optimizer, x, labels, nn.functional.cross_entropy) for _ in range(4)]
            model.eval()
            with context():
                losses.append(nn.functional.cross_entropy(model(x), labels).item())
    return losses, [model]


def validation_under_no_grad(watch):
    return validate_between_epochs(watch, torch.no_grad)


def validation_in_inference_mode(watch):
    return validate_between_epochs(watch, torch.inference_mode)


def validation_in_training_mode(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            losses.append(step_once(model, optimizer, x, y))
            with torch.no_grad():
                losses.append(nn.functional.mse_loss(model(x), y).item())
    return losses, [model]


def eval_mode_of_a_model_that_does_not_depend_on_it(watch):
    """Without dropout or batch norm, the mode changes nothing."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, y) for _ in range(4)]
        model.eval()
        losses += [step_once(model, optimizer, x, y) for _ in range(4)]
    return losses, [model]


def fine_tuning_in_eval_mode_from_the_first_step(watch):
    """Chosen before the first step, eval mode is on purpose."""
    model = make_classifier().eval()
    x, labels = make_classes()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, labels, nn.functional.cross_entropy) for _ in range(8)]
    return losses, [model]


def frozen_batch_norm(watch):
    """Batch norm stays in eval mode while the rest trains, set again after each validation."""
    model = make_classifier()
    x, labels = make_classes()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    losses = []
    with watch(model, optimizer):
        for _ in range(3):
            model.train()
            model[1].eval()
            losses += [step_once(model, optimizer, x, labels, nn.functional.cross_entropy) for _ in range(3)]
            model.eval()
            with torch.no_grad():
                losses.append(nn.functional.cross_entropy(model(x), labels).item())
    return losses, [model]


def a_frozen_backbone(watch):
    model = make_network()
    for p in model[0].parameters():
        p.requires_grad = False
    x, y = make_regression()
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, y) for _ in range(10)]
    return losses, [model]


def a_frozen_backbone_in_the_optimizer(watch):
    model = make_network()
    model[0].requires_grad_(False)
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, y) for _ in range(10)]
    return losses, [model]


def a_frozen_backbone_under_no_grad(watch):
    model = make_network()
    model[0].requires_grad_(False)
    x, y = make_regression()
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            with torch.no_grad():
                features = torch.tanh(model[0](x))
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model[2](features), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def the_last_two_parameters(watch):
    """The optimizer has the last two; the others are frozen."""
    model = make_network()
    for p in list(model.parameters())[:-2]:
        p.requires_grad_(False)
    x, y = make_regression()
    optimizer = torch.optim.SGD(list(model.parameters())[-2:], lr=0.1)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, y) for _ in range(8)]
    return losses, [model]


def unfreezing_midway(watch):
    model = make_network()
    model[0].requires_grad_(False)
    x, y = make_regression()
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, y) for _ in range(5)]
        model[0].requires_grad_(True)
        optimizer.add_param_group({"params": model[0].parameters(), "lr": 0.01})
        losses += [step_once(model, optimizer, x, y) for _ in range(5)]
    return losses, [model]


def freezing_midway(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, y) for _ in range(5)]
        model[0].requires_grad_(False)
        losses += [step_once(model, optimizer, x, y) for _ in range(5)]
    return losses, [model]


def a_checkpoint_loaded_midway(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    file = io.BytesIO()
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, y) for _ in range(4)]
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
        losses += [step_once(model, optimizer, x, y) for _ in range(4)]
        file.seek(0)
        state = torch.load(file)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        losses += [step_once(model, optimizer, x, y) for _ in range(4)]
    return losses, [model]


def the_best_model_kept_and_restored(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    best, state = float("inf"), None
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            losses.append(step_once(model, optimizer, x, y))
            if losses[-1] < best:
                best, state = losses[-1], copy.deepcopy(model.state_dict())
        model.load_state_dict(state)
    return losses, [model]


def a_whole_model_copied_while_watched(watch):
    """`copy.deepcopy` and `torch.save` of a watched model work as always."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, y) for _ in range(4)]
        twin = copy.deepcopy(model)
        losses += [step_once(model, optimizer, x, y) for _ in range(4)]
    losses.append(twin(x).sum().item())
    return losses, [model, twin]


def batches_skipped_on_purpose(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for step in range(12):
            if step % 3 == 1:
                continue
            losses.append(step_once(model, optimizer, x, y))
    return losses, [model]


def steps_skipped_on_purpose(watch):
    """A batch whose gradient is too large is left out after its backward pass."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for step in range(12):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y * (50 if step % 4 == 2 else 1))
            loss.backward()
            losses.append(loss.item())
            if nn.utils.get_total_norm([p.grad for p in model.parameters()]) < 5:
                optimizer.step()
    return losses, [model]


def batches_of_which_the_last_is_smaller(watch):
    model = make_network()
    loader = DataLoader(
        TensorDataset(*make_regression(rows=18)), batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(0)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for _ in range(3):
            for x, y in loader:
                losses.append(step_once(model, optimizer, x, y))
    return losses, [model]


def batches_of_one_row(watch):
    model = make_network()
    x, y = make_regression(rows=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x[i : i + 1], y[i : i + 1]) for i in range(10)]
    return losses, [model]


def a_pruned_network(watch):
    model = make_network()
    x, y = make_regression()
    prune.l1_unstructured(model[0], "weight", amount=0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer):
        losses = [step_once(model, optimizer, x, y) for _ in range(8)]
    return losses, [model]


def a_generator_that_yields_between_steps(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train():
        while True:
            yield step_once(model, optimizer, x, y)

    steps = train()
    with watch(model, optimizer):
        losses = [next(steps) for _ in range(6)]
    losses.append(next(steps))
    return losses, [model]
