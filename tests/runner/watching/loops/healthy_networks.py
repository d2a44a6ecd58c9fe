"""Networks of many kinds."""

import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from .examples import fit, make_classes, make_network, make_regression


def fit_classes(watch, model, x, labels, rate=0.01, steps=8):
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    return fit(watch, model, optimizer, nn.functional.cross_entropy, (x, labels), steps)


def a_linear_model(watch):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.1))


def convolutions_with_batch_norm(watch):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    )
    return fit_classes(watch, model, torch.randn(6, 1, 8, 8), torch.arange(6) % 3)


def dropout_and_layer_norm(watch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    return fit_classes(watch, model, *make_classes())


def a_transformer_layer(watch):
    torch.manual_seed(0)

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.layer(x).mean(1))

    return fit_classes(watch, Encoder(), torch.randn(6, 5, 8), torch.arange(6) % 3)


def causal_attention(watch):
    torch.manual_seed(0)

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(7, 8)
            self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.Linear(8, 7)

        def forward(self, tokens):
            x = self.embed(tokens)
            mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
            return self.head(x + self.attend(x, x, x, attn_mask=mask, need_weights=False)[0])

    tokens = torch.randint(7, (3, 6))
    model = Decoder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return fit(
        watch,
        model,
        optimizer,
        lambda o, t: nn.functional.cross_entropy(o.flatten(0, 1), t.flatten()),
        (tokens, tokens.roll(-1, 1)),
    )


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cells = kind(4, 6, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.cells(x)[0][:, -1])


def an_rnn(watch):
    torch.manual_seed(0)
    return fit_classes(watch, Recurrent(nn.RNN), torch.randn(6, 5, 4), torch.arange(6) % 3)


def a_gru(watch):
    torch.manual_seed(0)
    return fit_classes(watch, Recurrent(nn.GRU), torch.randn(6, 5, 4), torch.arange(6) % 3)


def an_lstm_with_detached_state_between_chunks(watch):
    """Truncated backpropagation through time: the state is detached on purpose."""
    torch.manual_seed(0)
    cells, head = nn.LSTM(1, 4, batch_first=True), nn.Linear(4, 1)
    model = nn.ModuleList([cells, head])
    series = torch.sin(torch.arange(41) / 3).view(1, -1, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(2):
            state = None
            for begin in range(0, 40, 8):
                optimizer.zero_grad()
                hidden, state = cells(series[:, begin : begin + 8], state)
                state = tuple(each.detach() for each in state)
                loss = nn.functional.mse_loss(head(hidden), series[:, begin + 1 : begin + 9])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    return losses, [model]


def tied_weights(watch):
    torch.manual_seed(0)

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(6, 4)
            self.head = nn.Linear(4, 6)
            self.head.weight = self.embed.weight

        def forward(self, tokens):
            return self.head(torch.tanh(self.embed(tokens)))

    tokens = torch.arange(12) % 6
    return fit_classes(watch, Tied(), tokens, tokens.roll(1))


def sparse_embeddings(watch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(20, 3, sparse=True), nn.Flatten())
    optimizer = torch.optim.SparseAdam(model.parameters(), lr=0.01)
    tokens = torch.tensor([[1, 2], [3, 3], [4, 2]])
    return fit(watch, model, optimizer, nn.functional.mse_loss, (tokens, torch.ones(3, 6)))


def embeddings_of_which_a_batch_uses_a_few(watch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(50, 4, padding_idx=0), nn.Flatten(), nn.Linear(8, 2))
    return fit_classes(watch, model, torch.tensor([[1, 2], [0, 3]]), torch.tensor([0, 1]))


def a_mixture_of_experts(watch):
    """Each batch uses one expert, so the others have no gradient in that step."""
    torch.manual_seed(0)

    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.experts = nn.ModuleList(nn.Linear(3, 1) for _ in range(3))

        def forward(self, x, index):
            return self.experts[index](x)

    model = Experts()
    x, y = make_regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for step in range(12):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x, step % 3), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def stochastic_depth(watch):
    torch.manual_seed(0)
    layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
    head = nn.Linear(4, 3)
    model = nn.ModuleList([layers, head])
    x, labels = make_classes()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    with watch(model, optimizer):
        for _ in range(20):
            optimizer.zero_grad()
            hidden = x
            for layer in layers:
                if torch.rand(()) < 0.7:
                    hidden = hidden + torch.relu(layer(hidden))
            loss = nn.functional.cross_entropy(head(hidden), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def weight_norm_and_spectral_norm(watch):
    torch.manual_seed(0)
    model = nn.Sequential(
        parametrizations.weight_norm(nn.Linear(4, 8)), nn.ReLU(), parametrizations.spectral_norm(nn.Linear(8, 3))
    )
    return fit_classes(watch, model, *make_classes())


def a_learned_temperature(watch):
    torch.manual_seed(0)

    class Warm(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Linear(4, 3)
            self.log_temperature = nn.Parameter(torch.zeros(()))

        def forward(self, x):
            return self.body(x) / self.log_temperature.exp()

    return fit_classes(watch, Warm(), *make_classes())


def softmax_attention_inside(watch):
    """A softmax in the middle of a network is no softmax before the loss."""
    torch.manual_seed(0)

    class Pool(nn.Module):
        def __init__(self):
            super().__init__()
            self.score = nn.Linear(4, 1)
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head((self.score(x).softmax(1) * x).sum(1))

    return fit_classes(watch, Pool(), torch.randn(6, 5, 4), torch.arange(6) % 3)


def sigmoid_gates_inside(watch):
    torch.manual_seed(0)

    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.value, self.gate = nn.Linear(4, 1), nn.Linear(4, 1)

        def forward(self, x):
            return self.value(x) * torch.sigmoid(self.gate(x))

    model = Gated()
    x, labels = make_classes(classes=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    data = x, labels.float().unsqueeze(1)
    return fit(watch, model, optimizer, nn.functional.binary_cross_entropy_with_logits, data)


def gradient_checkpointing(watch):
    torch.manual_seed(0)

    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.1))
            self.last = nn.Linear(8, 3)

        def forward(self, x):
            return self.last(checkpoint(self.first, x, use_reentrant=False))

    return fit_classes(watch, Checkpointed(), *make_classes())


def reentrant_checkpointing(watch):
    torch.manual_seed(0)

    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.begin = nn.Linear(4, 4)
            self.first = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
            self.last = nn.Linear(8, 3)

        def forward(self, x):
            return self.last(checkpoint(self.first, self.begin(x), use_reentrant=True))

    return fit_classes(watch, Checkpointed(), *make_classes())


def a_compiled_module(watch):
    model = make_network(inputs=4, outputs=3)
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.Adam(compiled.parameters(), lr=0.01)
    result = fit(watch, compiled, optimizer, nn.functional.cross_entropy, make_classes(), 6)
    torch.compiler.reset()
    return result


def a_module_that_compiles_itself(watch):
    model = make_network(inputs=4, outputs=3)
    model.compile(backend="eager")
    result = fit_classes(watch, model, *make_classes(), steps=6)
    torch.compiler.reset()
    return result


def complex_numbers_inside(watch):
    torch.manual_seed(0)

    class Filter(nn.Module):
        def __init__(self):
            super().__init__()
            self.response = nn.Parameter(torch.randn(5, dtype=torch.complex64))

        def forward(self, x):
            return torch.fft.irfft(torch.fft.rfft(x) * self.response, n=8)

    model = Filter()
    x = torch.randn(4, 8)
    return fit(watch, model, torch.optim.Adam(model.parameters(), lr=0.05), data=(x, x.roll(1, 1)))


def a_module_with_a_buffer_and_hooks_of_its_own(watch):
    model = make_network()
    seen = []
    model.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    model[2].register_full_backward_hook(lambda module, inputs, outputs: None)
    model.register_buffer("shift", torch.zeros(1))
    result = fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert len(seen) == 12
    assert len(model._forward_hooks) == 1
    return result


def an_autoencoder_with_a_sampled_code(watch):
    torch.manual_seed(0)
    encoder, decoder = nn.Linear(4, 4), nn.Linear(2, 4)
    model = nn.ModuleList([encoder, decoder])
    x, _ = make_classes()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    with watch(model, optimizer):
        for _ in range(15):
            optimizer.zero_grad()
            mean, log_variance = encoder(x).chunk(2, 1)
            code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
            divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
            loss = nn.functional.mse_loss(decoder(code), x) + 0.01 * divergence
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [model]


def straight_through_rounding(watch):
    """The detached difference is the estimator, not a cut graph."""
    torch.manual_seed(0)

    class Rounded(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 3)

        def forward(self, x):
            hidden = self.first(x)
            return self.last(hidden + (hidden.round() - hidden).detach())

    return fit_classes(watch, Rounded(), *make_classes())


def relu_units_of_which_some_are_dead(watch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        model[0].bias[:2] = -100
    return fit_classes(watch, model, *make_classes())


def an_infinite_derivative_that_a_mask_stops(watch):
    """The root has an infinite derivative at 0, but ReLU passes nothing on there, so all gradients are finite."""

    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.linear = nn.Linear(3, 1)

        def forward(self, x):
            return torch.sqrt(torch.relu(self.linear(x)))

    model = Root()
    return fit(watch, model, torch.optim.SGD(model.parameters(), lr=0.01))
