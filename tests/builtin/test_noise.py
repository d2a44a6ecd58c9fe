import pytest
import torch

from playground.builtin import noise
from playground.errors import ComponentError
from playground.testing.datasets import DatasetContract


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class TestNormalNoise(DatasetContract):
    def dataset(self, generator):
        return noise.normal_noise(generator, dim=3)


class TestStudentNoise(DatasetContract):
    def dataset(self, generator):
        return noise.student_noise(generator, dim=3)


class TestFactorNoise(DatasetContract):
    def dataset(self, generator):
        return noise.factor_noise(generator, dim=3, terms=4)


class TestMasks(DatasetContract):
    draws = False

    def dataset(self, generator):
        return noise.masks(dim=3, terms=4, keep=2)


class TestDrift(DatasetContract):
    draws = False

    def dataset(self, generator):
        return noise.drift(dim=3)


class TestSignFlips(DatasetContract):
    draws = False

    def dataset(self, generator):
        return noise.sign_flips(dim=3, scale=0.3, hold=5)


class TestRarePush(DatasetContract):
    draws = False

    def dataset(self, generator):
        return noise.rare_push(dim=3, scale=4 / 3)


EVERY = (TestNormalNoise, TestStudentNoise, TestFactorNoise, TestMasks, TestDrift, TestSignFlips, TestRarePush)


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.__name__)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_averages_are_exact_in_any_order(case, seed):
    data = case().dataset(generator(seed))
    order = torch.randperm(len(data.inputs), generator=generator(seed))
    assert (data.inputs[order].mean(0) == 0).all()
    assert (data.targets[order].mean(0) == 1).all()


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.__name__)
def test_sequences_alone_are_ordered(case):
    assert case().dataset(generator()).ordered == (case in (TestDrift, TestSignFlips, TestRarePush))


def test_normal_noise_has_its_deviation():
    tilts = noise.normal_noise(generator(), dim=2, samples=20_000, scale=0.5).inputs
    assert tilts.std(0).tolist() == pytest.approx([0.5, 0.5], rel=0.03)


@pytest.mark.parametrize("freedom", [1.0, 1.5, 4.0])
def test_student_noise_has_the_quantiles_of_its_distribution(freedom):
    from scipy.stats import t

    tilts = noise.student_noise(generator(), dim=1, samples=100_000, scale=2.0, freedom=freedom).inputs[:50_000, 0]
    shares = torch.tensor([0.05, 0.25, 0.75, 0.95], dtype=torch.float64)
    assert tilts.quantile(shares).tolist() == pytest.approx((2 * t.ppf(shares, freedom)).tolist(), rel=0.06)


def test_factors_have_their_deviation():
    factors = noise.factor_noise(generator(), dim=1, terms=3, samples=64, deviation=0.5).targets
    assert set(factors.flatten().tolist()) == {0.5, 1.5}
    assert factors.std(0, correction=0).tolist() == pytest.approx([0.5] * 3)


def test_masks_show_neighbouring_terms():
    data = noise.masks(dim=2, terms=4, keep=2)
    assert data.targets.tolist() == [[2, 2, 0, 0], [0, 2, 2, 0], [0, 0, 2, 2], [2, 0, 0, 2]]


def test_masks_refuse_what_does_not_divide():
    with pytest.raises(ComponentError, match="expected a divisor of the 4 terms, got 3"):
        noise.masks(dim=2, terms=4, keep=3)


def test_the_rare_push_has_the_gradients_of_its_source():
    tilts = noise.rare_push(dim=1, scale=4 / 3, period=3).inputs.flatten() + 1 / 3
    assert tilts.tolist() == pytest.approx([3, -1, -1], abs=2e-6)


def test_drift_is_a_closed_curve():
    tilts = noise.drift(dim=2, period=4, scale=2.0).inputs
    turn = torch.tensor([[0.0, 0.0], [2.0, -2.0], [0.0, 0.0], [-2.0, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(tilts, turn)
