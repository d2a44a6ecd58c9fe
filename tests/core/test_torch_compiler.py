"""A step of a `torch.optim` class does not import torch's compiler; whoever asks for it gets it."""

import subprocess
import sys

import pytest

STEP = """
import sys
import torch
from playground.core.torch_compiler import without_torch_compiler
parameter = torch.nn.Parameter(torch.ones(2))
parameter.grad = torch.ones(2)
{}
with without_torch_compiler():
    optimizer = torch.optim.Adam([parameter], lr=0.1)
    optimizer.step()
{}
print(parameter.tolist() == [parameter[0].item()] * 2 and round(parameter[0].item(), 6), "torch._dynamo" in sys.modules)
"""


def output(before="", after=""):
    done = subprocess.run(
        [sys.executable, "-c", STEP.format(before, after)], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")[-2]


def test_a_step_does_not_import_the_compiler() -> None:
    assert output() == "0.9 False"


@pytest.mark.slow
@pytest.mark.parametrize(
    "ask", ["import torch._dynamo", "with without_torch_compiler():\n    import torch._dynamo.config", "torch.compile"]
)
def test_who_asks_for_the_compiler_gets_it(ask) -> None:
    program = "import torch._dynamo; assert torch._dynamo.is_compiling() is False\n"
    inside = f"with without_torch_compiler():\n    {program}" if ask == "torch.compile" else ask
    assert output(after=inside) == "0.9 True"
    assert output(before="import torch._dynamo") == "0.9 True"
