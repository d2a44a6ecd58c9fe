import math

import pytest
import torch

from playground.builtin import sequences
from playground.errors import ComponentError
from playground.testing.datasets import DatasetContract

DOUBLE = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class TestEcho(DatasetContract):
    def dataset(self, generator):
        return sequences.echo(generator)


class TestReversal(DatasetContract):
    def dataset(self, generator):
        return sequences.reversal(generator)


def test_the_recurrent_network_is_that_of_torch():
    torch.manual_seed(0)
    ours = sequences.RecurrentNetwork(5, 2, hidden=3).to(DOUBLE)
    theirs = torch.nn.RNN(1, 3, batch_first=True, dtype=DOUBLE)
    with torch.no_grad():
        theirs.weight_hh_l0.copy_(ours.recurrent)
        theirs.weight_ih_l0.copy_(ours.input[:, None])
        theirs.bias_hh_l0.copy_(ours.bias)
        theirs.bias_ih_l0.zero_()
    x = torch.randn(7, 5, dtype=DOUBLE)
    torch.testing.assert_close(ours(x), ours.output(theirs(x[..., None])[1][0]))


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    ours = sequences.Attention(5, 2, size=3).to(DOUBLE)
    x = torch.randn(7, 5, dtype=DOUBLE)
    keys = ours.position + x[..., None] * ours.key
    theirs = torch.nn.functional.scaled_dot_product_attention(ours.query.expand(7, 2, 3), keys, x[..., None])
    torch.testing.assert_close(ours(x), theirs[..., 0])


def test_attention_can_copy_a_blurred_sequence_backwards():
    data = sequences.reversal(generator(), length=3, blur=0.3)
    model = sequences.Attention(3, 3, size=3).to(DOUBLE)
    with torch.no_grad():
        model.query.copy_(torch.eye(3).flip(1) * math.log(8) * math.sqrt(3))  # weights 0.8, 0.1 and 0.1
        model.position.copy_(torch.eye(3))
        model.key.zero_()
    torch.testing.assert_close(model(data.inputs), data.targets)


@pytest.mark.parametrize("delay", [0, 2, 4])
def test_the_echo_is_the_number_before(delay):
    data = sequences.echo(generator(), samples=20, length=5, delay=delay)
    assert data.inputs.abs().eq(1).all()
    assert torch.equal(data.targets[:, 0], data.inputs[:, 4 - delay])


def test_an_echo_of_a_number_before_the_first():
    with pytest.raises(ComponentError, match="expected a delay below the length 5, got 5"):
        sequences.echo(generator(), length=5, delay=5)
