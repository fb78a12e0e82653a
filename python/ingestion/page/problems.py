"""What is wrong, as far as one instance can see it, each with what to type next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestion.journal.statistics import LISTENERS, REDIS
from telemetry.chassis.lifecycle import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingestion.journal.statistics import Statistics
    from telemetry.chassis.progress import StalledTask

# Devices with the shortest setting give up before this, and most after it.
UNANSWERED_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    code: str
    message: str
    remedy: str
    """The next command to type."""


def problems_of(
    now: Statistics, stalled: Sequence[StalledTask], *, overflows: int
) -> list[Problem]:
    """The worst first. While the process starts or drains, what is not there yet or any more is no problem.

    `overflows`: frames of the last minutes. One burst, as after a restart of all, is over soon, and must not stand
    there for as long as the process lives.
    """
    return [
        *_of_tasks(stalled),
        *_of_redis(now),
        *(_of_listeners(now) if now.phase is Phase.RUNNING else ()),
        *_of_frames(now, overflows),
    ]


def _of_tasks(stalled: Sequence[StalledTask]) -> Iterator[Problem]:
    for task in stalled:
        yield Problem(
            "stalled",
            f"The task {task.name} has work and has taken no step for {task.stalled_s:.0f} s. Take a dump, and restart"
            " this instance: devices send again what was not answered.",
            "tcp-ingestion dump",
        )


def _of_redis(now: Statistics) -> Iterator[Problem]:
    redis = now.dependencies[REDIS]
    if redis.ready or (now.phase is Phase.STARTING and redis.reason == "starting"):
        return
    yield Problem(
        "redis_unreachable",
        f"Nothing is published, and no device is answered: {redis.reason.removesuffix('.')}. Devices keep what they"
        " have.",
        "tcp-ingestion config",
    )


def _of_listeners(now: Statistics) -> Iterator[Problem]:
    if reason := now.obstacles.get(LISTENERS):
        yield Problem("listeners", f"Devices cannot connect: {reason}.", "tcp-ingestion config")


def _of_frames(now: Statistics, overflows: int) -> Iterator[Problem]:
    if now.load.oldest_unanswered_s > UNANSWERED_S_MAX:
        yield Problem(
            "unanswered",
            f"A frame has waited for its answer for {now.load.oldest_unanswered_s:.0f} s. Its device may close the"
            " connection, and send it again over a new one.",
            "tcp-ingestion devices",
        )
    if overflows:
        yield Problem(
            "overflow",
            f"{_frames(overflows)} dropped unanswered in the last minutes, because the publish queue was full: Redis is"
            " slower than the devices are. They send again.",
            "tcp-ingestion config",
        )
    if now.quarantined:
        yield Problem(
            "quarantined",
            f"{_frames(now.quarantined)} kept raw since the start: their checksum was right, and they could not be"
            " decoded. They are in the stream that ends in :quarantine.",
            f"redis-cli XREVRANGE {now.build.streams[0]}:quarantine + - COUNT 10",
        )


def _frames(count: int) -> str:
    return "1 frame was" if count == 1 else f"{count} frames were"
