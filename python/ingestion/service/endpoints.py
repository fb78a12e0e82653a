"""What the service shows on its port: metrics, whether it is well and ready, and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.journal.exposition import metrics_text
from telemetry.chassis import clocks
from telemetry.chassis.http import Sources

if TYPE_CHECKING:
    from ingestion.journal.journal import Journal
    from ingestion.service.rooms import Rooms
    from telemetry.chassis.progress import ProgressTable, StalledTask


class Endpoints:
    """Puts the journal and the progress of the tasks together for whoever asks."""

    def __init__(
        self, journal: Journal, rooms: Rooms, tasks: ProgressTable, *, stall_ms: int
    ) -> None:
        """A task that has work and takes no step for `stall_ms` is stalled."""
        self._journal = journal
        self._rooms = rooms
        self._tasks = tasks
        self._stall_s = stall_ms / 1000

    @property
    def sources(self) -> Sources:
        """For the HTTP server."""
        return Sources(
            metrics=lambda: metrics_text(self._journal.snapshot()),
            health=self._journal.health,
            stalled=self._stalled,
            status=dict,
            page=None,  # type: ignore[arg-type]
        )

    def _stalled(self) -> tuple[StalledTask, ...]:
        return self._tasks.stalled(clocks.monotonic_s(), after_s=self._stall_s)
