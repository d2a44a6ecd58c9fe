"""One sweep as a part of the page."""

from __future__ import annotations

from typing import Any

from playground.report.html.run_part import mark
from playground.result import Sweep


def sweep_part(name: str, sweep: Sweep) -> dict[str, Any]:
    """Return what the template shows of a sweep, and what the script reads."""
    return {
        "id": name,
        "template": "sweep.html",
        "title": sweep.scenario,
        "sweep": sweep,
        "mark": mark(sweep.verdict),
        "charts": [],
        "first": "",
        "how": [f"{sweep.runs:,} runs"],
        "data": {"charts": {}},
    }
