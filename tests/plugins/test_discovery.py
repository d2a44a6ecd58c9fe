import os
from pathlib import Path

import pytest

from playground.errors import Place, PluginError
from playground.plugins import Origin
from playground.plugins.discovery import (
    Candidate,
    blocked_names,
    builtin_candidates,
    installed_candidates,
    merge_candidates,
    project_plugins,
    requested_candidates,
)


def mine(candidates):
    """Leave out what this machine may have installed."""
    return [candidate for candidate in candidates if candidate.target.startswith(("fake_", "gradient-playground-x"))]


def test_installed_plugins_are_sorted_by_name_with_their_distribution(install):
    install("gradient-playground-b", {"zeta": "fake_z", "alpha": "fake_a:plugin"}, version="2.0")
    install("gradient-playground-a", {"muon": "fake_m"})
    install("other", "[console_scripts]\nplayground_x = fake_other:main\n")
    assert mine(installed_candidates()) == [
        Candidate(Origin("alpha", "gradient-playground-b", "2.0"), "fake_a:plugin"),
        Candidate(Origin("muon", "gradient-playground-a", "1.0"), "fake_m"),
        Candidate(Origin("zeta", "gradient-playground-b", "2.0"), "fake_z"),
    ]


def test_a_second_copy_further_down_the_path_is_passed_over(install, tmp_path, monkeypatch):
    install("gradient-playground-x", {"x": "fake_new"}, version="2.0")
    older = tmp_path / "older" / "gradient_playground.x-1.0.dist-info"
    older.mkdir(parents=True)
    (older / "entry_points.txt").write_text("[playground]\nx = fake_old\n")
    (older / "METADATA").write_text("Name: gradient_playground.x\nVersion: 1.0\n")
    monkeypatch.setattr("sys.path", [*__import__("sys").path, str(older.parent)])
    assert [candidate.target for candidate in mine(installed_candidates())] == ["fake_new"]


@pytest.mark.parametrize(
    ("points", "cause"),
    [("[playground]\nx\n", "its entry points cannot be read: "), ("[playground]\nx = 1 + 1\n", "its entry points")],
)
def test_malformed_entry_points_of_ours_are_a_failure_and_of_others_nobodys(install, points, cause):
    install("gradient-playground-x", points)
    install("gradient-playground-ok", {"ok": "fake_ok"})
    install("gradient-broken", "no section\n= nothing\n")
    found = {candidate.origin.plugin: candidate.trouble for candidate in mine(installed_candidates())}
    assert found.keys() == {"gradient-playground-x", "ok"}
    assert found["gradient-playground-x"].startswith(cause)
    assert found["ok"] == ""


@pytest.mark.parametrize("metadata", [False, "nonsense"])
def test_damaged_metadata_leave_the_distribution_nameless(install, metadata):
    install("gradient-playground-x", {"x": "fake_x"}, metadata=metadata)
    assert mine(installed_candidates()) == [Candidate(Origin("x"), "fake_x")]


def test_entry_points_that_are_not_text_are_passed_over(install, tmp_path):
    install("gradient-playground-x", {"x": "fake_x"})
    (tmp_path / "site" / "gradient_playground_x-1.0.dist-info" / "entry_points.txt").write_bytes(
        b"[playground]\xff\xfe"
    )
    assert mine(installed_candidates()) == []


def test_the_builtin_is_named_by_its_last_part_and_is_wanted():
    (found,) = builtin_candidates(["playground.builtin"])
    assert (found.origin.plugin, found.target, found.requested) == ("builtin", "playground.builtin", True)
    assert found.origin.distribution == "gradient-playground"


INSTALLED = [
    Candidate(Origin("muon", "gradient-playground-muon", "1.0"), "playground_muon"),
    Candidate(Origin("lion", "gradient-playground-lion", "1.0"), "playground_lion:plugin"),
]


@pytest.mark.parametrize(
    ("spec", "name", "target"),
    [
        ("muon", "muon", "playground_muon"),
        ("playground_muon", "muon", "playground_muon"),
        ("lion", "lion", "playground_lion:plugin"),
        ("some.module", "some.module", "some.module"),
    ],
)
def test_a_name_is_an_installed_plugin_or_a_module(spec, name, target, tmp_path):
    (found,) = requested_candidates([spec, "no:other"], tmp_path, INSTALLED, requested=True)
    assert (found.origin.plugin, found.target, found.requested) == (name, target, True)


def test_a_file_is_relative_to_the_folder(write, tmp_path):
    path = write("plugins/lion.py", "")
    for spec in ("plugins/lion.py", str(path), "plugins/../plugins/lion.py"):
        (found,) = requested_candidates([spec], tmp_path, (), requested=False)
        assert found == Candidate(Origin("lion", file=str(path)), str(path))


@pytest.mark.parametrize(
    ("spec", "trouble"),
    [
        ("nowhere.py", "no such file"),
        ("some/where", "no such file"),
        ("folder.py", "is a folder; expected a .py file"),
        ("notes/lion.txt", "expected a .py file"),
        ("nul\0.py", "ValueError: embedded null byte"),
    ],
)
def test_a_file_that_is_none_is_told(spec, trouble, write, tmp_path):
    (tmp_path / "folder.py").mkdir()
    write("notes/lion.txt", "")
    (found,) = requested_candidates([spec], tmp_path, (), requested=True)
    assert found.trouble.startswith(trouble)


def test_links_in_a_circle_are_told(tmp_path):
    os.symlink(tmp_path / "b.py", tmp_path / "a.py")
    os.symlink(tmp_path / "a.py", tmp_path / "b.py")
    (found,) = requested_candidates(["a.py"], tmp_path, (), requested=True)
    assert found.trouble


@pytest.mark.parametrize(
    ("blocked", "left"),
    [
        (["no:muon"], ["lion", "steep"]),
        (["no:playground_muon"], ["lion", "steep"]),
        (["no:playground_lion"], ["muon", "steep"]),
        (["no:steep", "no:nothing"], ["muon", "lion"]),
        (["muon", "no:"], ["muon", "lion", "steep"]),
    ],
)
def test_no_blocks_by_name_module_or_stem(blocked, left):
    candidates = [*INSTALLED, Candidate(Origin("steep", file="/x/steep.py"), "/x/steep.py")]
    assert [candidate.origin.plugin for candidate in merge_candidates(candidates, blocked_names(blocked))] == left


def test_the_same_plugin_asked_for_twice_loads_once_and_is_asked_for():
    again = Candidate(Origin("other name"), "playground_muon", requested=True)
    first, second = merge_candidates([*INSTALLED, again], frozenset())
    assert (first.origin.plugin, first.requested) == ("muon", True)
    assert (second.origin.plugin, second.requested) == ("lion", False)


def test_the_nearest_pyproject_is_the_one(write, tmp_path):
    write("pyproject.toml", '[tool.playground]\nplugins = ["outer.py"]\n')
    inner = write("inner/pyproject.toml", '[tool.playground]\nplugins = ["plugins/lion.py", "no:muon"]\n').parent
    deep = inner / "a" / "b"
    deep.mkdir(parents=True)
    assert project_plugins(deep) == (inner, ("plugins/lion.py", "no:muon"))
    assert project_plugins(inner) == (inner, ("plugins/lion.py", "no:muon"))
    assert project_plugins(tmp_path) == (tmp_path, ("outer.py",))


@pytest.mark.parametrize("text", ["", "[tool.other]\nplugins = 1\n", "[tool.playground]\n"])
def test_a_pyproject_that_says_nothing_stops_the_search(text, write, tmp_path):
    write("pyproject.toml", '[tool.playground]\nplugins = ["outer.py"]\n')
    inner = write("inner/pyproject.toml", text).parent
    assert project_plugins(inner) == (inner, ())


@pytest.mark.parametrize(
    ("text", "told", "line"),
    [
        ("a = 1\nb =\n", "not valid TOML: Invalid value", 2),
        ("[tool", "not valid TOML: ", 0),
        ("tool = 3", "expected [tool.playground] to be a table", 0),
        ("[tool]\nplayground = []", "expected [tool.playground] to be a table", 0),
        ("[tool.playground]\nplugin = []", "unknown key 'plugin' in [tool.playground]; did you mean 'plugins'?", 0),
        ("[tool.playground]\nplugins = 'a.py'", "[tool.playground] plugins: expected a list of texts", 0),
        ("[tool.playground]\nplugins = [1]", "[tool.playground] plugins: expected a list of texts", 0),
        ("a = " + "[" * 5000, "not valid TOML: ", 0),
    ],
)
def test_a_malformed_pyproject_is_one_line_with_its_place(text, told, line, write, tmp_path):
    file = write("pyproject.toml", text)
    with pytest.raises(PluginError) as caught:
        project_plugins(tmp_path)
    (fault,) = caught.value.faults
    assert fault.message.startswith(told)
    assert isinstance(fault.place, Place)
    assert (fault.place.file, fault.place.line) == (str(file), line)
    assert "\n" not in str(caught.value)


def test_a_pyproject_that_is_no_text(tmp_path):
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PluginError, match="not UTF-8"):
        project_plugins(tmp_path)


def test_a_pyproject_that_cannot_be_read(write, monkeypatch, tmp_path):
    write("pyproject.toml", "")

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(PluginError, match=r"pyproject\.toml: cannot be read: Permission denied"):
        project_plugins(tmp_path)
