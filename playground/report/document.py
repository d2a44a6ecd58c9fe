"""Writes results as one JSON document, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from playground.comparison import Comparison
from playground.result import SCHEMA, Batch, Diagnosis, Run, Summary, Sweep, json_value

COMPARISON_SCHEMA = 1
"""Version of the layout of a comparison; increases if a reader of the old layout would misread the new one."""


def batch_document(batch: Batch) -> str:
    """Return the document in full precision and in ASCII; numbers that are not finite are `null`."""
    content = {
        "schema": SCHEMA,
        "runs": [_run(run) for run in batch.runs],
        "sweeps": [_sweep(sweep) for sweep in batch.sweeps],
        "comparisons": [comparison_document(comparison) for comparison in batch.comparisons],
        "errors": [vars(error) for error in batch.errors],
    }
    return json.dumps(json_value(content), indent=2, allow_nan=False)


def write(results: Batch, path: Path) -> None:
    """Write the document to a file."""
    path.write_text(batch_document(results) + "\n", encoding="utf-8")


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data; numbers that are not finite are None."""
    content = {"schema": COMPARISON_SCHEMA, "verdict": comparison.verdict, **asdict(comparison)}
    return dict(json_value(content))


def _run(run: Run) -> dict[str, Any]:
    return {
        "scenario": run.scenario,
        "id": run.id,
        "file": run.file,
        "task": run.task,
        "seed": run.seed,
        "status": run.status,
        "reason": run.reason,
        "verdict": run.verdict,
        "steps": run.steps,
        "evaluations": run.evaluations,
        "loss": vars(run.loss) if run.loss else None,
        "parameters": run.parameters,
        "predictions": run.predictions,
        "metrics": run.metrics,
        "validation": vars(run.trace.validation) if run.trace.validation else None,
        "points": run.points,
        "expectations": [vars(expectation) for expectation in run.expectations],
        "diagnoses": [_diagnosis(diagnosis) for diagnosis in run.diagnoses],
        "warnings": run.warnings,
        "setup": run.setup,
        "seconds": run.seconds,
    }


def _sweep(sweep: Sweep) -> dict[str, Any]:
    """Return a sweep, point by point; `playground export` writes its runs."""
    shown = {key: value for key, value in vars(sweep).items() if key != "example"}
    return {
        **shown,
        "summaries": [_summary(summary) for summary in sweep.summaries],
        "best": [summary.index for summary in sweep.best],
        "choice": {**vars(sweep.choice), "same_seeds": True},
        "expectations": [vars(expectation) for expectation in sweep.expectations],
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {**vars(summary), "share": summary.share, "loss": summary.loss._asdict()}


def _diagnosis(diagnosis: Diagnosis) -> dict[str, str]:
    """Return a diagnosis; its place only if it has one."""
    return {key: text for key, text in vars(diagnosis).items() if text or key != "place"}
