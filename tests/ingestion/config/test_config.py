"""Configuration of tcp-ingestion: what is accepted, what is refused, and the defaults of the contract."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from ingestion.config import Config, load_config
from telemetry.chassis.errors import ConfigError


def load(**variables: str) -> Config:
    return load_config({"REDIS_URL": "redis://127.0.0.1", **variables})


def fault(**variables: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(**variables)
    return str(caught.value)


def test_the_defaults_are_those_of_the_contract() -> None:
    config = load()
    assert config.redis_telemetry_stream == ("telemetry:teltonika",)
    assert (config.teltonika_port, config.metrics_port) == (5027, 9091)
    assert config.teltonika_udp_port is None
    assert config.teltonika_tls_port is None
    assert config.max_connections is None
    assert config.proxy_trusted == ()
    assert not config.strict_device_auth
    assert config.publish_queue_bytes_max == 64 * 1024 * 1024


def test_streams_are_a_list_of_distinct_names() -> None:
    streams = load(REDIS_TELEMETRY_STREAM="telemetry:{0}, telemetry:{1}").redis_telemetry_stream
    assert streams == ("telemetry:{0}", "telemetry:{1}")
    for raw in ("a,", "a,a", ","):
        assert "is not a list of streams" in fault(REDIS_TELEMETRY_STREAM=raw)


def test_networks_are_written_as_cidr() -> None:
    trusted = load(PROXY_TRUSTED="10.0.0.0/8,2001:db8::/32").proxy_trusted
    assert trusted == (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    for raw in ("10.0.0.1/8", "here"):
        assert "PROXY_TRUSTED" in fault(PROXY_TRUSTED=raw)


def test_a_listener_for_tls_needs_its_files() -> None:
    assert "TELTONIKA_TLS_PORT: needs TLS_CERT_FILE and TLS_KEY_FILE" in fault(
        TELTONIKA_TLS_PORT="5028", TLS_CERT_FILE="cert.pem"
    )
    files = {"TLS_CERT_FILE": "cert.pem", "TLS_KEY_FILE": "key.pem"}
    assert load(TELTONIKA_TLS_PORT="0", **files).teltonika_tls_port == 0


@pytest.mark.parametrize(
    ("name", "zero_is_accepted"),
    [
        ("REDIS_STREAM_MAXLEN", True),
        ("MAX_CONNECTIONS_PER_ADDRESS", True),
        ("QUARANTINE_AFTER", True),
        ("DRAIN_DELAY_MS", True),
        ("TELTONIKA_PORT", True),
        ("PUBLISH_QUEUE_CAPACITY", False),
        ("LOGIN_TIMEOUT_MS", False),
        ("MAX_FRAME_BYTES", False),
        ("MAX_CONNECTIONS", False),
    ],
)
def test_zero_is_accepted_where_it_has_a_meaning(name: str, *, zero_is_accepted: bool) -> None:
    if zero_is_accepted:
        assert getattr(load(**{name: "0"}), name.lower()) == 0
    else:
        assert name in fault(**{name: "0"})


def test_bytes_go_up_to_a_gibibyte() -> None:
    assert load(PUBLISH_QUEUE_BYTES_MAX=str(1 << 30)).publish_queue_bytes_max == 1 << 30
    assert "PUBLISH_QUEUE_BYTES_MAX" in fault(PUBLISH_QUEUE_BYTES_MAX=str((1 << 30) + 1))
