"""What a watched loop showed: the facts that loop diagnoses read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from playground.core.nonfinite import NonfiniteSource
from playground.core.problem import HiddenParameters, find_hidden_parameters
from playground.core.user_frames import CodePlace
from playground.core.watching.replayed_step import ReplayedStep


@dataclass
class OptimizerEvidence:
    """What was seen of one optimizer.

    :ivar steps: its steps.
    :ivar attentive: how many of them were watched closely; the next four count among these.
    :ivar empty: steps for which no parameter had a gradient, or only zeros while none was computed since the last step.
    :ivar leftover: steps that used a gradient that had been used before, to which `backward` had added.
    :ivar left: the ids of the parameters of such gradients.
    :ivar counts: steps by the number of calls of `backward` that their gradient came from.
    :ivar orders: what happened between two steps: b for `backward`, z for `zero_grad`; by order.
    :ivar versions: of its parameters when watching began; torch counts changes in place.
    :ivar first_rates: the learning rate of each group when watching began.
    :ivar places: the line of the first event by name: `step`, `empty`, `leftover`, `zero_grad`.
    """

    optimizer: torch.optim.Optimizer
    steps: int = 0
    attentive: int = 0
    empty: int = 0
    leftover: int = 0
    left: set[int] = field(default_factory=set)
    counts: Counter[int] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    places: dict[str, CodePlace] = field(default_factory=dict)
    versions: list[int] = field(default_factory=list)
    first_rates: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.versions = [each._version for each in self.parameters()]
        rates = (group.get("lr") for group in self.optimizer.param_groups)
        self.first_rates = [None if rate is None else float(rate) for rate in rates]

    @property
    def has_moved(self) -> bool:
        """Whether it has changed a parameter."""
        return [each._version for each in self.parameters()] != self.versions

    @property
    def name(self) -> str:
        """The name of its class."""
        return type(self.optimizer).__name__

    def parameters(self) -> Iterator[Tensor]:
        """Yield its parameters."""
        for group in self.optimizer.param_groups:
            yield from group["params"]


@dataclass(frozen=True)
class CutLoss:
    """A call of `backward` on a loss from which no gradient can flow.

    :param raised: whether torch refused it; it does not if the loss is itself marked as requiring a gradient.
    :param place: the line of the cut if it is known, else of `backward`.
    :param without_gradients: whether the last forward pass of the model was made without gradients.
    :param call: the name of the call at which the graph ends; empty if the step was not recorded.
    """

    raised: bool
    place: CodePlace | None
    without_gradients: bool = False
    call: str = ""


@dataclass(frozen=True)
class ParameterCut:
    """How a recorded step used a parameter that got no gradient.

    :param used: whether any call used it.
    :param call: the name of the call behind which nothing depends on it; empty if there is none.
    :param without_gradients: whether that call was made with gradients disabled.
    """

    used: bool
    call: str = ""
    without_gradients: bool = False
    place: CodePlace | None = None


@dataclass(frozen=True)
class FirstNonfinite:
    """The first number of the loop that was not finite.

    :param step: counted from 0.
    :param what: `loss`, `gradient`, `parameters` or `input`, for one of the model's inputs.
    :param value: of the loss; NaN for others.
    :param source: the operation in the model; None if the model's output was finite, or cannot be computed again.
    :param outside: whether the model's output was finite, so that the loss function made it.
    :param name: of the parameter, if `what` is `parameters`.
    """

    step: int
    what: str
    value: float
    source: NonfiniteSource | None
    outside: bool
    name: str
    place: CodePlace | None


@dataclass
class LoopEvidence:
    """What a watched loop showed so far.

    :ivar accumulate: how many calls of `backward` the user declared for each step.
    :ivar losses: the loss of each step, in order of the steps of all optimizers.
    :ivar unseen_losses: steps whose loss is not known, because `backward` was not called.
    :ivar backward_calls: calls of `backward` in all, whatever they reached.
    :ivar gradient_norms: the norm of the gradient that a step used, by step.
    :ivar replays: the steps that can be repeated, in order.
    :ivar unrepeatable: why some chosen steps cannot be, by step.
    :ivar versions: of each parameter when watching began, by name.
    :ivar hidden: parameters that PyTorch does not know of: the class that hides them, and their versions.
    :ivar cuts: for parameters without a gradient in a recorded step: how their values were used.
    :ivar with_gradient: names of parameters that had a gradient at some step.
    :ivar modes: the mode of the model (training, gradients enabled) at each forward pass that `backward` followed: the
        number of passes in a row.
    :ivar mode_places: the line of the first forward pass in each mode.
    :ivar reached: whether any call of `backward` reached a watched optimizer.
    :ivar cut_losses: calls of `backward` from which no gradient flows.
    :ivar unreached: calls of `backward` that reached no watched optimizer, before the first that did.
    :ivar early_schedulers: classes of schedulers whose first step came before the optimizer's, with the line.
    :ivar nonfinite: None while everything is finite.
    :ivar scaled: whether an AMP scaler was seen, which skips steps that are not finite.
    :ivar scaled_steps: steps that used gradients still multiplied by AMP's scaler, with the factor.
    :ivar exception: what ended the `with` block.
    :ivar seconds: wall time while it was watched.
    """

    model: nn.Module
    optimizers: list[OptimizerEvidence]
    accumulate: int = 1
    losses: list[float] = field(default_factory=list)
    unseen_losses: int = 0
    backward_calls: int = 0
    gradient_norms: dict[int, float] = field(default_factory=dict)
    replays: list[ReplayedStep] = field(default_factory=list)
    unrepeatable: dict[int, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    hidden: list[tuple[str, HiddenParameters, list[int]]] = field(default_factory=list)
    cuts: dict[str, ParameterCut] = field(default_factory=dict)
    with_gradient: set[str] = field(default_factory=set)
    modes: list[list[Any]] = field(default_factory=list)
    mode_places: dict[tuple[bool, bool], CodePlace] = field(default_factory=dict)
    reached: bool = False
    cut_losses: list[CutLoss] = field(default_factory=list)
    unreached: list[CutLoss] = field(default_factory=list)
    early_schedulers: dict[str, CodePlace | None] = field(default_factory=dict)
    nonfinite: FirstNonfinite | None = None
    scaled: bool = False
    scaled_steps: dict[int, float] = field(default_factory=dict)
    exception: BaseException | None = None
    seconds: float = 0.0

    @property
    def steps(self) -> int:
        """The steps of all optimizers."""
        return sum(each.steps for each in self.optimizers)

    @cached_property
    def names(self) -> dict[int, str]:
        """The name of each parameter of the model by its id."""
        return {id(tensor): name for name, tensor in self.model.named_parameters()}

    def __post_init__(self) -> None:
        self.versions = {name: each._version for name, each in self.model.named_parameters()}
        self.hidden = [
            (type(each).__name__, found, [tensor._version for tensor in found.tensors])
            for each in self.model.modules()
            for found in find_hidden_parameters(each)
        ]

    def optimized(self) -> set[int]:
        """Return the ids of the parameters of all watched optimizers."""
        return {id(tensor) for each in self.optimizers for tensor in each.parameters()}

    def trusted(self) -> Iterator[ReplayedStep]:
        """Yield the steps whose replay gives the loop's own loss."""
        return (each for each in self.replays if not each.fault)


@dataclass(frozen=True)
class LoopFinding:
    """What a loop diagnosis found.

    :param sentence: the finding, with the loop's own numbers.
    :param place: the line of the user's program; None if it is not known.
    :param remedy: the fix for this finding; empty for the diagnosis's own.
    """

    sentence: str
    place: CodePlace | None = None
    remedy: str = ""


@dataclass(frozen=True)
class LoopDiagnoser:
    """A mistake in a training loop, with a name.

    :param find: returns what shows the mistake, or None if there is any doubt.
    :param remedy: the fix, in one sentence.
    :param level: 0 for root causes, higher for mistakes that may be effects of others. If a mistake is found, higher
        levels are skipped. None is always checked and hides nothing.
    """

    find: Callable[[LoopEvidence], LoopFinding | None]
    remedy: str
    level: int | None = 0
