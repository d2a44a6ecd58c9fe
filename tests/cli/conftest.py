"""Commands are run in this process, and must leave no plugin of one test to the next."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _forget():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("_playground_plugin_"):
            del sys.modules[name]
