"""Operators' requests: what answers them, and the task that tells whoever watches a device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingestion.answering.answers import Answers, Parts
from ingestion.answering.watching import Watches
from telemetry.chassis.control.responder import Responder

if TYPE_CHECKING:
    import trio

    from ingestion.journal.identity import Identity
    from ingestion.journal.journal import Journal
    from ingestion.service.rooms import Rooms
    from ingestion.service.supervisor import ServiceOptions
    from telemetry.chassis.crash.sections import BlackBox
    from telemetry.chassis.logs.switch import LevelSwitch
    from telemetry.chassis.progress import ProgressTable


class Requests:
    """Answers requests from the start to the end of the service; without its connection nobody can ask, that is all."""

    def __init__(  # noqa: PLR0913  # what can be asked about
        self,
        options: ServiceOptions,
        rooms: Rooms,
        journal: Journal,
        *,
        identity: Identity,
        levels: LevelSwitch,
        black_box: BlackBox,
    ) -> None:
        sessions = rooms.parts
        self._watches = Watches(sessions.taps, sessions.roster, journal)
        parts = Parts(
            journal=journal,
            identity=identity,
            roster=sessions.roster,
            watches=self._watches,
            levels=levels,
            black_box=black_box,
            dumps=options.dumps,
        )
        self._responder = Responder(
            options.requests,
            Answers(parts).carriers,
            instance_id=options.instance_id,
            journal=journal,
            backoff=replace(options.start.backoff, attempts_max=None),
        )

    def start_soon(self, services: trio.Nursery, tasks: ProgressTable) -> None:
        """Before Redis is known to be there: who waits for it should be found."""
        tasks.start_soon(services, "control", self._responder.run)
        services.start_soon(self._watches.run)
