"""One preparation for all runs of a family: dataset, model and the forward pass that tries them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from playground.plugins.manager import Plugins
from playground.runner.single.prepared import Prepared, PreparedDescent
from playground.runner.single.preparing import prepare, resume
from playground.runner.sweeping.plan import digest, seedless_spec
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from torch import Tensor


MAX_KEPT_BYTES = 16_000_000
"""The most bytes of starts that are kept for other runs with the same seeds."""

MAX_KEPT_SEEDS = 1000
"""The most seeds of such runs; a large sweep has its next seeds in its next chunk."""


class PreparedCache:
    """Keeps what was prepared last, for the next runs of the same family that have the same start.

    It keeps one preparation, because a sweep computes family after family, and a dataset may be large.

    :param plugins: which the components come from.
    """

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.kept: dict[str, Any] = {}
        """What engines keep, each under its name, for the next runs of what is prepared."""
        self._key: tuple[int, str] | None = None
        self._ready: Prepared | None = None
        self._buffers: dict[str, Tensor] = {}
        self._starts: dict[str, Mapping[str, Tensor]] = {}

    @contextmanager
    def prepare(self, loaded: Loaded, family: int) -> Iterator[Prepared]:
        """Prepare a scenario as `preparing.prepare` does, or enter again what was prepared for a run like it.

        :param family: the first point of the run's family, by index in the sweep that this cache serves.
        :raises ScenarioError: all faults that can be found together, with their places.
        """
        key = family, digest(loaded.scenario.section.get("start"))
        if self._ready is not None and key == self._key:
            with resume(self._ready):
                self._restore_buffers()
                yield replace(self._ready, loaded=loaded)
            return
        self.forget()  # before the next one is built, so that memory holds one
        with prepare(loaded, self.plugins) as ready:
            self._key, self._ready = key, ready
            self._buffers = {name: tensor.clone() for name, tensor in self._module_buffers().items()}
            yield ready

    def forget(self) -> None:
        """Drop what was prepared, because a run that raised may have left it halfway, or families get other numbers."""
        self._key, self._ready, self._buffers, self.kept = None, None, {}, {}

    def draw_starts(
        self, loaded: Loaded, seeds: Sequence[int], draw: Callable[[Sequence[int]], Mapping[str, Tensor]]
    ) -> Mapping[str, Tensor]:
        """Return initial parameters by name, `(seeds, *shape)`; nobody writes to them.

        Those that were drawn last are kept, by all of the scenario but its optimizer: several optimizers run with the
        same seeds on one problem.

        :param loaded: a scenario that starts so.
        :param draw: draws the parameters of some seeds.
        """
        if len(seeds) > MAX_KEPT_SEEDS:
            return draw(seeds)
        content = seedless_spec(loaded.scenario)
        content["components"].pop("optimizer", None)
        key = digest(loaded.source.file, content, list(seeds))
        found = self._starts.pop(key, None) or draw(seeds)
        self._starts[key] = found
        while sum(map(_count_bytes, self._starts.values())) > MAX_KEPT_BYTES:
            del self._starts[next(iter(self._starts))]
        return found

    def _module_buffers(self) -> dict[str, Tensor]:
        return dict(self._ready.problem.module.named_buffers()) if isinstance(self._ready, PreparedDescent) else {}

    def _restore_buffers(self) -> None:
        """Undo what an engine that was tried in vain may have done to running statistics."""
        import torch

        with torch.no_grad():  # a buffer may be a parameter of another name
            for name, tensor in self._module_buffers().items():
                tensor.copy_(self._buffers[name])


def _count_bytes(parameters: Mapping[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in parameters.values())
