"""The producer's side of the stream: XADD in pipelines, as tcp-ingestion does it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from telemetry.chassis.errors import RedisRefused
from telemetry.chassis.redis.client import errors_translated, open_client, place_of, send_packed
from telemetry.stream.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Target:
    """The stream, and about how many entries it keeps (0: all)."""

    stream: str
    entries_max: int


class StreamPublisher:
    """Appends entries to one stream over one connection; a context manager.

    Raises ConfigError for what is not a Redis URL; all methods raise RedisUnavailable and RedisRefused.
    Nothing is sent twice: a pipeline that fails is not tried again.
    """

    def __init__(self, url: str, target: Target) -> None:
        self._client = open_client(url)
        self._stream = target.stream
        self.published = 0
        """Entries that Redis has confirmed."""
        self._xadd = XaddEncoder(target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def where(self) -> str:
        """Host and port, or the socket's path."""
        return place_of(self._client)

    def connect(self) -> None:
        """Connects, and checks that the server answers."""
        with errors_translated(self._client):
            self._client.ping()
        # `publish` follows nobody: a command with the key finds a cluster's node. A refusal is not the answer yet.
        with suppress(RedisRefused), errors_translated(self._client):
            self._client.xlen(self._stream)

    def publish(self, entries: Sequence[Entry]) -> None:
        """Appends the entries in order, in one round trip."""
        commands = b"".join(map(self._xadd.command, entries))
        refusals = send_packed(self._client, commands, replies=len(entries))
        self.published += len(entries) - len(refusals)
        if refusals:
            raise refusals[0]


class XaddEncoder:
    """Packs XADD commands for the wire.

    The client's own pipeline takes three times as long for an entry, most of it in packing
    the arguments that all entries share.
    """

    def __init__(self, target: Target) -> None:
        trim = ("MAXLEN", "~", str(target.entries_max)) if target.entries_max else ()
        shared = ("XADD", target.stream, *trim, "*")
        start = b"*%d\r\n" % (len(shared) + 2 * len(Entry._fields))
        start += b"".join(_bulk(word) for word in shared)
        fields = b"".join(_bulk(name) + b"$%d\r\n%b\r\n" for name in Entry._fields)
        self._template = start.replace(b"%", b"%%") + fields

    def command(self, entry: Entry) -> bytes:
        """The command for one entry."""
        ts, device_id, codec = entry.ts.encode(), entry.device_id.encode(), entry.codec.encode()
        payload = entry.payload
        return self._template % (
            *(len(ts), ts, len(device_id), device_id),
            *(len(codec), codec, len(payload), payload),
        )


def _bulk(word: str) -> bytes:
    encoded = word.encode()
    return b"$%d\r\n%b\r\n" % (len(encoded), encoded)
