"""Several models, optimizers or watches."""

import copy

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .examples import make_classes, make_network, make_regression


def train(watch, model, optimizer, steps=6):
    x, y = make_regression()
    losses = []
    with watch(model, optimizer):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def a_gan(watch):
    """The generator's backward pass leaves gradients in the discriminator, which zeroes them before its own."""
    torch.manual_seed(0)
    generator, critic = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1))
    real, _ = make_regression()
    bce = nn.BCEWithLogitsLoss()
    one, zero = torch.ones(16, 1), torch.zeros(16, 1)
    g_step = torch.optim.Adam(generator.parameters(), lr=0.01, betas=(0.5, 0.999))
    d_step = torch.optim.Adam(critic.parameters(), lr=0.01, betas=(0.5, 0.999))
    losses = []
    with watch(generator, g_step), watch(critic, d_step):
        for _ in range(10):
            d_step.zero_grad()
            fake = generator(torch.randn(16, 2))
            d_loss = bce(critic(real), one) + bce(critic(fake.detach()), zero)
            d_loss.backward()
            d_step.step()
            g_step.zero_grad()
            g_loss = bce(critic(fake), one)
            g_loss.backward()
            g_step.step()
            losses.append(d_loss.item() + g_loss.item())
    return losses, [generator, critic]


def a_gan_of_which_the_generator_is_watched(watch):
    torch.manual_seed(0)
    generator, critic = nn.Linear(2, 3), nn.Linear(3, 1)
    real, _ = make_regression()
    g_step = torch.optim.SGD(generator.parameters(), lr=0.05)
    d_step = torch.optim.SGD(critic.parameters(), lr=0.05)
    losses = []
    with watch(generator, g_step):
        for _ in range(10):
            fake = generator(torch.randn(16, 2))
            d_step.zero_grad()
            d_loss = critic(fake.detach()).mean() - critic(real).mean()
            d_loss.backward()
            d_step.step()
            with torch.no_grad():
                for p in critic.parameters():
                    p.clamp_(-0.1, 0.1)
            g_step.zero_grad()
            (-critic(fake).mean()).backward()
            g_step.step()
            losses.append(d_loss.item())
    return losses, [generator, critic]


def five_steps_of_the_critic_for_each_of_the_generator(watch):
    torch.manual_seed(0)
    generator, critic = nn.Linear(2, 3), nn.Linear(3, 1)
    real, _ = make_regression()
    g_step = torch.optim.RMSprop(generator.parameters(), lr=0.01)
    d_step = torch.optim.RMSprop(critic.parameters(), lr=0.01)
    losses = []
    with watch(generator, g_step), watch(critic, d_step):
        for step in range(20):
            d_step.zero_grad()
            with torch.no_grad():
                fake = generator(torch.randn(16, 2))
            d_loss = critic(fake).mean() - critic(real).mean() + (critic(real) ** 2).mean()
            d_loss.backward()
            d_step.step()
            if step % 5 == 4:
                g_step.zero_grad()
                g_loss = -critic(generator(torch.randn(16, 2))).mean()
                g_loss.backward()
                g_step.step()
            losses.append(d_loss.item())
    return losses, [generator, critic]


def actor_and_critic(watch):
    """The advantage is detached for the actor, and the next value for the critic."""
    torch.manual_seed(0)
    actor, critic = make_network(4, 2), make_network(4, 1, seed=1)
    model = nn.ModuleDict({"actor": actor, "critic": critic})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(12):
            state, following = torch.randn(8, 4), torch.randn(8, 4)
            policy = torch.distributions.Categorical(logits=actor(state))
            action = policy.sample()
            reward = (action == (state[:, 0] > 0)).float()
            target = reward + 0.9 * critic(following).squeeze(1).detach()
            value = critic(state).squeeze(1)
            advantage = (target - value).detach()
            loss = -(policy.log_prob(action) * advantage).mean() + 0.5 * nn.functional.mse_loss(value, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def reinforce(watch):
    """A policy gradient: the loss rises and falls as rewards do."""
    policy = make_network(4, 2)
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.02)
    torch.manual_seed(0)
    losses = []
    with watch(policy, optimizer):
        for _ in range(12):
            state = torch.randn(8, 4)
            choice = torch.distributions.Categorical(logits=policy(state))
            action = choice.sample()
            returns = (action == 0).float() - 0.5
            loss = -(choice.log_prob(action) * returns).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [policy]


def a_target_network(watch):
    torch.manual_seed(0)
    network = make_network(4, 2)
    target = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    with watch(network, optimizer):
        for step in range(15):
            state, following, action = torch.randn(8, 4), torch.randn(8, 4), torch.randint(2, (8, 1))
            with torch.no_grad():
                wanted = state[:, :1] + 0.9 * target(following).max(1, keepdim=True).values
            loss = nn.functional.smooth_l1_loss(network(state).gather(1, action), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 5 == 4:
                target.load_state_dict(network.state_dict())
            losses.append(loss.item())
    return losses, [network, target]


def a_target_network_that_follows_slowly(watch):
    torch.manual_seed(0)
    student, teacher = make_network(4, 3), make_network(4, 3)
    teacher.requires_grad_(False)
    x, _ = make_classes()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
    losses = []
    with watch(student, optimizer):
        for _ in range(10):
            noisy = x + 0.1 * torch.randn_like(x)
            loss = nn.functional.mse_loss(student(noisy), teacher(x).detach())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for p, q in zip(student.parameters(), teacher.parameters(), strict=True):
                    q.lerp_(p, 0.1)
            losses.append(loss.item())
    return losses, [student, teacher]


def an_average_of_parameters_by_hand(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    average = {name: p.detach().clone() for name, p in model.named_parameters()}
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            for name, p in model.named_parameters():
                average[name].mul_(0.9).add_(p.detach(), alpha=0.1)
            losses.append(loss.item())
    model.load_state_dict(average)
    return losses, [model]


def an_average_model_of_torch(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            average.update_parameters(model)
            losses.append(loss.item() + average(x).sum().item())
    return losses, [model, average]


def stochastic_weight_averaging(watch):
    model = nn.Sequential(make_network(), nn.BatchNorm1d(1))
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    average = AveragedModel(model)
    schedule = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)
    losses = []
    with watch(model, optimizer):
        for step in range(10):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            if step > 4:
                average.update_parameters(model)
                schedule.step()
            losses.append(loss.item())
    torch.optim.swa_utils.update_bn([x], average)
    return losses, [model, average]


def one_watch_after_another(watch):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return train(watch, model, optimizer) + train(watch, model, optimizer), [model]


def a_watch_inside_another(watch):
    model, other = make_network(), make_network(seed=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = make_regression()
    losses = []
    with watch(model, optimizer):
        for _ in range(3):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            losses += train(watch, other, torch.optim.Adam(other.parameters(), lr=0.01), steps=2)
    return losses, [model, other]


def two_optimizers_of_one_model(watch):
    model = make_network()
    x, y = make_regression()
    first = torch.optim.SGD(model[0].parameters(), lr=0.05)
    second = torch.optim.Adam(model[2].parameters(), lr=0.01)
    losses = []
    with watch(model, first), watch(model, second):
        for _ in range(8):
            first.zero_grad()
            second.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            first.step()
            second.step()
            losses.append(loss.item())
    return losses, [model]


def two_optimizers_in_turn(watch):
    """Alternating descent: each phase moves one part, and the model zeroes all gradients."""
    model = make_network()
    x, y = make_regression()
    optimizers = [torch.optim.SGD(model[0].parameters(), lr=0.05), torch.optim.SGD(model[2].parameters(), lr=0.05)]
    losses = []
    with watch(model, optimizers[0]), watch(model, optimizers[1]):
        for step in range(10):
            model.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizers[step % 2].step()
            losses.append(loss.item())
    return losses, [model]


def a_part_of_the_model_that_is_watched(watch):
    """Only the head is watched; the body has an optimizer of its own, in the same loop."""
    torch.manual_seed(0)
    body, head = nn.Sequential(nn.Linear(3, 8), nn.Tanh()), nn.Linear(8, 1)
    x, y = make_regression()
    mine = torch.optim.SGD(head.parameters(), lr=0.1)
    other = torch.optim.Adam(body.parameters(), lr=0.01)
    losses = []
    with watch(head, mine):
        for _ in range(8):
            mine.zero_grad()
            other.zero_grad()
            loss = nn.functional.mse_loss(head(body(x)), y)
            loss.backward()
            mine.step()
            other.step()
            losses.append(loss.item())
    return losses, [body, head]


def an_optimizer_with_a_parameter_beside_the_model(watch):
    """The loss has a learned scale, which the optimizer moves together with the model."""
    model = make_network()
    x, y = make_regression()
    log_scale = nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.Adam([*model.parameters(), log_scale], lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y) * torch.exp(-log_scale) + log_scale
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def an_optimizer_for_each_parameter_inside_backward(watch):
    """Each parameter moves as soon as its gradient is there, which saves memory."""
    model = make_network()
    x, y = make_regression()
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters()}

    def move(p):
        optimizers[p].step()
        optimizers[p].zero_grad()

    for p in model.parameters():
        p.register_post_accumulate_grad_hook(move)
    losses = []
    with watch(model, list(optimizers.values())):
        for _ in range(8):
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            losses.append(loss.item())
    return losses, [model]


def two_watches_of_the_same_loop(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer), watch(model, optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def an_ensemble_in_one_optimizer(watch):
    """Three members, with a loss and a call of `backward` each, and one step for all."""
    model = nn.ModuleList(make_network(seed=seed) for seed in range(3))
    x, y = make_regression()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            for each in model:
                loss = nn.functional.mse_loss(each(x), y)
                loss.backward()
                losses.append(loss.item())
            optimizer.step()
    return losses, [model]


def members_of_an_ensemble_in_turn(watch):
    """Only the member of this step is zeroed and moved; the other keeps its gradient."""
    model = nn.ModuleList(make_network(seed=seed) for seed in range(2))
    x, y = make_regression()
    optimizers = [torch.optim.SGD(each.parameters(), lr=0.05) for each in model]
    losses = []
    with watch(model, optimizers):
        for step in range(10):
            optimizers[step % 2].zero_grad()
            loss = nn.functional.mse_loss(model[step % 2](x), y)
            loss.backward()
            optimizers[step % 2].step()
            losses.append(loss.item())
    return losses, [model]
