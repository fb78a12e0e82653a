"""One life of tcp-ingestion: the whole service under `supervise`, on socket pairs instead of a network."""

from __future__ import annotations

import logging
import math
import signal
import socket
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import trio

from ingestion.journal.journal import Journal
from ingestion.listening import accepting, entrance, listeners
from ingestion.listening.connection import Connection
from ingestion.listening.peer import Peer
from ingestion.publishing import publisher, publishers
from ingestion.publishing.outcomes import Outcomes
from ingestion.publishing.publisher import Publisher
from ingestion.service import supervisor
from ingestion.service.assembly import build_of, make_rooms, service_options
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.logs import Log
from tests.simulation.checkpoints import current_life

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestion.config import Config
    from ingestion.publishing.waiting_frame import WaitingFrame
    from telemetry._codec import Confirmation, PublishRefusal
    from telemetry.chassis.exit_codes import ExitCode
    from tests.simulation.clockwork import Seam
    from tests.simulation.ingestion.simulation import Simulation

# The lines of many thousand lives: they are composed, as in the service, but nobody reads them.
SILENT = Log("simulation")
logging.getLogger("simulation").setLevel(logging.CRITICAL + 1)


class Life:
    """From the start of a process to its end, in whatever way it ends."""

    def __init__(self, simulation: Simulation, config: Config) -> None:
        self.simulation = simulation
        self.config = config
        self.listening: socket.socket | None = None
        self.asked_at: float | None = None
        self.insisted_at: float | None = None
        self.ended_at: float | None = None
        self.code: ExitCode | None = None
        self.crash: BaseException | None = None
        self.is_killed = False
        self.is_lost = False
        """Killed, and what it had sent has not arrived."""
        self.drained_in_peace = False
        """Whether Redis answered from the stop request to the end."""
        self.ended = trio.Event()
        # Frames that were accepted, by what became of them.
        self.waiting: set[WaitingFrame] = set()
        self.confirmed: Counter[str] = Counter()
        """How many of each device."""
        self.dropped_in_drain = 0
        self.dropped_at = -math.inf
        """When the last one was dropped before the drain; its conversation may hear of it in the drain."""
        self.drained_from = math.inf
        # The kernel closes them when it ends. If it is killed, nothing is sent by what unwinds then.
        self.sockets: list[Callable[[], None]] = []
        self._is_led_astray = False
        self._scope = trio.CancelScope()
        self._signals, self._receiver = trio.open_memory_channel[int](10)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended. What it sent before may still arrive."""
        return self.ended.is_set()

    @property
    def has_left_something(self) -> bool:
        """Whether something that it had accepted by the stop request, or afterwards, was not confirmed."""
        return bool(self.waiting or self.dropped_in_drain)

    @property
    def may_have_left_something(self) -> bool:
        """The same, or something was dropped in the very moment of the stop request."""
        return self.has_left_something or self.dropped_at == self.drained_from

    async def run(self) -> None:
        """Live until the process would end."""
        current_life.set(self)
        journal = WatchedJournal(SILENT, build_of(self.config), self)
        try:
            with self._scope:
                self.code = await supervisor.supervise(
                    service_options(self.config),
                    lambda: make_rooms(self.config, journal),
                    self._receiver,
                    journal,
                    arm_backstop=lambda: None,
                    black_box=BlackBox(),
                )
        except BaseException as error:  # noqa: BLE001  # whatever ends a process
            if not self.is_killed:
                self.crash = error
        if not self.is_killed:
            self._end()

    def stop(self) -> None:
        """Send SIGTERM, once more if it was sent before."""
        if self.has_ended:
            return
        if self.asked_at is None:
            self.asked_at = trio.current_time()
            self._is_led_astray = self.simulation.redis.leads_astray(self)
        elif self.insisted_at is None:
            self.insisted_at = trio.current_time()
        self._signals.send_nowait(signal.SIGTERM)

    def kill(self, *, arrives: bool) -> None:
        """End it as `kill -9` does. With `arrives`, what it has sent arrives all the same."""
        if self.has_ended:
            return
        self.is_killed = True
        self.is_lost = not arrives
        self._scope.cancel()
        self._end()

    def _end(self) -> None:
        for close in self.sockets:
            close()
        self.ended_at = trio.current_time()
        if self.asked_at is not None:
            was_well = self.simulation.redis_has_been_well_since(self.asked_at)
            self.drained_in_peace = was_well and not self._is_led_astray
        self.ended.set()


class WatchedJournal(Journal):
    """Notes what must not happen, and when the drain begins."""

    def __init__(self, log: Log, build: Any, life: Life) -> None:
        super().__init__(log, build)
        self._life = life

    def session_failed(self, error: BaseException, **where: Any) -> None:
        """No session of a simulation has a fault of the program."""
        self._life.simulation.wrong(f"a session failed: {error!r}")
        super().session_failed(error, **where)

    def shutdown_starting(self, *, signal: str | None) -> None:
        """From here on, whatever is dropped was left unpublished."""
        self._life.drained_from = trio.current_time()
        super().shutdown_starting(signal=signal)


class WatchedPublisher(Publisher):
    """Notes each frame that is accepted."""

    def accept(self, waiting: WaitingFrame) -> None:
        """As Publisher's."""
        current_life.get().waiting.add(waiting)
        super().accept(waiting)


class WatchedOutcomes(Outcomes):
    """Notes what becomes of it."""

    def confirmed(self, waiting: WaitingFrame, confirmation: Confirmation) -> None:
        """As Outcomes's."""
        life: Life = current_life.get()
        life.waiting.discard(waiting)
        life.confirmed[waiting.frame.imei] += 1
        super().confirmed(waiting, confirmation)

    def refused(self, waiting: WaitingFrame, refusal: PublishRefusal) -> None:
        """As Outcomes's."""
        _dropped([waiting])
        super().refused(waiting, refusal)

    def lost(self, frames: Sequence[WaitingFrame], reason: str) -> None:
        """As Outcomes's."""
        _dropped(frames)
        super().lost(frames, reason)

    def overdue(self, frames: Sequence[WaitingFrame], reason: str) -> None:
        """As Outcomes's."""
        _dropped(frames)
        super().overdue(frames, reason)


def _dropped(frames: Sequence[WaitingFrame]) -> None:
    life: Life = current_life.get()
    life.waiting.difference_update(frames)
    if life.drained_from < math.inf:
        life.dropped_in_drain += len(frames)
    elif frames:
        life.dropped_at = trio.current_time()


class WatchedConnection(Connection):
    """A connection that is closed when its life is killed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current_life.get().sockets.append(self.socket.close)


async def listen(*_: object, **__: object) -> list[socket.socket]:
    """Instead of TCP: a socket that devices of the simulation find through their server's life."""
    await trio.lowlevel.checkpoint()
    life: Life = current_life.get()
    listening = socket.socket(socket.AF_UNIX)
    listening.settimeout(0)
    # An empty name takes a free one, which is no file.
    listening.bind("")
    listening.listen(100)
    life.listening = listening

    def close() -> None:
        if listening.fileno() >= 0:
            trio.lowlevel.notify_closing(listening)
            listening.close()

    life.sockets.append(close)
    return [listening]


async def connect_to_redis(_: object) -> trio.SocketStream:
    """Instead of a socket of the file system: the server of the simulation."""
    await trio.lowlevel.checkpoint()
    life: Life = current_life.get()
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(life.simulation.redis.connect(life)))
    life.sockets.append(stream.socket.close)
    return stream


def _nothing(*_: object) -> None: ...


SEAMS: Sequence[Seam] = (
    (trio, "open_unix_socket", connect_to_redis),
    (listeners, "open_tcp", listen),
    (listeners, "address_of", lambda _: "simulated:5027"),
    (accepting, "peer_of", lambda _: Peer(IPv4Address("127.0.0.1"), 1)),
    (entrance, "Connection", WatchedConnection),
    (publishers, "Publisher", WatchedPublisher),
    (publisher, "Outcomes", WatchedOutcomes),
    # What thousands of lives leave behind must not be kept for ever.
    (supervisor, "gc", SimpleNamespace(collect=_nothing, freeze=_nothing, set_threshold=_nothing)),
)
