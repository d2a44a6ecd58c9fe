"""A module called with other tensors gives what they make of it, and keeps its own."""

import pytest
import torch
from torch import nn

from playground.core.functional import functional_call


def twice():
    layer = nn.Linear(2, 2)
    return nn.Sequential(nn.Sequential(layer, nn.Tanh()), layer)


def tied():
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    module[1].weight = module[0].weight
    return module


def buffered():
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).eval()
    module[1].running_mean.add_(1.0)
    return module


@pytest.mark.parametrize("make", [twice, tied, buffered])
def test_the_module_keeps_its_own_tensors(make):
    module, other, x = make(), make(), torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    own = {id(each) for each in (*module.parameters(), *module.buffers())}
    state = {**dict(other.named_parameters()), **dict(other.named_buffers())}
    before = module(x)
    for _ in range(2):
        torch.testing.assert_close(functional_call(module, state, (x,)), other(x), rtol=0, atol=0)
        assert {id(each) for each in (*module.parameters(), *module.buffers())} == own
        torch.testing.assert_close(module(x), before, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["0.0.weight", "1.weight"])
def test_any_name_of_a_tensor_stands_for_all_its_places(name):
    module, x = twice(), torch.ones(1, 2)
    weight = torch.zeros(2, 2)
    torch.testing.assert_close(functional_call(module, {name: weight}, (x,)), module[1].bias.expand(1, 2))
