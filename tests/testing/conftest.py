"""What tests of contracts share."""

import inspect

import pytest


def rules(contract):
    """Return the names of a contract's rules."""
    return [name for name, _ in inspect.getmembers(contract, inspect.isfunction) if name.startswith("test_")]


@pytest.fixture(scope="session", name="rules")
def rules_fixture():
    return rules


@pytest.fixture(scope="session")
def broken_rules():
    """Return what runs a contract on a component, and tells the rules that it breaks with what is said of each."""

    def broken_rules(contract, make, **attributes):
        (method,) = contract.__abstractmethods__ - attributes.keys()
        subclass = type("Specimen", (contract,), {method: staticmethod(make), **attributes})
        found = {}
        for name in rules(contract):
            try:
                getattr(subclass(), name)()
            except pytest.skip.Exception:
                continue
            except Exception as error:  # a contract may also stumble, as over shapes that nothing fits
                found[name] = str(error)
        return found

    return broken_rules
