"""What the service shows on its port: metrics, whether it is well and ready, and the page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from processor.journal import SERVICE
from processor.journal.exposition import metrics_text
from processor.journal.statistics import CONSUMER
from processor.page import processor_page
from processor.page.flow import Flow
from processor.page.status import status_of
from telemetry.chassis import clocks
from telemetry.chassis.http import Sources
from telemetry.chassis.http.page.flow import watch_flow
from telemetry.chassis.logs import level_of

if TYPE_CHECKING:
    import trio

    from processor.journal.identity import Identity
    from processor.journal.journal import Journal
    from telemetry.chassis.health import Health
    from telemetry.chassis.progress import ProgressTable, StalledTask


class Endpoints:
    """Puts the journal and the progress of the tasks together for whoever asks."""

    def __init__(
        self, journal: Journal, identity: Identity, tasks: ProgressTable, *, stall_ms: int
    ) -> None:
        """A task that has work and takes no step for `stall_ms` is stalled."""
        self._journal = journal
        self._tasks = tasks
        self._stall_s = stall_ms / 1000
        self._flow = Flow()
        self._identity = identity

    def start_soon(self, services: trio.Nursery) -> None:
        """Begin to take the samples that the page draws."""
        self._tasks.start_soon(services, "page", watch_flow, self._flow, self._journal.snapshot)

    @property
    def sources(self) -> Sources:
        """For the HTTP server."""
        return Sources(
            metrics=lambda: metrics_text(self._journal.snapshot()),
            health=self._health,
            stalled=self._stalled,
            status=self._status,
            page=processor_page(),
        )

    def _stalled(self) -> tuple[StalledTask, ...]:
        return self._tasks.stalled(clocks.monotonic_s(), after_s=self._stall_s)

    def _health(self) -> Health:
        """A service with a task that stands still is not ready either: it does not consume."""
        health = self._journal.health()
        if not (stalled := self._stalled()):
            return health
        words = ", ".join(f"{task.name} for {task.stalled_s:.0f} s" for task in stalled)
        return replace(health, obstacles={**health.obstacles, CONSUMER: f"no step: {words}"})

    def _status(self) -> dict[str, object]:
        return status_of(
            self._journal.snapshot(),
            self._flow,
            self._identity,
            reasons=self._health().unready,
            stalled=self._stalled(),
            log_level=level_of(SERVICE),
        )
