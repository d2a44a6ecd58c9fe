import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import playground
from playground.errors import ComponentError, PluginError
from playground.plugins import load_plugins
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE


def load(folder, *specs, **options):
    return load_plugins(specs=specs, folder=folder, **{"builtin": (), **options})


def names(plugins):
    return tuple(plugin.name for plugin in plugins.loaded)


def test_a_single_file_is_loaded_with_its_origin(write, tmp_path, source):
    path = write("lion.py", source())
    plugins = load(tmp_path, "lion.py")
    (loaded,) = plugins.loaded
    assert (loaded.name, loaded.file, loaded.offers) == ("lion", str(path), {"optimizer": ("lion",)})
    assert 0 <= loaded.seconds < 5
    assert str(loaded) == f"lion ({path})"
    assert plugins.failures == ()
    assert plugins.registry.get("optimizer", "lion").load() is dict
    assert names(plugins) == ("lion",)
    assert plugins.registry.names("optimizer") == ("lion",)


def test_an_installed_plugin_is_loaded_with_its_distribution_and_version(install, tmp_path, source):
    install("gradient-playground-muon", {"muon": "fake_muon"}, version="2.1", fake_muon=source())
    (loaded,) = load(tmp_path, autoload=True).loaded
    assert str(loaded) == "muon (gradient-playground-muon 2.1)"
    assert loaded.file.endswith("fake_muon.py")


def test_an_entry_point_may_name_an_object(install, tmp_path):
    install(
        "gradient-playground-muon",
        {"muon": "fake_muon:plugin"},
        fake_muon="""
        from playground.plugins.hookspecs import hookimpl
        class Plugin:
            @hookimpl
            def playground_models(self):
                return {"a": dict}
        plugin = Plugin()
        """,
    )
    assert load(tmp_path, autoload=True).registry.names("model") == ("a",)


def test_the_order_is_builtin_installed_by_name_project_command_line(install, write, tmp_path, source):
    def offering(name):
        return source(body=f'return {{"{name}": dict}}')

    install("gradient-playground-z", {"zeta": "fake_zeta"}, fake_zeta=offering("z"), fake_ours=offering("o"))
    install("gradient-playground-a", {"alpha": "fake_alpha"}, fake_alpha=offering("a"))
    write("p2.py", offering("p2"))
    write("p1.py", offering("p1"))
    write("c1.py", offering("c1"))
    write("pyproject.toml", '[tool.playground]\nplugins = ["p2.py", "p1.py"]\n')
    plugins = load(tmp_path, "c1.py", "no:nothing", autoload=True, builtin=("fake_ours",))
    assert plugins.failures == ()
    assert names(plugins) == ("fake_ours", "alpha", "zeta", "p2", "p1", "c1")


@pytest.mark.parametrize(
    ("autoload", "variable", "specs", "loaded"),
    [
        (None, "", (), ("muon", "nadir")),
        (None, "1", (), ()),
        (None, "1", ("muon",), ("muon",)),
        (None, "1", ("fake_muon",), ("muon",)),
        (True, "1", (), ("muon", "nadir")),
        (False, "", (), ()),
        (True, "", ("no:muon",), ("nadir",)),
        (True, "", ("no:fake_muon", "muon"), ("nadir",)),
        (True, "", ("muon", "fake_muon", "muon"), ("muon", "nadir")),
        (True, "", ("no:muon", "no:nadir", "no:whatever"), ()),
    ],
)
def test_autoload_and_blocking(autoload, variable, specs, loaded, install, tmp_path, source, monkeypatch):
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, variable)
    install(
        "gradient-playground-x",
        {"muon": "fake_muon", "nadir": "fake_nadir"},
        fake_muon=source(),
        fake_nadir=source("playground_models"),
    )
    plugins = load(tmp_path, *specs, autoload=autoload)
    assert names(plugins) == loaded
    assert plugins.failures == ()


def test_the_projects_plugins_are_relative_to_its_file_and_can_be_blocked(write, tmp_path, source):
    write("pyproject.toml", '[tool.playground]\nplugins = ["plugins/lion.py", "no:steep"]\n')
    write("plugins/lion.py", source())
    write("steep.py", source("playground_models"))
    below = tmp_path / "below"
    below.mkdir()
    assert names(load(below)) == ("lion",)
    assert names(load(tmp_path, "steep.py", "no:lion")) == ()


NAME_RULE = "expected a lower-case letter, then letters, digits, '_', '.' or '-'"
TAKEN = (
    "registration: optimizer 'lion' of plugin taken ({folder}/taken.py) is already taken by plugin good"
    " ({folder}/good.py)"
)
BOOM = (
    "boom (gradient-playground-boom 0.3): import: AttributeError: 'int' object has no attribute 'y'"
    " (fake_boom.py, line 2)"
)
NULL_BYTES = "SyntaxError" if sys.version_info >= (3, 11, 4) else "ValueError"
"""What Python makes of a null byte in a source."""

BROKEN = {
    "raises.py": ("raise ValueError('too\\n steep')", "import: ValueError: too steep (raises.py, line 1)"),
    "exits.py": ("import sys\nsys.exit('bye')", "import: SystemExit: bye (exits.py, line 2)"),
    "grammar.py": ("def (:", "import: SyntaxError: invalid syntax (grammar.py, line 1)"),
    "needs.py": (
        "import fake_nowhere",
        "import: ModuleNotFoundError: No module named 'fake_nowhere' (needs.py, line 1)",
    ),
    "binary.py": ("\0", f"import: {NULL_BYTES}: source code string cannot contain null bytes"),
    "empty.py": ("", "registration: offers nothing: no function is marked with playground's @hookimpl"),
    "typo.py": (
        ("playground_optimzers", 'return {"typo": dict}'),
        "playground_optimzers: unknown hook; did you mean 'playground_optimizers'?",
    ),
    "boom.py": (
        ("playground_models", "1 / 0"),
        "playground_models: ZeroDivisionError: division by zero (boom.py, line 5)",
    ),
    "late.py": (
        ("playground_executors", 'return {"late": dict, "Late": dict}'),
        f"playground_executors: 'Late' is not a name: {NAME_RULE}",
    ),
    "taken.py": (
        ("playground_optimizers", 'return {"aaa": dict, "lion": dict}'),
        TAKEN,
    ),
    "nowhere.py": (None, "import: no such file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_left_out_as_a_whole_told_once_and_stops_nobody(name, write, tmp_path, source):
    content, cause = BROKEN[name]
    write("good.py", source())
    write("after.py", source("playground_models", 'return {"after": dict}'))
    if content is not None:
        text = content if isinstance(content, str) else source(*content)
        # Everything in a broken plugin that is fine must go as well.
        fine = "\n\n@hookimpl\ndef playground_schedules():\n    return {'fine': dict}\n"
        write(name, text + (fine if not isinstance(content, str) else ""))
    plugins = load(tmp_path, "good.py", name, "after.py")
    (failure,) = plugins.failures
    assert str(failure) == f"{name[:-3]} ({tmp_path / name}): {cause}".replace("{folder}", str(tmp_path))
    assert failure.requested
    assert (failure.name, failure.file) == (name[:-3], str(tmp_path / name))
    assert names(plugins) == ("good", "after")
    assert [plugins.registry.names(kind) for kind in ("optimizer", "model", "schedule")] == [("lion",), ("after",), ()]
    if failure.stage == "import":
        assert not [module for module in sys.modules if module.startswith(f"_playground_plugin_{name[:-3]}_")]


def test_a_broken_installed_plugin_is_told_with_distribution_and_version(install, tmp_path, source):
    install("gradient-playground-boom", {"boom": "fake_boom"}, version="0.3", fake_boom="x = 1\nx.y")
    install("gradient-playground-gone", {"gone": "fake_gone"})
    install("gradient-playground-ok", {"ok": "fake_ok", "odd": "fake_ok:nothing"}, fake_ok=source())
    plugins = load(tmp_path, autoload=True)
    assert list(map(str, plugins.failures)) == [
        BOOM,
        "gone (gradient-playground-gone 1.0): import: ModuleNotFoundError: No module named 'fake_gone'",
        "odd (gradient-playground-ok 1.0): import: AttributeError: module 'fake_ok' has no attribute 'nothing'",
    ]
    assert not any(failure.requested for failure in plugins.failures)
    boom = plugins.failures[0]
    assert (boom.distribution, boom.version, boom.stage) == ("gradient-playground-boom", "0.3", "import")
    assert names(plugins) == ("ok",)


def test_a_broken_installed_plugin_that_was_asked_for_is_marked(install, tmp_path):
    install("gradient-playground-boom", {"boom": "fake_boom"}, fake_boom="1 / 0")
    assert [failure.requested for failure in load(tmp_path, "boom", autoload=True).failures] == [True]


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ("muo", "no installed plugin, module or .py file has this name; did you mean 'muon'?"),
        ("zzzzz", "no installed plugin, module or .py file has this name (accepted: "),
        ("json.nothing", "no installed plugin, module or .py file has this name"),
        ("fake_needs", "ModuleNotFoundError: No module named 'fake_nowhere' (fake_needs.py, line 1)"),
        ("a b", "no installed plugin, module or .py file has this name"),
        ("", "ValueError: Empty module name"),
        (".x", "TypeError: "),
    ],
)
def test_a_name_that_is_nothing_gets_a_suggestion(spec, cause, install, tmp_path, source):
    install("gradient-playground-muon", {"muon": "fake_muon"}, fake_muon=source(), fake_needs="import fake_nowhere")
    plugins = load(tmp_path, spec)
    (failure,) = plugins.failures
    assert failure.cause.startswith(cause)
    assert "\n" not in str(failure)


def test_a_module_can_be_asked_for_by_name(install, tmp_path, source):
    install("other", {}, fake_module=source())
    (loaded,) = load(tmp_path, "fake_module").loaded
    assert (loaded.name, loaded.origin.distribution) == ("fake_module", "")


def test_two_plugins_of_one_name(write, tmp_path, source):
    write("lion.py", source())
    write("other/lion.py", source("playground_models"))
    plugins = load(tmp_path, "lion.py", "other/lion.py")
    (failure,) = plugins.failures
    assert failure.cause == f"its name is already taken by plugin lion ({tmp_path}/lion.py)"
    assert plugins.registry.names("model") == ()


def test_a_builtin_that_fails_counts_as_asked_for(tmp_path):
    (failure,) = load(tmp_path, builtin=("fake_nowhere",)).failures
    assert failure.requested


def test_a_malformed_pyproject_is_an_error(write, tmp_path):
    write("pyproject.toml", "[tool.playground]\nplugins = 3\n")
    with pytest.raises(PluginError, match="expected a list of texts"):
        load(tmp_path)


def test_an_edited_file_is_read_again_and_an_unchanged_one_is_not(write, tmp_path, source, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    write("lion.py", source(body='return {"one": dict}'))
    first, again = load(tmp_path, "lion.py"), load(tmp_path, "lion.py")
    write("lion.py", source(body='return {"two": dict}'))  # the same size, within the same second
    second = load(tmp_path, "lion.py")
    assert (first.registry.names("optimizer"), second.registry.names("optimizer")) == (("one",), ("two",))
    assert first.fingerprint == again.fingerprint != second.fingerprint
    assert not list(tmp_path.glob("**/__pycache__"))


def test_what_a_file_defines_is_whole(write, tmp_path):
    write(
        "lion.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass
        from playground import hookimpl

        @dataclass(frozen=True)
        class Lion:
            lr: float = 0.1

        @hookimpl
        def playground_optimizers():
            return {"lion": f"{__name__}:Lion"}
        """,
    )
    factory = load(tmp_path, "lion.py").registry.get("optimizer", "lion").load()
    assert pickle.loads(pickle.dumps(factory(0.5))) == factory(0.5)
    from playground.plugins.parameters import declared_parameters

    assert declared_parameters(factory)[0].annotation is float


def test_the_fingerprint_knows_versions_and_files(install, write, tmp_path, source):
    install("gradient-playground-muon", {"muon": "fake_muon"}, version="1.0", fake_muon=source())
    alone = load(tmp_path).fingerprint
    old = load(tmp_path, "muon").fingerprint
    for path in (tmp_path / "site").glob("*.dist-info"):
        (path / "METADATA").write_text("Name: gradient-playground-muon\nVersion: 1.1\n")
    new = load(tmp_path, "muon").fingerprint
    assert len({alone, old, new}) == 3
    assert load(tmp_path, "muon").fingerprint == new


def test_the_recipe_loads_the_same_elsewhere(write, tmp_path, source, monkeypatch):
    write("lion.py", source())
    plugins = load(tmp_path, "lion.py")
    monkeypatch.chdir("/")
    again = load_plugins(**plugins.recipe)
    assert again.fingerprint == plugins.fingerprint
    assert plugins.recipe == {"specs": ["lion.py"], "folder": str(tmp_path), "autoload": False, "builtin": []}
    assert json.loads(json.dumps(plugins.recipe)) == plugins.recipe


EVENTFUL = """
from playground.plugins.hookspecs import hookimpl

@hookimpl
def playground_run_started(spec):
    {body}
"""


def test_events_reach_every_plugin_and_a_raising_one_is_told_once(write, tmp_path, source, capsys):
    write("first.py", EVENTFUL.format(body="spec.append('first')"))
    write("boom.py", EVENTFUL.format(body="print('x'); raise ValueError('boom')"))
    write("last.py", EVENTFUL.format(body="spec.append('last')"))
    write("lion.py", source())
    plugins = load(tmp_path, "first.py", "boom.py", "last.py", "lion.py")
    heard = []
    (failure,) = plugins.broadcast("playground_run_started", spec=heard)
    assert str(failure) == f"boom ({tmp_path}/boom.py): playground_run_started: ValueError: boom (boom.py, line 5)"
    assert heard == ["first", "last"]
    assert plugins.broadcast("playground_run_started", spec=heard) == ()
    assert plugins.failures == (failure,)
    assert names(plugins) == ("first", "boom", "last", "lion")
    assert capsys.readouterr().out == ""
    assert plugins.broadcast("playground_run_finished", result=None) == ()


def test_only_events_are_broadcast(tmp_path):
    with pytest.raises(ValueError, match="is no event"):
        load(tmp_path).broadcast("playground_models")


def test_a_warning_on_import_is_no_failure(write, tmp_path, source):
    write("warns.py", "import warnings\nwarnings.warn('old', DeprecationWarning)\n" + source())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load(tmp_path, "warns.py").failures == ()


def test_plugins_are_a_catalogue_of_tasks(write, tmp_path):
    write(
        "tasks.py",
        """
        from playground.plugins.hookspecs import hookimpl

        class Task:
            def __init__(self, model, loss=None, start=None, *, at): ...

        @hookimpl
        def playground_tasks():
            return {"fit": Task, "lost": "fake_nowhere:Task"}
        """,
    )
    plugins = load(tmp_path, "tasks.py")
    assert plugins.plugin_names() == ("tasks",)
    assert plugins.names("task") == ("fit", "lost")
    assert plugins.task_kinds("fit") == {"model": True, "loss": False}
    assert plugins.task_parameters("fit") == {"start": False, "at": True}
    with pytest.raises(ComponentError, match="unknown task 'fitt'; did you mean 'fit'"):
        plugins.task_kinds("fitt")
    with pytest.raises(ComponentError, match="cannot import 'fake_nowhere:Task'"):
        plugins.task_parameters("lost")


def test_loading_imports_neither_torch_nor_pydantic():
    code = (
        "import sys; from playground.plugins import load_plugins; load_plugins(builtin=(), autoload=False)\n"
        "print({'torch', 'numpy', 'sympy', 'rich', 'pydantic'} & sys.modules.keys())"
    )
    root = Path(playground.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
