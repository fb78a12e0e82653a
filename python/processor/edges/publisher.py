"""The producer's side of the stream: XADD in pipelines, as tcp-ingestion does it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from processor.errors import ConfigError, RedisRefused, RedisUnavailable
from processor.publish.entry import Entry

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
        trim = ("MAXLEN", "~", target.entries_max) if target.entries_max else ()
        self._command = ("XADD", target.stream, *trim, "*")

    def __enter__(self) -> StreamPublisher:
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
        with self._errors_translated(), self._client.pipeline(transaction=False) as pipeline:
            for ts, device_id, codec, payload in entries:
                pipeline.execute_command(
                    *self._command,
                    *("ts", ts, "device_id", device_id, "codec", codec, "payload", payload),
                )
            answers = pipeline.execute(raise_on_error=False)
            errors = [answer for answer in answers if isinstance(answer, Exception)]
            self.published += len(answers) - len(errors)
            if errors:
                raise errors[0]

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except redis.ResponseError as error:
            code = str(error).partition(" ")[0]
            raise RedisRefused(str(error), where=self.where, code=code) from error
        except redis.RedisError as error:
            raise RedisUnavailable(str(error), where=self.where) from error
