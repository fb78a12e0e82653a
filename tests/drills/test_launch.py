"""What the service under test is started with: its environment, and the command line of a process or a container."""

from __future__ import annotations

import signal

import pytest

from drills.launch import ContainerLauncher, ProcessLauncher, of_this_installation
from drills.processor.launch import service_environment, service_settings
from processor.config import load_config
from telemetry.chassis.errors import ConfigError
from tests.drills.values import IDENTITY

URLS = {"REDIS_URL": "redis://h", "POSTGRES_URL": "postgres://u:hush@h/d"}


def test_a_container_takes_its_settings_from_the_environment_and_shows_none() -> None:
    launcher = ContainerLauncher("processor:1.4", "podman", "processor ready")
    started = launcher.start("drill-1-0", URLS)
    assert started == (
        "podman", "run", "--rm", "--network", "host", "--name", "drill-1-0",
        "--env", "POSTGRES_URL", "--env", "REDIS_URL", "processor:1.4",
    )  # fmt: skip
    assert "hush" not in " ".join(started)
    assert launcher.signal("drill-1-0", signal.SIGTERM) == (
        "podman",
        "kill",
        "--signal",
        "TERM",
        "drill-1-0",
    )


def test_a_process_is_signalled_without_a_command() -> None:
    launcher = ProcessLauncher(("processor", "run"), "processor ready")
    assert launcher.start("x", {}) == ("processor", "run")
    assert launcher.signal("x", signal.SIGTERM) == ()
    assert of_this_installation("processor")[1:] == ("-m", "processor", "run")


def test_the_service_gets_the_operators_settings_but_not_the_stream_group_or_port() -> None:
    operators = {
        **URLS,
        "WRITERS": "2",
        "DRAIN_BUDGET_MS": "2000",
        "REDIS_TELEMETRY_STREAM": "telemetry:teltonika",
        "REDIS_CONSUMER_GROUP": "processor",
        "REDIS_CONSUMER_NAME": "processor-1",
        "REDIS_DLQ_STREAM": "telemetry:teltonika:dlq",
        "METRICS_PORT": "9090",
        "REDIS_CONTROL_CHANNEL": "telemetry:teltonika:processor:control",
        "LOG_LEVEL": "error",
        "BATCH_SIZE": "",
    }
    config = load_config(service_environment(operators, IDENTITY, 1))
    assert (config.writers, config.drain_budget_ms) == (2, 2_000)
    assert config.redis_telemetry_stream == IDENTITY.stream
    assert config.redis_consumer_group == IDENTITY.group
    assert config.redis_consumer_name == config.instance_id == IDENTITY.consumer(1)
    assert config.redis_dlq_stream == IDENTITY.dlq_stream
    assert config.metrics_port == 0
    assert config.redis_control_channel == f"{IDENTITY.stream}:{IDENTITY.group}:control"
    assert config.log_level == "debug"


def test_the_operators_claim_threshold_wins_over_the_drills() -> None:
    assert service_environment(URLS, IDENTITY, 0)["CLAIM_THRESHOLD_MS"] == "3000"
    own = service_environment({**URLS, "CLAIM_THRESHOLD_MS": "60000"}, IDENTITY, 0)
    assert own["CLAIM_THRESHOLD_MS"] == "60000"


def test_the_drill_and_the_service_read_the_same_values() -> None:
    environment = service_environment({**URLS, "DRAIN_BUDGET_MS": "700"}, IDENTITY, 0)
    settings, config = service_settings(environment), load_config(environment)
    assert settings.drain_budget_ms == config.drain_budget_ms == 700
    assert settings.shutdown_timeout_ms == config.shutdown_timeout_ms
    assert settings.claim_threshold_ms == config.claim_threshold_ms
    assert settings.redis_url == config.redis_url
    assert settings.postgres_url.where == config.postgres_url.where


@pytest.mark.parametrize("name", ["DRAIN_BUDGET_MS", "SHUTDOWN_TIMEOUT_MS"])
def test_a_default_that_the_drill_knows_is_the_services(name: str) -> None:
    assigned = service_environment(URLS, IDENTITY, 0)[name]
    assert int(assigned) == getattr(load_config(URLS), name.lower())


def test_bad_variables_are_named_together_and_no_password_is_shown() -> None:
    bad = {**URLS, "POSTGRES_URL": "mysql://u:hush@h/d", "DRAIN_BUDGET_MS": "never"}
    with pytest.raises(ConfigError) as caught:
        service_settings(service_environment(bad, IDENTITY, 0))
    assert all(f"  {name}: " in str(caught.value) for name in ("POSTGRES_URL", "DRAIN_BUDGET_MS"))
    assert "hush" not in str(caught.value)
