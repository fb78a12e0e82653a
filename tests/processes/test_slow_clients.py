"""Clients that send a byte a second: 200 of them delay neither `/metrics` nor the service."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.support.processes import WAIT_S_MAX
from tests.support.servers import drive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.conftest import Run
    from tests.support.servers import Servers

CLIENTS = 200
DELAY_S_MAX = 1.0
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: slow\r\nX-Padding: " + b"." * 2_000
ENTRIES = 5_000


class SlowClients:
    """Each sends a byte of its request a second, and connects again when it is cut."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.bytes_sent = self.cuts = 0
        self._sockets = [socket.create_connection(self.address) for _ in range(CLIENTS)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._dribble)
        self._thread.start()

    def _dribble(self) -> None:
        for turn in itertools.count():
            for number, client in enumerate(self._sockets):
                self._send(number, client, REQUEST[turn : turn + 1])
            if self._stop.wait(1.0):
                return

    def _send(self, number: int, client: socket.socket, byte: bytes) -> None:
        try:
            client.send(byte)
            self.bytes_sent += 1
            # The end of a connection is seen by reading.
            client.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            pass
        self._connect_again(number)

    def _connect_again(self, number: int) -> None:
        self.cuts += 1
        self._sockets[number].close()
        self._sockets[number] = socket.create_connection(self.address)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        for client in self._sockets:
            with suppress(OSError):
                client.close()


@contextmanager
def slow_clients(address: str) -> Iterator[SlowClients]:
    host, _, port = address.rpartition(":")
    clients = SlowClients(host, int(port))
    try:
        yield clients
    finally:
        clients.end()


def test_200_clients_that_send_a_byte_a_second_delay_neither_metrics_nor_the_service(
    run: Run, servers: Servers
) -> None:
    servers.create_group()
    service = run().ready()
    delays_s: list[float] = []
    published = 0
    with slow_clients(service.address) as clients:
        ends_at = time.monotonic() + WAIT_S_MAX
        # Until each of them was cut, and has come again.
        while clients.cuts < CLIENTS and time.monotonic() < ends_at:
            servers.publish(drive(ENTRIES, first_second=published))
            published += ENTRIES
            asked_at = time.monotonic()
            service.metrics()
            delays_s.append(time.monotonic() - asked_at)
            # Everything goes on as it does without them.
            service.until_metrics(acks_total=published, in_flight_records=0)
        assert service.get("/healthz")[0] == service.get("/readyz")[0] == 200
        assert clients.cuts >= CLIENTS
        assert clients.bytes_sent > 3 * CLIENTS
    assert max(delays_s) < DELAY_S_MAX
    assert servers.rows() == published
    assert [line["msg"] for line in service.lines if line["level"] in {"warn", "error"}] == []
    assert service.stop() == 0
