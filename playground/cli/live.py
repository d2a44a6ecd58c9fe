"""`playground live`: serve a page that follows a scenario's file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.common_options import Memory, Overrides, ScenarioPath, Seed, Steps
from playground.cli.context import echo, exit_on_errors, parse_memory, print_note, split_pairs
from playground.errors import PlaygroundError

if TYPE_CHECKING:
    from playground.serving.messages import RecordedPage, RecordingOrder, RefusedRecording

DEFAULT_SECONDS = 10.0


def live(
    context: typer.Context,
    path: ScenarioPath,
    overrides: Overrides = None,
    seed: Seed = None,
    steps: Steps = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=1, max=65535, help="Serve on this port; any free one if not given."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the page's address.")] = False,
    time_limit: Annotated[
        float, typer.Option("--time-limit", metavar="SECONDS", min=0.1, help="End a recording that takes longer.")
    ] = DEFAULT_SECONDS,
    memory: Memory = None,
) -> None:
    """Open a page that follows a scenario's file.

    Each time the scenario, a plugin or its data are saved, the page shows the new run, or the error with its line. The
    page is served on this machine alone. Ctrl-C ends the command with exit code 0.
    """
    with exit_on_errors(context):
        order = _make_order(context, path, overrides, seed, steps, memory)
        _require_scenario(path)
        _follow(order, port or 0, time_limit, not no_browser, context.obj.debug)


def _make_order(
    context: typer.Context,
    path: Path,
    overrides: list[str] | None,
    seed: int | None,
    steps: int | None,
    memory: str | None,
) -> RecordingOrder:
    """Return what to record: what a page needs, but no explanations, which would take longer than all the rest."""
    from dataclasses import replace

    from playground.cli.run import choose_recorded
    from playground.report.html.reporter import Html
    from playground.runner.loading.overrides import Changes
    from playground.serving.messages import RecordingOrder

    return RecordingOrder(
        file=str(path),
        changes=Changes(split_pairs(overrides or [], "--set"), seed, steps, parse_memory(memory)),
        plugins=context.obj.plugins,
        strict=context.obj.strict,
        record=replace(choose_recorded([(Html(), path)]), explanations=False),
    )


def _require_scenario(path: Path) -> None:
    """Refuse what cannot become a scenario by an edit.

    :raises PlaygroundError: there is no such file, or it is a folder, or anything else than a file.
    """
    if path.is_file():
        return
    if path.is_dir():
        raise PlaygroundError(f"{path}: is a folder; `playground live` follows one scenario file")
    raise PlaygroundError(f"{path}: {'is not a file' if path.exists() else 'no such file'}")


def _follow(order: RecordingOrder, port: int, time_limit: float, opens: bool, debug: bool) -> None:
    """Serve the page and follow the file until Ctrl-C."""
    from playground.core.interrupts import treat_termination_as_interrupt
    from playground.report.html.page import page_shell
    from playground.serving.feed import Feed
    from playground.serving.following import ScenarioFollower
    from playground.serving.page_server import PageServer
    from playground.serving.recorder import Recorder

    feed = Feed()
    shell = page_shell(Path(order.file).name, "", {}, connect="'self'", follows=True)
    server = PageServer(shell, feed, port)

    def show(message: RecordedPage | RefusedRecording, seconds: float) -> None:
        _show_result(message, seconds, debug)

    try:
        treat_termination_as_interrupt()
        server.start()
        echo(server.address)  # on a line of its own, so that a terminal lets it be clicked
        echo(f"following {order.file}; Ctrl-C ends it")
        sys.stdout.flush()
        if opens:
            _open_browser(server.address)
        ScenarioFollower(order, Recorder(time_limit, ("playground.cli.live",)), feed, show).follow()
    except KeyboardInterrupt:
        print_note("")  # after ^C
    finally:
        server.server_close()


def _open_browser(address: str) -> None:
    """Open the page, unless the browser would be one that takes over this terminal."""
    import webbrowser

    if sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)


def _show_result(message: RecordedPage | RefusedRecording, seconds: float, debug: bool) -> None:
    """Print a result in a line, or the faults on standard error."""
    from playground.serving.messages import RecordedPage

    for note in message.notes:
        print_note(note)
    if isinstance(message, RecordedPage):
        echo(f"{message.line} ({seconds:.2f} s)")
    else:
        if debug and message.traceback:
            print_note(message.traceback)
        for fault in message.faults:
            print_note(fault)
    sys.stdout.flush()
