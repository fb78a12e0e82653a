"""What is wrong, and the next command to type: pure, from the facts alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from processor.core.lag import LAG_MAX
from telemetry.chassis.cli.words import age

if TYPE_CHECKING:
    from processor.operating.queue import Queue
    from processor.operating.status.facts import Facts


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an operator should look at."""

    code: str
    message: str
    remedy: str
    """A command that runs as it stands, in the same environment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """From where on it is a problem."""

    lag_max: int
    silent_after_s: int


def problems(facts: Facts, bounds: Bounds) -> list[Problem]:
    """All problems, those of the servers first. What could not be asked is no problem of its own."""
    return [
        *_redis(facts),
        *_postgres(facts),
        *_schema(facts),
        *_queue(facts, bounds),
        *_instances(facts),
        *_stuck(facts),
        *_dead_letters(facts),
    ]


def _redis(facts: Facts) -> Iterator[Problem]:
    if facts.redis.error is not None:
        yield Problem("redis_unreachable", f"Redis at {facts.redis.error}", "processor config")


def _postgres(facts: Facts) -> Iterator[Problem]:
    if facts.table.error is not None:
        yield Problem(
            "postgres_unreachable", f"PostgreSQL at {facts.table.error}", "processor config"
        )


def _schema(facts: Facts) -> Iterator[Problem]:
    differences = facts.table.differences
    if differences:
        more = f", and {len(differences) - 1} more" if len(differences) > 1 else ""
        yield Problem(
            "schema_mismatch",
            f"the table is not what the service needs: {differences[0]}{more}",
            "processor schema check",
        )


def _queue(facts: Facts, bounds: Bounds) -> Iterator[Problem]:
    queue, names = facts.redis.queue, facts.names
    if queue is None:
        return
    if not queue.stream_exists:
        yield Problem(
            "stream_missing",
            f"there is no stream {names.stream}: nothing was published to it, or REDIS_TELEMETRY_STREAM is misspelt",
            "processor config",
        )
        return
    if not queue.group_exists:
        yield Problem(
            "group_missing",
            f"the stream {names.stream} has no group {names.group}: an instance makes it when it starts, if "
            "REDIS_CONSUMER_GROUP is right",
            "processor instances",
        )
    yield from _silent(queue, facts, bounds)
    yield from _lag(queue, bounds)


def _silent(queue: Queue, facts: Facts, bounds: Bounds) -> Iterator[Problem]:
    stream = facts.names.stream
    if queue.last_id is None:
        message = (
            f"nothing was ever published to {stream}: is this the stream that tcp-ingestion feeds?"
        )
        yield Problem("silent", message, "processor config")
    elif queue.last_entry_age_s is not None and queue.last_entry_age_s > bounds.silent_after_s:
        shown = age(queue.last_entry_age_s)
        message = f"nothing was published to {stream} for {shown}: look at tcp-ingestion"
        yield Problem("silent", message, "processor lag")


def _lag(queue: Queue, bounds: Bounds) -> Iterator[Problem]:
    if not queue.group_exists:
        return
    # Without a number there are more than were counted.
    at_least = LAG_MAX + 1 if queue.lag is None else queue.lag
    if at_least > bounds.lag_max:
        shown = f"over {LAG_MAX:,}" if queue.lag is None else f"{queue.lag:,}"
        yield Problem("lag", f"{shown} entries wait to be delivered", "processor instances")


def _instances(facts: Facts) -> Iterator[Problem]:
    if facts.redis.instances is not None and not facts.redis.instances:
        yield Problem(
            "no_instance",
            f"no instance answers on {facts.names.control_channel}: none is running, or it is frozen or cut off",
            "processor run",
        )


def _stuck(facts: Facts) -> Iterator[Problem]:
    stuck = facts.redis.stuck
    if stuck is None:
        return
    is_live = stuck.consumer in {each.consumer for each in facts.redis.instances or ()}
    name = quote(stuck.consumer)
    yield Problem(
        "stuck_pending",
        f"the entry {stuck.entry_id} of {stuck.consumer} has been left alone for {age(stuck.left_for_ms / 1_000)}, "
        "and nobody claims it",
        f"processor pending --consumer {name}" if is_live else f"processor claim --from {name}",
    )


def _dead_letters(facts: Facts) -> Iterator[Problem]:
    letters = facts.redis.dead_letters
    if letters is not None and letters.count:
        codes = ", ".join(f"{code} {number:,}" for code, number in letters.by_code.items())
        yield Problem(
            "dead_letters",
            f"{letters.count:,} dead letters in {facts.names.dead_letters}: {codes}",
            "processor dlq list",
        )
