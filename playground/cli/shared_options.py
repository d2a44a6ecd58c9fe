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

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with the shared options among its own."""
        command: Any = super().get_command(ctx, cmd_name)
        if command is not None and not any(parameter.name in SHARED_OPTIONS for parameter in command.params):
            command.params += [
                _trailing_option(option) for option in ctx.find_root().command.params if option.name in SHARED_OPTIONS
            ]
        return command


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
