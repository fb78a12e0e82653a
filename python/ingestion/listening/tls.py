"""The certificate of the TLS listener, which is read again when its files change, and the handshake with it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from ingestion.listening.refusal import ConnectionProbed, ConnectionRefused
from telemetry.chassis import progress
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

    from ingestion.journal.journal import Journal
    from ingestion.listening.connection import Connection
    from ingestion.listening.options import TlsOptions

# Two looks have to be over within the 5 s that new files may take.
LOOK_EVERY_S: Final = 2.0

Version: TypeAlias = tuple[tuple[int, int, int], ...]


class Certificate:
    """The pair of files that devices are met with: the certificates, and their private key."""

    def __init__(self, options: TlsOptions, journal: Journal) -> None:
        """Raises ConfigError if the files cannot be read, or do not fit each other."""
        self._files = (options.cert_file, options.key_file)
        self._journal = journal
        self._version = _version(self._files)
        self._doubted: Version | None = None
        self._refused: Version | None = None
        try:
            self._context = _context(*self._files)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"TLS_CERT_FILE, TLS_KEY_FILE: {_fault(error)}; set both to PEM files: "
                "the certificates, and their private key without a passphrase"
            ) from None

    async def shake_hands(self, connection: Connection) -> None:
        """Put the connection under TLS. Raises ConnectionRefused, or ConnectionProbed."""
        try:
            is_over = not await connection.peek(1)
        except OSError:
            is_over = True
        if is_over:
            raise ConnectionProbed
        assert connection.tls is None, "hands are shaken once"
        # Devices end a connection as a mobile link does: without the alert that TLS has for it.
        stream = trio.SSLStream(
            trio.SocketStream(connection.socket),
            self._context,
            server_side=True,
            https_compatible=True,
        )
        try:
            await stream.do_handshake()
        except trio.BrokenResourceError as error:
            raise ConnectionRefused(
                f"the TLS handshake failed: {_fault(error.__cause__ or error)}", reason="tls"
            ) from None
        connection.tls = stream

    async def watch(self) -> None:
        """Read the files again whenever they have changed."""
        while True:
            await progress.pause(LOOK_EVERY_S)
            version = await trio.to_thread.run_sync(_version, self._files)
            if version not in {self._version, self._refused}:
                await self._renew(version)

    async def _renew(self, version: Version) -> None:
        """Take what the files hold now. A pair that does not fit is judged at the next look."""
        try:
            self._context = await trio.to_thread.run_sync(_context, *self._files)
        except (OSError, ValueError) as error:
            if self._doubted == version:
                self._refused = version
                self._journal.certificate_refused(error=_fault(error))
            self._doubted = version
        else:
            self._version, self._doubted, self._refused = version, None, None
            self._journal.certificate_renewed()


def _version(files: tuple[Path, ...]) -> Version:
    """Changes with each file's content; also when a link leads elsewhere, as secrets are renewed in Kubernetes."""
    return tuple(_file_version(file) for file in files)


def _file_version(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def _context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    for file in (cert_file, key_file):
        # The error of the ssl module names no file.
        file.open("rb").close()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file, password=_ask_nobody)
    return context


def _ask_nobody() -> NoReturn:
    """Without this OpenSSL would ask on the terminal."""
    raise ValueError("the private key has a passphrase")


def _fault(error: BaseException) -> str:
    """What went wrong, without the line number in Python's source that errors of ssl have."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error)
