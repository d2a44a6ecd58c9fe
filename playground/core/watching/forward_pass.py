"""The last call of the watched model, kept until the step is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from playground.core.user_frames import CodePlace


@dataclass(slots=True)
class ForwardPass:
    """The last call of the model.

    :param place: the line of the program, if gradients were disabled.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any
    training: bool
    grad_enabled: bool
    place: CodePlace | None = None

    @property
    def mode(self) -> tuple[bool, bool]:
        """Whether the model was in training mode, and whether gradients were enabled."""
        return self.training, self.grad_enabled

    def inputs(self) -> list[Tensor]:
        """Return its tensors."""
        return list(find_tensors((self.args, self.kwargs)))

    def prediction(self) -> Tensor | None:
        """Return its output if that is one tensor."""
        return self.output if isinstance(self.output, Tensor) else None


def find_tensors(item: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested arguments."""
    if isinstance(item, Tensor):
        yield item
    elif isinstance(item, tuple | list):
        for each in item:
            yield from find_tensors(each)
    elif isinstance(item, dict):
        yield from find_tensors(tuple(item.values()))
