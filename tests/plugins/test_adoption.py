import sys
import types

import pluggy
import pytest

from playground.plugins import Origin, hookimpl
from playground.plugins.adoption import AdoptionError, collect, offered_names, register, stage

ORIGIN = Origin("steep")


def plugin(**hooks):
    """Return a module with these hooks, all marked."""
    module = types.ModuleType("steep")
    for name, function in hooks.items():
        setattr(module, name, hookimpl(function))
    return module


def nothing():
    """Return a new function each time, since the mark is written onto it."""

    def hook():
        return {}

    return hook


def failure(module):
    with pytest.raises(AdoptionError) as caught:
        collect(register(module, ORIGIN), ORIGIN)
    assert "\n" not in caught.value.cause
    return caught.value.stage, caught.value.cause


def test_what_hooks_return_is_collected_sorted():
    module = plugin(
        playground_optimizers=lambda: {"lion": dict, "adam": "json:loads", "torch.Adam": dict},
        playground_losses=lambda: {"l4-x": len},
    )
    found = collect(register(module, ORIGIN), ORIGIN)
    assert [(c.kind, c.name) for c in found] == [
        ("loss", "l4-x"),
        ("optimizer", "adam"),
        ("optimizer", "lion"),
        ("optimizer", "torch.Adam"),
    ]
    assert all(c.origin is ORIGIN for c in found)
    assert offered_names(found) == {"loss": ("l4-x",), "optimizer": ("adam", "lion", "torch.Adam")}


def test_two_functions_may_serve_one_hook():
    module = types.ModuleType("steep")
    module.first = hookimpl(specname="playground_models")(lambda: {"a": dict})
    module.second = hookimpl(specname="playground_models")(lambda: {"b": dict})
    assert offered_names(collect(register(module, ORIGIN), ORIGIN)) == {"model": ("a", "b")}


def test_an_object_may_be_a_plugin_as_well():
    class Steep:
        @hookimpl
        def playground_models(self):
            return {"a": dict}

        __hash__ = None

    assert offered_names(collect(register(Steep(), ORIGIN), ORIGIN)) == {"model": ("a",)}


def test_an_event_alone_is_enough_and_may_leave_its_argument_out():
    heard = []
    manager = register(plugin(playground_run_finished=lambda: heard.append(1)), ORIGIN)
    assert collect(manager, ORIGIN) == []
    manager.hook.playground_run_finished(result=None)
    assert heard == [1]


def test_a_hook_of_another_host_may_be_optional():
    module = plugin(playground_models=lambda: {"a": dict})
    module.playground_future = hookimpl(optionalhook=True)(nothing())
    assert offered_names(collect(register(module, ORIGIN), ORIGIN)) == {"model": ("a",)}


EXPECTED = "expected a mapping of names to factories, such as {'lion': Lion}"


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        (None, f"returned None; {EXPECTED}"),
        (["lion"], f"returned a list; {EXPECTED}"),
        ({1: dict}, "1 is not a name: expected a lower-case letter, then letters, digits, '_', '.' or '-'"),
        ({"Lion": dict}, "'Lion' is not a name: "),
        ({"": dict}, "'' is not a name: "),
        ({"a b": dict}, "'a b' is not a name: "),
        ({"a\n": dict}, "'a\\n' is not a name: "),
        ({"lion": 3}, "optimizer 'lion': expected a class, a function or 'package.module:attribute', got a int"),
        (
            {"lion": None},
            "optimizer 'lion': expected a class, a function or 'package.module:attribute', got a NoneType",
        ),
        ({"lion": "json.loads"}, "optimizer 'lion': expected 'package.module:attribute', got 'json.loads'"),
        ({"lion": ":loads"}, "optimizer 'lion': expected 'package.module:attribute', got ':loads'"),
    ],
)
def test_a_result_that_is_no_mapping_of_names_to_factories(result, cause):
    hook, told = failure(plugin(playground_models=lambda: {"a": dict}, playground_optimizers=lambda: result))
    assert hook == "playground_optimizers"
    assert told.startswith(cause)


def test_one_of_two_functions_returning_none_is_told():
    module = plugin(playground_models=lambda: {"a": dict})
    module.second = hookimpl(specname="playground_models")(lambda: None)
    assert failure(module) == ("playground_models", f"returned None; {EXPECTED}")


def broken():
    raise SystemExit("bye")


@pytest.mark.parametrize(
    ("module", "hook", "cause"),
    [
        (plugin(playground_models=lambda: 1 / 0), "playground_models", "ZeroDivisionError: division by zero (test_ad"),
        (plugin(playground_models=broken), "playground_models", "SystemExit: bye (test_ad"),
        (
            plugin(playground_optimisers=lambda: {"a": dict}),
            "playground_optimisers",
            "unknown hook; did you mean 'playground_optimizers'?",
        ),
        (
            plugin(playground_models=lambda registry: {}),
            "playground_models",
            "unknown argument 'registry': the hook takes no argument",
        ),
        (
            plugin(playground_run_finished=lambda run: {}),
            "playground_run_finished",
            "unknown argument 'run': the hook takes result",
        ),
        (
            types.ModuleType("empty"),
            "registration",
            "offers nothing: no function is marked with playground's @hookimpl",
        ),
        (None, "registration", "offers nothing: "),
    ],
)
def test_a_wrong_plugin_is_told_by_hook_and_cause(module, hook, cause):
    found, told = failure(module)
    assert found == hook
    assert told.startswith(cause)


def test_a_hook_without_the_mark_is_told():
    module = plugin(playground_models=lambda: {"a": dict})
    module.playground_losses = nothing()
    assert failure(module) == ("playground_losses", "is not marked with @hookimpl")


def test_the_mark_of_another_host_is_no_mark():
    module = types.ModuleType("steep")
    module.playground_models = pluggy.HookimplMarker("other")(nothing())
    assert failure(module) == ("playground_models", "is not marked with @hookimpl")


@pytest.mark.parametrize("options", [{"wrapper": True}, {"hookwrapper": True}])
def test_a_wrapper_is_refused(options):
    module = types.ModuleType("steep")

    def playground_models():
        yield

    module.playground_models = hookimpl(**options)(playground_models)
    assert failure(module) == (
        "playground_models",
        "hook wrappers are not supported: each plugin is called on its own",
    )


def test_what_foreign_code_prints_goes_to_standard_error(capsys):
    def noisy():
        print("hello")
        return {"a": dict}

    collect(register(plugin(playground_models=noisy), ORIGIN), ORIGIN)
    assert capsys.readouterr() == ("", "hello\n")


def test_ctrl_c_passes():
    with pytest.raises(KeyboardInterrupt), stage("import"):
        raise KeyboardInterrupt
    assert sys.stdout is not sys.stderr
