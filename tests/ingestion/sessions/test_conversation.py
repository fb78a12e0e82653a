"""What a device gets to see of its conversation, and what of it is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from ingestion.errors import PublishOverflowError, RedisUnavailableError
from ingestion.listening.connection import Connection
from ingestion.sessions.conversation import STEPS_PER_TURN
from tests.support.house_harness import housed
from tests.support.ingestion_frames import datagram, framed, imei_of, tcp_frame

if TYPE_CHECKING:
    from ingestion.sessions.wire import Wire
    from ingestion.taps.taps import Tap
    from telemetry._codec import End, Session, Step

ANSWER_5 = b"\x00\x00\x00\x05"
# Codec 8 says one record, and has none.
UNDECODABLE = framed(bytes([8, 1, 1]))
EMPTY = framed(bytes([8, 0, 0]))
# The answer to a command: codec 12, one of type 6, with the text "ok".
COMMAND = framed(b"\x0c\x01\x06\x00\x00\x00\x02ok\x01")
BAD_CRC = tcp_frame(9)[:-1] + b"\xff"


async def test_a_frame_is_answered_when_redis_has_confirmed_it_and_not_before() -> None:
    async with housed() as it:
        device = await it.connect()
        await device.log_in()
        await device.send(tcp_frame(0))
        await it.published.next_frame()
        with trio.move_on_after(0.1) as waited:
            await device.receive(1)
        assert waited.cancelled_caught
        assert it.house.oldest_unanswered_s >= 0.1
        await it.published.confirm()
        assert await device.receive(4) == ANSWER_5
        await it.until(lambda: it.counts.frames["8", "ok"] == 1)
        assert it.house.oldest_unanswered_s == 0
        assert it.counts.records_published["8"] == 5


async def test_nothing_is_read_while_a_frame_waits() -> None:
    async with housed() as it:
        device = await it.connect()
        await device.log_in()
        await device.send(tcp_frame(0) + tcp_frame(1))
        await it.published.confirm()
        assert await device.receive(4) == ANSWER_5
        await it.published.next_frame()
        assert len(it.published.accepted) == 2
        await it.published.confirm()
        assert await device.receive(4) == ANSWER_5


@pytest.mark.parametrize("result", ["overflow", "unpublished"])
async def test_a_frame_that_is_dropped_has_no_answer_and_the_connection_stays(result: str) -> None:
    async with housed() as it:
        device = await it.connect()
        await device.log_in()
        if result == "overflow":
            it.published.fault = PublishOverflowError("full", imei=None, code="overflow")
            await device.send(tcp_frame(0))
        else:
            await device.send(tcp_frame(0))
            await it.published.drop(RedisUnavailableError("away", imei=None, code="connection"))
        await it.until(lambda: it.counts.frames["8", result] == 1)
        assert it.house.oldest_unanswered_s > 0
        await device.send(tcp_frame(0))
        await it.published.confirm()
        assert await device.receive(4) == ANSWER_5
        assert it.house.oldest_unanswered_s == 0


async def test_a_newer_login_wins_and_the_older_frame_stays_on_its_way() -> None:
    async with housed() as it:
        older, newer = await it.connect(), await it.connect()
        await older.log_in()
        await older.send(tcp_frame(0))
        await it.published.next_frame()
        await newer.log_in()
        assert await older.is_closed()
        # Its frame is confirmed: nobody is answered for it, the newer connection least of all.
        await it.published.confirm()
        await newer.send(tcp_frame(1, records=2))
        await it.published.confirm()
        assert await newer.receive(4) == b"\x00\x00\x00\x02"
        await it.until(lambda: len(it.house) == 1)
        assert it.parts.roster.device(imei_of(1)) is not None


async def test_a_device_that_is_not_listed_is_refused() -> None:
    async with housed() as it:
        it.listed.refused.add(imei_of(1))
        device = await it.connect()
        await device.send(b"\x00\x0f" + imei_of(1).encode() + tcp_frame(0))
        assert await device.receive(2) == b"\x00"
        assert it.counts.handshakes["rejected", "unknown"] == 1
        assert not it.published.accepted


async def test_a_wrong_checksum_closes_at_the_second_time_in_a_row() -> None:
    async with housed() as it:
        device = await it.connect()
        await device.log_in()
        await device.send(BAD_CRC + tcp_frame(0))
        await it.published.confirm()
        assert await device.receive(4) == ANSWER_5
        await device.send(BAD_CRC + BAD_CRC)
        assert await device.is_closed()
        assert it.counts.frames["8", "crc_fail"] == 3


async def test_a_frame_that_cannot_be_decoded_is_kept_when_it_comes_again_and_again() -> None:
    async with housed(quarantine_after=2) as it:
        first = await it.connect()
        await first.log_in()
        await first.send(UNDECODABLE)
        assert await first.is_closed()
        second = await it.connect()
        await second.log_in()
        await second.send(UNDECODABLE)
        kept = await it.published.next_frame()
        assert UNDECODABLE.hex().encode() in kept.commands
        await it.published.confirm()
        assert await second.receive(4) == b"\x00\x00\x00\x01"
        await it.until(lambda: it.counts.quarantined == 1)
        await second.send(tcp_frame(0))
        await it.published.confirm()
        assert await second.receive(4) == ANSWER_5


async def test_any_other_frame_between_two_of_a_kind_begins_their_count_again() -> None:
    for other in (tcp_frame(0), EMPTY, COMMAND):
        async with housed(quarantine_after=2) as it:
            for sent in (UNDECODABLE, other + UNDECODABLE):
                device = await it.connect()
                await device.log_in()
                await device.send(sent)
                if sent.startswith(tcp_frame(0)):
                    await it.published.confirm()
                    assert await device.receive(4) == ANSWER_5
                elif sent.startswith(EMPTY):
                    assert await device.receive(4) == bytes(4)
                assert await device.is_closed()
            assert it.counts.quarantined == 0


async def test_what_cannot_be_kept_has_no_answer_and_is_kept_the_next_time() -> None:
    async with housed(quarantine_after=1) as it:
        device = await it.connect()
        await device.log_in()
        await device.send(UNDECODABLE)
        await it.published.drop(RedisUnavailableError("away", imei=None, code="connection"))
        await it.until(lambda: it.counts.frames["8", "unpublished"] == 1)
        await device.send(UNDECODABLE)
        await it.published.confirm()
        assert await device.receive(4) == b"\x00\x00\x00\x01"


async def test_a_fault_of_the_program_ends_one_conversation_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Panic(BaseException):
        """As the codec's."""

    for fault in (RuntimeError("oops"), Panic("oops")):
        async with housed() as it:
            broken, well = await it.connect(), await it.connect()
            await broken.log_in(1)
            await well.log_in(2)
            it.published.fault = fault
            await broken.send(tcp_frame(0))
            assert await broken.is_closed()
            await well.send(tcp_frame(0))
            await it.published.confirm()
            assert await well.receive(4) == ANSWER_5
        assert "session failed" in caplog.text
        caplog.clear()


async def test_what_comes_before_the_answer_is_read_behind_it() -> None:
    async with housed() as it:
        device = await it.connect()
        await device.log_in()
        await device.send(tcp_frame(0))
        await it.published.next_frame()
        await device.send(tcp_frame(1, records=2))
        await device.stream.send_eof()
        await it.published.confirm()
        assert await device.receive(4) == ANSWER_5
        await it.published.confirm()
        assert await device.receive(5) == b"\x00\x00\x00\x02"


async def test_a_fault_while_a_frame_is_answered_ends_one_conversation_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with housed() as it:
        broken, well = await it.connect(), await it.connect()
        await broken.log_in(1)
        await well.log_in(2)
        with monkeypatch.context() as patch:
            patch.setattr("ingestion.journal.sessions.SessionsJournal.frame_published", None)
            await broken.send(tcp_frame(0))
            await it.published.confirm()
            assert await broken.is_closed()
        await well.send(tcp_frame(0))
        await it.published.confirm()
        assert await well.receive(4) == ANSWER_5
    assert "session failed" in caplog.text


async def test_a_fault_of_the_program_costs_one_datagram(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with housed() as it, it.sender() as client:
        it.published.fault = RuntimeError("oops")
        await client.send(datagram(1, 6))
        await it.until(lambda: it.published.fault is None)
        await client.send(datagram(1, 7))
        await it.published.confirm()
        with trio.fail_after(5):
            assert await client.recv(100) == bytes.fromhex("00050007010705")
    assert "session failed" in caplog.text


async def test_a_datagram_of_a_device_that_is_not_listed_is_reported_and_not_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with housed() as it, it.sender() as client:
        it.listed.refused.add(imei_of(1))
        await client.send(datagram(1, 7))
        await it.until(lambda: it.counts.handshakes["rejected", "unknown"] == 1)
        assert not it.published.accepted
    assert f"login refused imei={imei_of(1)}" in caplog.text


async def test_the_others_have_their_turn_while_a_flood_of_pings_is_taken() -> None:
    pings = 4_000
    async with housed() as it:
        device = await it.connect()
        await device.log_in()
        seen = {0}
        await device.send(b"\xff" * pings)
        with trio.fail_after(20):
            while pings not in seen:
                await trio.lowlevel.checkpoint()
                seen.add(it.counts.pings)
        # However the kernel cut it, and whatever else was runnable between two looks.
        assert len(seen) > pings / STEPS_PER_TURN / 4


async def test_a_stop_does_not_wait_for_what_stands_before_a_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never_established(_: Connection) -> bool:
        return await trio.sleep_forever()

    monkeypatch.setattr(Connection, "establish", never_established)
    async with housed() as it:
        device = await it.connect()
        await device.send(b"PROXY ")
        await it.until(lambda: len(it.house) == 1)
        await trio.testing.wait_all_tasks_blocked(0.05)
        it.house.close()
        with trio.fail_after(1):
            assert await device.is_closed()


async def test_a_stop_between_confirmation_and_answer_waits_for_the_answer() -> None:
    """Through TLS an answer may have to wait, and behind FIN it is lost."""
    async with housed() as it:
        device = await it.connect()
        await device.log_in()
        (conversation,) = it.house
        wire, may_send = conversation._wire, trio.Event()  # a wire whose sending takes its time
        assert wire is not None
        quick: Wire = wire

        class SlowWire:
            tap: Tap | None = None

            async def receive(self, session: Session) -> Step | End | None:
                return await quick.receive(session)

            async def send(self, data: bytes) -> None:
                await may_send.wait()
                await quick.send(data)

        conversation._wire = SlowWire()
        await device.send(tcp_frame(0))
        await it.published.confirm()
        await it.until(lambda: it.counts.frames["8", "ok"] == 1)
        it.house.close()
        await trio.testing.wait_all_tasks_blocked(0.05)
        may_send.set()
        assert await device.receive(4) == ANSWER_5
        assert await device.is_closed()


async def test_a_connection_without_a_byte_is_a_probe() -> None:
    async with housed() as it:
        device = await it.connect()
        await device.stream.aclose()
        await it.until(lambda: it.counts.probes == 1)
        assert sum(it.counts.handshakes.values()) == 0


async def test_half_a_login_runs_out_of_time() -> None:
    async with housed(login_timeout_ms=100) as it:
        device = await it.connect()
        await device.send(b"\x00\x0f123")
        assert await device.is_closed()
        assert it.counts.handshakes["timeout", "unknown"] == 1
        assert it.counts.probes == 0


async def test_a_datagram_is_answered_when_redis_has_confirmed_it() -> None:
    async with housed() as it, it.sender() as client:
        await client.send(datagram(1, 7))
        await it.published.next_frame()
        await client.send(b"\x00\x03abc")
        await it.published.confirm()
        with trio.fail_after(5):
            assert await client.recv(100) == bytes.fromhex("00050007010705")
        await it.until(lambda: it.counts.frames["other", "malformed"] == 1)
