"""Asks both servers at the same time: one that is away hides nothing of the other, and holds nobody up for long."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from processor.config.settings import PostgresSettings, RedisSettings
from processor.core.idle_times import left_for_ms, stuck_after_ms
from processor.errors import PostgresError
from processor.operating.access import open_stream
from processor.operating.consumers import list_consumers
from processor.operating.dead_letter_codes import count_codes
from processor.operating.pending import Filters, entries
from processor.operating.queue import QueueLooks
from processor.operating.status.facts import (
    DeadLetters,
    Facts,
    Names,
    RedisFacts,
    Stuck,
    TableFacts,
)
from telemetry.chassis.config.variables import load
from telemetry.chassis.errors import RedisError
from telemetry.chassis.operating.instances import running_instances
from telemetry.chassis.redis.client import errors_translated
from telemetry.chassis.redis.limits import RedisLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.config.postgres_target import PostgresTarget
    from processor.operating.access import StreamAccess

# A person waits for the answer, and a frozen server gives none.
LIMITS: Final = RedisLimits(connect_timeout_ms=3_000, answer_timeout_ms=3_000)
TABLE_S_MAX: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class _Settings(PostgresSettings, RedisSettings):
    """Both servers': every bad variable is named at once."""


def gather(environ: Mapping[str, str]) -> Facts:
    """Whatever can be reached. Raises ConfigError."""
    settings = load(_Settings, environ)
    table = _InBackground(lambda: _look_at_table(settings.postgres_url))
    with open_stream(environ, LIMITS) as access:
        names = Names(
            stream=access.names.stream,
            group=access.names.group,
            dead_letters=access.names.dead_letters,
            control_channel=access.control_channel,
        )
        return Facts(names=names, redis=_ask_redis(access), table=table.result())


def _ask_redis(access: StreamAccess) -> RedisFacts:
    facts = RedisFacts()
    parts: tuple[Callable[[StreamAccess, RedisFacts], dict[str, Any]], ...] = (
        lambda access, _: {"queue": QueueLooks(access).look()},
        lambda access, _: {"dead_letters": _dead_letters(access)},
        lambda access, _: {"stuck": find_stuck(access)},
        lambda access, _: {"instances": running_instances(access)},
        lambda access, facts: {"consumers": list_consumers(access, facts.instances or ())},
    )
    for part in parts:
        try:
            with errors_translated(access.client):
                facts = replace(facts, **part(access, facts))
        except RedisError as error:
            return replace(facts, error=str(error))
    return facts


def find_stuck(access: StreamAccess) -> Stuck | None:
    """The first pending entry that nobody claims, of those that were left alone for too long. None: no such entry."""
    bound_ms = stuck_after_ms(access.claim_threshold_ms)
    for entry in entries(access, Filters(min_idle_ms=bound_ms + 1)):
        left_ms = left_for_ms(entry.idle_ms)
        if left_ms > bound_ms:
            return Stuck(entry.entry_id, entry.consumer, left_ms)
    return None


def _dead_letters(access: StreamAccess) -> DeadLetters:
    count: Any = access.client.xlen(access.names.dead_letters)
    return DeadLetters(count, count_codes(access) if count else {})


def _look_at_table(target: PostgresTarget) -> TableFacts:
    # Imported late, and beside what Redis is asked: the client takes as long to load as all of that.
    from processor.operating.status.table import look_at_table  # noqa: PLC0415

    try:
        return look_at_table(target, within_s=TABLE_S_MAX)
    except PostgresError as error:
        return TableFacts(error=str(error))


class _InBackground:
    """A call in a thread that nobody waits for once the command ends."""

    def __init__(self, call: Callable[[], TableFacts]) -> None:
        self._call = call
        self._outcome: TableFacts | BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> TableFacts:
        """Its result, once it is there; raises what it raised."""
        self._thread.join()
        assert self._outcome is not None
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def _run(self) -> None:
        try:
            self._outcome = self._call()
        except BaseException as error:  # noqa: BLE001  # raised again where the result is asked for
            self._outcome = error
