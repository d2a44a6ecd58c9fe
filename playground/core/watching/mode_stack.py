"""The stack of torch's function modes, which a recorder enters in the middle of somebody's program.

A recorder is above the modes that were entered before it, and below those that were entered since. It has to leave
while the latter stay.
"""

from __future__ import annotations

from typing import Any, cast

from torch import overrides
from torch.overrides import TorchFunctionMode


def list_modes() -> list[TorchFunctionMode]:
    """Return the active modes, the innermost last."""
    return cast("list[TorchFunctionMode]", _call("_get_current_function_mode_stack"))


def enter_mode(mode: TorchFunctionMode) -> None:
    """Make a mode the innermost one."""
    _call("_push_mode", mode)


def leave_mode(mode: TorchFunctionMode) -> None:
    """Remove a mode wherever it is; the others stay in their order."""
    if mode not in list_modes():
        return
    above: list[TorchFunctionMode] = []
    while (top := _call("_pop_mode")) is not mode:
        above.append(top)
    for each in reversed(above):
        enter_mode(each)


def _call(name: str, *arguments: Any) -> Any:
    return getattr(overrides, name)(*arguments)
