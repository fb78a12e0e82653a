"""Opens the `redis` package's blocking client, for tools, and translates its errors."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ClusterCrossSlotError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    TryAgainError,
)
from redis.retry import Retry

from telemetry.chassis.config.parsers import Unacceptable
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.config.sentinel_url import SENTINEL_SCHEMES
from telemetry.chassis.errors import ConfigError, RedisRefused, RedisUnavailable
from telemetry.chassis.redis.cluster.client import FollowingClient
from telemetry.chassis.redis.cluster.demands import ONE_DATABASE, ONE_SLOT
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.master import Master, MasterConnection, TlsMasterConnection
from telemetry.chassis.tls_advice import ENDED_BY_TLS_SERVER, tls_advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.connection import AbstractConnection

    from telemetry.chassis.config.redis_target import RedisTarget

Client: TypeAlias = redis.Redis

_ENDED_BY_SERVER = re.compile(
    "reset by peer|broken pipe|closed by server|in violation of protocol", re.IGNORECASE
)
NO_DATABASES: Final = "SELECT is not allowed in cluster mode"
# The package takes the code away where it has a class for it.
CODES: Final = {
    AskError: "ASK",
    ClusterDownError: "CLUSTERDOWN",
    MovedError: "MOVED",
    NoPermissionError: "NOPERM",
    TryAgainError: "TRYAGAIN",
}


def open_client(url: str, limits: RedisLimits | None = None) -> redis.Redis:
    """A client of the server at `url`, which connects when it is first used, and sends nothing twice.

    Raises ConfigError for what is not a Redis URL.
    """
    if url.startswith(tuple(f"{scheme}://" for scheme in SENTINEL_SCHEMES)):
        try:
            return open_target(redis_target(url), limits=limits)
        except Unacceptable as fault:
            raise ConfigError(f"REDIS_URL: {fault}") from None
    limits = limits or RedisLimits()
    try:
        return FollowingClient.from_url(
            url,
            socket_connect_timeout=limits.connect_timeout_ms / 1000,
            socket_timeout=limits.answer_timeout_ms / 1000,
            retry=Retry(NoBackoff(), 0),
            # Else it sends CLIENT SETINFO, which Redis 7.0 does not know and no user of ours needs.
            driver_info=None,
        )
    except ValueError:
        # The parser's own text may quote the URL, password included.
        raise ConfigError(
            "REDIS_URL: expected redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://, as in "
            "redis://127.0.0.1:6379/0"
        ) from None


def open_target(
    target: RedisTarget, *, name: str | None = None, limits: RedisLimits | None = None
) -> redis.Redis:
    """A client of a server as a setting names it, as `open_client` opens it; called `name` unless the URL has one.

    With sentinels, of whichever server is the master when it connects, and whenever it connects again.
    """
    limits = limits or RedisLimits()
    options: dict[str, Any] = {
        "db": target.db,
        "username": target.username,
        "password": target.password,
        "client_name": target.client_name or name,
    }
    if target.path is not None:
        options["unix_socket_path"] = target.path
    elif target.sentinels is None:
        options |= {"host": target.host, "port": target.port}
    if (tls := target.tls) is not None:
        options |= {
            "ssl_ca_certs": tls.ca_certs,
            "ssl_cert_reqs": tls.cert_reqs,
            "ssl_certfile": tls.certfile,
            "ssl_keyfile": tls.keyfile,
            "ssl_check_hostname": tls.check_hostname,
        }
    options |= {
        "socket_connect_timeout": limits.connect_timeout_ms / 1000,
        "socket_timeout": limits.answer_timeout_ms / 1000,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
    }
    if target.sentinels is not None:
        kind = MasterConnection if tls is None else TlsMasterConnection
        pool = redis.ConnectionPool(connection_class=kind, master=Master(target), **options)
        return redis.Redis.from_pool(pool)
    return FollowingClient(**options, ssl=tls is not None)


def place_of(client: redis.Redis) -> str:
    """Host and port, or the socket's path, for messages."""
    options = client.connection_pool.connection_kwargs
    if "master" in options:
        return str(options["master"].where)
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


@contextmanager
def errors_translated(client: redis.Redis) -> Iterator[None]:
    """Raise RedisRefused or RedisUnavailable for the package's errors; ConfigError for what no cluster can do."""
    try:
        yield
    except ClusterCrossSlotError:
        raise ConfigError(ONE_SLOT) from None
    except redis.ResponseError as error:
        if NO_DATABASES in str(error):
            raise ConfigError(ONE_DATABASE) from None
        raise _refused(error, client) from error
    except redis.RedisError as error:
        unavailable = RedisUnavailable(_text_of(error, client), where=place_of(client))
        if isinstance(client, FollowingClient):
            client.begin_again()
        raise unavailable from error


def _text_of(error: redis.RedisError, client: redis.Redis) -> str:
    text = str(error)
    is_tls = issubclass(client.connection_pool.connection_class, redis.SSLConnection)
    advice = ENDED_BY_TLS_SERVER if is_tls and _ENDED_BY_SERVER.search(text) else tls_advice(text)
    return text if advice is None else f"{text}; {advice}"


def send_packed(client: redis.Redis, commands: bytes, *, replies: int) -> list[RedisRefused]:
    """Send commands that are packed already, in one round trip; returns what Redis refused.

    Raises RedisUnavailable, with the connection closed: replies may be left unread on it.
    """
    pool = client.connection_pool
    with errors_translated(client):
        connection = pool.get_connection()
        try:
            connection.send_packed_command([commands])  # type: ignore[no-untyped-call]
            answers = [_refusal(connection) for _ in range(replies)]
        except BaseException:
            connection.disconnect()  # type: ignore[no-untyped-call]
            raise
        finally:
            pool.release(connection)
    return [_refused(answer, client) for answer in answers if answer is not None]


def _refusal(connection: AbstractConnection) -> redis.ResponseError | None:
    try:
        connection.read_response()
    except redis.ResponseError as error:
        return error
    return None


def _refused(error: redis.ResponseError, client: redis.Redis) -> RedisRefused:
    text = str(error)
    if (code := CODES.get(type(error))) is not None:
        text = f"{code} {text}"
    return RedisRefused(text, where=place_of(client), code=text.partition(" ")[0])
