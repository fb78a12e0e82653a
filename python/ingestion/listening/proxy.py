"""Reads the header of the PROXY protocol from a connection, and not a byte of what stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingestion.listening.proxy_header import ProxyHeaderError, announced_peer, header_bytes
from ingestion.listening.refusal import ConnectionProbed, ConnectionRefused

if TYPE_CHECKING:
    from ingestion.listening.connection import Connection
    from ingestion.listening.peer import Peer

# More than most headers have, and with a login behind them.
PEEKED_BYTES: Final = 256


async def read_header(connection: Connection, version: str) -> Peer | None:
    """Whom the proxy announces; None: nobody, so that the socket's own address counts.

    Raises ConnectionRefused, or ConnectionProbed.
    """
    header, length = b"", None
    try:
        while len(header) != length:
            if not (ahead := await connection.peek(PEEKED_BYTES)):
                raise _ended(header)
            length = header_bytes(header + ahead, version)
            header += connection.take(len(ahead) if length is None else length - len(header))
        return announced_peer(header)
    except ProxyHeaderError as error:
        raise ConnectionRefused(str(error), reason="proxy") from None
    except OSError:
        raise _ended(header) from None


def _ended(header: bytes) -> Exception:
    if not header:
        return ConnectionProbed()
    return ConnectionRefused("the connection ended within the header", reason="proxy")
