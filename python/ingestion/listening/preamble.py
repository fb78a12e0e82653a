"""What stands before a session: the header of a proxy, then the handshake of TLS, each as far as it is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from ingestion.config import OFF
from ingestion.listening.proxy import read_header
from ingestion.listening.refusal import ConnectionProbed, ConnectionRefused

if TYPE_CHECKING:
    from ingestion.journal.journal import Journal
    from ingestion.listening.connection import Connection
    from ingestion.listening.options import ListenOptions
    from ingestion.listening.tls import Certificate

PROXY_HEADER_S_MAX: Final = 3.0


class Preamble:
    """Brings connections to where their sessions begin."""

    def __init__(
        self, options: ListenOptions, certificate: Certificate | None, journal: Journal
    ) -> None:
        self._options = options
        self._has_proxy = options.proxy_protocol != OFF
        self._certificate = certificate
        self._journal = journal
        if self._has_proxy and not options.proxy_trusted:
            journal.nobody_is_trusted()

    def refusal_on_arrival(self, connection: Connection) -> ConnectionRefused | None:
        """Why the connection may not come in, as far as the socket's own address says; None if it may."""
        try:
            if self._has_proxy:
                self._check_trust(connection)
            else:
                self._count(connection)
        except ConnectionRefused as refusal:
            return refusal
        return None

    async def establish(self, connection: Connection) -> bool:
        """As Connection's."""
        try:
            if self._has_proxy:
                await self._hear_proxy(connection)
            if connection.transport == "tls":
                await self._shake_hands(connection)
        except ConnectionProbed:
            self._journal.probed(address=connection.address)
            return False
        except ConnectionRefused as refusal:
            self._journal.connection_refused(
                reason=refusal.reason, address=connection.address, error=str(refusal)
            )
            return False
        except trio.ClosedResourceError:
            return False
        return True

    def _check_trust(self, connection: Connection) -> None:
        address = connection.peer.address
        if not any(address in network for network in self._options.proxy_trusted):
            raise ConnectionRefused("the address is not in PROXY_TRUSTED", reason="proxy")

    def _count(self, connection: Connection) -> None:
        if not connection.place.take_for(connection.peer.address):
            limit = self._options.max_connections_per_address
            raise ConnectionRefused(
                f"MAX_CONNECTIONS_PER_ADDRESS={limit}: the address has as many", reason="address"
            )

    async def _hear_proxy(self, connection: Connection) -> None:
        with trio.move_on_at(connection.accepted_s + PROXY_HEADER_S_MAX) as patience:
            announced = await read_header(connection, self._options.proxy_protocol)
            connection.peer = announced or connection.peer
        if patience.cancelled_caught:
            raise ConnectionRefused(
                f"no header of the PROXY protocol within {PROXY_HEADER_S_MAX:g} s", reason="proxy"
            )
        self._count(connection)

    async def _shake_hands(self, connection: Connection) -> None:
        assert self._certificate is not None, "a TLS listener has a certificate"
        login_clock_s = self._options.login_timeout_ms / 1000
        with trio.move_on_at(connection.accepted_s + login_clock_s) as patience:
            await self._certificate.shake_hands(connection)
        if patience.cancelled_caught:
            raise ConnectionRefused("no handshake within LOGIN_TIMEOUT_MS", reason="tls")
