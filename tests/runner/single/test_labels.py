from __future__ import annotations

import pytest

from playground.runner.single.labels import describe_conditions

DATA = {
    "optimizer": {"name": "adam", "lr": 0.1, "beta1": 0.8},
    "steps": 50,
    "start": {"x": 1, "y": 2},
    "clip": {"norm": 1},
    "batch_size": 4,
}
EVERY = {
    "optimizer": "adam(lr=0.1, beta1=0.8)",
    "steps": "50",
    "start": "x 1, y 2",
    "batch_size": "4",
    "clip": "norm 1",
}


@pytest.mark.parametrize(
    ("swept", "changed"),
    [
        ((), {}),
        (("optimizer.lr",), {"optimizer": "adam(beta1=0.8)"}),
        (("optimizer.lr", "optimizer.beta1"), {"optimizer": "adam"}),
        (("optimizer.beta2",), {}),
        (("optimizer", "optimizer.lr"), {"optimizer": None}),
        (("steps", "start.x"), {"steps": None, "start": "y 2"}),
        (("clip.norm", "batch_size", "start"), {"clip": None, "batch_size": None, "start": None}),
    ],
)
def test_what_is_swept_is_no_condition(swept, changed):
    told = describe_conditions(DATA, swept)
    assert told.pop("version")
    assert told == {key: value for key, value in {**EVERY, **changed}.items() if value is not None}
