"""What the listeners are given from the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestion.config import OFF

if TYPE_CHECKING:
    from pathlib import Path

    from ingestion.config import Networks


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """The port of the TLS listener, and the files of its certificate."""

    port: int
    cert_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions:
    """Where devices are listened to, and who may connect (contract section 12). Port 0 takes a free one."""

    host: str
    port: int
    udp_port: int | None = None
    tls: TlsOptions | None = None
    login_timeout_ms: int
    max_connections: int
    """Beyond so many, connections wait in the listen queue."""
    max_connections_per_address: int = 0
    """Beyond so many of one address, connections are closed. 0: no limit."""
    proxy_protocol: str = OFF
    """`off`, `v1`, `v2` or `any`."""
    proxy_trusted: Networks = ()
