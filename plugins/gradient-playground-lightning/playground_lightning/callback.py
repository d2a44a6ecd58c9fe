"""The callback: watches every optimizer of a LightningModule from the first batch to the end of training."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.utilities import rank_zero_only

import playground
from playground_lightning.diagnosed import DiagnosedTrainingError, format_diagnoses

_log = logging.getLogger("playground_lightning")


class WatchCallback(Callback):
    """Watches training with `playground.watch` and logs the mistakes that it shows.

    ::

        watch = WatchCallback(fail=True)
        Trainer(callbacks=[watch]).fit(module, loader)
        watch.watched[0].trace.loss

    Watching begins after the optimizers are made and the sanity check of validation has run, and ends with training.
    What validation does is not part of a step. Diagnoses are logged as warnings of the logger `playground_lightning`,
    by the process of rank 0.

    :param fail: raise an exception at the end of a training that has mistakes.
    :param accumulate: backward passes for each step; None takes `accumulate_grad_batches` of the trainer.
    :param options: further options of `playground.watch`, such as `steps` and `plugins`.
    :raises DiagnosedTrainingError: from `Trainer.fit`, if `fail` is set and training has mistakes.
    """

    def __init__(self, *, fail: bool = False, accumulate: int | None = None, **options: Any) -> None:
        self.fail = fail
        self.accumulate = accumulate
        self.options = options
        self.watched: tuple[Any, ...] = ()
        """What each optimizer's watch recorded, in the order of `configure_optimizers`; empty before training."""
        self._open: ExitStack | None = None

    @property
    def diagnoses(self) -> tuple[Any, ...]:
        """Return the mistakes that the watches of all optimizers found."""
        return tuple(diagnosis for watched in self.watched for diagnosis in watched.diagnoses)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to watch each optimizer."""
        accumulate = self.accumulate or _count_batches_for_each_step(trainer, pl_module)
        self._open = ExitStack()
        watches = [
            playground.watch(pl_module, optimizer, accumulate=accumulate, **self.options)
            for optimizer in trainer.optimizers
        ]
        self.watched = tuple(self._open.enter_context(each) for each in watches)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop watching and log the diagnoses."""
        self._stop()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise the diagnoses if `fail` is set, after all callbacks have finished, so that checkpoints are written."""
        if self.fail and self.diagnoses:
            raise DiagnosedTrainingError(self.diagnoses)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop watching and log the diagnoses; the exception goes on as it is."""
        self._stop(exception)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stop watching, if training ended in another way."""
        self._stop()

    def _stop(self, exception: BaseException | None = None) -> None:
        """Close the watches once and log what they found."""
        if self._open is None:
            return
        stack, self._open = self._open, None
        stack.__exit__(type(exception) if exception else None, exception, None)
        for line in format_diagnoses(self.diagnoses):
            _warn(line)


@rank_zero_only
def _warn(line: str) -> None:
    _log.warning("%s", line)


def _count_batches_for_each_step(trainer: Trainer, module: LightningModule) -> int:
    """Return how many backward passes Lightning makes for each step; 1 where the module or a schedule decides."""
    scheduled = any(
        isinstance(each, GradientAccumulationScheduler) and len(set(each.scheduling.values())) > 1
        for each in trainer.callbacks
    )
    return 1 if scheduled or not module.automatic_optimization else trainer.accumulate_grad_batches
