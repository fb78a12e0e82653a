"""The promise, in one process: every entry ends in the table or in the dead letters, and is acknowledged afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.edges.ports import Commit
from telemetry.chassis.exit_codes import ExitCode
from tests.support.batches import position
from tests.support.fakes.stream import FakeStream
from tests.support.service_harness import nothing, until
from tests.support.stores import SpyStore, keys_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

    from telemetry._codec import Batch
    from tests.processor.conftest import LogLines
    from tests.support.fakes.table import FakeTable
    from tests.support.service_harness import ServiceHarness


async def test_everything_published_ends_in_the_table_or_in_the_dead_letters(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.table.refused_devices[position(3, 0)["device_id"]] = "23514"
    service.publish(70)
    malformed = service.add_malformed()
    suspect = await service.leave_a_suspect()

    async def script() -> None:
        # A record is refused, left pending and claimed again until it has failed often enough.
        await until(lambda: len(service.stream.redis.dead_letters) == 11)
        service.send()

    assert await service.live(script, DLQ_MAX_ATTEMPTS="3") is ExitCode.CLEAN
    assert service.pending == 0
    assert len(service.table.rows) == 61
    letters = service.stream.redis.dead_letters
    assert [each["dlq_source_id"] for each in letters if each["dlq_code"] == "bad_json"] == [
        malformed
    ]
    assert {each["dlq_attempts"] for each in letters} == {"3"}
    assert [line["entry_id"] for line in logged.fields("crash suspect")] == [suspect]
    assert not service.stream.redis.attempts
    [ledger] = [fields["ledger"] for fields in logged.fields("shutdown: clean exit")]
    assert (ledger["read"], ledger["acked"], ledger["dead_lettered"]) == (72, 61, 11)
    assert ledger["left_pending"] == 0


async def test_what_a_dead_instance_left_is_claimed_and_settled(
    clock: MockClock, service: ServiceHarness
) -> None:
    service.publish(25)
    dead = FakeStream(service.stream.redis, consumer="processor-2")
    await dead.connect()
    await dead.ensure_group()
    await dead.read_new(25, 1)

    async def script() -> None:
        await until(lambda: len(service.table.rows) == 25)
        service.send()

    assert await service.live(script) is ExitCode.CLEAN
    assert service.pending == 0


async def test_an_outage_of_postgres_that_outlasts_the_claim_threshold_moves_nothing(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.publish(35)

    async def script() -> None:
        await until(lambda: service.table.rows)
        service.table.reachable = False
        service.publish(35, first_second=100)
        peer = FakeStream(service.stream.redis, consumer="processor-2")
        await peer.connect()
        for _ in range(60):
            await trio.sleep(10)
            claim = await peer.claim("0-0", 1_000, idle_ms=60_000)
            assert not claim.entries
        service.table.reachable = True
        await until(lambda: len(service.table.rows) == 70)
        service.send()

    assert await service.live(script) is ExitCode.CLEAN
    assert not service.stream.redis.attempts
    assert not service.stream.redis.dead_letters
    assert all(line["taken_over"] == 0 for line in logged.fields("leases renewed"))
    assert logged.lines("leases renewed")


class AckBeforeCommitError(AssertionError):
    """An entry was acknowledged whose row is not in the table."""


class Witness(FakeStream):
    """A stream that checks the table at each acknowledgement."""

    def __init__(self, table: FakeTable) -> None:
        super().__init__()
        self._table = table

    async def ack(self, batch: Batch, *, attempted: Sequence[str] = ()) -> int:
        if not keys_of(batch) <= self._table.rows.keys():
            raise AckBeforeCommitError
        return await super().ack(batch, attempted=attempted)


class HastyStore(SpyStore):
    """A store that reports a commit before it has committed, or without one."""

    async def insert_new(self, batch: Batch) -> Commit:
        await trio.lowlevel.checkpoint()
        return Commit(self.connects, batch.rows)


async def test_every_acknowledged_entry_is_in_the_table_whatever_fails(
    clock: MockClock, service: ServiceHarness
) -> None:
    service.stream = Witness(service.table)
    service.publish(200)
    service.store.failures += [
        service.store.error("connection lost", usable=False),
        service.store.error("deadlock detected", sqlstate="40P01"),
    ]
    service.stream.ack_failures.append(service.stream.unavailable())

    async def script() -> None:
        await until(lambda: len(service.table.rows) == 200)
        service.send()

    assert await service.live(script) is ExitCode.CLEAN
    assert service.pending == 0


async def test_the_witness_notices_an_acknowledgement_before_the_commit(
    clock: MockClock, service: ServiceHarness
) -> None:
    service.stream = Witness(service.table)
    service.store = HastyStore(service.table)
    service.publish(1)
    with pytest.raises(BaseExceptionGroup) as caught:
        await service.live(nothing)
    assert caught.group_contains(AckBeforeCommitError)
