"""Facts about operators' requests: which were taken, and whether they reach this instance."""

from __future__ import annotations

from processor.core import requests
from processor.journal.counters import Counters, CountingJournal
from telemetry.chassis.control.journal import RequestsJournal as CommonRequestsJournal


class RequestsJournal(CountingJournal, CommonRequestsJournal):
    """What the responder reports, and what comes of requests."""

    _looking = requests.LOOKING

    @property
    def _request_counters(self) -> Counters:
        """Where they are counted."""
        return self._counters
