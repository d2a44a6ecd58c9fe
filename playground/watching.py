"""`playground.watch`: records, diagnoses and explains a training loop that is not ours."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from playground.errors import Fault, PlaygroundError
from playground.figures.numbers import format_short
from playground.plugins.manager import Plugins
from playground.report.explanation.explained import ExplainedStep
from playground.result import Diagnosis

if TYPE_CHECKING:
    import torch
    from torch import nn

    from playground.core.watching.loop_evidence import LoopEvidence
    from playground.runner.watching.watched_run import WatchedRun


@dataclass(frozen=True)
class WatchedTrace:
    """What a watched loop showed at its steps.

    :param loss: of each step of an optimizer, in order: what `backward` was called on, summed if it was called several
        times; NaN for a step without `backward`.
    :param gradient_norm: the Euclidean norm of the gradient that a step used, at the steps that were examined closely.
    """

    loss: list[float]
    gradient_norm: dict[int, float]


class ChosenSteps(Container[int]):
    """The steps that are kept by default: the first four, then those at 5, 10, 20, 50, 100 and so on."""

    def __contains__(self, step: object) -> bool:
        """Tell whether a step is kept."""
        if not isinstance(step, int) or step < 0:
            return False
        digits = str(step)
        return step < 4 or (digits[0] in "125" and not digits[1:].strip("0"))


class Watched:
    """A training loop that is being watched, or was; see `watch`."""

    def __init__(self, evidence: LoopEvidence, chosen: Container[int], plugins: Sequence[str] | Plugins) -> None:
        from playground.core.watching.watcher import LoopWatcher

        self._evidence = evidence
        self._watcher = LoopWatcher(evidence, chosen)
        self._plugins = plugins
        self._found: tuple[int, tuple[Diagnosis, ...]] | None = None

    def __enter__(self) -> Self:
        """Begin to watch."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End watching; an exception passes."""
        self._evidence.exception = error
        self.stop()

    def start(self) -> Self:
        """Begin to watch; for loops that do not fit into a `with` block, such as the cells of a notebook."""
        self._watcher.start()
        return self

    def stop(self) -> None:
        """End watching, and leave neither hooks nor references behind."""
        self._watcher.stop()

    @property
    def trace(self) -> WatchedTrace:
        """The losses and gradient norms so far."""
        self._watcher.read_losses()
        return WatchedTrace(list(self._evidence.losses), dict(self._evidence.gradient_norms))

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps that `explain` can explain."""
        return tuple(each.step for each in self._evidence.replays if not each.fault)

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """The certain mistakes so far, sorted by name; each with its line, one sentence and one remedy."""
        from playground.runner.watching.diagnosing_loops import diagnose_loop

        seen = self._watcher.events
        if self._found is None or self._found[0] != seen:
            self._watcher.read_losses()
            self._found = (seen, diagnose_loop(self._evidence, self._load_plugins()))
        return self._found[1]

    def explain(self, step: int, *, sample: int | None = None, digits: int = 4) -> ExplainedStep:
        """Explain a kept step: forward, backward and update with its numbers, and why.

        :param step: counted from 0.
        :param sample: the sample of the step's data whose arithmetic is written out.
        :param digits: decimals in written-out arithmetic.
        :returns: the explanation; a notebook displays its page.
        :raises PlaygroundError: the step was not made, was not kept, or cannot be repeated.
        """
        from playground.runner.watching.explaining_loops import explain_loop_step

        return ExplainedStep(explain_loop_step(self._evidence, self._load_plugins(), step, sample, digits))

    @property
    def result(self) -> WatchedRun:
        """The loop as the record of a run, without explanations."""
        from playground.runner.watching.watched_run import describe_loop

        return describe_loop(self._evidence, self.diagnoses, limits=self.limits)

    def html(self, path: str | Path) -> None:
        """Write a page: diagnoses, losses, and the kept steps explained.

        :raises PlaygroundError: the page cannot be written, or jinja2 or plotly is not installed.
        """
        from playground.report.html.reporter import Html
        from playground.report.writing import write_whole
        from playground.result import Batch
        from playground.runner.watching.explaining_loops import explain_kept_steps
        from playground.runner.watching.watched_run import describe_loop

        write_page = Html()
        steps = list(explain_kept_steps(self._evidence, self._load_plugins()))
        run = describe_loop(self._evidence, self.diagnoses, steps, self.limits)
        write_whole(Path(path), lambda beside: write_page(Batch((run,)), beside))

    def text(self) -> str:
        """Return the steps, the losses, each diagnosis with its remedy, and what could not be seen."""
        result = self.result
        loss = f", loss {format_short(result.loss.first)} → {format_short(result.loss.last)}" if result.loss else ""
        lines = [f"{result.scenario}: {'; '.join(result.ending)}{loss}"]
        for each in result.diagnoses:
            lines += [str(each), f"    {each.remedy}"]
        return "\n".join([*lines, *result.warnings])

    def __repr__(self) -> str:
        """Return what `text` returns."""
        return self.text()

    def _repr_html_(self) -> str:
        """Return it as HTML, for a notebook."""
        return self.result._repr_html_()

    @property
    def limits(self) -> tuple[str, ...]:
        """What could not be seen, one sentence each."""
        return tuple(self._list_limits())

    def _list_limits(self) -> Iterator[str]:
        from playground.core.watching.step_recording import is_compiled

        if self._watcher.failure:
            yield self._watcher.failure
        if is_compiled(self._evidence.model):
            yield "torch.compile runs the model: its calls cannot be seen, so no step can be explained"
        elif self._watcher.stopped and not self._evidence.losses and not self._watcher.failure:
            yield "no step was seen: `step()` of a watched optimizer was not called in this thread"
        faults = {each.step: each.fault for each in self._evidence.replays if each.fault} | self._evidence.unrepeatable
        made = len(self._evidence.losses)
        if self._evidence.unseen_losses:
            count = f"{self._evidence.unseen_losses} of {made} steps"
            yield f"the loss of {count} is not known: no call of `backward` computed their gradients"
        reasons: dict[str, list[int]] = {}
        for step, why in sorted(faults.items()):
            if step < made:
                reasons.setdefault(why, []).append(step)
        for why, steps in reasons.items():
            which = f"step {steps[0]}" if len(steps) == 1 else f"steps {', '.join(map(str, steps))}"
            yield f"{which} cannot be explained: {why}"

    def _load_plugins(self) -> Plugins:
        from playground.api import load_requested_plugins

        if not isinstance(self._plugins, Plugins):
            self._plugins = load_requested_plugins(self._plugins)
        return self._plugins


def watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | Iterable[torch.optim.Optimizer],
    *,
    accumulate: int = 1,
    steps: Container[int] | None = None,
    plugins: Sequence[str] | Plugins = (),
) -> Watched:
    """Watch a training loop that is not ours, without changing it.

    ::

        with playground.watch(model, optimizer) as watched:
            for x, y in loader:
                ...
        watched.diagnoses, watched.trace.loss, watched.explain(step=3)

    :param model: the module that is trained.
    :param optimizer: of its parameters; or several.
    :param accumulate: how many calls of `backward` each step should follow, for a check; 1 checks nothing.
    :param steps: the steps to keep for `explain`, counted from 0; by default the first four, then 5, 10, 20, 50 and so
        on. A kept step takes several times as long as another.
    :param plugins: files or names of plugins with further loop diagnoses, as for `run`.
    :returns: what was seen; usable during the loop and after it.
    :raises PlaygroundError: an argument is not a module or an optimizer.
    """
    from torch import nn as modules
    from torch import optim

    from playground.core.watching.loop_evidence import LoopEvidence, OptimizerEvidence

    optimizers: list[Any] = [optimizer] if isinstance(optimizer, optim.Optimizer) else _list(optimizer)
    if not isinstance(model, modules.Module):
        raise PlaygroundError(Fault(f"watch(): model: expected an nn.Module, got {_describe(model)}"))
    for each in optimizers:
        if not isinstance(each, optim.Optimizer):
            message = f"watch(): optimizer: expected a torch.optim.Optimizer, or several, got {_describe(each)}"
            raise PlaygroundError(Fault(message))
    if not optimizers:
        raise PlaygroundError(Fault("watch(): optimizer: expected at least one torch.optim.Optimizer, got none"))
    if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
        raise PlaygroundError(Fault(f"watch(): accumulate: expected a whole number from 1, got {accumulate!r}"))
    chosen: Any = ChosenSteps() if steps is None else steps
    numbers = chosen if isinstance(chosen, list | tuple | set | frozenset) else ()
    if not isinstance(chosen, Container) or isinstance(chosen, str) or not all(map(_is_step, numbers)):
        raise PlaygroundError(Fault(f"watch(): steps: expected numbers of steps, such as range(10), got {steps!r}"))
    evidence = LoopEvidence(model, [OptimizerEvidence(each) for each in dict.fromkeys(optimizers)], accumulate)
    return Watched(evidence, chosen, plugins)


def _describe(given: Any) -> str:
    """Describe something that is not what was expected, with the fix where it is plain."""
    if isinstance(given, type):
        return f"the class {given.__name__}; pass an instance"
    kind = type(given).__name__
    return f"{kind}; pass its optimizer, scheduler.optimizer" if hasattr(given, "optimizer") else kind


def _is_step(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _list(given: Any) -> list[Any]:
    return list(given) if isinstance(given, Iterable) else [given]
