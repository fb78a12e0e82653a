"""Facts about Redis: what it confirmed, refused or left unanswered."""

from __future__ import annotations

from ingestion.journal.counters import CountingJournal


class PublishingJournal(CountingJournal):
    """What the publishers and the list of known devices report."""
