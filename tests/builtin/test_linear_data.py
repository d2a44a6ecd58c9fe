import pytest
import torch

from playground.builtin import linear_data
from playground.testing.datasets import DatasetContract


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class TestHalfspaces(DatasetContract):
    def dataset(self, generator):
        return linear_data.halfspaces(generator)


class TestLinearResponse(DatasetContract):
    def dataset(self, generator):
        return linear_data.linear_response(generator)


def signed_sum(inputs):
    return inputs[:, ::2].sum(1) - inputs[:, 1::2].sum(1)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_first_labels_are_wrong(share):
    data = linear_data.halfspaces(generator(), samples=40, dim=3, flipped=share)
    wrong = (signed_sum(data.inputs) > 0).double() != data.targets[:, 0]
    assert wrong.tolist() == [i < round(40 * share) for i in range(40)]


@pytest.mark.parametrize("dataset", [linear_data.halfspaces, linear_data.linear_response])
def test_condition_is_the_ratio_of_variances(dataset):
    plain, scaled = (dataset(generator(), samples=9, dim=3, condition=each) for each in (1.0, 100.0))
    assert (scaled.inputs / plain.inputs).mean(0).tolist() == pytest.approx([1, 10**-0.5, 0.1])
    assert torch.equal(scaled.targets, plain.targets)


@pytest.mark.parametrize("dataset", [linear_data.halfspaces, linear_data.linear_response])
def test_zipf_is_the_exponent_of_frequencies(dataset):
    inputs = dataset(generator(), samples=20_000, dim=4, zipf=1.0).inputs
    assert (inputs != 0).double().mean(0).tolist() == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4], rel=0.05)


def test_response_noise_and_outliers():
    data = linear_data.linear_response(generator(), samples=20_000, dim=3, noise=0.1, outliers=0.5)
    rest = data.targets[:, 0] - signed_sum(data.inputs)
    assert rest[:10_000].std().item() == pytest.approx(10, rel=0.05)
    assert rest[10_000:].std().item() == pytest.approx(0.1, rel=0.05)
