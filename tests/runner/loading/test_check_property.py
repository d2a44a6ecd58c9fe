"""Bundled scenarios, mutated: whatever comes of it is valid, or a clean error in lines of their own."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground.errors import PlaygroundError
from playground.plugins.manager import load_plugins
from playground.runner.single.preparing import prepare
from playground.scenario.model import Loaded, parse_scenario
from playground.scenario.node import YamlEntry, YamlNode
from playground.scenario.source import SourceText, load_source

FILES = sorted((Path(__file__).parents[3] / "scenarios").glob("*.yaml"))

ODD = [
    None, True, False, 0, 1, -1, 2, 3.5, -0.0, 10**30, -(10**30), 1e-300, 1e300, math.inf, -math.inf, math.nan,
    "", " ", "adam", "mse", "minimize", "torch.LBFGS", "x", "x**2", "1/0", "log(x)", "x[0]", "().__class__", "cpu",
    "cuda", "meta", "\u2028", "é", "no\nline", "'", "{", "a" * 300,
    [], [[]], [1], [[1, 2]], [[1], [2, 3]], ["a"], [None], {}, {"name": "adam"}, {"name": None},
    {"x": 1}, {"below": 1}, {"": ""},
]  # fmt: skip
KEYS = [
    "steps", "seed", "batch_size", "stop", "clip", "dtype", "device", "expect", "plot", "sweep", "section",
    "components", "requires", "start", "at", "derivative", "order", "same_as", "schedule", "model", "loss", "function",
    "dataset", "name", "lr", "self", "setting", "x", "weight", "", "__class__", "task", "generator", "folder", "params",
    "hidden",
]  # fmt: skip
TARGETS = [load_source(file).data for file in FILES]


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(autoload=False)


def paths(value, path=()):
    """Every path of a value, that of the whole left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def copied(value):
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


@st.composite
def mutated(draw):
    """A bundled scenario with a few things dropped, renamed, replaced or added."""
    data = copied(draw(st.sampled_from(TARGETS)))
    donors = [value for target in TARGETS for value in target.values()]
    for _ in range(draw(st.integers(1, 3))):
        places = list(paths(data))
        if not places:
            break
        *holder_path, key = draw(st.sampled_from(places))
        holder = data
        for step in holder_path:
            holder = holder[step]
        match draw(st.sampled_from(["drop", "replace", "replace", "transplant", "rename", "add", "double"])):
            case "drop":
                del holder[key]
            case "replace":
                holder[key] = copied(draw(st.sampled_from(ODD)))
            case "transplant":
                holder[key] = copied(draw(st.sampled_from(donors)))
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(KEYS))] = holder.pop(key)
            case "add" if isinstance(holder, dict):
                holder[draw(st.sampled_from(KEYS))] = copied(draw(st.sampled_from(ODD)))
            case "double" if isinstance(holder, list):
                holder.append(copied(holder[key]))
    return data


def node(value, source):
    """Plain data as the loader would have read it; everything stands at the file's beginning."""
    place = source.root.place
    if isinstance(value, dict):
        return YamlNode(place, {key: YamlEntry(place, node(item, source)) for key, item in value.items()})
    if isinstance(value, list):
        return YamlNode(place, tuple(node(item, source) for item in value))
    return YamlNode(place, value)


def assert_clean(error):
    """Every fault is one line that can be printed, not endless, and has a place."""
    assert error.faults
    for fault in error.faults:
        assert fault.message.strip(), fault
        assert len(str(fault).splitlines()) == 1, fault
        assert fault.message.isprintable(), fault
        assert len(fault.message) < 1000, fault
        assert fault.place is not None, fault


@pytest.mark.slow
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(mutated())
def test_valid_or_a_clean_error(plugins, data):
    original = load_source(FILES[0])
    source = SourceText(original.file, node(data, original))
    try:
        with prepare(Loaded(parse_scenario(source), source), plugins):
            pass
    except PlaygroundError as error:
        assert_clean(error)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.sampled_from(FILES), st.data())
def test_damaged_text(plugins, tmp_path_factory, file, data):
    """Lines dropped, doubled and swapped, characters put in."""
    lines = file.read_text(encoding="utf-8").splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "double", "swap", "insert"])):
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                lines[at], lines[-1] = lines[-1], lines[at]
            case "insert":
                position = data.draw(st.integers(0, len(lines[at])))
                inserted = data.draw(st.sampled_from([*"{}[]:,#&*!|>'\"%@`-? \t\x00\x85\ufeff0e", "<<", "---", "é"]))
                lines[at] = lines[at][:position] + inserted + lines[at][position:]
    path = tmp_path_factory.getbasetemp() / file.name
    path.write_text("\n".join(lines), encoding="utf-8")
    try:
        source = load_source(path)
        with prepare(Loaded(parse_scenario(source), source), plugins):
            pass
    except PlaygroundError as error:
        assert_clean(error)
