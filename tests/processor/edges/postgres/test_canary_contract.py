"""The evidence about a refused row, the same from the store in memory and the one on a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from processor.core.write_errors import Evidence
from processor.errors import PostgresError
from tests.processor.edges.postgres.test_store_contract import FakeStoreHarness, RealStoreHarness
from tests.support.batches import NOON, batch_of, position, published, rows
from tests.support.fakes.rows import DAY_US, POSTGRES_EPOCH_US

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.edges.ports import PositionStore
    from telemetry._codec import Batch

NOON_MS = round(NOON.timestamp() * 1_000)
YEARS_AGO_S = -86_400 * 365 * 5


class CanaryHarness(Protocol):
    """A store, and what its table may have against rows."""

    @property
    def store(self) -> PositionStore: ...
    def refuse_device(self, device_id: str) -> None: ...
    def refuse_all(self) -> None: ...
    def refuse_what_is_older_than_a_year(self) -> None: ...
    def discard_device(self, device_id: str) -> None: ...


class FakeTrouble(FakeStoreHarness):
    def refuse_all(self) -> None:
        self._table.refuses_all = "P0001"

    def refuse_what_is_older_than_a_year(self) -> None:
        noon_us = NOON_MS * 1_000 - POSTGRES_EPOCH_US
        self._table.refused_days[(noon_us + YEARS_AGO_S * 1_000_000) // DAY_US] = "23514"

    def discard_device(self, device_id: str) -> None:
        self._table.discarded_devices.add(device_id)


class RealTrouble(RealStoreHarness):
    def refuse_all(self) -> None:
        self._trigger("RAISE EXCEPTION 'a bug'")

    def refuse_what_is_older_than_a_year(self) -> None:
        self._execute("ALTER TABLE positions ADD CHECK (ts > timestamptz '2025-05-01') NOT VALID")

    def discard_device(self, device_id: str) -> None:
        self._trigger(f"IF NEW.device_id = '{device_id}' THEN RETURN NULL; END IF; RETURN NEW")

    def _trigger(self, body: str) -> None:
        self._execute(
            f"CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$"
        )
        self._execute(
            "CREATE TRIGGER trouble BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION trouble()"
        )


@pytest.fixture(params=["fake", "real"])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[CanaryHarness]:
    fake = request.param == "fake"
    harness: CanaryHarness = (
        FakeTrouble() if fake else RealTrouble(request.getfixturevalue("database"))
    )
    yield harness
    await harness.store.aclose()


def refused_row(second: int = 0) -> Batch:
    """One row of device 3."""
    return published(position(3, second))


async def evidence(harness: CanaryHarness, batch: Batch) -> Evidence:
    return await harness.store.gather_evidence(batch, entry_ms=NOON_MS)


async def test_a_row_that_is_refused_beside_an_accepted_copy_is_to_blame(
    harness: CanaryHarness,
) -> None:
    await harness.store.copy_direct(batch_of([position(1, 0)]))
    harness.refuse_device(position(3, 0)["device_id"])
    assert await evidence(harness, refused_row()) is Evidence.RECORD


async def test_a_table_that_refuses_copies_too_is_to_blame(harness: CanaryHarness) -> None:
    await harness.store.copy_direct(batch_of([position(1, 0), position(2, 0)]))
    harness.refuse_all()
    assert await evidence(harness, refused_row()) is Evidence.TABLE


async def test_an_old_time_is_to_blame_where_copies_pass_at_their_own(
    harness: CanaryHarness,
) -> None:
    await harness.store.copy_direct(batch_of([position(1, 0)]))
    harness.refuse_what_is_older_than_a_year()
    assert await evidence(harness, refused_row(YEARS_AGO_S)) is Evidence.TIME


async def test_a_row_that_is_accepted_now_is_no_culprit(harness: CanaryHarness) -> None:
    await harness.store.copy_direct(batch_of([position(1, 0)]))
    assert await evidence(harness, refused_row()) is Evidence.CAUSE_GONE


async def test_an_empty_table_blames_no_device_that_it_refuses(harness: CanaryHarness) -> None:
    harness.refuse_device(position(3, 0)["device_id"])
    assert await evidence(harness, refused_row()) is Evidence.TABLE


async def test_a_cross_examination_leaves_no_row(harness: CanaryHarness) -> None:
    await harness.store.copy_direct(batch_of([position(1, 0)]))
    await evidence(harness, refused_row())
    assert (await harness.store.copy_direct(refused_row())).inserted == 1


async def test_a_canary_is_accepted_by_a_table_that_takes_rows(harness: CanaryHarness) -> None:
    first = await harness.store.try_canary()
    written = await harness.store.copy_direct(rows(3))
    assert first.session == written.session
    assert (await harness.store.try_canary()).session == written.session
    assert (await harness.store.insert_new(rows(3))).inserted == 0


async def test_a_canary_is_refused_by_a_table_that_takes_none(harness: CanaryHarness) -> None:
    await harness.store.copy_direct(batch_of([position(1, 0)]))
    harness.refuse_all()
    with pytest.raises(PostgresError) as caught:
        await harness.store.try_canary()
    assert caught.value.sqlstate == "P0001"
    assert caught.value.connection_usable
    assert caught.value.session is not None


async def test_rows_that_a_trigger_drops_are_counted_where_the_way_of_writing_shows_them(
    harness: CanaryHarness, way: str
) -> None:
    harness.discard_device(position(3, 0)["device_id"])
    commit = await getattr(harness.store, way)(rows(10))
    assert commit.inserted == 9
    # With ON CONFLICT DO NOTHING, a discarded row looks like a known one.
    assert commit.discarded == (1 if way == "copy_direct" else 0)
