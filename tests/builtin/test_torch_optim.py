"""The names of torch's optimizers, read without importing torch."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import inspect
import subprocess
import sys

import pytest
import torch

from playground.builtin import torch_optim


def test_names_are_the_optimizer_classes_of_torch():
    classes = inspect.getmembers(torch.optim, inspect.isclass)
    base = torch.optim.Optimizer
    assert list(torch_optim.optimizer_names()) == sorted(
        name for name, c in classes if issubclass(c, base) and c is not base
    )


def test_does_not_import_torch():
    program = (
        "import sys; from playground.builtin.torch_optim import optimizer_names as names;"
        "print(len(names()), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(torch_optim.optimizer_names())), "False"]


@pytest.mark.parametrize("source", [None, "from torch.optim.adam import (", b"\xff\xfe", "import math"])
def test_empty_where_nothing_can_be_read(monkeypatch, tmp_path, source):
    package = tmp_path / "torch"
    (package / "optim").mkdir(parents=True)
    if source is not None:
        data = source if isinstance(source, bytes) else source.encode()
        (package / "optim" / "__init__.py").write_bytes(data)
    spec = importlib.machinery.ModuleSpec("torch", None, origin=str(package / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert torch_optim.optimizer_names() == ()


@pytest.mark.parametrize("spec", [None, importlib.machinery.ModuleSpec("torch", None)])
def test_empty_without_torch(monkeypatch, spec):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert torch_optim.optimizer_names() == ()


def test_reads_relative_imports_and_new_names(monkeypatch, tmp_path):
    package = tmp_path / "torch"
    (package / "optim").mkdir(parents=True)
    (package / "optim" / "__init__.py").write_text(
        "from typing import Any\nfrom torch.optim import functional as functional\nfrom .adam import Adam as Adam\n"
        "from torch.optim._new import New, helper\nfrom torch.optim.optimizer import Optimizer\n"
    )
    spec = importlib.machinery.ModuleSpec("torch", None, origin=str(package / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert torch_optim.optimizer_names() == ("Adam", "New")
