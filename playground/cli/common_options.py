"""Options and arguments that several commands take: one name, one meaning and one help text each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from playground.cli.choices import choose, engine_names
from playground.cli.completion import (
    complete_override,
    complete_reporter,
    complete_run_key,
    complete_scenario,
)

ScenarioPaths = Annotated[
    list[Path],
    typer.Argument(metavar="PATH", help="Scenario files, or folders of them.", autocompletion=complete_scenario),
]
ScenarioPath = Annotated[
    Path, typer.Argument(metavar="SCENARIO", help="A scenario file.", autocompletion=complete_scenario)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value of the scenario: optimizer.lr=0.1.",
        autocompletion=complete_override,
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Use this seed, not the scenario's.")]
Steps = Annotated[int | None, typer.Option("--steps", metavar="N", min=0, help="Make at most this many steps.")]
Jobs = Annotated[int, typer.Option("-j", "--jobs", metavar="N", min=1, help="Compute in this many processes.")]
Memory = Annotated[
    str | None,
    typer.Option("--memory", metavar="SIZE", help="Limit the memory of a process: 500MB, 8GB; 2GB if not given."),
]
Engine = Annotated[
    str,
    choose(
        "--engine",
        accepted=engine_names,
        metavar="auto|compiled|batched|plain",
        help="Compute a sweep as one compiled program, as batched tensors, or run by run (plain). "
        "Falls back to the next engine and prints why; auto compiles only if that saves time.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write to this file, not to standard output.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file that --out names.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
NoLive = Annotated[
    bool, typer.Option("--no-live", help="Leave the programs out of the page; it only shows what was recorded.")
]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a self-contained HTML report.")]
Reports = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="NAME=FILE",
        help="Write a report by a reporter of `playground list reporter`.",
        autocompletion=complete_reporter,
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Only runs with KEY OP VALUE: 'loss<0.1 and lr>0.01', status=diverged.",
        autocompletion=complete_run_key,
    ),
]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort",
        metavar="[-]KEY",
        help="Sort by a key; -KEY puts the largest first.",
        autocompletion=complete_run_key,
    ),
]
