"""`playground plugins`: the list stays what it was beside its one command, `doctor`."""

import pytest

GOOD = """
from playground import hookimpl

def muon(params, lr: float = 0.1):
    import torch
    return torch.optim.SGD(params, lr)

@hookimpl
def playground_optimizers():
    return {"muon": muon}
"""


def test_the_list(playground, write):
    write("muon.py", GOOD)
    listed = playground("-p", "muon.py", "plugins")
    assert listed.exit_code == 0
    first, *_, last, offered = listed.stdout.splitlines()
    assert first.startswith("builtin (gradient-playground ")
    assert last.startswith("muon (")
    assert offered == "  optimizer: muon"


@pytest.mark.parametrize("options", [(), ("--strict-plugins",)])
def test_a_healthy_plugin(playground, write, options):
    path = write("muon.py", GOOD)
    write("odd.py", "1 / 0")  # of others, nothing is told
    write("pyproject.toml", '[tool.playground]\nplugins = ["odd.py"]\n')
    result = playground(*options, "plugins", "doctor", "muon.py")
    assert result.exit_code == 0
    head, file, time, offered = result.stdout.splitlines()
    assert head == f"muon ({path}): healthy"
    assert file == f"  file: {path}"
    assert time.startswith("  import: ")
    assert time.endswith(" in a fresh interpreter, after playground's own")
    assert offered == "  optimizer: muon"


@pytest.mark.parametrize(("options", "code"), [((), 2), (("--strict-plugins",), 3)])
def test_a_broken_plugin(playground, write, options, code):
    path = write("odd.py", "import sys\nraise ValueError('\\x1b[31m')\n")
    result = playground(*options, "plugins", "doctor", "odd.py")
    assert result.exit_code == code
    assert result.stdout.splitlines() == [
        f"odd ({path}): not healthy",
        f"  WRONG import: ValueError: \\x1b[31m ({path}:2)",
    ]


def test_a_project_file_that_is_broken(playground, write):
    file = write("pyproject.toml", "[tool.playground]\nplugin = []\n")
    result = playground("plugins", "doctor", "muon")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{file}: unknown key 'plugin' in [tool.playground]; did you mean 'plugins'?\n"


def test_a_file_that_imports_torch_is_told_how_it_could_wait(playground, write):
    pretend = "import sys\nif 'pytest' not in sys.modules:\n    sys.modules['torch'] = sys\n"
    write("muon.py", f"{GOOD}\n{pretend}")
    told = playground("plugins", "doctor", "muon.py").output
    assert "this imports torch, which can wait: import it inside a factory" in told
