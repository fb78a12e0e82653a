"""`tcp-ingestion run` as a process of its own, the devices that connect to it, and what it has published."""

from __future__ import annotations

import itertools
import socket
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from tests.support.ingestion_frames import datagram as udp_datagram
from tests.support.ingestion_frames import imei_of
from tests.support.processes import WAIT_S_MAX, Service, base_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from redis import Redis

    from dev.servers import RedisServer

HOST = "127.0.0.1"
RUN = (Path(sys.executable).with_name("tcp-ingestion"), "run")
# Of a datagram that no test sends otherwise.
MARK_DEVICE, MARK = 999, 60_000
ADMITTED, REFUSED = b"\x01", b"\x00"


class Ingestion(Service):
    """A running tcp-ingestion."""

    name = "tcp-ingestion"
    metrics_prefix = "teltonika_"

    @property
    def port(self) -> int:
        """Of its TCP listener."""
        return self.port_of("tcp")

    def port_of(self, transport: str) -> int:
        """Of one of its listeners: `tcp`, `udp` or `tls`."""
        return int(self.ready_line[transport].rpartition(":")[2])

    def connect(self, device: int = 1) -> Device:
        """A new connection of a device, before its login."""
        return Device(self.port, imei_of(device))

    def login(self, device: int = 1) -> Device:
        """A new connection of a device that has logged in."""
        connected = self.connect(device)
        assert connected.login() == ADMITTED
        return connected


class Device:
    """One connection of a device. Every wait is bounded, and failing it fails the test."""

    def __init__(self, port: int, imei: str, *, source: str = "") -> None:
        self.imei = imei
        self.socket = socket.create_connection(
            (HOST, port), timeout=WAIT_S_MAX, source_address=(source, 0) if source else None
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def login(self) -> bytes:
        """Say who it is; what the server answers, empty if it closes."""
        self.send(b"\x00\x0f" + self.imei.encode())
        return self.receive(1)

    def ask(self, frame: bytes) -> int:
        """Send a frame, and wait for the number that it is answered with."""
        self.send(frame)
        return self.answer()

    def answer(self) -> int:
        """Wait for an answer to a frame: its number."""
        answer = self.receive(4)
        assert len(answer) == 4, f"closed instead of an answer, after {answer!r}"
        return int.from_bytes(answer)

    def receive(self, count: int) -> bytes:
        """Wait for so many bytes; fewer if the server closes before."""
        received = b""
        while len(received) < count and (piece := self._receive(count - len(received))):
            received += piece
        return received

    def until_closed(self) -> bytes:
        """Wait until the server closes; what it has sent before. A reset is an end as well."""
        received = b""
        while piece := self._receive(4096):
            received += piece
        return received

    def has_heard(self) -> bool:
        """Whether an answer or the end has come in that nobody has received; returns at once."""
        self.socket.settimeout(0)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        finally:
            self.socket.settimeout(WAIT_S_MAX)
        return True

    def close(self) -> None:
        """Leave, with FIN."""
        self.socket.close()

    def _receive(self, count: int) -> bytes:
        try:
            return self.socket.recv(count)
        except ConnectionError:
            return b""
        except TimeoutError:
            raise AssertionError(
                f"neither an answer nor an end within {WAIT_S_MAX:.0f} s"
            ) from None


class Handset:
    """A device that speaks UDP."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(WAIT_S_MAX)
        self._socket.connect((HOST, port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, datagram: bytes) -> None:
        """Send a datagram."""
        self._socket.send(datagram)

    def receive(self) -> bytes:
        """Wait for an answer."""
        return self._socket.recv(100)

    def ask(self, datagram: bytes) -> bytes:
        """Send a datagram, and wait for its answer."""
        self.send(datagram)
        return self.receive()

    def asks_in_vain(self, datagram: bytes) -> bool:
        """Whether it gets no answer. UDP has no end: it gets none if another one behind it has one."""
        self.send(datagram)
        mark = udp_datagram(MARK_DEVICE, MARK, records=1)
        return self.ask(mark)[2:4] == mark[2:4]


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    """Have the server answer nothing until the end of the block, and then what it has received."""
    server.process.freeze()
    try:
        yield
    finally:
        server.process.thaw()


def entries(redis: Redis, stream: str) -> list[dict[bytes, bytes]]:
    """The fields of each entry of a stream, the oldest first."""
    found: Any = redis.xrange(stream)
    return [fields for _, fields in found]


def published(redis: Redis, stream: str) -> list[tuple[str, str]]:
    """Device and time, as published, of each entry, the oldest first."""
    return [
        (fields[b"device_id"].decode(), fields[b"ts"].decode()) for fields in entries(redis, stream)
    ]


def iso_times(times_ms: Sequence[int]) -> list[str]:
    """Unix times as they are published."""
    seconds = [divmod(each, 1000) for each in times_ms]
    return [f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(s))}.{ms:03}Z" for s, ms in seconds]


class Ingest(Protocol):
    """Starts tcp-ingestion, or a `program` around it; other keywords are environment variables."""

    def __call__(self, *, program: Sequence[str | Path] = RUN, **env: str) -> Ingestion: ...


@contextmanager
def ingestions(
    redis_server: RedisServer, stream: str, directory: Path, *, shows_tracebacks: bool = False
) -> Iterator[Ingest]:
    """What starts them. At the end none is left, and none has shown a traceback where it is not to crash."""
    running: list[Ingestion] = []
    numbers = itertools.count(1)

    def start(*, program: Sequence[str | Path] = RUN, **env: str) -> Ingestion:
        settings = {
            **base_environment(directory),
            "TELTONIKA_HOST": HOST,
            "TELTONIKA_PORT": "0",
            "REDIS_URL": redis_server.ingestion_url,
            "REDIS_TELEMETRY_STREAM": stream,
            "REDIS_CONTROL_CHANNEL": f"{stream}:control",
            "DEVICE_ALLOWLIST_KEY": f"{stream}:devices",
            **env,
        }
        service = Ingestion(settings, directory / f"stderr-ingestion-{next(numbers)}", program)
        running.append(service)
        return service

    try:
        yield start
    finally:
        for service in running:
            service.kill()
    for service in running:
        shown = "Traceback" in service.report() + str(service.lines)
        assert shows_tracebacks or not shown
