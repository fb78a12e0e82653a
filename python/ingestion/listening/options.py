"""What the listeners are given from the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.config import OFF

if TYPE_CHECKING:
    from ingestion.config import Config, Networks


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


def listen_options(config: Config, *, max_connections: int) -> ListenOptions:
    """The part of the configuration that concerns listening; `max_connections` is what the descriptors allow."""
    tls = None
    if config.teltonika_tls_port is not None:
        assert config.tls_cert_file, "the configuration has both files"
        assert config.tls_key_file, "the configuration has both files"
        tls = TlsOptions(
            config.teltonika_tls_port, Path(config.tls_cert_file), Path(config.tls_key_file)
        )
    return ListenOptions(
        host=config.teltonika_host,
        port=config.teltonika_port,
        udp_port=config.teltonika_udp_port,
        tls=tls,
        login_timeout_ms=config.login_timeout_ms,
        max_connections=max_connections,
        max_connections_per_address=config.max_connections_per_address,
        proxy_protocol=config.proxy_protocol,
        proxy_trusted=config.proxy_trusted,
    )
