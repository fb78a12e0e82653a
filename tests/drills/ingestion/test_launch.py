from __future__ import annotations

import pytest

from drills.ingestion.launch import ingestion_environment, ingestion_settings
from ingestion.config import load_config
from telemetry.chassis.errors import ConfigError
from tests.drills.values import IDENTITY

URL = {"REDIS_URL": "redis://u:hush@h"}


def test_the_service_gets_the_operators_settings_but_not_the_stream_or_ports() -> None:
    operators = {
        **URL,
        "PUBLISH_QUEUE_CAPACITY": "70",
        "DRAIN_BUDGET_MS": "2000",
        "REDIS_TELEMETRY_STREAM": "telemetry:teltonika",
        "REDIS_STREAM_MAXLEN": "1000",
        "TELTONIKA_PORT": "5027",
        "TELTONIKA_UDP_PORT": "5027",
        "METRICS_PORT": "9091",
        "STRICT_DEVICE_AUTH": "true",
        "PROXY_PROTOCOL": "v1",
        "DRAIN_DELAY_MS": "5000",
        "LOG_LEVEL": "error",
    }
    config = load_config(ingestion_environment(operators, IDENTITY, 4_711))
    assert (config.publish_queue_capacity, config.drain_budget_ms) == (70, 2_000)
    assert config.drain_delay_ms == 0
    assert config.teltonika_port == 4_711
    assert config.teltonika_udp_port is None
    assert config.redis_stream_maxlen == 0
    assert config.metrics_port == 0
    assert not config.strict_device_auth
    assert IDENTITY.stream in str(config.redis_telemetry_stream)
    assert config.log_level == "info"


@pytest.mark.parametrize("name", ["DRAIN_BUDGET_MS", "SHUTDOWN_TIMEOUT_MS"])
def test_a_default_that_the_drill_knows_is_the_services(name: str) -> None:
    assigned = ingestion_environment(URL, IDENTITY, 1)[name]
    assert int(assigned) == getattr(load_config(URL), name.lower())


def test_bad_variables_are_named_together_and_no_password_is_shown() -> None:
    bad = {"REDIS_URL": "mysql://u:hush@h", "DRAIN_BUDGET_MS": "never"}
    with pytest.raises(ConfigError) as caught:
        ingestion_settings(ingestion_environment(bad, IDENTITY, 1))
    assert all(f"  {name}: " in str(caught.value) for name in ("REDIS_URL", "DRAIN_BUDGET_MS"))
    assert "hush" not in str(caught.value)
