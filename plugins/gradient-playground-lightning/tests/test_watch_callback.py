"""Right modules are trained as without the callback and in silence; mistakes are logged, and raised if asked for."""

import importlib.util
import inspect
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import (
    BackboneFinetuning,
    EarlyStopping,
    GradientAccumulationScheduler,
    ModelCheckpoint,
    StochasticWeightAveraging,
)

from playground.plugin_api import one_thread
from playground_lightning import DiagnosedTrainingError, WatchCallback

spec = importlib.util.spec_from_file_location("lightning_modules", Path(__file__).with_name("modules.py"))
sys.modules[spec.name] = modules = importlib.util.module_from_spec(spec)
spec.loader.exec_module(modules)

QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


@pytest.fixture(autouse=True)
def single_threaded():
    """Compute with one thread: for tensors this small, several only wait for each other."""
    with one_thread():
        yield


def fit(module, *callbacks, **options):
    """Train a module for three epochs of eight batches."""
    torch.manual_seed(0)
    trainer = Trainer(**QUIET | {"max_epochs": 3, "callbacks": list(callbacks)} | options)
    trainer.fit(module, modules.make_loader(module.classes))
    return trainer


class Backbone(modules.Regression):
    """A module whose `backbone` a callback of Lightning freezes and releases."""

    def __init__(self):
        super().__init__()
        self.backbone = self.body
        del self.body

    def forward(self, x):
        return self.head(self.backbone(x))

    def configure_optimizers(self):
        return torch.optim.SGD(self.head.parameters(), lr=0.05)


HEALTHY = {
    "automatic": (modules.Regression, {}),
    "classification": (modules.Classification, {}),
    "validation": (modules.Validated, {}),
    "validation within an epoch": (modules.Validated, {"val_check_interval": 3}),
    "no sanity check": (modules.Validated, {"num_sanity_val_steps": 0}),
    "accumulation": (modules.Regression, {"accumulate_grad_batches": 4}),
    "accumulation with fewer at the end": (modules.Validated, {"accumulate_grad_batches": 3}),
    "clipping of the norm": (modules.Regression, {"gradient_clip_val": 0.5}),
    "clipping of values": (modules.Regression, {"gradient_clip_val": 0.1, "gradient_clip_algorithm": "value"}),
    "clipping by hand": (modules.ClippedByHand, {}),
    "schedule by epoch": (modules.Scheduled, {}),
    "schedule by step": (modules.ScheduledByStep, {}),
    "schedule by plateau": (modules.ScheduledByPlateau, {}),
    "closures of LBFGS": (modules.SecondOrder, {}),
    "skipped batches": (modules.SkippedBatches, {}),
    "frozen body": (modules.Frozen, {}),
    "zeroed by hand": (modules.ZeroedByHand, {}),
    "manual": (modules.Manual, {}),
    "manual accumulation": (modules.ManualAccumulation, {}),
    "adversarial": (modules.Adversarial, {}),
    "adversarial with toggled optimizers": (modules.ToggledAdversarial, {}),
    "bf16-mixed": (modules.Validated, {"precision": "bf16-mixed"}),
    "bf16-true": (modules.Regression, {"precision": "bf16-true"}),
    "64-true": (modules.Regression, {"precision": "64-true"}),
    "few steps": (modules.Regression, {"max_steps": 5, "max_epochs": -1}),
    "fast development run": (modules.Validated, {"fast_dev_run": True}),
    "without inference mode": (modules.Validated, {"inference_mode": False}),
}

CALLBACKS = {
    "early stop": lambda: EarlyStopping("val_loss", patience=0),
    "accumulation by schedule": lambda: GradientAccumulationScheduler({0: 1, 1: 4}),
    "weight averaging": lambda: StochasticWeightAveraging(swa_lrs=0.01, swa_epoch_start=1),
}


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.filterwarnings("ignore:.training_step. returned .None.")
def test_a_right_module_is_trained_as_without_the_callback_and_in_silence(name, caplog):
    kind, options = HEALTHY[name]
    plain, module, watch = kind(), kind(), WatchCallback()
    fit(plain, **options)
    state = torch.get_rng_state()
    fit(module, watch, **options)
    assert watch.diagnoses == ()
    assert [each for each in caplog.records if each.name == "playground_lightning"] == []
    assert module.losses == plain.losses
    torch.testing.assert_close(module.state_dict(), plain.state_dict(), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.filterwarnings("ignore:Swapping scheduler:UserWarning")
def test_other_callbacks_and_watching_go_together(name):
    plain, module, watch = modules.Validated(), modules.Validated(), WatchCallback()
    fit(plain, CALLBACKS[name]())
    fit(module, watch, CALLBACKS[name]())
    assert watch.diagnoses == ()
    assert module.losses == plain.losses


def test_a_backbone_that_is_released_midway():
    watch = WatchCallback()
    fit(Backbone(), watch, BackboneFinetuning(unfreeze_backbone_at_epoch=1, backbone_initial_lr=0.01))
    assert watch.diagnoses == ()


FAULTY = {
    "broadcast_in_loss": modules.Broadcast,
    "softmax_before_cross_entropy": modules.SoftmaxTwice,
    "sigmoid_before_bce_with_logits": modules.SigmoidTwice,
    "cut_graph": modules.Cut,
    "parameters_without_gradient": modules.Unused,
    "parameters_not_in_optimizer": modules.HeadOnly,
    "optimizer_of_another_model": modules.Copied,
    "eval_mode_left_on": modules.LeftInEval,
    "rate_too_large": modules.TooFast,
    "nonfinite": modules.LogOfZero,
    "forgotten_zero_grad": modules.NeverZeroed,
    "step_without_gradient": modules.StepFirst,
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_mistake_is_logged_with_its_line_and_remedy(name, caplog):
    watch = WatchCallback()
    fit(FAULTY[name](), watch, max_epochs=7)  # 56 steps: a layer counts as unused after 50
    assert [each.name for each in watch.diagnoses] == [name], watch.diagnoses
    (record,) = [each for each in caplog.records if each.name == "playground_lightning"]
    assert record.levelno == logging.WARNING
    assert watch.diagnoses[0].sentence in record.message
    assert watch.diagnoses[0].remedy in record.message
    lines = inspect.getsource(modules).splitlines()
    for number in [index for index, line in enumerate(lines, 1) if f"# <-- {name}" in line]:
        assert f"modules.py:{number}: " in record.message


def test_the_number_of_backward_passes_for_each_step_can_be_stated():
    watch = WatchCallback(accumulate=2)
    fit(modules.ManualAccumulation(), watch)
    assert watch.diagnoses == ()
    watch = WatchCallback(accumulate=4)
    fit(modules.ManualAccumulation(), watch)
    assert [each.name for each in watch.diagnoses] == ["accumulation_count"]


def test_fail_raises_the_diagnoses_after_checkpoints_are_written(tmp_path):
    watch = WatchCallback(fail=True)
    checkpoint = ModelCheckpoint(tmp_path, save_last=True)
    with pytest.raises(DiagnosedTrainingError, match="broadcast_in_loss") as caught:
        fit(modules.Broadcast(), watch, checkpoint, enable_checkpointing=True)
    assert caught.value.diagnoses == watch.diagnoses
    assert (tmp_path / "last.ckpt").exists()


def test_fail_does_nothing_where_nothing_is_wrong():
    fit(modules.Regression(), WatchCallback(fail=True))


def test_an_exception_of_the_module_comes_out_as_it_is_and_diagnoses_are_logged(caplog):
    class Failing(modules.Broadcast):
        def on_train_epoch_end(self):
            raise OSError("disk full")

    watch = WatchCallback(fail=True)
    with pytest.raises(OSError, match="disk full"):
        fit(Failing(), watch)
    assert [each.name for each in watch.diagnoses] == ["broadcast_in_loss"]
    assert [each.name for each in caplog.records].count("playground_lightning") == 1


def test_there_is_one_record_for_each_optimizer_and_one_loss_for_each_step():
    watch = WatchCallback()
    fit(modules.Adversarial(), watch)
    assert [len(each.trace.loss) for each in watch.watched] == [24, 24]
    module = modules.Regression()
    fit(module, watch)
    (watched,) = watch.watched
    assert watched.trace.loss == pytest.approx(module.losses)


def test_training_again_replaces_what_was_watched():
    watch = WatchCallback()
    assert watch.watched == ()
    fit(modules.Broadcast(), watch)
    assert watch.diagnoses
    fit(modules.Regression(), watch)
    assert watch.diagnoses == ()


@pytest.mark.filterwarnings("ignore:.*logging interval", "ignore:.*tensorboardX")
def test_the_example_of_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    names = {}
    exec(code.replace("max_epochs=2,", "max_epochs=2, accelerator='cpu', enable_progress_bar=False,"), names)
    (diagnosis,) = names["watch"].diagnoses
    assert diagnosis.name == "broadcast_in_loss"
    assert "(8, 1) against (8,)" in diagnosis.sentence
    assert len(names["watch"].watched[0].trace.loss) == 8


def test_validation_alone_is_not_watched():
    watch = WatchCallback()
    trainer = Trainer(**QUIET, callbacks=[watch])
    trainer.validate(modules.Validated(), modules.make_loader(), verbose=False)
    assert watch.watched == ()


def test_importing_the_package_and_its_error_imports_neither_lightning_nor_torch():
    code = (
        "import sys, playground_lightning; playground_lightning.DiagnosedTrainingError;"
        "assert not {'torch', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
