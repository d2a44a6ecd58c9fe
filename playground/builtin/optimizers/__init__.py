"""Update rules, one a file, each readable as its formula and checked against `torch.optim`.

Hyperparameters are annotated as the numbers that a scenario may give; a tensor that broadcasts against the parameter,
of the parameter's dtype, does as well (one value per run).
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
