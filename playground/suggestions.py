"""Finds the name that a misspelt name was probably meant to be; all suggestions come from here."""

from __future__ import annotations

import math
from collections.abc import Iterable

SYNONYMS = (
    ("lr", "learning_rate", "rate", "step_size", "alpha", "eta"),
    ("momentum", "beta", "beta1"),
    ("beta", "beta1", "beta2", "betas"),
    ("eps", "epsilon"),
    ("weight_decay", "l2", "decay", "lambda"),
    ("steps", "epochs", "iterations", "iters", "max_iter", "max_steps", "n_steps", "updates", "budget"),
    ("seed", "random_state", "random_seed", "manual_seed"),
    ("batch_size", "batch", "minibatch", "mini_batch"),
    ("samples", "n", "n_samples", "num_samples", "size", "points"),
    ("hidden", "layers", "units", "neurons", "width", "hidden_layers", "hidden_size", "hidden_sizes"),
    ("dim", "dims", "dimensions", "n_dims"),
    ("warmup", "warmup_steps", "warm_up"),
    ("dataset", "data"),
    ("model", "network", "net", "module", "architecture"),
    ("loss", "criterion", "cost"),
    ("function", "objective", "formula", "expression"),
    ("schedule", "scheduler", "lr_scheduler", "lr_schedule"),
    ("start", "init", "initial", "x0"),
    ("expect", "assert", "check", "expectations"),
    ("summary", "description"),
    ("name", "title"),
    ("below", "less_than", "lt", "under", "<"),
    ("above", "more_than", "greater_than", "gt", "over", ">"),
    ("at_most", "le", "lte", "max", "maximum", "<="),
    ("at_least", "ge", "gte", "min", "minimum", ">="),
    ("within", "tolerance", "tol", "atol", "abs"),
    ("near", "approx", "about", "close_to"),
    ("equals", "equal", "eq", "is", "value"),
    ("mse", "l2", "mean_squared_error", "squared_error"),
    ("mae", "l1", "mean_absolute_error", "absolute_error"),
    ("bce", "binary_cross_entropy", "log_loss", "logloss"),
    ("bce_with_logits", "binary_cross_entropy_with_logits"),
    ("cross_entropy", "nll", "softmax_cross_entropy", "categorical_cross_entropy"),
    ("sgd", "gd", "gradient_descent", "vanilla"),
    ("diverged", "explosion", "exploded", "overflow"),
    ("nonfinite", "nan", "inf", "infinite"),
    ("budget", "finished", "done", "completed", "complete"),
)
"""Groups of words with the same meaning in other libraries."""

MAX_TIED_NAMES = 3
"""Maximum number of equally close names in one message."""

MAX_TYPING_ERRORS = 3
"""Maximum number of typing errors in one word of any length."""

_KIND_ENDINGS = ("loss", "optimizer", "lr")
"""Final words of class names that only name the kind: `MSELoss`, `CosineLR`."""

_MIN_SHARED_BEGINNING = 0.85
"""Minimum share of a word that another name must begin with: `classification` for `classify`."""


def find_closest(word: str, accepted: Iterable[str]) -> list[str]:
    """Return the accepted names that `word` was probably meant to be; equally close names together.

    Tries in this order: the same name in another spelling (`SGD`, `Cross-Entropy`, `torch.adam`); a word with the same
    meaning elsewhere (`learning_rate`); a few typing errors, by Damerau's distance (`adma`); a part of the name
    (`CrossEntropyLoss`, `classify`).

    :returns: sorted; empty if no name is close.
    """
    names = sorted(set(accepted))
    for find in (_same_letters, _same_last_part, _same_meaning, _typing_errors, _same_beginning):
        if near := find(word, names):
            return near[:MAX_TIED_NAMES]
    return []


def _same_letters(word: str, names: list[str]) -> list[str]:
    return [name for name in names if _letters(name) == _letters(word)]


def _same_last_part(word: str, names: list[str]) -> list[str]:
    """Return names that are equal after the last dot: `LBFGS` for `torch.LBFGS`, and vice versa."""
    last = _letters(word.rpartition(".")[2])
    return [name for name in names if _letters(name.rpartition(".")[2]) == last] if last else []


def _typing_errors(word: str, names: list[str]) -> list[str]:
    """Return the names with the fewest typing errors, at most one in three letters."""
    letters = _letters(word)
    most = min(max(1, len(letters) // 3), MAX_TYPING_ERRORS)
    distances = {
        name: edit_distance(letters, _letters(name))
        for name in names
        if abs(len(_letters(name)) - len(letters)) <= most
    }
    within = {name: errors for name, errors in distances.items() if _is_near(letters, _letters(name), errors, most)}
    least = min(within.values(), default=0)
    found = [name for name, errors in within.items() if errors == least]
    if len(found) == len(names) > 1:  # no name is closer than another
        return []
    transposed = [name for name in found if sorted(_letters(name)) == sorted(letters)]
    return transposed or found  # transposed letters are the most likely error


def _is_near(word: str, name: str, errors: int, most: int) -> bool:
    if errors <= 2 and len(word) > 3 and sorted(word) == sorted(name):
        return True  # the same letters
    return errors <= most and errors < max(len(word), len(name))


def _same_meaning(word: str, names: list[str]) -> list[str]:
    letters = _letters(word)
    groups = [group for group in SYNONYMS if letters in map(_letters, group)]
    return [name for name in names if any(name in group for group in groups)]


def _same_beginning(word: str, names: list[str]) -> list[str]:
    """Return the names that begin with the word, or that the word begins with, without suffixes for the kind."""
    letters = _letters(word)
    for ending in _KIND_ENDINGS:
        letters = letters.removesuffix(ending) or letters
    exact = [name for name in names if _letters(name) == letters]
    if exact or len(letters) < 3:
        return exact
    same = math.ceil(len(letters) * _MIN_SHARED_BEGINNING)
    return [name for name in names if _letters(name).startswith(letters[: max(3, same)])]


def _letters(name: str) -> str:
    """Return a name without differences of spelling: case, and separators between words."""
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


def edit_distance(left: str, right: str) -> int:
    """Return the number of typing errors between two words (Damerau's distance, restricted).

    An error is an additional, missing or wrong letter, or two transposed neighbours.
    """
    before: list[int] = []
    above = list(range(len(right) + 1))
    for i, letter in enumerate(left, 1):
        row = [i]
        for j, other in enumerate(right, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
