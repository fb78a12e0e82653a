"""Replies of a real Redis, as they come from a socket, in RESP2 and RESP3."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from dev.servers.redis_users import ADMIN, PASSWORD
from telemetry._codec import INCOMPLETE, Delivery, ReplyError
from tests.support.wire import any_time_parser, batch, bulk, expect, position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dev.servers import RedisServer

GROUP = "processor"


class Line:
    """One connection; `receive_bytes` cuts what comes in."""

    def __init__(self, connection: socket.socket, receive_bytes: int) -> None:
        self._connection = connection
        self._receive_bytes = receive_bytes
        self.parser = any_time_parser()

    def send(self, *arguments: str | bytes | int) -> None:
        """Send a command."""
        parts = [one if isinstance(one, bytes) else str(one).encode() for one in arguments]
        self.send_raw(b"*%d\r\n" % len(parts) + b"".join(map(bulk, parts)))

    def send_raw(self, command: bytes) -> None:
        """Send a command that is ready for the wire."""
        self._connection.sendall(command)

    def receive(self, take: Callable[[], object]) -> object:
        """The next reply as `take` takes it from the parser, and nothing behind it."""
        while (reply := take()) is INCOMPLETE:
            data = self._connection.recv(self._receive_bytes)
            assert data, "Redis closed the connection"
            self.parser.feed(data)
        assert self.parser.buffered_bytes == 0
        return reply

    def ask(self, *arguments: str | bytes | int) -> object:
        """The plain answer to a command."""
        self.send(*arguments)
        return self.receive(self.parser.next_reply)

    def read(self, *arguments: str | bytes | int) -> object:
        """The answer to XREADGROUP."""
        self.send(*arguments)
        return self.receive(self.parser.next_read)

    def claim(self, *arguments: str | bytes | int) -> object:
        """The answer to XCLAIM."""
        self.send(*arguments)
        return self.receive(self.parser.next_claim)


@pytest.fixture(
    params=[(2, 65_536), (3, 65_536), (2, 1), (3, 1)], ids=lambda one: f"RESP{one[0]}-by-{one[1]}"
)
def line(request: pytest.FixtureRequest, redis_server: RedisServer) -> Iterator[Line]:
    """A connection in either protocol, read in large pieces or byte by byte."""
    protocol, receive_bytes = request.param
    with socket.create_connection((redis_server.host, redis_server.port), timeout=10) as connection:
        line = Line(connection, receive_bytes)
        answered_as: type[object] = {2: list, 3: dict}[protocol]
        expect(answered_as, line.ask("HELLO", protocol, "AUTH", ADMIN, PASSWORD))
        yield line


@pytest.fixture
def filled(line: Line, stream_name: str) -> str:
    """A stream of five entries, of which the third is no Position, and its group."""
    line.ask("XGROUP", "CREATE", stream_name, GROUP, "0", "MKSTREAM")
    for seq in range(1, 6):
        payload = b"{" if seq == 3 else position(seq)
        fields = ("ts", "x", "device_id", "1", "codec", "8", "payload", payload)
        assert line.ask("XADD", stream_name, f"1-{seq}", *fields) == f"1-{seq}".encode()
    return stream_name


def read_new(line: Line, stream: str) -> Delivery:
    reply = line.read("XREADGROUP", "GROUP", GROUP, "one", "COUNT", 1000, "STREAMS", stream, ">")
    return expect(Delivery, reply)


def test_new_entries_are_read_and_acked(line: Line, filled: str) -> None:
    delivery = read_new(line, filled)
    assert delivery.batch.entry_ids == ["1-1", "1-2", "1-4", "1-5"]
    assert (delivery.entries, delivery.first_id, delivery.last_id) == (5, "1-1", "1-5")
    rejected = [(one.entry_id, one.code, one.device_id) for one in delivery.rejections]
    assert rejected == [("1-3", "bad_json", "1")]

    line.send_raw(delivery.batch.ack_command(filled, GROUP))
    assert line.receive(line.parser.next_reply) == 4
    pending = expect(list, line.ask("XPENDING", filled, GROUP))
    assert pending[:3] == [1, b"1-3", b"1-3"]


def test_own_pending_entries_that_were_deleted_are_missing(line: Line, filled: str) -> None:
    read_new(line, filled)
    assert line.ask("XDEL", filled, "1-2", "1-4") == 2
    reply = line.read("XREADGROUP", "GROUP", GROUP, "one", "STREAMS", filled, "0")
    delivery = expect(Delivery, reply)
    assert delivery.missing_ids == ["1-2", "1-4"]
    assert delivery.batch.entry_ids == ["1-1", "1-5"]
    assert delivery.entries == 5


def test_a_claim_delivers_what_is_pending_and_in_the_stream(line: Line, filled: str) -> None:
    read_new(line, filled)
    line.ask("XDEL", filled, "1-1")
    ids = ("1-1", "1-2", "1-3", "9-9")
    claimed = expect(Delivery, line.claim("XCLAIM", filled, GROUP, "two", 0, *ids))
    assert (claimed.batch.entry_ids, claimed.missing_ids) == (["1-2"], [])
    assert ([one.entry_id for one in claimed.rejections], claimed.entries) == (["1-3"], 2)
    assert (claimed.first_id, claimed.last_id) == ("1-2", "1-3")
    nothing = expect(Delivery, line.claim("XCLAIM", filled, GROUP, "one", 3_600_000, *ids))
    assert (nothing.entries, nothing.first_id) == (0, None)


def test_a_claim_of_ids_alone_is_a_plain_value(line: Line, filled: str) -> None:
    read_new(line, filled)
    line.ask("XDEL", filled, "1-1")
    reply = line.ask("XAUTOCLAIM", filled, GROUP, "two", 0, "0-0", "COUNT", 2, "JUSTID")
    assert reply == [b"1-3", [b"1-2"], [b"1-1"]]


def test_nothing_new_is_an_empty_delivery(line: Line, filled: str) -> None:
    read_new(line, filled)
    reply = line.read("XREADGROUP", "GROUP", GROUP, "one", "BLOCK", 1, "STREAMS", filled, ">")
    delivery = expect(Delivery, reply)
    assert (delivery.entries, delivery.first_id, delivery.batch.records) == (0, None, 0)


def test_no_own_pending_entries_are_an_empty_delivery(line: Line, filled: str) -> None:
    reply = line.read("XREADGROUP", "GROUP", GROUP, "none", "STREAMS", filled, "0")
    assert expect(Delivery, reply).entries == 0


def test_refusals_are_values(line: Line, stream_name: str) -> None:
    reply = line.read("XREADGROUP", "GROUP", GROUP, "one", "STREAMS", stream_name, ">")
    assert expect(ReplyError, reply).code == "NOGROUP"
    reply = line.claim("XCLAIM", stream_name, GROUP, "one", 0, "1-1")
    assert expect(ReplyError, reply).code == "NOGROUP"
    assert expect(ReplyError, line.ask("NO-SUCH-COMMAND")).code == "ERR"


def test_everything_else_becomes_plain_values(line: Line, filled: str) -> None:
    assert line.ask("PING") == b"PONG"
    assert line.ask("GET", f"{filled}:none") is None
    assert line.ask("XLEN", filled) == 5
    assert expect(list, line.ask("XRANGE", filled, "1-1", "1-1"))[0][0] == b"1-1"
    groups = expect(list, line.ask("XINFO", "GROUPS", filled))
    assert b"entries-read" in groups[0]


def test_a_large_batch_is_the_same_over_the_wire(line: Line, stream_name: str) -> None:
    line.ask("XGROUP", "CREATE", stream_name, GROUP, "0", "MKSTREAM")
    payloads = [position(number) for number in range(300)]
    for number, payload in enumerate(payloads):
        line.send("XADD", stream_name, f"1-{number}", "codec", "8E", "payload", payload)
        line.receive(line.parser.next_reply)
    over_the_wire = read_new(line, stream_name).batch
    sent = batch(payloads)
    assert over_the_wire.entry_ids == sent.entry_ids
    assert list(over_the_wire.copy_chunks(1000)) == list(sent.copy_chunks(1000))
