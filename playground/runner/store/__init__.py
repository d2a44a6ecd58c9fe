"""Results that survive: every run of every sweep, in one SQLite file below the working directory."""

from playground.runner.store.records import Layout, Row, Stale, SweepRecord, Tally
from playground.runner.store.store import Store

__all__ = ["Layout", "Row", "Stale", "Store", "SweepRecord", "Tally"]
