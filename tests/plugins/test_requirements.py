"""Version ranges, held against the library that everybody else reads them with."""

import importlib.metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from playground.plugins.requirements import meets, unmet

INSTALLED = (
    *("0", "0.9", "1", "1.0", "1.0.0", "1.4", "1.10", "2.6.0", "2.6.1", "2.14.0+cpu", "3", "1!0.1", "v1.4"),
    *("2.6.0a1", "2.6.0b2.dev3", "2.6rc1", "2.6.dev0", "2.6.0.post1", "1.4-1", "2.7.0.dev20261101+cu130", "2.0.0alpha"),
)
RANGES = (
    *(">=2.6", "<2.6", "<=2.6", ">2.6", "==2.6", "!=2.6", "~=2.6", "~=2.6.0", "==2.6.*", "!=2.*", "==1.0.0.*", ""),
    *(
        ">=1.4,<2",
        ">=0.1,<0.2",
        "<2.6rc1",
        ">2.6rc1",
        ">=2.6.dev0",
        ">1.4",
        ">1.4.post0",
        "~=1.0",
        "==1!0.1",
        ">= 1.4 , < 3",
    ),
)


@pytest.mark.parametrize("ranges", RANGES)
@pytest.mark.parametrize("version", INSTALLED)
def test_ranges_are_read_as_packaging_reads_them(version, ranges):
    assert meets(version, ranges) == SpecifierSet(ranges).contains(version, prereleases=True)


numbers = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
suffixes = st.sampled_from(("", "a1", "b0", "rc2", ".dev1", ".post0", ".post2", "rc1.dev2", ".post1.dev0", "+cpu"))
versions = st.tuples(numbers, suffixes).map("".join)
clauses = st.tuples(st.sampled_from((">=", "<=", "==", "!=", "<", ">")), versions.filter(lambda text: "+" not in text))


@given(versions, st.lists(clauses.map("".join), max_size=2).map(",".join))
def test_any_range_is_read_as_packaging_reads_it(version, ranges):
    assert meets(version, ranges) == SpecifierSet(ranges).contains(version, prereleases=True)


@pytest.mark.parametrize(("version", "ranges"), [("unknown", ">=1"), ("1.0", ">=later"), ("1.0", "===1"), ("1", "?")])
def test_what_cannot_be_read_counts_as_met(version, ranges):
    assert meets(version, ranges)


def test_what_a_distribution_requires(install):
    pluggy = importlib.metadata.version("pluggy")
    requires = (
        "pluggy>=1",
        "pluggy[extra] (<1)",
        "no-such-thing>=2",
        "no-such-extra; extra == 'test'",
        "no-such-place @ https://example.org/x.whl",
        "torch",
    )
    metadata = "Metadata-Version: 2.1\nName: gradient-playground-x\nVersion: 1.0\n"
    install("gradient-playground-x", {}, metadata=metadata + "".join(f"Requires-Dist: {each}\n" for each in requires))
    assert unmet("gradient-playground-x") == [
        f"requires pluggy<1, installed is {pluggy}",
        "requires no-such-thing>=2, which is not installed",
    ]
    assert unmet("gradient-playground-y") == []
