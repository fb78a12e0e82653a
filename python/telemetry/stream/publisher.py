"""The producer's side of the stream: XADD in pipelines, as tcp-ingestion does it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from telemetry.chassis.errors import ConfigError, RedisRefused, RedisUnavailable
from telemetry.stream.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis.connection import AbstractConnection

_CONNECT_TIMEOUT_S = 5.0
# Redis answers a pipeline in milliseconds; a server that is silent for this long is gone.
_ANSWER_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """The stream, and about how many entries it keeps (0: all)."""

    stream: str
    entries_max: int


class StreamPublisher:
    """Appends entries to one stream over one connection; a context manager.

    Raises ConfigError for a URL that is none, RedisUnavailable and RedisRefused from all methods.
    Nothing is sent twice: a pipeline that fails is not tried again.
    """

    def __init__(self, url: str, target: Target) -> None:
        try:
            self._client = redis.Redis.from_url(
                url,
                socket_connect_timeout=_CONNECT_TIMEOUT_S,
                socket_timeout=_ANSWER_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:
            # The parser's own text may quote the URL, password included.
            raise ConfigError(
                "REDIS_URL: expected redis://, rediss:// or unix://, as in redis://127.0.0.1:6379/0"
            ) from None
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
        options = self._client.connection_pool.connection_kwargs
        if "path" in options:
            return str(options["path"])
        return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"

    def connect(self) -> None:
        """Asks the server for an answer."""
        with self._errors_translated():
            self._client.ping()

    def publish(self, entries: Sequence[Entry]) -> None:
        """Appends the entries in order, in one round trip."""
        with self._errors_translated(), self._connection() as connection:
            commands = b"".join(map(self._xadd.command, entries))
            connection.send_packed_command([commands])  # type: ignore[no-untyped-call]
            errors = [error for error in map(_answer, repeat(connection, len(entries))) if error]
            self.published += len(entries) - len(errors)
            if errors:
                raise errors[0]

    @contextmanager
    def _connection(self) -> Iterator[AbstractConnection]:
        """A connection of the pool; closed if answers may be left unread on it."""
        pool = self._client.connection_pool
        connection = pool.get_connection()
        try:
            yield connection
        except redis.ResponseError:
            raise
        except BaseException:
            connection.disconnect()  # type: ignore[no-untyped-call]
            raise
        finally:
            pool.release(connection)

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except redis.ResponseError as error:
            code = str(error).partition(" ")[0]
            raise RedisRefused(str(error), where=self.where, code=code) from error
        except redis.RedisError as error:
            raise RedisUnavailable(str(error), where=self.where) from error


def _answer(connection: AbstractConnection) -> redis.ResponseError | None:
    try:
        connection.read_response()
    except redis.ResponseError as error:
        return error
    return None


class XaddEncoder:
    """Writes XADD commands as they go over the wire.

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
