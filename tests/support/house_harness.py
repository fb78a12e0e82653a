"""A house with real connections, whose frames a test confirms or drops itself."""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import trio

from ingestion.core.quarantine import Quarantine
from ingestion.devices.known_devices import Verdict
from ingestion.listening.listeners import Listeners
from ingestion.publishing.waiting_frame import ParkedOutcome
from ingestion.sessions.datagrams import serve_datagram
from ingestion.sessions.house import House
from ingestion.sessions.parts import Parts
from ingestion.sessions.roster import Roster
from ingestion.taps.taps import Taps
from telemetry._codec import Confirmation, ReplyCounter, SessionLimits, StreamWriters
from telemetry.chassis.progress import ProgressTable
from tests.support.ingestion_frames import imei_of
from tests.support.listening_harness import OPTIONS, new_journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ingestion.errors import RedisUnavailableError
    from ingestion.journal.journal import Journal
    from ingestion.journal.statistics import Statistics
    from ingestion.publishing.waiting_frame import Outcome, Submitter
    from telemetry._codec import AcceptedFrame

STREAM = "stream"
WAIT_S = 20


class PublishedByHand:
    """Stands in for Redis: a frame waits until the test confirms it or drops it."""

    def __init__(self) -> None:
        self.accepted: list[AcceptedFrame] = []
        self.fault: BaseException | None = None
        """Raised in the session that publishes next."""
        self._waiting: deque[tuple[AcceptedFrame, Submitter]] = deque()
        self._came = trio.Event()

    async def publish(self, frame: AcceptedFrame, *, part: float = 1.0) -> Confirmation:  # noqa: ARG002
        """As Publishers'."""
        outcome = ParkedOutcome()
        self.submit(frame, outcome, trio.current_time())
        return await outcome.wait()

    def submit(self, frame: AcceptedFrame, submitter: Submitter, now_s: float) -> None:  # noqa: ARG002
        """As Publishers'."""
        if (fault := self.fault) is not None:
            self.fault = None
            raise fault
        self.accepted.append(frame)
        self._waiting.append((frame, submitter))
        came, self._came = self._came, trio.Event()
        came.set()

    async def next_frame(self) -> AcceptedFrame:
        """The oldest frame that waits."""
        with trio.fail_after(WAIT_S):
            while not self._waiting:
                await self._came.wait()
        return self._waiting[0][0]

    async def confirm(self) -> AcceptedFrame:
        """Answer the oldest frame as Redis does."""
        frame = await self.next_frame()
        counter = ReplyCounter()
        counter.expect(frame, frame)
        counter.feed(b"$15\r\n1526919030474-0\r\n" * frame.replies)
        ((_, confirmation),) = counter.settled()
        assert isinstance(confirmation, Confirmation)
        self._settle(confirmation)
        return frame

    async def drop(self, error: RedisUnavailableError) -> None:
        """The oldest frame is not published."""
        await self.next_frame()
        self._settle(error)

    def _settle(self, outcome: Outcome) -> None:
        _, submitter = self._waiting.popleft()
        submitter.settled(outcome)


class Listed:
    """Stands in for the list of devices."""

    def __init__(self) -> None:
        self.refused: set[str] = set()

    def verdict(self, imei: str) -> Verdict:
        """As KnownDevices'."""
        return Verdict(is_known=imei not in self.refused, is_accepted=imei not in self.refused)


class Device:
    """A device's end of a connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def receive(self, count: int) -> bytes:
        """So many bytes; fewer if the connection ends before."""
        data = b""
        with trio.fail_after(WAIT_S):
            while len(data) < count and (piece := await self.stream.receive_some(count)):
                data += piece
        return data

    async def log_in(self, device: int = 1) -> None:
        await self.send(b"\x00\x0f" + imei_of(device).encode())
        assert await self.receive(1) == b"\x01"

    async def is_closed(self) -> bool:
        """Wait for the end; whether it came without another byte."""
        try:
            return not await self.receive(1)
        except trio.BrokenResourceError:
            return True


class Housed:
    """The house at work."""

    def __init__(self, house: House, parts: Parts, listeners: Listeners) -> None:
        self.house = house
        self.parts = parts
        self.listeners = listeners
        self.devices: list[Device] = []
        self.published: PublishedByHand = parts.publishers  # type: ignore[assignment]
        self.listed: Listed = parts.devices  # type: ignore[assignment]

    @property
    def journal(self) -> Journal:
        return self.parts.journal

    @property
    def counts(self) -> Statistics:
        return self.journal.snapshot()

    async def connect(self, transport: str = "tcp") -> Device:
        address = self.listeners.addresses[transport]
        assert address is not None
        host, _, port = address.rpartition(":")
        device = Device(await trio.open_tcp_stream(host, int(port)))
        self.devices.append(device)
        return device

    @asynccontextmanager
    async def sender(self) -> AsyncIterator[trio.socket.SocketType]:
        """A device that sends datagrams."""
        address = self.listeners.addresses["udp"]
        assert address is not None
        host, _, port = address.rpartition(":")
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as client:
            await client.connect((host, int(port)))
            yield client

    async def until(self, holds: Any) -> None:
        """Wait until it holds; for what the service does without an answer."""
        with trio.fail_after(WAIT_S):
            while not holds():  # noqa: ASYNC110  # counts are plain numbers
                await trio.sleep(0.005)


@asynccontextmanager
async def housed(
    *, drain_budget_ms: int = 2_000, quarantine_after: int = 2, **limits: int
) -> AsyncIterator[Housed]:
    """A house with a TCP and a UDP listener in this block, which is closed at its end."""
    journal = new_journal()
    times = {"login_timeout_ms": 30_000, "frame_timeout_ms": 30_000, "idle_timeout_ms": 30_000}
    parts = Parts(
        limits=SessionLimits(frame_bytes_max=65_535, **{**times, **limits}),
        writers=StreamWriters((STREAM,), entries_max=0),
        publishers=PublishedByHand(),
        devices=Listed(),  # type: ignore[arg-type]
        quarantine=Quarantine(quarantine_after),
        quarantine_streams=(f"{STREAM}:quarantine",),
        taps=Taps(),
        roster=Roster(),
        journal=journal,
        instance_id="test",
    )
    house = House(parts, drain_budget_ms=drain_budget_ms)
    listeners = Listeners(replace(OPTIONS, udp_port=0), journal)
    await listeners.open()

    async def answer_to(data: bytes, address: str) -> bytes | None:
        return await serve_datagram(data, address, parts)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.run)
        await house.is_open.wait()
        listeners.start_soon(nursery, ProgressTable(), house.start, answer_to)
        it = Housed(house, parts, listeners)
        try:
            yield it
        finally:
            listeners.close()
            house.close()
            for device in it.devices:
                device.stream.socket.close()
            nursery.cancel_scope.deadline = trio.current_time() + 5
