"""A journal of tcp-ingestion for tests, which logs to wherever the test has its log."""

from __future__ import annotations

from ingestion.journal import SERVICE
from ingestion.journal.journal import Journal
from ingestion.journal.statistics import Build
from telemetry.chassis.logs import Log

BUILD = Build(version="1.0", instance_id="i", streams=("s",), drain_budget_s=8.0)


def new_journal(log: Log | None = None) -> Journal:
    """With every count at 0."""
    return Journal(log or Log(SERVICE), BUILD)
