"""Writes the training loop of one run: batches, backward pass, clipping, stop rules and update.

The loop repeats, line by line, what `core/steppers.py`, `core/problem.py`, `core/gradients.py` and `core/stopping.py`
do. A change there needs the same change here; the tests compare every loss of run and program to the bit.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from playground.core.listing import Cell, Listing
from playground.core.update import UpdateRule
from playground.runner.ejecting.definitions import Definitions
from playground.runner.ejecting.literals import literal
from playground.runner.ejecting.rules import add_rule_class
from playground.runner.ejecting.writer import ComponentWriter, refuse_unwritable
from playground.runner.single.measuring import stop_rules
from playground.runner.single.prepared import PreparedDescent

if TYPE_CHECKING:
    from playground.plugins.registry import Registry

LOSS_STATEMENTS = ("value = loss.item()", "losses.append(value)")
"""Statements that follow each evaluation of the loss."""

GRADIENT_NORM_CODE = "torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()"


class DescentWriter:
    """Writes the descent of one prepared scenario.

    :param listing: the cells, data and loss that the task wrote.
    """

    def __init__(
        self,
        ready: PreparedDescent,
        listing: Listing,
        writer: ComponentWriter,
        definitions: Definitions,
        registry: Registry,
    ) -> None:
        self._ready, self._listing, self._writer, self._definitions = ready, listing, writer, definitions
        self._scenario = ready.loaded.scenario
        self._registry = registry
        self._rule = isinstance(ready.bound.optimizer, UpdateRule)
        stepper: Any = ready.stepper
        self._torch_optimizer = None if self._rule else stepper.optimizer
        self._stop = stop_rules(ready)
        self._clip = self._scenario.clip
        self._batched = self._scenario.batch_size is not None

    def cells(self) -> list[Cell]:
        """Return the cells of optimizer, schedule and loop; none for a scenario of zero steps."""
        if self._scenario.steps == 0:
            return []
        cells = [Cell("The parameters and the optimizer", self._optimizer())]
        if self._ready.bound.schedule is not None:
            definitions, expression = self._writer.component("schedule", f"steps={self._scenario.steps}")
            cells.append(
                Cell("The schedule: a factor on the learning rate", f"{definitions}\n\n\nschedule = {expression}")
            )
        if self._batched and not self._ready.problem.batches.ordered:
            from playground.core import seeding

            self._definitions.refer(seeding.make_generator, "batches", {})
            cells.append(Cell("Mini-batches: the seed of each pass through the data", self._definitions.take()))
        cells.append(Cell("Gradient descent", self._loop()))
        return cells

    def _reached(self) -> list[int]:
        """Return the positions of the parameters that the loss depends on; the others never move.

        `torch.autograd.grad` in the program has no `allow_unused`, so it must get these alone.
        """
        import torch

        stepper, problem = self._ready.stepper, self._ready.problem
        loss = problem.loss(problem.module, problem.batches.at(0))
        found = torch.autograd.grad(loss, stepper.parameters, allow_unused=True)
        return [position for position, gradient in enumerate(found) if gradient is not None]

    def _optimizer(self) -> str:
        lines = [f"parameters = {self._listing.parameters}"]
        if len(reached := self._reached()) < len(self._ready.stepper.parameters):
            lines.append(f"parameters = [parameters[i] for i in {reached}]  # the loss does not depend on the others")
        component = self._registry.get("optimizer", self._scenario.components["optimizer"].name)
        if self._rule:
            with refuse_unwritable("optimizer", component):
                name = add_rule_class(self._ready.bound.optimizer, self._definitions)
                definitions = self._definitions.take()
            lines += [f"rule = {name}()", "states = [rule.init(parameter.detach()) for parameter in parameters]"]
        else:
            definitions, expression = self._writer.component("optimizer", "parameters")
            lines.append(f"optimizer = {expression}")
            lines += ["optimizer.train()"] if callable(getattr(self._torch_optimizer, "train", None)) else []
            if self._ready.bound.schedule is not None:
                lines.append('rates = [group["lr"] for group in optimizer.param_groups]')
        return "\n\n\n".join(part for part in (definitions, "\n".join(lines)) if part)

    def _loop(self) -> str:
        lines = ["losses = []"]
        if self._listing.module:
            lines.append(f"{self._listing.module}.train()")
        lines += ["torch.set_flush_denormal(True)  # numbers too small for full precision are zero"]
        lines += [f"for step in range({self._scenario.steps}):"]
        lines += [
            f"    {line}"
            for line in (*self._batch(), *self._evaluation(), *LOSS_STATEMENTS, *self._stopping(), *self._update())
        ]
        return "\n".join(lines)

    def _batch(self) -> list[str]:
        """Return the lines that choose the samples of a step; none for full batches."""
        if not self._batched:
            return []
        batches: Any = self._ready.stepper.problem.batches
        first, size = self._listing.data[0], self._scenario.batch_size
        device = "" if self._ready.setting.device.type == "cpu" else f".to({first}.device)"
        seed = self._ready.setting.seed
        if batches.ordered:
            return [
                f"position = step % {batches.per_epoch}",
                f"chosen = slice(position * {size}, (position + 1) * {size})",
            ]
        return [
            f"epoch, position = divmod(step, {batches.per_epoch})",
            "if position == 0:  # a new order for each pass through the data",
            f'    order = torch.randperm(len({first}), generator=make_generator({seed}, "batches", epoch)){device}',
            f"chosen = order[position * {size} : (position + 1) * {size}]",
        ]

    def _evaluation(self) -> list[str]:
        chosen = [f"{name}[chosen]" if self._batched else name for name in self._listing.data]
        lines = [
            f"loss = {self._listing.loss(*chosen)}  # forward",
            "gradients = torch.autograd.grad(loss, parameters)  # backward",
        ]
        if self._clip is not None and self._clip.value is not None:
            limit = literal(self._clip.value)
            lines.append(f"gradients = [gradient.clamp(-{limit}, {limit}) for gradient in gradients]")
        if self._clip is not None and self._clip.norm is not None:
            limit = literal(self._clip.norm)
            lines += [
                f"norm = {GRADIENT_NORM_CODE}",
                f"scale = {limit} / norm.clamp(min={limit})  # 1 where the gradient is no longer than {limit}",
                "gradients = [gradient * scale for gradient in gradients]",
            ]
        return lines

    def _stopping(self) -> list[str]:
        stop = self._stop
        lines = [
            "if step == 0:",
            f"    limit = {literal(stop.divergence)} * max(1.0, abs(value))",
        ]
        if stop.patience is not None:
            lines += ["    best, best_step = math.inf, 0"]
            gain = f" - {literal(stop.improvement)}" if stop.improvement else ""
            lines += [f"if value < best{gain}:", "    best, best_step = value, step"]
        lines += ["if not math.isfinite(value) or value > limit:", "    break  # diverged"]
        if stop.loss is not None:
            lines += [f"if value <= {literal(stop.loss)}:", "    break  # converged: the loss is small enough"]
        if stop.gradient is not None:
            lines += [
                f"if {GRADIENT_NORM_CODE}.item() <= {literal(stop.gradient)}:",
                "    break  # converged: the gradient has nearly vanished",
            ]
        if stop.patience is not None:
            lines += [f"if step - best_step >= {stop.patience}:", "    break  # stalled: no better loss in these steps"]
        return lines

    def _update(self) -> list[str]:
        scheduled = self._ready.bound.schedule is not None
        if self._rule:
            rate = "rule.lr * schedule(step)" if scheduled else "rule.lr"
            return [
                "with torch.no_grad():",
                "    for i, (parameter, gradient) in enumerate(zip(parameters, gradients)):",
                f"        moved, states[i] = rule.update(parameter, gradient, states[i], step, {rate})",
                "        parameter.copy_(moved)",
            ]
        lines = []
        if scheduled:
            lines += [
                "for group, rate in zip(optimizer.param_groups, rates):",
                '    group["lr"] = rate * schedule(step)',
            ]
        handed = [
            "for parameter, gradient in zip(parameters, gradients):",
            "    parameter.grad = torch.empty_like(parameter).copy_(gradient)",
        ]
        # Each optimizer gets gradients of its own to write into, and keeps no view of a tensor of autograd.
        if not _needs_closure(self._torch_optimizer):
            return [*lines, *handed, "optimizer.step()"]
        again = [*(f"    {line}" for line in self._evaluation()), *handed]
        return [
            *lines,
            *handed,
            "known = [loss]  # the loop has made the first evaluation",
            "",
            "def closure():",
            "    if known:",
            "        return known.pop()",
            "    with torch.enable_grad():",
            *(f"    {line}" for line in again),
            "    return loss",
            "",
            "optimizer.step(closure)",
        ]

    def outcome(self) -> Cell:
        """Return the cell that prints the first and the last loss and the task's results."""
        lines = []
        if callable(getattr(self._torch_optimizer, "eval", None)):
            lines.append("optimizer.eval()")
        if self._listing.module:
            lines.append(f"{self._listing.module}.eval()")
        lines += [
            "with torch.no_grad():",
            f"    last = {self._listing.loss(*self._listing.data)}.item()",
            f'print(f"first loss {{{"losses[0]" if self._scenario.steps else "last"}!r}}")',
            'print(f"last loss  {last!r}")',
            self._listing.outcome,
        ]
        return Cell("Results", "\n".join(lines))


def _needs_closure(optimizer: Any) -> bool:
    parameters = inspect.signature(optimizer.step).parameters
    closure = parameters.get("closure")
    return closure is not None and closure.default is closure.empty
