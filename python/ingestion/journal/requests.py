"""Facts about operators' requests: which were taken, and whether they reach this instance."""

from __future__ import annotations

from ingestion.core import requests
from ingestion.journal.counters import Counters, CountingJournal
from telemetry.chassis.control.journal import RequestsJournal as CommonRequestsJournal


class RequestsJournal(CountingJournal, CommonRequestsJournal):
    """What the responder reports, and what comes of requests."""

    _looking = requests.LOOKING

    @property
    def _request_counters(self) -> Counters:
        """Where they are counted."""
        return self._counters

    def watch_began(self, *, imei: str, for_s: int) -> None:
        """An operator watches a device's conversation, which may say where it is."""
        self._log.info(f"watch began imei={imei} for_s={for_s}", imei=imei, for_s=for_s)

    def watch_ended(self, *, imei: str, why: str) -> None:
        """Nobody watches it any more."""
        self._log.info(f"watch ended imei={imei}: {why}", imei=imei, why=why)
