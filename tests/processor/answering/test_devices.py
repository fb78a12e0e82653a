"""What is held of a device, and when it may be restored: never while its writer has a batch in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.answering.devices import TURN_S_MAX, DeviceAnswers, WriterDevices
from processor.writing.device_states import KnownDevices, NewestPositions
from telemetry._codec import Batch, DeviceStates
from telemetry.chassis.control.responder import CannotDo
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.lock import Lock
from tests.support.batches import batch_of, position
from tests.support.fakes.store import FakeStore
from tests.support.fakes.table import FakeTable

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal

WRITERS = 3
DEVICE = position(0, 0)["device_id"]
RUNNING = Phase.RUNNING


class AnswersHarness:
    """The devices of three writers on one table."""

    def __init__(self, journal: Journal) -> None:
        self.table = FakeTable()
        self.states = DeviceStates(100)
        positions = NewestPositions(self.states)
        self.writers = [
            WriterDevices(KnownDevices(FakeStore(self.table), positions, journal=journal), Lock())
            for _ in range(WRITERS)
        ]
        self.answers = DeviceAnswers(self.states, self.writers)

    @property
    def home(self) -> WriterDevices:
        """The writer that DEVICE's records go to."""
        return self.home_of(0)

    def home_of(self, device: int) -> WriterDevices:
        parts = batch_of([position(device, 0)]).partition(WRITERS)
        [number] = [number for number, part in enumerate(parts) if part.records]
        return self.writers[number]


@pytest.fixture
def harness(journal: Journal) -> AnswersHarness:
    return AnswersHarness(journal)


async def holding(turn: Lock, task_status: trio.TaskStatus[None]) -> None:
    """A writer whose batch does not end."""
    async with turn:
        task_status.started()
        await trio.sleep_forever()


async def test_a_device_that_is_not_in_memory_is_not_held(harness: AnswersHarness) -> None:
    assert await harness.answers.held({"device_id": "7"}) == {
        "held": False,
        "newest_ts": None,
        "last_seen": None,
        "count": 0,
    }


async def test_what_is_held_has_its_newest_time_and_what_was_counted(
    harness: AnswersHarness,
) -> None:
    harness.states.update(batch_of([position(0, 0), position(0, 1)]), 1_777_636_800_250)
    held = await harness.answers.held({"device_id": DEVICE})
    assert held["held"]
    assert held["newest_ts"] == "2026-05-01T12:00:01.000Z"
    assert (held["last_seen"], held["count"]) == ("2026-05-01T12:00:00.250Z", 2)


async def test_what_was_only_restored_was_not_seen_yet(harness: AnswersHarness) -> None:
    await FakeStore(harness.table).copy_direct(batch_of([position(0, 0)]))
    assert await harness.answers.rehydrate({"device_id": DEVICE}, RUNNING) == {"result": "restored"}
    held = await harness.answers.held({"device_id": DEVICE})
    assert (held["held"], held["last_seen"], held["count"]) == (True, None, 0)


async def test_it_waits_until_its_writer_is_between_two_batches(
    clock: MockClock, nursery: trio.Nursery, harness: AnswersHarness
) -> None:
    harness.states.update(batch_of([position(0, 0)]), 1)
    results: list[object] = []

    async def rehydrate() -> None:
        results.append(await harness.answers.rehydrate({"device_id": DEVICE}, RUNNING))

    async with harness.home.turn:
        nursery.start_soon(rehydrate)
        await wait_all_tasks_blocked()
        assert harness.states.get(DEVICE) is not None
        assert results == []
    await wait_all_tasks_blocked()
    assert results == [{"result": "empty"}]
    assert harness.states.get(DEVICE) is None


@pytest.mark.parametrize("device", range(5))
async def test_the_batches_of_other_writers_hold_nothing_up(
    clock: MockClock, nursery: trio.Nursery, harness: AnswersHarness, device: int
) -> None:
    for writer in harness.writers:
        if writer is not harness.home_of(device):
            await nursery.start(holding, writer.turn)
    arguments = {"device_id": position(device, 0)["device_id"]}
    assert await harness.answers.rehydrate(arguments, RUNNING) == {"result": "empty"}


async def test_a_writer_that_is_in_trouble_is_not_waited_for_and_keeps_its_device(
    clock: MockClock, nursery: trio.Nursery, harness: AnswersHarness
) -> None:
    harness.states.update(batch_of([position(0, 0)]), 1)
    await nursery.start(holding, harness.home.turn)
    began = trio.current_time()
    assert await harness.answers.rehydrate({"device_id": DEVICE}, RUNNING) == {"result": "failed"}
    assert trio.current_time() - began == TURN_S_MAX
    assert harness.states.get(DEVICE) is not None


async def test_an_instance_that_is_starting_leaves_its_sessions_alone(
    harness: AnswersHarness,
) -> None:
    with pytest.raises(CannotDo, match="starting"):
        await harness.answers.rehydrate({"device_id": DEVICE}, Phase.STARTING)


@pytest.mark.parametrize("arguments", [{}, {"device_id": 7}, {"device_id": None}], ids=str)
async def test_a_device_has_an_id(harness: AnswersHarness, arguments: dict[str, object]) -> None:
    with pytest.raises(CannotDo, match="device_id"):
        await harness.answers.held(arguments)
    with pytest.raises(CannotDo, match="device_id"):
        await harness.answers.rehydrate(arguments, RUNNING)


def test_the_part_of_a_device_is_that_of_its_batches() -> None:
    for parts in (1, 2, 7):
        for number in range(20):
            device = position(number, 0)["device_id"]
            divided = batch_of([position(number, 0)]).partition(parts)
            assert divided[Batch.part_of(device, parts)].records == 1
