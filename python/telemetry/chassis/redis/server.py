"""Opens a connection to one server: TCP, TLS or Unix socket; then user, protocol version, name, database."""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio

from telemetry._codec import ReplyParser
from telemetry.chassis import progress
from telemetry.chassis.config.redis_target import RedisTarget, RedisTls
from telemetry.chassis.errors import RedisRefused, RedisUnavailable
from telemetry.chassis.redis.connection import RedisConnection
from telemetry.chassis.redis.errors import plain_reason
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.resp import Argument, as_mapping, encode
from telemetry.chassis.tls_advice import ENDED_BY_TLS_SERVER

# A peer that vanished silently is noticed after 15 + 3 x 5 s when the connection is idle, and after
# 30 s when it owes an acknowledgement; as on the connections to PostgreSQL.
HALF_OPEN_OPTIONS = (
    (trio.socket.SOL_SOCKET, trio.socket.SO_KEEPALIVE, 1),
    (trio.socket.IPPROTO_TCP, trio.socket.TCP_KEEPIDLE, 15),
    (trio.socket.IPPROTO_TCP, trio.socket.TCP_KEEPINTVL, 5),
    (trio.socket.IPPROTO_TCP, trio.socket.TCP_KEEPCNT, 3),
    (trio.socket.IPPROTO_TCP, trio.socket.TCP_USER_TIMEOUT, 30_000),
)
# Answers to HELLO by a server without RESP3, or that does not allow it; Valkey without HELLO asks for the
# login first. With the code ERR only an unknown command counts: a server that is full says ERR too.
HELLO_REFUSALS = ("NOPROTO", "NOPERM", "NOAUTH")
UNKNOWN_COMMAND = "unknown command"
# Of an error that means the peer has closed the connection.
LOST = "connection was lost"
# Redis takes printable ASCII without blanks in a client's name, and refuses any other.
NOT_IN_NAMES = re.compile(r"[^!-~]")


async def open_server(
    target: RedisTarget, parser: ReplyParser, *, name: str, limits: RedisLimits
) -> RedisConnection:
    """Connect and introduce ourselves as `name`; RESP3 where the server has it.

    Raises RedisUnavailable if nobody answers, RedisRefused if the credentials or the database are not
    accepted.
    """

    async def introduce(connection: RedisConnection) -> None:
        await _introduce(connection, target, name)

    return await _opened(target, parser, introduce, limits)


async def open_for_question(target: RedisTarget, *, limits: RedisLimits) -> RedisConnection:
    """Connect and log in, no more, for a question or two. Raises like `open_server`."""

    async def log_in(connection: RedisConnection) -> None:
        if login := _login(target):
            await _command(connection, *login)

    return await _opened(target, ReplyParser(), log_in, limits)


async def _opened(
    target: RedisTarget,
    parser: ReplyParser,
    introduce: Callable[[RedisConnection], Awaitable[None]],
    limits: RedisLimits,
) -> RedisConnection:
    stream, socket = await _open_stream(target, limits)
    connection = RedisConnection(stream, socket, parser, where=target.where, limits=limits)
    try:
        await introduce(connection)
    except RedisUnavailable as error:
        connection.close()
        if target.tls is None or LOST not in str(error):
            raise
        # With TLS 1.3 the server judges our certificate when our handshake is over; what it says may be overtaken.
        reason = str(error).removeprefix(f"{target.where}: ")
        raise RedisUnavailable(f"{reason}; {ENDED_BY_TLS_SERVER}", where=target.where) from error
    except BaseException:
        connection.close()
        raise
    return connection


async def _open_stream(
    target: RedisTarget, limits: RedisLimits
) -> tuple[trio.abc.Stream, trio.socket.SocketType]:
    where, timeout_ms = target.where, limits.connect_timeout_ms
    with _step("cannot connect", where, timeout_ms):
        if target.path is not None:
            transport = await trio.open_unix_socket(target.path)
        else:
            transport = await trio.open_tcp_stream(target.host, target.port)
            for level, option, value in HALF_OPEN_OPTIONS:
                transport.setsockopt(level, option, value)
    if target.tls is None:
        return transport, transport.socket
    try:
        with _step("the files named by the URL's ssl_ options are not usable", where, timeout_ms):
            context = _context(target.tls)
        with _step("no TLS session", where, timeout_ms):
            session = trio.SSLStream(transport, context, server_hostname=target.host)
            await session.do_handshake()
    except BaseException:
        transport.socket.close()
        raise
    return session, transport.socket


@contextmanager
def _step(failed: str, where: str, timeout_ms: int) -> Iterator[None]:
    """Bound a step of opening. If it fails, raise RedisUnavailable with the text `failed` and the reason."""
    try:
        ends_at = trio.current_time() + timeout_ms / 1000
        with trio.fail_at(ends_at), progress.waiting(ends_at):
            yield
    except trio.TooSlowError:
        raise RedisUnavailable(f"{failed} within {timeout_ms} ms", where=where) from None
    # ValueError: a host that is not a name (a label too long), a path that is not one (a zero byte).
    except (OSError, ValueError, trio.BrokenResourceError) as error:
        raise RedisUnavailable(f"{failed}: {plain_reason(error)}", where=where) from error


def _context(tls: RedisTls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_certs)
    context.check_hostname = tls.check_hostname
    context.verify_mode = ssl.VerifyMode[f"CERT_{tls.cert_reqs.upper()}"]
    if tls.certfile is not None:
        # Without a password OpenSSL would ask for one on the terminal if the key is locked, and wait.
        context.load_cert_chain(tls.certfile, tls.keyfile, password="")
    return context


async def _introduce(connection: RedisConnection, target: RedisTarget, name: str) -> None:
    login = _login(target)
    taken_name = NOT_IN_NAMES.sub("_", name)
    if not await _hello(connection, *login, "SETNAME", taken_name):
        if login:
            await _command(connection, *login)
        await _command(connection, "CLIENT", "SETNAME", taken_name)
    # A cluster has no other database than 0: who opens connections to one says so in plainer words than its SELECT.
    if target.db and not connection.in_cluster:
        await _command(connection, "SELECT", target.db)
    connection.client_id = await connection.request_integer(encode("CLIENT", "ID"))


def _login(target: RedisTarget) -> list[Argument]:
    """The command; nothing without a password."""
    user = target.username or "default"
    return [] if target.password is None else ["AUTH", user, target.password]


async def _hello(connection: RedisConnection, *options: Argument) -> bool:
    """Ask for RESP3; False if the server does not have the command, or the user may not use it."""
    try:
        greeting = as_mapping(await connection.request(encode("HELLO", 3, *options)))
    except RedisRefused as error:
        if error.code in HELLO_REFUSALS or UNKNOWN_COMMAND in str(error):
            return False
        raise
    connection.in_cluster = greeting.get(b"mode") == b"cluster"
    return True


async def _command(connection: RedisConnection, *arguments: Argument) -> None:
    await connection.request(encode(*arguments))
