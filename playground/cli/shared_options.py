"""The options of `playground` itself, which every command also accepts after its name."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

from typer.core import TyperGroup

from playground.cli.context import Settings
from playground.cli.help_pages import ReadableHelp

SHARED_OPTIONS = {"plugin": "plugins", "strict_plugins": "strict", "debug": "debug"}
"""Options that every command accepts as well, each with the setting that it changes."""


class SharedOptionsGroup(ReadableHelp, TyperGroup):
    """A group of commands that all take the options `SHARED_OPTIONS` of the outermost command."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options of the group, then its commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options of the group; what is not given is not converted, which would import pydantic for help."""
        for parameter in self.get_params(ctx):
            if not isinstance(vars(parameter).get("get_runtime_param"), DeferredConversion):
                vars(parameter)["get_runtime_param"] = DeferredConversion(parameter)
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with the shared options among its own."""
        command: Any = super().get_command(ctx, cmd_name)
        if command is not None and not any(parameter.name in SHARED_OPTIONS for parameter in command.params):
            command.params += [
                _trailing_option(option) for option in ctx.find_root().command.params if option.name in SHARED_OPTIONS
            ]
        return command


class DeferredConversion:
    """Converts the value of a parameter only if there is one, in place of Typer's converter.

    :param parameter: a parameter of Typer.
    """

    def __init__(self, parameter: Any) -> None:
        self._find_converter = parameter.get_runtime_param

    def __call__(self) -> DeferredConversion:
        """Return the converter, as Typer's method does."""
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the converted value."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        return self._find_converter().coerce(value, param=param, ctx=ctx)


def _trailing_option(option: Any) -> Any:
    """Return an option that changes the settings and is not passed to the command's function."""
    shared = copy(option)
    shared.expose_value = False
    shared.callback = _change_settings
    return shared


def _change_settings(context: Any, option: Any, value: Any) -> Any:
    """Merge an option given after the command's name into the settings given before it."""
    settings, setting = context.obj or Settings(), SHARED_OPTIONS[option.name]
    if value:
        changed = (*settings.plugins, *value) if setting == "plugins" else True
        context.obj = replace(settings, **{setting: changed})
    return value
