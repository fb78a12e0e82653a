"""Last words, the timeline, the commands, the environment and the detours."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from drills.command import ContainerCommand, ProcessCommand, this_installation
from drills.detour import postgres_detour, redis_detour
from drills.environment import service_environment
from drills.last_words import last_words
from drills.timeline import SAMPLES_MAX, Sample, Timeline
from processor.config import load_config
from processor.core.ledger import Ledger
from telemetry.chassis.errors import ConfigError
from tests.drills.values import IDENTITY

FULL = {
    "read": 9,
    "acked": 3,
    "dead_lettered": 1,
    "lost": 1,
    "taken_over": 1,
    "released": 2,
    "left_pending": 1,
    "released_unread": 4,
}
URLS = {"REDIS_URL": "redis://h", "POSTGRES_URL": "postgres://u:hush@h/d"}


def test_the_last_line_gives_the_whole_ledger() -> None:
    line = {"msg": "shutdown: timed out", "ledger": FULL, "steps_ms": {"intake": 1.5}}
    found = last_words(line)
    assert found is not None
    assert not found.clean
    assert found.ledger == Ledger(9, 3, 1, 1, 1, 2, 1, 4)
    assert found.ledger.unaccounted == 0
    assert found.steps_ms == {"intake": 1.5}


def test_classes_that_are_not_named_count_as_none() -> None:
    found = last_words({"msg": "shutdown: clean exit", "ledger": {"read": 4, "acked": 4}})
    assert found is not None
    assert found.clean
    assert found.ledger == Ledger(read=4, acked=4)


def test_a_line_without_a_ledger_tells_what_was_released_and_left() -> None:
    found = last_words({"msg": "shutdown: timed out released=2 left=5", "released": 2, "left": 5})
    assert found is not None
    assert not found.has_ledger
    assert (found.ledger.released, found.ledger.left_pending) == (2, 5)


@pytest.mark.parametrize(
    "line", [{}, {"msg": "shutdown: starting signal=SIGTERM"}, {"msg": "batch written"}]
)
def test_other_lines_are_no_last_words(line: dict[str, Any]) -> None:
    assert last_words(line) is None


def test_what_was_released_unread_is_on_neither_side_of_the_balance() -> None:
    assert Ledger(**{**FULL, "released_unread": 1_000}).unaccounted == 0


@pytest.mark.parametrize("name", sorted(FULL.keys() - {"read", "released_unread"}))
def test_a_ledger_balances_only_with_every_class(name: str) -> None:
    assert Ledger(**{**FULL, name: 0}).unaccounted


def test_a_timeline_stays_bounded_and_keeps_its_first_sample() -> None:
    timeline = Timeline()
    for number in range(10 * SAMPLES_MAX):
        timeline.add(Sample(float(number), 0, 0, 0, 0))
    assert len(timeline.samples) < SAMPLES_MAX
    assert timeline.samples[0].at_s == 0.0
    assert timeline.interval_s > 0.1


def test_a_container_takes_its_settings_from_the_environment_and_shows_none() -> None:
    command = ContainerCommand("processor:1.4", "podman")
    started = command.start("drill-1-0", URLS)
    assert started == (
        "podman", "run", "--rm", "--network", "host", "--name", "drill-1-0",
        "--env", "POSTGRES_URL", "--env", "REDIS_URL", "processor:1.4",
    )  # fmt: skip
    assert "hush" not in " ".join(started)
    assert command.signal("drill-1-0", signal.SIGTERM) == (
        "podman",
        "kill",
        "--signal",
        "TERM",
        "drill-1-0",
    )


def test_a_process_is_signalled_without_a_command() -> None:
    command = ProcessCommand(("processor", "run"))
    assert command.start("x", {}) == ("processor", "run")
    assert command.signal("x", signal.SIGTERM) == ()
    assert this_installation().argv[1:] == ("-m", "processor", "run")


def test_the_service_gets_the_operators_settings_but_never_his_stream_group_or_port() -> None:
    operators = {
        **URLS,
        "WRITERS": "2",
        "DRAIN_BUDGET_MS": "2000",
        "REDIS_TELEMETRY_STREAM": "telemetry:teltonika",
        "REDIS_CONSUMER_GROUP": "processor",
        "REDIS_CONSUMER_NAME": "processor-1",
        "REDIS_DLQ_STREAM": "telemetry:teltonika:dlq",
        "METRICS_PORT": "9090",
        "CONTROL_SOCKET": "/run/processor.sock",
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
    assert config.control_socket != "/run/processor.sock"
    assert config.log_level == "debug"


def test_the_operators_claim_threshold_wins_over_the_drills() -> None:
    assert service_environment(URLS, IDENTITY, 0)["CLAIM_THRESHOLD_MS"] == "3000"
    own = service_environment({**URLS, "CLAIM_THRESHOLD_MS": "60000"}, IDENTITY, 0)
    assert own["CLAIM_THRESHOLD_MS"] == "60000"


def detoured_redis(url: str) -> str:
    config = load_config({**URLS, "REDIS_URL": url})
    return redis_detour(url, config.redis_url, 7_001)


def detoured_postgres(url: str) -> str:
    config = load_config({**URLS, "POSTGRES_URL": url})
    return postgres_detour(url, config.postgres_url, 7_001)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://staging", "redis://127.0.0.1:7001"),
        ("redis://me:a%2Fb@staging:6380/3", "redis://me:a%2Fb@127.0.0.1:7001/3"),
        ("unix:///run/redis.sock?db=2", "redis://127.0.0.1:7001/2"),
        ("rediss://s:1/0?ssl_check_hostname=false", "rediss://127.0.0.1:7001/0?ssl_check_hostname=false"),
    ],
)  # fmt: skip
def test_a_redis_url_leads_through_the_relay(url: str, expected: str) -> None:
    assert detoured_redis(url) == expected
    load_config({**URLS, "REDIS_URL": expected})


def test_a_checked_redis_certificate_cannot_be_for_the_relay() -> None:
    with pytest.raises(ConfigError, match="ssl_check_hostname=false"):
        detoured_redis("rediss://staging")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p%40@db/t", "postgres://u:p%40@db:7001/t?hostaddr=127.0.0.1"),
        (
            "postgresql://u@db:5433/t?sslmode=verify-full",
            "postgresql://u@db:7001/t?sslmode=verify-full&hostaddr=127.0.0.1",
        ),
        ("postgres://u@/t?host=/run/pg&port=5433", "postgres://u@127.0.0.1:7001/t?hostaddr=127.0.0.1"),
        ("postgres://u@[::1]/t", "postgres://u@[::1]:7001/t?hostaddr=127.0.0.1"),
    ],
)  # fmt: skip
def test_a_postgres_url_leads_through_the_relay_and_keeps_the_name_for_its_certificate(
    url: str, expected: str
) -> None:
    assert detoured_postgres(url) == expected
    load_config({**URLS, "POSTGRES_URL": expected})


@pytest.mark.parametrize("url", ["postgres://u@a,b/t", "postgres:///t"])
def test_a_relay_needs_exactly_one_postgres_host(url: str) -> None:
    with pytest.raises(ConfigError, match="exactly one host"):
        detoured_postgres(url)
