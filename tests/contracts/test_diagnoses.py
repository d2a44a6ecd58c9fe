"""The mistakes that we name meet the contract that we publish, each on the scenario that is broken by it."""

from pathlib import Path

import pytest

from playground.plugins.manager import load_plugins
from playground.testing import DiagnosisContract, build_registered

pytestmark = [pytest.mark.sampled(1), pytest.mark.product(6)]

BROKEN = Path(__file__).parents[2] / "scenarios" / "broken"
NAMES = load_plugins(autoload=False).registry.names("diagnosis")


class TestDiagnoses(DiagnosisContract):
    plugins = (str(BROKEN / "mistakes.py"),)

    @pytest.fixture(params=NAMES, autouse=True)
    def named(self, request):
        self.name = request.param

    def diagnosis(self):
        return build_registered("diagnosis", self.name)

    def faulty(self):
        return BROKEN / f"{self.name}.yaml"
