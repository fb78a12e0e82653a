"""Frees the entries of a consumer that is gone, so that the living ones claim them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.core.idle_times import RELEASED_IDLE_MS
from processor.core.requests import CLAIM_NOW
from processor.edges.redis.scripts import IDS_MAX, RELEASE_FROM
from processor.operating.names import typed
from processor.operating.pending import BEGINNING
from telemetry.chassis.control.asking import ask
from telemetry.chassis.control.messages import AnswerKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.operating.access import StreamAccess


@dataclass(frozen=True, slots=True)
class Released:
    """What was released, or would be."""

    entries: int = 0
    first_id: str | None = None
    last_id: str | None = None
    lost: int = 0
    """Entries that were pending, but are no longer in the stream."""


def release_from(
    access: StreamAccess,
    consumer: str,
    *,
    min_idle_ms: int,
    dry_run: bool,
    report: Callable[[int], None] = lambda _released: None,
) -> Released:
    """Make the consumer's pending entries claimable at once, in steps of IDS_MAX.

    An entry that somebody else has claimed by then is left alone. `report` gets the number so far. Raises what the
    client raises; what was released by then stays so.
    """
    names, after_id, total = access.names, BEGINNING, Released()
    while True:
        released, lost, last_id = access.run(
            RELEASE_FROM,
            (names.stream,),
            *(names.group, typed(consumer), min_idle_ms, after_id, IDS_MAX),
            *(int(dry_run), RELEASED_IDLE_MS),
        )
        total = _with(total, [each.decode() for each in released], len(lost))
        report(total.entries)
        if len(released) + len(lost) < IDS_MAX:
            return total
        after_id = last_id.decode()


def claim_now(access: StreamAccess) -> list[str]:
    """Ask the living instances to look for entries to claim at once; the ids of those that do."""
    answers = ask(access.client, access.control_channel, CLAIM_NOW)
    return [each.instance_id for each in answers if each.kind is AnswerKind.DONE]


def _with(total: Released, ids: list[str], lost: int) -> Released:
    return Released(
        entries=total.entries + len(ids),
        first_id=total.first_id or (ids[0] if ids else None),
        last_id=ids[-1] if ids else total.last_id,
        lost=total.lost + lost,
    )
