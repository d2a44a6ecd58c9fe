import functools

import pytest

from playground.errors import ComponentError, PluginError
from playground.plugins import Component, Origin, Registry
from playground.plugins.registry import import_reference

ORIGIN = Origin("muon", "gradient-playground-muon", "1.0")


def component(name="adam", kind="optimizer", factory=dict, origin=ORIGIN):
    return Component(kind, name, factory, origin)


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (ORIGIN, "muon (gradient-playground-muon 1.0)"),
        (Origin("muon", "gradient-playground-muon"), "muon (gradient-playground-muon)"),
        (Origin("lion", file="/x/lion.py"), "lion (/x/lion.py)"),
        (Origin("some.module"), "some.module"),
    ],
)
def test_an_origin_tells_where_it_is_from(origin, told):
    assert str(origin) == told


def test_components_are_found_by_kind_and_name_and_names_are_sorted():
    registry = Registry()
    adam = component("adam")
    registry.add(component("sgd"), adam, component("adam", "loss"))
    assert registry.get("optimizer", "adam") is adam
    assert registry.names("optimizer") == ("adam", "sgd")
    assert registry.names("model") == ()


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("optimizer", "adm", "unknown optimizer 'adm'; did you mean 'adam'?"),
        (
            "optimizer",
            "zzz",
            "unknown optimizer 'zzz' (accepted: adam); if a plugin provides it, load the plugin with -p FILE|NAME",
        ),
        ("model", "mlp", "unknown model 'mlp'; if a plugin provides it, load the plugin with -p FILE|NAME"),
        ("optimiser", "adam", "unknown kind of component 'optimiser'; did you mean 'optimizer'?"),
    ],
)
def test_an_unknown_name_gets_a_suggestion(kind, name, told):
    registry = Registry()
    registry.add(component())
    with pytest.raises(ComponentError) as caught:
        registry.get(kind, name)
    assert str(caught.value) == told


def test_a_taken_name_names_both_sides_and_adds_nothing():
    registry = Registry()
    registry.add(component(origin=Origin("builtin")))
    with pytest.raises(PluginError) as caught:
        registry.add(component("aaa"), component())
    assert str(caught.value) == (
        "optimizer 'adam' of plugin muon (gradient-playground-muon 1.0) is already taken by plugin builtin"
    )
    assert registry.names("optimizer") == ("adam",)


def test_a_name_offered_twice_at_once_is_taken():
    with pytest.raises(PluginError, match="already taken by plugin muon"):
        Registry().add(component(), component())


def test_the_same_name_in_two_kinds_is_no_clash():
    Registry().add(component("linear", "model"), component("linear", "schedule"))


def test_a_reference_is_imported_on_use():
    assert component(factory="json:decoder.JSONDecoder").load() is __import__("json").JSONDecoder
    assert import_reference("json") is __import__("json")


@pytest.mark.parametrize(
    ("factory", "why"),
    [
        ("fake_nowhere:thing", "ModuleNotFoundError: No module named 'fake_nowhere'"),
        ("json:nothing", "AttributeError: module 'json' has no attribute 'nothing'"),
        ("json:__name__", "'json:__name__' is a str, not callable"),
        ("fake_exits:thing", "SystemExit: 2 (fake_exits.py, line 1)"),
    ],
)
def test_a_reference_that_leads_nowhere_is_one_line(factory, why, tmp_path, monkeypatch):
    (tmp_path / "fake_exits.py").write_text("raise SystemExit(2)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ComponentError) as caught:
        component(factory=factory).load()
    text = str(caught.value)
    assert "optimizer 'adam' of plugin muon (gradient-playground-muon 1.0)" in text
    assert why in text
    assert "\n" not in text


def documented():
    """First line,
    second line.

    More.
    """


class BareError(Exception):
    pass


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        (documented, "First line, second line."),
        (functools.partial(documented), "First line, second line."),
        (BareError, ""),
    ],
)
def test_the_summary_is_the_first_paragraph_of_its_own_docstring(factory, told):
    assert component(factory=factory).summary() == told
