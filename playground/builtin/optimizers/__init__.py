"""Update rules, one per file, each with its formula and tested against `torch.optim`.

Hyperparameters are annotated as the numbers that a scenario may give. A tensor that broadcasts against the parameter,
in the parameter's dtype, also works (one value per run).
"""

from playground.builtin.optimizers.adadelta import Adadelta
from playground.builtin.optimizers.adagrad import Adagrad
from playground.builtin.optimizers.adam import Adam, AdamW
from playground.builtin.optimizers.adamax import Adamax
from playground.builtin.optimizers.lion import Lion
from playground.builtin.optimizers.nadam import NAdam
from playground.builtin.optimizers.radam import RAdam
from playground.builtin.optimizers.rmsprop import RMSprop
from playground.builtin.optimizers.rprop import Rprop
from playground.builtin.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
]
