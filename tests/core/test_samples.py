"""Data from objects in hand."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from playground.core.data import Data
from playground.core.samples import is_data, read_data
from playground.errors import ComponentError

X, Y = torch.arange(6.0).reshape(3, 2), torch.tensor([0, 1, 1])


class Indexed(Dataset):
    def __init__(self, *samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


class Endless(IterableDataset):
    def __iter__(self):
        yield 1


@pytest.mark.parametrize(
    ("value", "inputs", "targets"),
    [
        ((X, Y), (3, 2), torch.float64),
        ([X.numpy(), Y.numpy()], (3, 2), torch.float64),
        ((X.tolist(), [0.0, 1.0, 1.0]), (3, 2), torch.float32),
        ((X[:, 0], Y), (3, 1), torch.float64),
        ((np.arange(3), Y), (3, 1), torch.float64),
        ((X, Y.bool()), (3, 2), torch.float64),
        ((X, Y.unsqueeze(1).half()), (3, 2), torch.float16),
        (TensorDataset(X, Y), (3, 2), torch.float64),
        (Indexed(*zip(X, Y, strict=True)), (3, 2), torch.float64),
        (Indexed((1.0, 2), (2.0, 3)), (2, 1), torch.float64),
    ],
)
def test_forms(value, inputs, targets):
    assert is_data(value)
    data = read_data(value)
    assert (tuple(data.inputs.shape), tuple(data.targets.shape)) == (inputs, (inputs[0], 1))
    assert data.targets.dtype == targets
    assert len(data.names) == inputs[1]


def test_tensors_are_copies_without_a_graph():
    x = X.clone().requires_grad_()
    data = read_data((x, Y))
    assert not data.inputs.requires_grad
    data.inputs.zero_()
    assert torch.equal(x, X)


def test_data_pass_unchanged():
    data = Data(X, Y.unsqueeze(1).double(), ("a", "b"), classes=2)
    assert read_data(data) is data


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((X,), r"expected a pair \(x, y\) of tensors or arrays, .*, got a tuple of 1"),
        (TensorDataset(X), r"expected a pair .*, got a tuple of 1"),
        (DataLoader(TensorDataset(X, Y)), "a DataLoader makes batches; give its dataset, and batch_size="),
        (Endless(), r".*Endless has no length; give a dataset with an index"),
        (Indexed(1, 2), r"sample 0 is a int; expected a pair \(x, y\)"),
        (Indexed((X[0], 1), (X[:, 0], 1)), r"its samples are not tensors or numbers of one shape \(.*\)"),
        ((X, torch.tensor(1)), r"y has shape \(\); expected \(samples, columns\)"),
        ((X.reshape(3, 1, 2), Y), r"x has shape .*; expected \(samples, columns\), as by x.reshape\(len\(x\), -1\)"),
        ((X, torch.ones(3, dtype=torch.complex64)), "y has complex numbers; expected real ones"),
        (([["a"]], Y), r"x is not a tensor or an array of numbers \(.*\)"),
        (([], []), r"\(x, y\) has inputs of shape \(0, 1\); expected at least one sample and one column"),
        ((X[:0], Y[:0]), r"\(x, y\) has inputs of shape \(0, 2\); expected at least one sample and one column"),
        ((X[:, :0], Y), r"\(x, y\) has inputs of shape \(3, 0\); expected at least one sample and one column"),
        (TensorDataset(X[:0], Y[:0]), r"\(x, y\) has inputs of shape \(0, 2\); expected at least one sample .*"),
        (Indexed(), "the dataset is empty; expected at least one sample"),
        ((X, Y[:2]), r"\(x, y\) has 3 rows of inputs, but 2 of targets"),
        ((X / 0, Y), r"\(x, y\) has inputs with 6 numbers that are not finite"),
        (Data(X, Y, ("a", "b")), r"this Data has targets of shape \(3,\); expected \(samples, columns\)"),
    ],
)
def test_what_is_no_data(value, message):
    with pytest.raises(ComponentError, match=f"^{message}$") as error:
        read_data(value)
    assert "\n" not in str(error.value)
