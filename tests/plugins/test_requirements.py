"""What a distribution requires, held against what is installed."""

import importlib.metadata

from playground.plugins.requirements import find_unmet


def test_what_a_distribution_requires(install):
    pluggy = importlib.metadata.version("pluggy")
    requires = (
        "pluggy>=1",
        "pluggy[extra] (<1)",
        "no-such-thing>=2",
        "no-such-extra; extra == 'test'",
        "no-such-place @ https://example.org/x.whl",
        "no-such-system; python_version < '3'",
        "pluggy<2; python_version < '3'",
        "pluggy<1; python_version > '3'",
        "not a requirement",
        "torch",
    )
    metadata = "Metadata-Version: 2.1\nName: gradient-playground-x\nVersion: 1.0\n"
    install("gradient-playground-x", {}, metadata=metadata + "".join(f"Requires-Dist: {each}\n" for each in requires))
    assert find_unmet("gradient-playground-x") == [
        f"requires pluggy[extra] (<1), but {pluggy} is installed",
        "requires no-such-thing>=2, which is not installed",
        f"requires pluggy<1, but {pluggy} is installed",
    ]
    assert find_unmet("gradient-playground-y") == []
