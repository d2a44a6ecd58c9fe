"""Training data from objects in hand: a pair of arrays, a `TensorDataset`, or any dataset with an index."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from playground.core.data import Data, find_data_fault
from playground.core.problem import describe_type
from playground.errors import ComponentError

ACCEPTED = (
    "a pair (x, y) of tensors or arrays, a Data, a torch Dataset, a function that returns one of these, or a name"
)
"""What `dataset` takes, for messages."""


def is_data(value: Any) -> bool:
    """Tell whether an object is data itself, and not a function that makes data."""
    return isinstance(value, Data | Dataset | DataLoader | tuple | list)


def read_data(value: Any) -> Data:
    """Return samples as a table: inputs of shape `(samples, features)`, targets of shape `(samples, outputs)`.

    One-dimensional inputs or targets become a column. Whole numbers become float64, which holds class indices exactly.
    The tensors are copies, so that no run changes the given ones.

    :param value: a `Data`, a pair `(x, y)` of tensors, arrays or lists, or a dataset of torch whose samples are pairs.
    :raises ComponentError: it is something else, or its shapes do not fit.
    """
    if isinstance(value, Data):
        if fault := find_data_fault(value):
            raise ComponentError(f"this Data has {fault}")
        return value
    inputs, targets = _split_pair(value)
    x, y = _to_table(inputs, "x"), _to_table(targets, "y")
    names = tuple(f"x{index}" for index in range(1, x.shape[1] + 1)) if x.shape[1] > 1 else ("x",)
    data = Data(x, y, names)
    if fault := find_data_fault(data):
        raise ComponentError(f"(x, y) has {fault}")
    return data


def _split_pair(value: Any) -> tuple[Any, Any]:
    """Return inputs and targets."""
    if isinstance(value, DataLoader):
        raise ComponentError("a DataLoader makes batches; give its dataset, and batch_size=")
    if isinstance(value, IterableDataset):
        raise ComponentError(f"{describe_type(value)} has no length; give a dataset with an index")
    parts: Any = value.tensors if isinstance(value, TensorDataset) else value
    if isinstance(value, Dataset) and not isinstance(value, TensorDataset):
        parts = _stack_samples(value)
    if not isinstance(parts, tuple | list) or len(parts) != 2:
        raise ComponentError(f"expected {ACCEPTED}, got {describe_type(parts)}")
    return parts[0], parts[1]


def _stack_samples(dataset: Any) -> tuple[Tensor, Tensor]:
    """Return the samples of a dataset with an index, stacked."""
    samples = [dataset[index] for index in range(len(dataset))]
    if not samples:
        raise ComponentError("the dataset is empty; expected at least one sample")
    for index, sample in enumerate(samples):
        if not isinstance(sample, tuple | list) or len(sample) != 2:
            raise ComponentError(f"sample {index} is {describe_type(sample)}; expected a pair (x, y)")
    try:
        return tuple(torch.stack([torch.as_tensor(each[part]) for each in samples]) for part in (0, 1))  # type: ignore[return-value]
    except (RuntimeError, TypeError, ValueError) as error:
        raise ComponentError(f"its samples are not tensors or numbers of one shape ({_one_line(error)})") from error


def _to_table(value: Any, name: str) -> Tensor:
    """Return numbers as a floating-point tensor of two dimensions."""
    try:
        value = value.to_numpy() if hasattr(value, "to_numpy") else value  # a table or column of pandas or polars
        tensor = torch.as_tensor(value).detach().cpu().clone()
    except (RuntimeError, TypeError, ValueError) as error:
        raise ComponentError(f"{name} is not a tensor or an array of numbers ({_one_line(error)})") from error
    if tensor.is_complex():
        raise ComponentError(f"{name} has complex numbers; expected real ones")
    if tensor.dim() not in (1, 2):
        remedy = f", as by {name}.reshape(len({name}), -1)" if tensor.dim() > 2 else ""
        raise ComponentError(f"{name} has shape {tuple(tensor.shape)}; expected (samples, columns){remedy}")
    table = tensor if tensor.dim() == 2 else tensor.unsqueeze(1)
    return table if table.is_floating_point() else table.double()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:100]
