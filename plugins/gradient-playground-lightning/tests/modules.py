"""LightningModules as people write them: right ones, and ones with one mistake each."""

import copy

import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset


def make_loader(classes=False, rows=32, batch=4):
    """Return batches of inputs `(4, 3)` with targets `(4, 1)`, or with labels `(4,)` of three classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 3, generator=generator)
    y = x.argmax(1) if classes else x.sum(1, keepdim=True) / 2
    return DataLoader(TensorDataset(x, y), batch_size=batch)


class Regression(LightningModule):
    """A small network with one optimizer."""

    classes = False

    def __init__(self, outputs=1):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(3, 8), nn.Tanh())
        self.head = nn.Linear(8, outputs)
        self.losses = []

    def forward(self, x):
        return self.head(self.body(x))

    def measure(self, batch):
        x, y = batch
        return functional.mse_loss(self(x), y)

    def training_step(self, batch, batch_idx):
        loss = self.measure(batch)
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


class Validated(Regression):
    """With dropout, batch norm and a validation loop."""

    def __init__(self):
        super().__init__()
        self.body.append(nn.BatchNorm1d(8))
        self.body.append(nn.Dropout(0.2))

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.measure(batch))

    def val_dataloader(self):
        return make_loader()


class Classification(Regression):
    classes = True

    def __init__(self):
        super().__init__(outputs=3)

    def measure(self, batch):
        x, labels = batch
        return functional.cross_entropy(self(x), labels)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)


class Scheduled(Validated):
    """With a schedule that Lightning steps."""

    schedule = staticmethod(lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5))
    settings = {}  # noqa: RUF012

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.schedule(optimizer), **self.settings}}


class ScheduledByStep(Scheduled):
    schedule = staticmethod(lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=24))
    settings = {"interval": "step"}  # noqa: RUF012


class ScheduledByPlateau(Scheduled):
    schedule = staticmethod(lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0))
    settings = {"monitor": "val_loss"}  # noqa: RUF012


class SecondOrder(Regression):
    """With an optimizer that evaluates the closure several times."""

    def configure_optimizers(self):
        return torch.optim.LBFGS(self.parameters(), lr=0.1, max_iter=3)


class ClippedByHand(Regression):
    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None):
        nn.utils.clip_grad_value_(self.parameters(), 0.1)


class SkippedBatches(Regression):
    """Leaves batches out by returning None."""

    def training_step(self, batch, batch_idx):
        return None if batch_idx % 3 == 1 else super().training_step(batch, batch_idx)


class Frozen(Regression):
    """Trains the head alone."""

    def __init__(self):
        super().__init__()
        self.body.requires_grad_(False)

    def configure_optimizers(self):
        return torch.optim.SGD(self.head.parameters(), lr=0.05)


class ZeroedByHand(Regression):
    def optimizer_zero_grad(self, epoch, batch_idx, optimizer):
        optimizer.zero_grad(set_to_none=False)


class Manual(Regression):
    """Manual optimization of one network."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = self.measure(batch)
        self.manual_backward(loss)
        optimizer.step()
        self.losses.append(loss.item())


class ManualAccumulation(Manual):
    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        loss = self.measure(batch) / 2
        self.manual_backward(loss)
        if batch_idx % 2 == 1:
            optimizer.step()
            optimizer.zero_grad()
        self.losses.append(loss.item())


class Adversarial(LightningModule):
    """A generator and a discriminator, which take turns."""

    classes = False
    toggled = False

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.automatic_optimization = False
        self.generator, self.critic = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 1))
        self.losses = []

    def training_step(self, batch, batch_idx):
        x, _ = batch
        first, second = self.optimizers()
        ones, zeros = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        judge = functional.binary_cross_entropy_with_logits
        self.begin(first)
        fooled = judge(self.critic(self.generator(torch.randn(len(x), 2))), ones)
        first.zero_grad()
        self.manual_backward(fooled)
        first.step()
        self.end(first)
        self.begin(second)
        fake = self.generator(torch.randn(len(x), 2)).detach()
        caught = judge(self.critic(x), ones) + judge(self.critic(fake), zeros)
        second.zero_grad()
        self.manual_backward(caught)
        second.step()
        self.end(second)
        self.losses.append(fooled.item() + caught.item())

    def begin(self, optimizer):
        if self.toggled:
            self.toggle_optimizer(optimizer)

    def end(self, optimizer):
        if self.toggled:
            self.untoggle_optimizer(optimizer)

    def configure_optimizers(self):
        return [torch.optim.Adam(each.parameters(), lr=0.01) for each in (self.generator, self.critic)]


class ToggledAdversarial(Adversarial):
    toggled = True


class Broadcast(Regression):
    def measure(self, batch):
        x, y = batch
        return ((self(x) - y.squeeze(1)) ** 2).mean()  # <-- broadcast_in_loss


class SoftmaxTwice(Classification):
    def measure(self, batch):
        x, labels = batch
        return functional.cross_entropy(self(x).softmax(1), labels)  # <-- softmax_before_cross_entropy


class SigmoidTwice(Regression):
    def measure(self, batch):
        x, y = batch
        p = torch.sigmoid(self(x))
        return functional.binary_cross_entropy_with_logits(p, (y > 0).float())  # <-- sigmoid_before_bce_with_logits


class Cut(Regression):
    def measure(self, batch):
        return super().measure(batch).detach().requires_grad_()  # <-- cut_graph


class Unused(Regression):
    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(8, 8)


class HeadOnly(Regression):
    def configure_optimizers(self):
        return torch.optim.SGD(self.head.parameters(), lr=0.05)


class Copied(Regression):
    """Gives the optimizer the parameters of a copy."""

    def configure_optimizers(self):
        return torch.optim.SGD(copy.deepcopy(self).parameters(), lr=0.05)


class LeftInEval(Validated):
    def on_train_epoch_end(self):
        self.eval()
        with torch.no_grad():
            self(torch.randn(4, 3))

    def validation_step(self, batch, batch_idx):
        pass


class TooFast(Regression):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=20.0)


class LogOfZero(Regression):
    def forward(self, x):
        return self.head(self.body(torch.log(torch.relu(x))))  # <-- nonfinite


class NeverZeroed(Manual):
    def training_step(self, batch, batch_idx):
        loss = self.measure(batch)
        self.manual_backward(loss)  # <-- forgotten_zero_grad
        self.optimizers().step()
        self.losses.append(loss.item())


class StepFirst(Manual):
    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = self.measure(batch)
        optimizer.step()  # <-- step_without_gradient
        self.manual_backward(loss)
        self.losses.append(loss.item())
