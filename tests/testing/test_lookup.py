"""Components by name, and what importing the contracts costs."""

import subprocess
import sys

import pytest

import playground.testing
from playground.errors import ComponentError
from playground.testing import build_registered


def test_a_registered_component_is_built_as_a_scenario_would():
    assert build_registered("optimizer", "sgd", {"lr": 1}).lr == 1.0
    with pytest.raises(ComponentError, match="unknown optimizer 'sdg'; did you mean 'sgd'"):
        build_registered("optimizer", "sdg")


def test_every_name_can_be_imported():
    for name in playground.testing.__all__:
        assert getattr(playground.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Contract'"):
        _ = playground.testing.Contract


def test_a_contract_that_needs_no_torch_does_not_import_it():
    code = "import sys; from playground.testing import ScheduleContract; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
