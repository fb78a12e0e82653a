"""A journal of each service for tests, which logs to wherever the test has its log."""

from __future__ import annotations

from ingestion.journal import SERVICE as INGESTION
from ingestion.journal.journal import Journal as IngestionJournal
from ingestion.journal.statistics import Build as IngestionBuild
from processor.journal import SERVICE
from processor.journal.journal import Journal
from processor.journal.statistics import Build
from telemetry.chassis.logs import Log

BUILD = Build(
    version="1.0", instance_id="i", stream="s", group="g", consumer="c", drain_budget_s=8.0
)


def new_journal(log: Log | None = None) -> Journal:
    """With every count at 0."""
    return Journal(log or Log(SERVICE), BUILD)


def new_ingestion_journal(log: Log | None = None) -> IngestionJournal:
    """That of tcp-ingestion, with every count at 0."""
    build = IngestionBuild(version="1.0", instance_id="i", streams=("s", "t"), drain_budget_s=8.0)
    return IngestionJournal(log or Log(INGESTION), build)
