"""Losses of many kinds, with logits and probabilities where they belong, and pairs that broadcast on purpose."""

import torch
from torch import nn
from torch.nn import functional

from .examples import fit, make_classes, make_network, make_regression


def fit_with(watch, loss_function, data, outputs=1, last=None, steps=10):
    model = make_network(data[0].shape[1], outputs)
    if last:
        model.append(last)
    return fit(watch, model, torch.optim.Adam(model.parameters(), lr=0.01), loss_function, data, steps)


def mse_of_matching_vectors(watch):
    x, y = make_regression()
    return fit_with(watch, functional.mse_loss, (x, y.squeeze(1)), last=nn.Flatten(0))


def as_many_centres_as_rows(watch):
    """Distances to centres are logits here: a softmax over them follows, and nothing is averaged before."""
    x, _ = make_regression()
    centres = torch.linspace(-1, 1, len(x))

    def loss(predicted, y):
        return functional.cross_entropy(-((predicted - centres) ** 2), y)

    return fit_with(watch, loss, (x, torch.arange(len(x))))


def squares_by_hand(watch):
    return fit_with(watch, lambda predicted, y: ((predicted - y) ** 2).mean(), make_regression())


def a_target_for_all_rows(watch):
    """A single number for all rows broadcasts, and nothing else could be meant."""
    x, _ = make_regression()
    return fit_with(watch, lambda predicted, y: ((predicted - y) ** 2).mean(), (x, torch.tensor(1.0)))


def a_target_row_for_all_rows(watch):
    """One target of each output, for all rows."""
    x, _ = make_regression()
    target = torch.tensor([1.0, 2.0])
    return fit_with(watch, lambda predicted, y: ((predicted - y) ** 2).mean(), (x, target), outputs=2)


def a_weight_for_each_row(watch):
    weights = torch.linspace(0, 1, 16).unsqueeze(1)
    return fit_with(watch, lambda predicted, y: (weights * (predicted - y) ** 2).mean(), make_regression())


def huber_and_smooth_l1(watch):
    def loss(predicted, y):
        return functional.huber_loss(predicted, y) + functional.smooth_l1_loss(predicted, y)

    return fit_with(watch, loss, make_regression())


def quantiles_against_a_column(watch):
    """`(N, 1)` targets against `(1, Q)` quantiles, and predictions `(N, Q)`: on purpose."""
    quantiles = torch.tensor([[0.1, 0.5, 0.9]])

    def pinball(predicted, y):
        error = y - predicted
        return torch.maximum(quantiles * error, (quantiles - 1) * error).mean()

    return fit_with(watch, pinball, make_regression(), outputs=3)


def pairwise_distances(watch):
    """A contrastive loss compares each row with each: `(N, 1)` with `(1, N)`."""
    x, labels = make_classes()

    def contrast(predicted, labels):
        distance = (predicted.unsqueeze(1) - predicted.unsqueeze(0)).pow(2).sum(-1)
        same = (labels.unsqueeze(1) == labels.unsqueeze(0)).float()
        return (same * distance + (1 - same) * torch.relu(1 - distance)).mean()

    return fit_with(watch, contrast, (x, labels), outputs=2)


def pairwise_ranking(watch):
    """Differences of scores of all pairs, from one column `(N, 1)`."""

    def rank(predicted, y):
        order = torch.sign(y - y.T)
        return functional.softplus(-order * (predicted - predicted.T)).mean()

    return fit_with(watch, rank, make_regression())


def similarity_of_two_views(watch):
    x, _ = make_classes(rows=8)
    torch.manual_seed(0)
    views = torch.cat([x, x + 0.1 * torch.randn_like(x)])
    partner = torch.arange(16).roll(8)

    def contrast(predicted, partner):
        unit = functional.normalize(predicted, dim=1)
        scores = (unit @ unit.T / 0.5).masked_fill(torch.eye(16, dtype=torch.bool), float("-inf"))
        return functional.cross_entropy(scores, partner)

    return fit_with(watch, contrast, (views, partner), outputs=3)


def kernel_regression(watch):
    """A kernel between all pairs of points: `(N, 1)` against `(1, M)`."""
    torch.manual_seed(0)

    class Kernel(nn.Module):
        def __init__(self):
            super().__init__()
            self.centers = nn.Parameter(torch.linspace(-2, 2, 5))
            self.weights = nn.Parameter(torch.zeros(5))

        def forward(self, x):
            return torch.exp(-((x - self.centers) ** 2)) @ self.weights

    model = Kernel()
    x = torch.linspace(-2, 2, 20)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    return fit(watch, model, optimizer, functional.mse_loss, (x.unsqueeze(1), torch.sin(x)))


def slopes_along_a_grid_of_as_many_points(watch):
    """Each row's slope `(16, 1)` at each of 16 points `(16,)` that are made in the step: on purpose."""
    x, y = make_regression()
    lines = y * torch.linspace(0, 1, 16)

    def loss(predicted, lines):
        return ((predicted * torch.linspace(0, 1, 16) - lines) ** 2).mean()

    return fit_with(watch, loss, (x, lines))


def mixture_density(watch):
    """The target column `(N, 1)` is compared with the means `(N, K)` of the mixture."""

    def loss(predicted, y):
        logits, means, scales = predicted.chunk(3, 1)
        components = torch.distributions.Normal(means, functional.softplus(scales) + 0.1)
        return -torch.logsumexp(logits.log_softmax(1) + components.log_prob(y), 1).mean()

    return fit_with(watch, loss, make_regression(), outputs=6)


def negative_log_likelihood_below_zero(watch):
    """A loss may be negative."""

    def loss(predicted, y):
        return -torch.distributions.Normal(predicted, 0.1).log_prob(0.01 * y).mean() - 5

    return fit_with(watch, loss, make_regression())


def cross_entropy_of_logits(watch):
    return fit_with(watch, functional.cross_entropy, make_classes(), outputs=3)


def cross_entropy_module_with_label_smoothing(watch):
    return fit_with(watch, nn.CrossEntropyLoss(label_smoothing=0.1), make_classes(), outputs=3)


def cross_entropy_with_soft_targets(watch):
    """The targets are probabilities, as cross-entropy wants; the predictions are logits."""
    x, labels = make_classes()
    targets = functional.one_hot(labels, 3).float().add(0.1).softmax(1)
    return fit_with(watch, functional.cross_entropy, (x, targets), outputs=3)


def distillation(watch):
    """The teacher's softmax makes targets; the student's logits stay logits."""
    x, _ = make_classes()
    teacher = make_network(4, 3, seed=5)

    def loss(predicted, x):
        with torch.no_grad():
            target = (teacher(x) / 2).softmax(1)
        return functional.cross_entropy(predicted / 2, target)

    return fit_with(watch, loss, (x, x), outputs=3)


def log_softmax_before_cross_entropy(watch):
    """Harmless: the second log-softmax changes nothing."""
    return fit_with(watch, functional.cross_entropy, make_classes(), outputs=3, last=nn.LogSoftmax(1))


def nll_of_log_softmax(watch):
    return fit_with(watch, nn.NLLLoss(), make_classes(), outputs=3, last=nn.LogSoftmax(1))


def nll_of_log_of_softmax(watch):
    def loss(predicted, labels):
        return functional.nll_loss(torch.log(predicted.softmax(1)), labels)

    return fit_with(watch, loss, make_classes(), outputs=3)


def accuracy_from_softmax_beside_the_loss(watch):
    """Softmax for a metric, in training steps, is no softmax before the loss."""
    model = make_network(4, 3)
    x, labels = make_classes()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            logits = model(x)
            probabilities = logits.softmax(1)
            loss = functional.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item() + (probabilities.argmax(1) == labels).float().mean().item())
    return losses, [model]


def confidence_penalty(watch):
    """The entropy of the softmax of the same logits is a part of the loss."""

    def loss(logits, labels):
        probabilities = logits.softmax(1)
        entropy = -(probabilities * logits.log_softmax(1)).sum(1).mean()
        return functional.cross_entropy(logits, labels) - 0.1 * entropy

    return fit_with(watch, loss, make_classes(), outputs=3)


def make_binary():
    x, labels = make_classes(classes=2)
    return x, labels.float().unsqueeze(1)


def bce_of_sigmoid(watch):
    return fit_with(watch, nn.BCELoss(), make_binary(), last=nn.Sigmoid())


def bce_with_logits(watch):
    return fit_with(watch, nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0)), make_binary())


def focal_loss(watch):
    """Sigmoid and BCE with logits of the same logits, side by side."""

    def loss(logits, y):
        p = torch.sigmoid(logits)
        cross = functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
        return ((p - y).abs() ** 2 * cross).mean()

    return fit_with(watch, loss, make_binary())


def kl_divergence(watch):
    x, labels = make_classes()
    target = functional.one_hot(labels, 3).float() * 0.8 + 0.2 / 3
    kl = nn.KLDivLoss(reduction="batchmean")
    return fit_with(watch, lambda logits, y: kl(logits.log_softmax(1), y), (x, target), outputs=3)


def poisson_and_gaussian_likelihood(watch):
    def loss(predicted, y):
        rate, spread = predicted.chunk(2, 1)
        return functional.poisson_nll_loss(rate, y.abs()) + functional.gaussian_nll_loss(rate, y, spread.exp())

    return fit_with(watch, loss, make_regression(), outputs=2)


def triplets(watch):
    x, _ = make_classes(rows=9)

    def loss(predicted, _):
        return functional.triplet_margin_loss(predicted[0::3], predicted[3:6], predicted[6:9])

    return fit_with(watch, loss, (x, x), outputs=2)


def a_loss_that_is_already_zero(watch):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    x, _ = make_regression()
    with torch.no_grad():
        y = model(x)
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.1), data=(x, y))


def a_sum_over_outputs_without_a_target(watch):
    """Policy search: the loss is minus the mean of a differentiable score."""
    return fit_with(watch, lambda predicted, y: -torch.tanh(predicted).mean(), make_regression())


def l1_penalty_on_parameters(watch):
    model = make_network()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    losses = []
    with watch(model, optimizer):
        for _ in range(12):
            optimizer.zero_grad()
            penalty = sum(p.abs().sum() for p in model.parameters())
            loss = functional.mse_loss(model(x), y) + 1e-3 * penalty
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]
