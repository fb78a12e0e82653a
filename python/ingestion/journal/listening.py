"""Facts about connections before their login: who was let in, and who was not."""

from __future__ import annotations

from ingestion.journal.counters import CountingJournal
from ingestion.journal.statistics import LISTENERS


class ListeningJournal(CountingJournal):
    """What the accept loops, the PROXY header, the TLS handshake and the datagrams' loop report."""

    def descriptors_taken(self, *, before: int, after: int, connections_max: int) -> None:
        """The soft limit of file descriptors is as high as it can be; -1: no limit."""
        limit = f"limit raised from {before} to {after}" if after != before else f"limit {after}"
        self._log.info(
            f"file descriptors: {limit}, connections_max={connections_max}",
            before=before,
            after=after,
            connections_max=connections_max,
        )

    def connections_capped(self, *, configured: int, connections_max: int) -> None:
        """MAX_CONNECTIONS is more than the file descriptors allow."""
        self._log.warning(
            f"MAX_CONNECTIONS={configured} needs more file descriptors than the process may have: "
            f"{connections_max} are taken; raise its hard limit of open files",
            configured=configured,
            connections_max=connections_max,
        )

    def nobody_is_trusted(self) -> None:
        """PROXY_PROTOCOL is on, and no network may send its header."""
        self._log.warning(
            "PROXY_TRUSTED is empty: every connection is refused; name the networks of the balancers"
        )

    def accept_failed(self, *, error: str) -> None:
        """Descriptors or memory have run out: connections wait in the listen queue, and a balancer is turned away."""
        self._counters.refused_connections["descriptors"] += 1
        self.hindered(LISTENERS, f"cannot accept: {error}")
        if self._is_due("accept"):
            self._log.warning(
                f"cannot accept connections, which wait in the queue: {error}", error=error
            )

    def accept_succeeded(self) -> None:
        """Whoever waited in the listen queue has been accepted."""
        self.unhindered(LISTENERS)

    def house_full(self, *, connections: int) -> None:
        """There are as many connections as there may be, and another one waits in the listen queue."""
        self._counters.refused_connections["connections"] += 1
        if self._is_due("house"):
            self._log.warning(
                f"connections full n={connections}, and more wait in the listen queue: "
                "raise MAX_CONNECTIONS, or start another instance",
                connections=connections,
            )

    def connection_refused(self, *, reason: str, address: str, error: str) -> None:
        """A connection is closed before its login. Anybody can cause it, so the first of a minute is a warning."""
        self._counters.refused_connections[reason] += 1
        said = f"reason={reason} address={address}: {error}"
        fields = {"reason": reason, "address": address, "error": error}
        if reason != "tls" and self._is_due(f"refused {reason}"):
            self._log.warning(f"connection refused {said}", **fields)
        else:
            self._log.debug(f"connection refused {said}", **fields)

    def certificate_renewed(self) -> None:
        """The certificate's files have changed: handshakes from now on use them."""
        self._log.info("certificate renewed: TLS_CERT_FILE and TLS_KEY_FILE were read again")

    def certificate_refused(self, *, error: str) -> None:
        """The files have changed and cannot be used: the certificate that was read before goes on."""
        self._log.warning(
            f"certificate not renewed, the old one goes on: TLS_CERT_FILE, TLS_KEY_FILE: {error}",
            error=error,
        )

    def datagram_dropped(self, *, in_hand: int) -> None:
        """Too many datagrams wait for Redis: a new one is dropped unanswered, and its device sends it again."""
        if self._is_due("datagrams"):
            self._log.warning(
                f"datagrams are dropped: {in_hand} are waiting for Redis", in_hand=in_hand
            )
