"""Asking Redis until it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.edges.ports import SweepResult
from tests.support.redis_harness import RedisHarness

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.core.in_flight import InFlight
    from processor.journal.journal import Journal
    from telemetry.chassis.backoff import Backoff
    from tests.processor.conftest import Told


@pytest.fixture
async def harness(in_flight: InFlight, journal: Journal, backoff: Backoff) -> RedisHarness:
    harness = RedisHarness(in_flight, journal, backoff)
    await harness.open()
    return harness


async def test_what_redis_does_not_answer_is_asked_again_on_a_new_connection(
    clock: MockClock, harness: RedisHarness, told: Told
) -> None:
    harness.server.go_away()
    harness.server.come_back()
    assert await harness.redis.until_answered(
        harness.stream.sweep_attempts, what="sweep"
    ) == SweepResult(0, frozenset())
    assert len(told.lines("sweep failed and is repeated")) == 1


async def test_what_redis_refuses_is_asked_again_with_growing_pauses_on_the_same_connection(
    clock: MockClock, harness: RedisHarness, told: Told
) -> None:
    busy = harness.stream.refused("BUSY", "Redis is busy running a script.")
    harness.stream.faults.before["sweep_attempts"] += [busy] * 5
    connect = harness.stream.faults.before["connect"]
    connect.append(harness.stream.unavailable("nobody asks for a connection"))
    began = trio.current_time()
    await harness.redis.until_answered(harness.stream.sweep_attempts, what="sweep")
    assert 0 < trio.current_time() - began <= 0.1 + 0.2 + 0.4 + 0.8 + 1.6
    assert [line["retry_ms"] <= 100 << n for n, line in enumerate(told.fields("sweep"))] == [
        True
    ] * 5
    assert len(connect) == 1


@pytest.mark.parametrize("refusable", [False, True])
async def test_what_a_replica_refuses_is_asked_again_on_new_connections_even_where_a_refusal_is_an_answer(
    clock: MockClock, harness: RedisHarness, told: Told, refusable: bool
) -> None:
    harness.server.change_masters()
    swept = await harness.redis.until_answered(
        harness.stream.sweep_attempts, what="sweep", refusable=refusable
    )
    assert swept == SweepResult(0, frozenset())
    [line] = told.fields("sweep failed and is repeated")
    assert "READONLY" in line["error"]


async def test_while_the_name_still_leads_to_a_replica_the_pauses_grow(
    clock: MockClock, harness: RedisHarness, told: Told
) -> None:
    loading = harness.stream.refused("LOADING", "Redis is loading the dataset in memory")
    harness.stream.faults.before["sweep_attempts"] += [loading] * 5
    began = trio.current_time()
    await harness.redis.until_answered(harness.stream.sweep_attempts, what="sweep")
    assert 0 < trio.current_time() - began <= 0.1 + 0.2 + 0.4 + 0.8 + 1.6
    assert len(told.lines("sweep failed and is repeated")) == 5
