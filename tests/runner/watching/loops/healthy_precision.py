"""Mixed precision, loss scaling, other dtypes and clipping."""

import torch
from torch import nn

from .examples import fit, make_classes, make_network, make_regression


def autocast_to_bfloat16(watch):
    model = make_network(inputs=4, outputs=3)
    x, labels = make_classes()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = nn.functional.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def scale(watch, scaler, spoil=(), clip=None, steps=8):
    """Train with a scaler; the batches of the steps in `spoil` make an infinite gradient."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for step in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            if step in spoil:
                loss = loss * 1e38
            scaler.scale(loss).backward()
            if clip:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())
    return losses, [model]


def grad_scaler(watch):
    return scale(watch, torch.amp.GradScaler("cpu"))


def grad_scaler_with_clipping(watch):
    return scale(watch, torch.amp.GradScaler("cpu"), clip=0.5)


def grad_scaler_that_skips_steps(watch):
    """A step with infinite gradients is skipped, and the scale is halved: that is what a scaler is for."""
    return scale(watch, torch.amp.GradScaler("cpu"), spoil=(3, 5))


def grad_scaler_that_skips_the_first_step(watch):
    return scale(watch, torch.amp.GradScaler("cpu"), spoil=(0,))


def grad_scaler_that_is_off(watch):
    return scale(watch, torch.amp.GradScaler("cpu", enabled=False))


def grad_scaler_with_autocast_and_accumulation(watch):
    model = make_network(inputs=4, outputs=3)
    x, labels = make_classes()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    losses = []
    with watch(model, optimizer, accumulate=3):
        for _ in range(5):
            for inputs, targets in zip(x.split(6), labels.split(6), strict=True):
                with torch.autocast("cpu", torch.bfloat16):
                    loss = nn.functional.cross_entropy(model(inputs), targets) / 3
                scaler.scale(loss).backward()
                losses.append(loss.item())
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    return losses, [model]


def grad_scaler_with_an_infinite_batch_and_a_schedule(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    scaler = torch.amp.GradScaler("cpu")
    losses = []
    with watch(model, optimizer):
        for step in range(6):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y) * (1e38 if step == 2 else 1)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            schedule.step()
            losses.append(loss.item())
    return losses, [model]


def float64(watch):
    model = make_network().double()
    data = make_regression(dtype=torch.float64)
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.1), data=data)


def bfloat16_parameters(watch):
    model = make_network().bfloat16()
    data = make_regression(dtype=torch.bfloat16)
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.1), data=data)


def float16_parameters(watch):
    model = make_network().half()
    data = make_regression(dtype=torch.float16)
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.05), data=data)


def main_weights_in_float32_for_a_bfloat16_network(watch):
    """The optimizer moves copies in float32; the network gets them rounded, and its gradients go to the copies."""
    model = make_network()
    rounded = make_network().bfloat16()
    x, y = make_regression(dtype=torch.bfloat16)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            rounded.zero_grad()
            loss = nn.functional.mse_loss(rounded(x), y)
            loss.backward()
            for p, q in zip(model.parameters(), rounded.parameters(), strict=True):
                p.grad = q.grad.float()
            optimizer.step()
            with torch.no_grad():
                for p, q in zip(model.parameters(), rounded.parameters(), strict=True):
                    q.copy_(p)
            losses.append(loss.item())
    return losses, [model, rounded]


def clip(watch, clip_gradients):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    losses = []
    with watch(model, optimizer):
        for _ in range(12):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), 10 * y)
            loss.backward()
            clip_gradients(model.parameters())
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def clipping_of_the_norm(watch):
    return clip(watch, lambda parameters: nn.utils.clip_grad_norm_(parameters, 1.0))


def clipping_of_each_value(watch):
    return clip(watch, lambda parameters: nn.utils.clip_grad_value_(parameters, 0.1))


def clipping_by_hooks(watch):
    model = make_network()
    for p in model.parameters():
        p.register_hook(lambda gradient: gradient.clamp(-0.1, 0.1))
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.2))


def noise_on_gradients(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            for p in model.parameters():
                p.grad.add_(0.01 * torch.randn_like(p))
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def not_a_number_in_a_batch_that_is_left_out(watch):
    """The loop looks at its loss and skips the batch."""
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    with watch(model, optimizer):
        for step in range(10):
            optimizer.zero_grad()
            inputs = torch.full_like(x, float("nan")) if step == 4 else x
            loss = nn.functional.mse_loss(model(inputs), y)
            if not torch.isfinite(loss):
                continue
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def infinite_masks_in_attention(watch):
    """Minus infinity in scores is a mask; softmax makes zeros of it."""
    torch.manual_seed(0)
    model = nn.Linear(4, 12)
    x = torch.randn(2, 5, 4)
    mask = torch.ones(5, 5, dtype=torch.bool).triu(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            q, k, v = model(x).chunk(3, -1)
            scores = (q @ k.transpose(1, 2) / 2).masked_fill(mask, float("-inf"))
            loss = nn.functional.mse_loss(scores.softmax(-1) @ v, x)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]
