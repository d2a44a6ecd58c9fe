import hashlib

import pytest
import torch

from playground.builtin import real_data
from playground.errors import PlaygroundError
from playground.testing.datasets import DatasetContract

SHAPES = {
    real_data.iris: ([50, 50, 50], 4),
    real_data.wine: ([59, 71, 48], 13),
    real_data.breast_cancer: ([212, 357], 10),
    real_data.digits: ([178, 182, 177, 183, 181, 182, 181, 179, 174, 180], 16),
}
every = pytest.mark.parametrize("dataset", SHAPES, ids=lambda dataset: dataset.__name__)


class TestIris(DatasetContract):
    draws = False

    def dataset(self, generator):
        return real_data.iris()


class TestWine(DatasetContract):
    draws = False

    def dataset(self, generator):
        return real_data.wine(target="alcohol")


@every
def test_numbers_of_samples(dataset):
    data, (counts, features) = dataset(), SHAPES[dataset]
    assert data.targets.flatten().long().bincount().tolist() == counts
    assert data.inputs.shape == (sum(counts), features)
    assert data.classes == len(counts)


@every
def test_features_are_standardized(dataset):
    inputs = dataset().inputs
    torch.testing.assert_close(inputs.mean(0), torch.zeros_like(inputs[0]), rtol=0, atol=1e-12)
    torch.testing.assert_close(inputs.square().mean(0), torch.ones_like(inputs[0]))


def test_known_means():
    iris = real_data.iris(standardize=False).inputs
    assert iris.mean(0).tolist() == pytest.approx([5.843333, 3.057333, 3.758, 1.199333], abs=1e-6)
    cancer = real_data.breast_cancer(standardize=False).inputs
    assert cancer.mean(0)[:3].tolist() == pytest.approx([14.127292, 19.289649, 91.969033], abs=1e-6)
    wine = real_data.wine(standardize=False).inputs
    assert wine[:, [0, -1]].mean(0).tolist() == pytest.approx([13.000618, 746.893258], abs=1e-6)


def test_a_quantity_as_the_target():
    data = real_data.iris(target="petal_width", standardize=False)
    assert data.names == ("sepal_length", "sepal_width", "petal_length")
    assert data.classes is None
    assert data.targets.mean().item() == pytest.approx(1.199333, abs=1e-6)
    assert real_data.iris(target="petal_width").targets.square().mean().item() == pytest.approx(1)


def test_some_features_classes_and_samples():
    data = real_data.digits(classes=[8, 3], features=["block2", "block1"], samples=20, standardize=False)
    assert data.names == ("block2", "block1")
    assert data.targets.flatten().tolist() == [0.0] * 10 + [1.0] * 10
    eights = real_data.digits(standardize=False).inputs[(real_data.digits().targets == 8).flatten()]
    assert torch.equal(data.inputs[0], eights[0][[2, 1]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": [0, 3]}, "expected a class from 0 to 2, got 3"),
        ({"classes": [1]}, "expected two or more different classes"),
        ({"classes": [1, 1]}, "expected two or more different classes"),
        ({"samples": 151}, "expected at most 150 samples, got 151"),
        ({"target": "petal"}, "no column 'petal'"),
        ({"features": ["sepal_lenght"]}, "did you mean 'sepal_length'"),
    ],
    ids=["class", "one-class", "twice", "samples", "target", "feature"],
)
def test_faults(options, message):
    with pytest.raises(PlaygroundError, match=message):
        real_data.iris(**options)


def test_tables_are_small_and_unchanged():
    files = sorted(real_data.FOLDER.glob("*.csv"))
    assert sum(file.stat().st_size for file in files) < 300_000
    digests = {file.stem: hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}
    assert digests == DIGESTS


DIGESTS = {
    "breast_cancer": "3493b8dd9a804082",
    "digits": "3474638abeb40b57",
    "iris": "0ec5376d012b0ebf",
    "wine": "f31eca90e60d109d",
}
"""The targets of the suite are measured on these numbers."""
