"""The options of `playground` itself, which may also stand after a command's name."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

from typer.core import TyperGroup

from playground.cli.context import Settings

SHARED_OPTIONS = {"plugin": "plugins", "strict_plugins": "strict", "debug": "debug"}
"""Options that every command takes too, each with the setting that it changes."""


class SharedOptionsGroup(TyperGroup):
    """Commands that all take the options `SHARED` of the outermost command."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with the shared options among its own."""
        command: Any = super().get_command(ctx, cmd_name)
        if command is not None and not any(parameter.name in SHARED_OPTIONS for parameter in command.params):
            command.params += [
                _trailing_option(option) for option in ctx.find_root().command.params if option.name in SHARED_OPTIONS
            ]
        return command


def _trailing_option(option: Any) -> Any:
    """Return an option that changes the settings, and is no argument of the command's function."""
    shared = copy(option)
    shared.expose_value = False
    shared.callback = _change_settings
    return shared


def _change_settings(context: Any, option: Any, value: Any) -> Any:
    """Add what stands after a command's name to what stood before it."""
    settings, setting = context.obj or Settings(), SHARED_OPTIONS[option.name]
    if value:
        changed = (*settings.plugins, *value) if setting == "plugins" else True
        context.obj = replace(settings, **{setting: changed})
    return value
