"""What tests of several rooms share: the command in this process, and files in a folder of its own."""

import os
import runpy
import sys
import tempfile
import textwrap
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings
from typer.testing import CliRunner

from playground.cli.app import app
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE

GOLDEN_RATIO = (1 + 5**0.5) / 2

settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")  # a busy machine fails nothing


def pytest_configure(config):
    """Keep compiled programs in a folder of this session, which the processes of `-n` inherit."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="playground-tests-", ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        os.environ["PLAYGROUND_CACHE_DIR"] = folder.name


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Share the cases of large tables of tests between the suites.

    A test marked `sampled(n)` keeps n evenly spaced cases in the quick suite; the others are slow. A test marked
    `product(n)` keeps n of its slow cases in the suites that CI runs; the others are exhaustive.
    """
    for count, group in group_by_test(items, "sampled"):
        kept = {round(index * (len(group) - 1) / max(count - 1, 1)) for index in range(count)}
        for index, item in enumerate(group):
            if index not in kept:
                item.add_marker(pytest.mark.slow)
    for count, group in group_by_test(items, "product"):
        slow = [item for item in group if item.get_closest_marker("slow")]
        begin = crc32(slow[0].nodeid.partition("[")[0].encode()) if slow else 0  # another part of equal tables
        kept = cover_pairs([item.callspec.indices for item in slow], count, begin)
        for index, item in enumerate(slow):
            if index not in kept:
                item.add_marker(pytest.mark.exhaustive)


def group_by_test(items, mark):
    """Yield the number of cases to keep and all cases, for each test with this mark."""
    groups = defaultdict(list)
    for item in items:
        if item.get_closest_marker(mark):
            groups[item.nodeid.partition("[")[0]].append(item)
    for group in groups.values():
        yield group[0].get_closest_marker(mark).args[0], group


def cover_pairs(cases, count, begin):
    """Choose cases in which as many pairs of parameters' values as possible occur, spread over the table.

    :param cases: for each case, the index of the value of each parameter.
    :param begin: the case to begin with, modulo their number.
    """
    pairs = [set(combinations(case.items(), min(2, len(case)))) for case in cases]
    left = sorted(range(len(cases)), key=lambda index: (index - begin) % len(cases) * GOLDEN_RATIO % 1)
    chosen, covered = set(), set()
    while left and len(chosen) < count:
        best = max(left, key=lambda index: len(pairs[index] - covered))
        left.remove(best)
        chosen.add(best)
        covered |= pairs[best]
    return chosen


@pytest.fixture(autouse=True)
def _keep_denormals():
    """Undo what an ejected program that ran in this process sets for good: small numbers would be 0 in later tests."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def make_comparison():
    """A maker of comparisons with invented numbers."""
    return runpy.run_path(str(Path(__file__).with_name("invented_comparisons.py")))["make_comparison"]


@pytest.fixture
def root():
    """The checkout."""
    return Path(__file__).parent.parent


@pytest.fixture
def write(tmp_path):
    """Write a file below the test's folder and return its path: `write("a.yaml", text)`."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    return write


@pytest.fixture
def playground(tmp_path, monkeypatch):
    """Run the command inside the test's folder: `playground("run", "a.yaml")`; an unexpected exception is raised."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)

    def playground(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return playground


@pytest.fixture
def one_thread():
    """One thread for torch: a second one makes a step on a few numbers ten times slower on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
