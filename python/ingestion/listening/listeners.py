"""All that devices reach the service by: the listeners for TCP, TLS and UDP."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import trio

from ingestion.listening.accepting import AcceptLoop
from ingestion.listening.entrance import Entrance
from ingestion.listening.preamble import Preamble
from ingestion.listening.sockets import open_tcp, open_udp
from ingestion.listening.tls import Certificate
from ingestion.listening.udp import DatagramLoop
from telemetry.chassis.sockets import address_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from ingestion.journal.journal import Journal
    from ingestion.listening.connection import Connection, Transport
    from ingestion.listening.options import ListenOptions
    from ingestion.listening.udp import ServeDatagram
    from telemetry.chassis.progress import ProgressTable


class Listeners:
    """Opened once, and closed once: what waits in a listen queue then is reset, and its device comes again."""

    def __init__(self, options: ListenOptions, journal: Journal) -> None:
        """Raises ConfigError if the files of the certificate cannot be used."""
        self._options = options
        self._journal = journal
        self._certificate = None if options.tls is None else Certificate(options.tls, journal)
        self._entrance = Entrance(options, Preamble(options, self._certificate, journal), journal)
        self._watching = trio.CancelScope()
        self._streams: list[tuple[Transport, socket.socket]] = []
        self._datagrams: list[DatagramLoop] = []
        self._addresses: dict[str, str | None] = {"tcp": None, "udp": None, "tls": None}

    @property
    def addresses(self) -> Mapping[str, str | None]:
        """Host and port of each listener, None where it is off: fields of the line `tcp-ingestion ready`."""
        return MappingProxyType(self._addresses)

    @property
    def connections(self) -> int:
        """How many are open, those before their login among them."""
        return self._entrance.connections

    async def open(self) -> None:
        """Bind. From here on the kernel accepts connections, which wait in the queue until the tasks are started.

        Raises ConfigError if a port is in use, or the host is not of this machine. Whatever was opened is closed then.
        """
        options = self._options
        try:
            await self._open_streams("tcp", options.port, "TELTONIKA_PORT")
            if options.tls is not None:
                await self._open_streams("tls", options.tls.port, "TELTONIKA_TLS_PORT")
            if options.udp_port is not None:
                bound = await open_udp(
                    options.host, options.udp_port, port_variable="TELTONIKA_UDP_PORT"
                )
                self._addresses["udp"] = address_of(bound[0])
                self._datagrams = [DatagramLoop(each, self._journal) for each in bound]
        except BaseException:
            self.close()
            raise

    def start_soon(
        self,
        nursery: trio.Nursery,
        tasks: ProgressTable,
        start: Callable[[Connection], None],
        serve_datagram: ServeDatagram,
    ) -> None:
        """Start the tasks, which end after `close`. `start` takes over each connection, and begins a task for it.

        `serve_datagram` is given a datagram and its sender's address, and returns the answer, if it gets one.
        """
        for transport, listening in self._streams:
            accepting = AcceptLoop(listening, transport, self._entrance, self._journal)
            tasks.start_soon(nursery, f"{transport} listener", accepting.run, start)
        for datagrams in self._datagrams:
            tasks.start_soon(nursery, "udp listener", datagrams.run, serve_datagram)
        if self._certificate is not None:
            tasks.start_soon(nursery, "certificate", self._watch, self._certificate)

    def close(self) -> None:
        """Take no more connections and datagrams. Those that are here go on; datagrams in hand are answered."""
        for _, listening in self._streams:
            trio.lowlevel.notify_closing(listening)
            listening.close()
        for datagrams in self._datagrams:
            datagrams.close()
        self._entrance.wake()
        self._watching.cancel()

    async def _open_streams(self, transport: Transport, port: int, port_variable: str) -> None:
        opened = await open_tcp(self._options.host, port, port_variable=port_variable)
        self._addresses[transport] = address_of(opened[0])
        self._streams += [(transport, each) for each in opened]

    async def _watch(self, certificate: Certificate) -> None:
        with self._watching:
            await certificate.watch()
