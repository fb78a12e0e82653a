"""The certificate of the TLS listener, which is read again when its files change, and the handshake with it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import trio

from ingestion.listening.refusal import ConnectionProbed, ConnectionRefused
from telemetry.chassis import clocks, progress
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from ingestion.journal.journal import Journal
    from ingestion.listening.connection import Connection
    from ingestion.listening.options import TlsOptions

# New files are taken within two looks: the first sees them, the second that both are there.
LOOK_S: Final = 2.0

type_of_files = tuple
