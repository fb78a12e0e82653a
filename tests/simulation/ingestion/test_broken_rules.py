"""For each guarantee: a part that breaks it, and a cut in which the promise notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ingestion.errors import RedisUnavailableError
from ingestion.publishing.frame_queue import FrameQueue
from ingestion.publishing.outcomes import Outcomes
from ingestion.publishing.waiting_frame import ParkedOutcome
from ingestion.service.ending import Ending
from ingestion.sessions.answering import Answering
from ingestion.sessions.conversation import Conversation
from ingestion.sessions.roster import Roster
from ingestion.sessions.wire import PlainWire
from telemetry.chassis.rings import Drain
from telemetry.chassis.stopping import StopRequest
from tests.simulation.cuts import Cut, Kind, cuts_of, run

if TYPE_CHECKING:
    import pytest

    from ingestion.publishing.waiting_frame import Outcome, WaitingFrame
    from ingestion.sessions.wire import Wire
    from telemetry._codec import AcceptedFrame, Confirmation, End, Step
    from telemetry.chassis.exit_codes import ExitCode

# Faults that show at many checkpoints are looked for at every n-th only.
STRIDE = 7


def noticed(scenario: str, kind: Kind = Kind.STOP) -> str:
    """The violations of the whole run, or else of the first cut that breaks the promise; empty if none does."""
    if found := run(Cut(scenario)).violations:
        return str(found)
    cuts = [cut for cut in cuts_of(scenario) if cut.kind is kind]
    # Late checkpoints first: at early ones little has happened.
    outcomes = (run(cut) for cut in cuts[::-STRIDE])
    return next((str(each.violations) for each in outcomes if each.violations), "")


def send(answering: Answering, answer: bytes) -> None:
    assert isinstance(answering._wire, PlainWire)
    answering._wire.send_nowait(answer)


def bare_answer(frame: AcceptedFrame) -> bytes:
    """The answer without what proves it: the codec makes none."""
    return frame.records.to_bytes(4)


def test_an_answer_before_the_confirmation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(self: Answering, frame: AcceptedFrame) -> None:
        # Nobody hears of the outcome, and the frame stays on its way.
        self._parts.publishers.submit(frame, ParkedOutcome(), trio.current_time())
        self._session.settle()
        send(self, bare_answer(frame))

    monkeypatch.setattr(Answering, "_submit", at_once)
    assert "was answered, and is not in the stream" in noticed("devices-steady")


def test_an_answer_by_another_frames_confirmation_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settled: list[tuple[WaitingFrame, Confirmation]] = []

    def mixed_up(self: Outcomes, waiting: WaitingFrame, confirmation: Confirmation) -> None:
        self._depth.remove(waiting.frame.replies, waiting.commands_bytes)
        settled.append((waiting, confirmation))
        if len(settled) == 2:
            (first, its), (second, others) = settled
            settled.clear()
            first.submitter.settled(others)
            second.submitter.settled(its)

    monkeypatch.setattr(Outcomes, "confirmed", mixed_up)
    assert "a session failed: CodecError" in noticed("devices-steady")


def test_an_answer_to_a_frame_that_was_dropped_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_the_same(self: Answering, frame: AcceptedFrame, _: Outcome) -> None:
        # A frame that was dropped may be executed later, or never.
        send(self, bare_answer(frame))

    monkeypatch.setattr(Answering, "_finish", all_the_same)
    assert "was answered, and is not in the stream" in noticed("publishing-redis-away-for-long")


def test_an_answer_of_a_conversation_that_is_cut_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receive = Conversation._receive

    async def whatever_happens(self: Conversation, wire: Wire) -> Step | End | None:
        try:
            return await receive(self, wire)
        except trio.Cancelled:
            answering = self._answering
            if answering is not None and answering._frame is not None:
                send(answering, bare_answer(answering._frame))
            raise

    monkeypatch.setattr(Conversation, "_receive", whatever_happens)
    assert "was answered, and is not in the stream" in noticed("drain-overflow")


def test_a_frame_that_is_published_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(self: FrameQueue) -> list[WaitingFrame]:
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        return []

    monkeypatch.setattr(FrameQueue, "drop_sent", keep)
    assert "published more often than it was sent" in noticed("publishing-redis-away", Kind.CRASH)


def test_an_older_connection_that_stays_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Roster, "enter", lambda *_: None)
    assert "is still open" in noticed("devices-newer-logins")


def test_an_outage_that_ends_connections_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = Answering._finish

    def give_up(self: Answering, frame: AcceptedFrame, outcome: Outcome) -> None:
        if isinstance(outcome, RedisUnavailableError):
            raise OSError from outcome
        finish(self, frame, outcome)

    monkeypatch.setattr(Answering, "_finish", give_up)
    assert "was ended without a reason" in noticed("publishing-redis-full")


def test_a_stop_that_leaves_the_frame_in_hand_unanswered_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Conversation, "leave", lambda self: self.close("the service stops"))
    assert "unanswered, which was confirmed" in noticed("drain-frames-in-hand")


def test_a_drain_without_a_deadline_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_in_time = Drain.begin

    def begin(self: Drain) -> None:
        begin_in_time(self)
        self._ends_at = float("inf")

    monkeypatch.setattr(Drain, "begin", begin)
    assert "granted were 2000" in noticed("drain-overflow")


def test_frames_that_the_last_line_forgets_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    finish_with_a_count = Ending.finish

    def finish(self: Ending, steps_ms: dict[str, float]) -> ExitCode:
        self._unpublished_before = self._journal.unpublished_frames
        return finish_with_a_count(self, steps_ms)

    monkeypatch.setattr(Ending, "finish", finish)
    assert "0 frames waiting and 3 dropped" in noticed("drain-patient")


def test_a_second_signal_that_is_not_heard_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(self: StopRequest, signal_name: str) -> None:
        self.signal_name = signal_name
        self.announced.set()
        self.requested.set()

    monkeypatch.setattr(StopRequest, "receive", receive)
    assert "after the second signal" in noticed("drain-second-signal")


def test_a_device_that_is_left_waiting_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answering, "_finish", lambda *_: None)
    assert "without an answer, and everybody has finished" in noticed("devices-steady")
