"""Stores every run of every sweep in one SQLite file below the working directory."""

from playground.runner.store.records import ParameterLayout, Row, StaleSweep, SweepRecord, Tally
from playground.runner.store.run_columns import RunColumns, tabulate_rows
from playground.runner.store.seeds import SeedSet
from playground.runner.store.store import Store

__all__ = [
    "ParameterLayout",
    "Row",
    "RunColumns",
    "SeedSet",
    "StaleSweep",
    "Store",
    "SweepRecord",
    "Tally",
    "tabulate_rows",
]
