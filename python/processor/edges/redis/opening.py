"""Opens a connection as the URL says: TCP, TLS or Unix socket; then user, protocol version, name and database."""

from __future__ import annotations

import ssl

import trio

from processor._codec import ReplyParser
from processor.config import RedisTarget, RedisTls
from processor.edges.redis.commands import Argument, encode
from processor.edges.redis.connection import RedisConnection
from processor.errors import RedisRefused, RedisUnavailable

# Also the bound of name resolution and of each handshake command.
CONNECT_TIMEOUT_MS = 5_000
# Answers to HELLO by a server that is too old, or whose ACL does not grant it.
HELLO_REFUSALS = ("ERR", "NOPROTO", "NOPERM")


async def open_connection(
    target: RedisTarget, parser: ReplyParser, *, name: str
) -> RedisConnection:
    """Connect and introduce ourselves as `name`; RESP3 where the server has it.

    Raises RedisUnavailable when nobody answers, RedisRefused when the credentials or the database
    are not accepted.
    """
    stream, socket = await _open_stream(target)
    connection = RedisConnection(stream, socket, parser, where=target.where)
    try:
        await _introduce(connection, target, name)
    except BaseException:
        connection.close()
        raise
    return connection


async def _open_stream(target: RedisTarget) -> tuple[trio.abc.Stream, trio.socket.SocketType]:
    try:
        with trio.fail_after(CONNECT_TIMEOUT_MS / 1000):
            if target.path is not None:
                transport = await trio.open_unix_socket(target.path)
            else:
                transport = await trio.open_tcp_stream(target.host, target.port)
    except trio.TooSlowError:
        raise RedisUnavailable(
            f"no connection within {CONNECT_TIMEOUT_MS} ms", where=target.where
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise RedisUnavailable(f"cannot connect: {reason}", where=target.where) from error
    if target.tls is None:
        return transport, transport.socket
    return await _secured(transport, target, target.tls), transport.socket


async def _secured(
    transport: trio.SocketStream, target: RedisTarget, tls: RedisTls
) -> trio.abc.Stream:
    try:
        stream = trio.SSLStream(transport, _context(tls), server_hostname=target.host)
        with trio.fail_after(CONNECT_TIMEOUT_MS / 1000):
            await stream.do_handshake()
    except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
        transport.socket.close()
        reason = (
            getattr(error.__cause__, "reason", None)
            or getattr(error, "strerror", None)
            or "no answer"
        )
        raise RedisUnavailable(f"no TLS session: {reason}", where=target.where) from error
    except BaseException:
        transport.socket.close()
        raise
    return stream


def _context(tls: RedisTls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_certs)
    context.check_hostname = tls.check_hostname
    context.verify_mode = ssl.VerifyMode[f"CERT_{tls.cert_reqs.upper()}"]
    if tls.certfile is not None:
        context.load_cert_chain(tls.certfile, tls.keyfile)
    return context


async def _introduce(connection: RedisConnection, target: RedisTarget, name: str) -> None:
    user = target.username or "default"
    login: list[Argument] = [] if target.password is None else ["AUTH", user, target.password]
    try:
        await _command(connection, "HELLO", 3, *login, "SETNAME", name)
    except RedisRefused as error:
        if error.code not in HELLO_REFUSALS:
            raise
        await _introduce_in_resp2(connection, login, name)
    if target.db:
        await _command(connection, "SELECT", target.db)
    client_id = await _command(connection, "CLIENT", "ID")
    assert isinstance(client_id, int), "CLIENT ID answers with an integer"
    connection.client_id = client_id


async def _introduce_in_resp2(
    connection: RedisConnection, login: list[Argument], name: str
) -> None:
    if login:
        await _command(connection, *login)
    await _command(connection, "CLIENT", "SETNAME", name)


async def _command(connection: RedisConnection, *arguments: Argument) -> object:
    return await connection.request(encode(*arguments), timeout_ms=CONNECT_TIMEOUT_MS)
