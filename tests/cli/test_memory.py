"""What would take too much memory is refused by every command alike, before it takes it."""

import resource

import pytest
import torch  # noqa: F401  (its import takes memory as well)

MODEL = """
    task: classification
    dataset: moons
    model: {name: mlp, hidden: [3100, 31000]}
    loss: cross_entropy
    optimizer: adam
    steps: 1
"""
TOO_LARGE = (
    "a.yaml:3:8: model 'mlp' asks for 96,202,302 numbers, about 4 GB in a run; at most 2 GB are allowed: "
    "make it smaller, or give --memory 4GB"
)

COMMANDS = {
    "check": ["check", "a.yaml"],
    "run": ["run", "a.yaml"],
    "page": ["run", "a.yaml", "--html", "a.html"],
    "compiled": ["sweep", "a.yaml", "--seeds", "2", "--engine", "compiled"],
    "batched": ["sweep", "a.yaml", "--seeds", "2", "--engine", "batched"],
    "plain": ["sweep", "a.yaml", "--seeds", "2", "--engine", "plain"],
    "explain": ["explain", "a.yaml"],
    "latex": ["explain", "a.yaml", "--format", "latex"],
    "eject": ["eject", "a.yaml"],
    "plot": ["plot", "a.yaml", "--out", "a.svg"],
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_model_that_is_too_large_is_refused_by_every_command(write, playground, command):
    write("a.yaml", MODEL)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = playground(*command)
    assert result.exit_code == 2
    assert result.stderr.strip().endswith(TOO_LARGE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 380_000  # kilobytes: the layer alone


SIZES = {
    "samples": ("dataset: {name: line, samples: 1000000000}\nmodel: linear", "dataset 'line'"),
    "moons": ("dataset: {name: moons, samples: 10000000000}\nmodel: linear", "dataset 'moons'"),
    "classes": ("dataset: {name: blobs, samples: 10000000000, classes: 1000000000}\nmodel: linear", "dataset 'blobs'"),
    "activations": (
        "dataset: {name: line, samples: 100000}\nmodel: {name: mlp, hidden: [1000000]}",
        "task 'regression'",
    ),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("parts", "named"), SIZES.values(), ids=SIZES)
def test_whatever_asks_for_too_much_is_named(tmp_path, playground, parts, named):
    (tmp_path / "a.yaml").write_text(f"task: regression\n{parts}\nloss: mse\noptimizer: sgd\n")
    result = playground("check", "a.yaml")
    assert result.exit_code == 2
    assert f"{named} asks for " in result.stderr
    assert " GB in a run; at most 2 GB are allowed: make it smaller, or give --memory " in result.stderr


def test_a_plugins_model_is_counted_too(write, playground):
    write(
        "big.py",
        """
        from torch import nn
        from playground import hookimpl

        def big(inputs: int, outputs: int, width: int = 10) -> nn.Module:
            return nn.Sequential(nn.Linear(inputs, width), nn.Linear(width, outputs))

        @hookimpl
        def playground_models():
            return {"big": big}
        """,
    )
    write("a.yaml", MODEL.replace("{name: mlp, hidden: [3100, 31000]}", "{name: big, width: 100000000}"))
    result = playground("-p", "big.py", "check", "a.yaml")
    assert "model 'big' asks for 500,000,002 numbers, about 21 GB in a run" in result.stderr


def test_memory_allows_more_and_less(write, playground):
    write("a.yaml", MODEL.replace("[3100, 31000]", "[300, 300]"))
    assert playground("run", "a.yaml").exit_code == 0
    refused = playground("run", "a.yaml", "--memory", "3MB")
    assert refused.exit_code == 2
    assert "asks for 91,802 numbers, about 4 MB in a run; at most 3 MB are allowed" in refused.stderr
    assert playground("run", "a.yaml", "--memory", "4MB").exit_code == 0
    assert playground("check", "a.yaml", "--memory", "lots").stderr.strip() == (
        "--memory lots: expected a size such as 500MB or 2GB"
    )
