"""Each way in which a plugin can be wrong: a specimen that is wrong in this way alone, and the line that says so."""

import re
import sys

import pytest

from playground.plugins.doctor import examine
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE

HEAD = "from playground import hookimpl\n\n"
GOOD = f'{HEAD}@hookimpl\ndef playground_optimizers():\n    return {{"muon": dict}}\n'
MUON = {"muon": "fake_muon"}
INFO = "site/gradient_playground_muon-1.0.dist-info"


@pytest.fixture(autouse=True)
def _autoload(monkeypatch):
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "")


@pytest.fixture
def doctor(tmp_path):
    """Examine what a name means, without the built-in plugin: `doctor("muon", "no:muon")`."""

    def doctor(name, *specs):
        return examine(name, specs=specs, folder=tmp_path, builtin=())

    return doctor


def requiring(*requirements):
    lines = "".join(f"Requires-Dist: {each}\n" for each in requirements)
    return f"Metadata-Version: 2.1\nName: gradient-playground-muon\nVersion: 1.0\n{lines}"


WRONG = {
    "nobody has this name": ("moun", MUON, GOOD, r"not installed in this environment \(.+\); did you mean 'muon'\?"),
    "nearly a distribution": (
        "gradient-playground-mun",
        MUON,
        GOOD,
        r"not installed in this environment \(.+\); did you mean 'gradient-playground-muon'\?",
    ),
    "misspelt name": (
        "muon",
        {"moun": "fake_muon"},
        GOOD,
        "no plugin has this name; the entry point of gradient-playground-muon 1.0 is 'moun'",
    ),
    "no entry point": (
        "fake_muon",
        "",
        GOOD,
        r"module fake_muon \(.+fake_muon\.py\) can be imported, but no installed distribution has .+`-p fake_muon` .+",
    ),
    "distribution without entry point": (
        "muon",
        "",
        GOOD,
        r"gradient-playground-muon 1\.0 is installed, but has no entry point; expected \[project\.entry-points\..+\]",
    ),
    **{
        f"group {group}": (
            name,
            f"[{group}]\n{name} = fake_muon\n",
            GOOD,
            f"gradient-playground-muon 1.0 is installed, .+ no entry point in the group 'playground'; .+: '{group}'",
        )
        for group, name in (
            ("playgrounds", "muon"),
            ("playground.plugins", "muon"),
            ("Playground", "odd"),  # the distribution is not called after it: the near group tells
            ("playgroud", "odd"),
            ("pytest11", "muon"),
        )
    },
    "misspelt module": (
        "muon",
        {"muon": "fake_moun"},
        GOOD,
        "entry point muon = 'fake_moun': no module 'fake_moun'; did you mean 'fake_muon'?",
    ),
    "misspelt attribute": (
        "muon",
        {"muon": "fake_muon:plugn"},
        f"{GOOD}\nclass plugin: pass\n",
        "entry point muon = 'fake_muon:plugn': the module has no 'plugn'; did you mean 'plugin'?",
    ),
    "import error": (
        "muon",
        MUON,
        f"{GOOD}\n\ndef deep():\n    import json\n    json.loads('')\n\n\ndeep()\n",
        r"import: JSONDecodeError: Expecting value: .+ \(/.+/site/fake_muon\.py:10\)",
    ),
    "syntax error": (
        "muon",
        MUON,
        "\n\ndef (:\n",
        r"import: SyntaxError: invalid syntax \(/.+fake_muon\.py:\d\)",
    ),
    "missing library": (
        "muon",
        MUON,
        "import no_such_library\n",
        r"import: ModuleNotFoundError: No module named 'no_such_library' \(/.+fake_muon\.py:1\)",
    ),
    "leaves": ("muon", MUON, "raise SystemExit(3)\n", r"import: SystemExit: 3 \(/.+fake_muon\.py:1\)"),
    "misspelt hook": (
        "muon",
        MUON,
        GOOD.replace("optimizers", "optimisers"),
        "playground_optimisers: unknown hook; did you mean 'playground_optimizers'?",
    ),
    "misspelt hook without mark": (
        "muon",
        MUON,
        GOOD.replace("optimizers", "optimisers").replace("@hookimpl\n", ""),
        "playground_optimisers: unknown hook; did you mean 'playground_optimizers'?.+",
    ),
    "hook without mark": (
        "muon",
        MUON,
        GOOD.replace("@hookimpl\n", ""),
        "playground_optimizers: is not marked with @hookimpl",
    ),
    "hook raises": (
        "muon",
        MUON,
        GOOD.replace("return", "1 / 0 #"),
        r"playground_optimizers: ZeroDivisionError: division by zero \(/.+fake_muon\.py:5\)",
    ),
    "component is nowhere": (
        "muon",
        MUON,
        GOOD.replace("dict", '"fake_muon:Muon"'),
        r"optimizer 'muon' of plugin muon .+: cannot import 'fake_muon:Muon': AttributeError: .+",
    ),
}


@pytest.mark.sampled(9)
@pytest.mark.parametrize(("name", "points", "source", "line"), WRONG.values(), ids=WRONG)
def test_what_is_wrong(doctor, install, write, name, points, source, line):
    install("gradient-playground-muon", points, fake_muon=source)
    write(f"{INFO}/RECORD", "fake_muon.py,,\n")
    (examination,) = doctor(name)
    (fault,) = examination.faults
    assert fault == line or re.fullmatch(line, fault), fault


def test_a_name_is_taken_by_whom(doctor, install):
    install("gradient-playground-muon", MUON, fake_muon=GOOD)
    install("gradient-playground-other", {"also": "fake_also"}, fake_also=GOOD)
    (other,) = doctor("muon")
    (fault,) = other.faults
    mine, theirs = "muon (gradient-playground-muon 1.0)", "also (gradient-playground-other 1.0)"
    assert fault == f"registration: optimizer 'muon' of plugin {mine} is already taken by plugin {theirs}"
    assert doctor("also")[0].faults == ()


def test_two_plugins_of_one_name_are_both_examined(doctor, install):
    install("gradient-playground-muon", MUON, fake_muon=GOOD)
    install("gradient-playground-other", {"muon": "fake_also"}, fake_also=GOOD.replace('"muon"', '"also"'))
    first, second = doctor("muon")
    assert (first.faults, first.origin.distribution) == ((), "gradient-playground-muon")
    assert second.faults == ("registration: its name is already taken by plugin muon (gradient-playground-muon 1.0)",)


def test_two_entry_points_for_one_module(doctor, install):
    install("gradient-playground-muon", {"muon": "fake_muon", "nuon": "fake_muon"}, fake_muon=GOOD)
    (examination,) = doctor("nuon")
    assert examination.faults[-1] == (
        "left out: fake_muon is loaded as plugin muon (gradient-playground-muon 1.0) already"
    )


def test_versions_out_of_range_stand_after_the_import_that_they_may_explain(doctor, install):
    metadata = requiring("gradient-playground>=9,<10", "pluggy<2,>=1", "torch<1", "nowhere; extra == 'test'")
    install("gradient-playground-muon", MUON, metadata=metadata, fake_muon="from playground import nothing_such")
    (examination,) = doctor("muon")
    first, *rest = examination.faults
    assert first.startswith("import: ImportError: ")
    assert [line.partition(", but ")[0] for line in rest] == [
        "requires gradient-playground>=9,<10",
        "requires torch<1",
    ]


@pytest.mark.slow
def test_left_out_and_by_whom(doctor, install, write, monkeypatch):
    install("gradient-playground-muon", MUON, fake_muon=GOOD)
    (examination,) = doctor("muon", "no:fake_muon")
    assert examination.faults == ("left out by '-p no:fake_muon'",)
    assert examination.offers == {"optimizer": ("muon",)}  # nothing else is wrong with it
    project = write("pyproject.toml", '[tool.playground]\nplugins = ["no:muon"]\n')
    assert doctor("muon")[0].faults == (f"left out by 'no:muon' in {project}",)
    project.unlink()
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    assert doctor("muon")[0].faults == (f"left out: {DISABLE_AUTOLOAD_VARIABLE} is '1'; `-p muon` loads it",)
    assert doctor("muon", "muon")[0].faults == ()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["muon", "Muon", "gradient-playground-muon", "Gradient_Playground.muon", "fake_muon"])
def test_a_healthy_plugin(doctor, install, name):
    heard = "\n@hookimpl\ndef playground_run_started(spec):\n    pass\n"
    install("gradient-playground-muon", MUON, fake_muon=GOOD + heard)
    (examination,) = doctor(name)
    assert examination.faults == ()
    assert str(examination.origin) == "muon (gradient-playground-muon 1.0)"
    assert examination.file.endswith("/site/fake_muon.py")
    assert examination.offers == {"optimizer": ("muon",)}
    assert examination.events == ("playground_run_started",)
    assert 0 <= examination.time.seconds < 60
    assert not examination.time.torch


@pytest.mark.slow
def test_a_single_file(doctor, write):
    path = write("muon.py", GOOD)
    for name in ("muon.py", str(path), "./muon.py"):
        (examination,) = doctor(name)
        assert (examination.faults, examination.origin.file) == ((), str(path))
    assert doctor("muon")[0].faults == (
        "muon.py is a file here: `-p muon.py` loads it, `playground plugins doctor muon.py` examines it",
    )
    assert doctor("muon", "muon.py")[0].faults == ()
    write("muon.py", f"{GOOD}\n\nraise ValueError('steep')\n")
    assert doctor("muon.py")[0].faults == (f"import: ValueError: steep ({path}:8)",)
    assert doctor("none.py")[0].faults == ("import: no such file",)


@pytest.mark.parametrize("there", [True, False])
def test_an_editable_installation_whose_source_has_moved(doctor, install, write, tmp_path, there):
    install("gradient-playground-muon", MUON)
    folder = tmp_path / "my source"
    write(f"{INFO}/direct_url.json", f'{{"url": "{folder.as_uri()}", "dir_info": {{"editable": true}}}}')
    if there:
        folder.mkdir()
    moved = "" if there else f"; it was installed from {folder}, which is no longer there"
    assert doctor("muon")[0].faults == (f"entry point muon = 'fake_muon': no module 'fake_muon'{moved}",)


def test_a_library_of_that_name_is_no_plugin(doctor, install, write):
    install("library", "", fake_library="")
    write("site/playground_fake_library/__init__.py", "")
    assert doctor("json")[0].faults[0].startswith("not installed in this environment")
    (fault,) = doctor("fake-library")[0].faults
    assert "playground_fake_library" in fault


def test_links_in_a_circle(doctor, tmp_path):
    (tmp_path / "a.py").symlink_to(tmp_path / "b.py")
    (tmp_path / "b.py").symlink_to(tmp_path / "a.py")
    (fault,) = doctor("a.py")[0].faults
    assert fault.startswith("import: ")


def test_an_import_that_fails_only_where_nothing_is_imported_yet(doctor, write):
    write("muon.py", f"{HEAD}import sys\nassert 'pytest' in sys.modules, 'alone'\n{GOOD}")
    assert "pytest" in sys.modules
    (examination,) = doctor("muon.py")
    assert examination.faults == ("import: fails in a fresh interpreter: AssertionError: alone (muon.py, line 4)",)
    assert examination.time is None


def test_torch_in_the_import_is_told(doctor, write):
    write("muon.py", f"{GOOD}\nimport sys\nif 'pytest' not in sys.modules:\n    sys.modules['torch'] = sys\n")
    (examination,) = doctor("muon.py")
    assert examination.time.torch
