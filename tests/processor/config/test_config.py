"""Configuration: what is accepted, what is refused, and that all faults come in one message."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from processor.config import Config, load_config
from telemetry.chassis.config.redis_target import RedisTls
from telemetry.chassis.config.service import usable_directory
from telemetry.chassis.errors import ConfigError

REQUIRED = {"REDIS_URL": "redis://127.0.0.1", "POSTGRES_URL": "postgres://u:pw@db/telemetry"}

COUNTS = (
    "BATCH_SIZE",
    "WRITE_BATCH_SIZE",
    "WRITERS",
    "DEVICE_STATE_LRU_CAP",
    "DLQ_MAX_ATTEMPTS",
    "MAX_PAYLOAD_BYTES",
    "TS_PAST_MAX_DAYS",
    "TS_FUTURE_MAX_S",
    "CONNECT_ATTEMPTS",
)
MILLISECONDS = ("BATCH_BLOCK_MS", "CLAIM_INTERVAL_MS", "CONNECT_BACKOFF_MAX_MS", "STALL_MS")


def load(**variables: str) -> Config:
    return load_config(REQUIRED | variables)


def value(name: str, raw: str) -> Any:  # the type is the field's
    return getattr(load(**{name: raw}), name.lower())


def fault(**variables: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(**variables)
    return str(caught.value)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_reach_from_1_to_a_million(name: str) -> None:
    assert value(name, "1") == 1
    assert value(name, "1000000") == 1_000_000
    for raw in ("0", "1000001"):
        assert f"{name}: '{raw}' is out of range; accepted: a whole number from 1 to" in fault(
            **{name: raw}
        )


@pytest.mark.parametrize("name", MILLISECONDS)
def test_durations_reach_from_a_millisecond_to_a_day(name: str) -> None:
    assert value(name, "1") == 1
    assert value(name, "86400000") == 86_400_000
    assert f"{name}: '0' is out of range" in fault(**{name: "0"})
    assert f"{name}: '86400001' is out of range" in fault(**{name: "86400001"})


def test_the_read_interval_may_be_nothing() -> None:
    assert value("READ_INTERVAL_MS", "0") == 0


def test_the_claim_threshold_ends_at_an_hour() -> None:
    assert value("CLAIM_THRESHOLD_MS", "3600000") == 3_600_000
    assert "CLAIM_THRESHOLD_MS: '3600001' is out of range" in fault(CLAIM_THRESHOLD_MS="3600001")


def test_port_0_asks_for_any_free_port() -> None:
    assert value("METRICS_PORT", "0") == 0
    assert "METRICS_PORT: '65536' is out of range" in fault(METRICS_PORT="65536")


@pytest.mark.parametrize(
    "raw",
    ["1_000", " 5", "5 ", "+5", "-5", "5.0", "1e3", "0x10", "\u0665", "\u00b2", "five", "9" * 5000],
)
def test_only_decimal_ascii_digits_are_a_number(raw: str) -> None:
    assert "BATCH_SIZE: " in fault(BATCH_SIZE=raw)


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(BATCH_SIZE="", REDIS_CONSUMER_NAME="", REDIS_URL_FILE="") == load()
    assert "REDIS_URL: is not set; it is required" in fault(REDIS_URL="")


def test_every_bad_variable_is_named_in_one_message_with_what_would_be_accepted() -> None:
    message = fault(POSTGRES_URL="", BATCH_SIZE="0", LOG_LEVEL="loud", LOG_FORMAT="xml")
    assert message.splitlines() == [
        "bad configuration",
        "  POSTGRES_URL: is not set; it is required",
        "  LOG_LEVEL: 'loud' is unknown; accepted: trace, debug, info, warn, error",
        "  LOG_FORMAT: 'xml' is unknown; accepted: json, pretty",
        "  BATCH_SIZE: '0' is out of range; accepted: a whole number from 1 to 1000000 in decimal digits",
    ]


def test_a_bad_variable_is_not_reported_again_by_what_hangs_on_it() -> None:
    message = fault(INSTANCE_ID="a\nb", DRAIN_BUDGET_MS="x", REDIS_TELEMETRY_STREAM="\t")
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == [
        "INSTANCE_ID",
        "REDIS_TELEMETRY_STREAM",
        "DRAIN_BUDGET_MS",
    ]


def test_the_backstop_must_exceed_the_drain_budget() -> None:
    assert load(SHUTDOWN_TIMEOUT_MS="8001").shutdown_timeout_ms == 8001
    for raw in ("8000", "7999"):
        assert (
            f"SHUTDOWN_TIMEOUT_MS: {raw} ms does not exceed DRAIN_BUDGET_MS, which is 8000 ms"
            in fault(SHUTDOWN_TIMEOUT_MS=raw)
        )


def test_names_follow_the_instance_and_the_stream_unless_they_are_set() -> None:
    derived = load(INSTANCE_ID="north-2", REDIS_TELEMETRY_STREAM="telemetry:other")
    assert derived.redis_consumer_name == "north-2"
    assert derived.redis_dlq_stream == "telemetry:other:dlq"
    given = load(INSTANCE_ID="north-2", REDIS_CONSUMER_NAME="c", REDIS_DLQ_STREAM="dead")
    assert (given.redis_consumer_name, given.redis_dlq_stream) == ("c", "dead")


def test_the_control_channel_is_the_groups() -> None:
    derived = load(REDIS_TELEMETRY_STREAM="telemetry:other", REDIS_CONSUMER_GROUP="archive")
    assert derived.redis_control_channel == "telemetry:other:archive:control"
    assert load(REDIS_CONTROL_CHANNEL="c").redis_control_channel == "c"


def test_one_instance_reads_one_stream() -> None:
    assert "REDIS_TELEMETRY_STREAM: 'a,b' names several streams; accepted: one" in fault(
        REDIS_TELEMETRY_STREAM="a,b"
    )


def test_dumps_go_to_the_state_directory_if_it_is_there(tmp_path: Path) -> None:
    assert usable_directory(tmp_path)({}, {}) == str(tmp_path)
    assert usable_directory(tmp_path / "missing")({}, {}) == str(Path.cwd())


def test_a_configuration_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().batch_size = 1  # type: ignore[misc]


def test_its_repr_holds_no_password() -> None:
    config = load(REDIS_URL="rediss://u:hush-1@h", POSTGRES_URL="postgresql://u:hush-2@h/d")
    assert config.redis_url.password == "hush-1"
    assert "hush-2" in config.postgres_url.conninfo
    assert "hush" not in repr(config)


def test_a_redis_url_gives_host_port_user_database_and_client_name() -> None:
    target = value("REDIS_URL", "redis://us%65r:p%40ss@[::1]:7000/3?client_name=proc")
    assert (target.host, target.port, target.db) == ("::1", 7000, 3)
    assert (target.username, target.password, target.client_name) == ("user", "p@ss", "proc")
    assert (target.path, target.tls) == (None, None)


def test_a_redis_url_has_the_defaults_of_the_redis_package() -> None:
    target = value("REDIS_URL", "redis://")
    assert (target.where, target.db, target.username, target.password) == (
        "localhost:6379",
        0,
        None,
        None,
    )


def test_a_redis_url_over_tls_verifies_unless_the_url_says_otherwise() -> None:
    assert value("REDIS_URL", "rediss://h").tls == RedisTls(
        ca_certs=None, cert_reqs="required", certfile=None, keyfile=None, check_hostname=True
    )
    assert value("REDIS_URL", "rediss://h?ssl_cert_reqs=none").tls.check_hostname is False
    options = "ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k&ssl_check_hostname=no"
    assert value("REDIS_URL", f"rediss://h?{options}").tls == RedisTls(
        ca_certs="/ca", cert_reqs="required", certfile="/c", keyfile="/k", check_hostname=False
    )


def test_a_redis_url_may_name_a_unix_socket() -> None:
    target = value("REDIS_URL", "unix://u:pw@/run/redis.sock?db=2")
    assert (target.where, target.path, target.db) == ("/run/redis.sock", "/run/redis.sock", 2)
    assert (target.username, target.password) == ("u", "pw")


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "redis:h",
        "REDIS://h",
        "redis://h:port",
        "redis://h:99999",
        "redis://h/zero",
        "redis://h/1/2",
        "redis://h?db=x",
        "redis://h?db=-1",
        "redis://h?socket_timeout=3",
        "redis://h?ssl_cert_reqs=none",
        "rediss://h?ssl_cert_reqs=maybe",
        "rediss://h?ssl_cert_reqs=none&ssl_check_hostname=yes",
        "redis://u:hush/hush@h",
        "redis://u:hush#hush@h",
        "redis://u:hush?hush@h",
        "redis://[h",
        "unix://",
        "unix://run/redis.sock",
        "redis://h\n",
    ],
)
def test_a_bad_redis_url_is_refused_without_showing_a_password(url: str) -> None:
    message = fault(REDIS_URL=url)
    assert "  REDIS_URL: " in message
    assert "hush" not in message


@pytest.mark.parametrize(
    "url",
    [
        "mysql://h/db",
        "host=h dbname=d password=hush",
        "postgres://u:hush/hush@h/d",
        "postgres://u:hu%sh@h/d",
        "postgres://u:hush@h/d?colour=hush",
        "postgres://[h",
    ],
)
def test_a_bad_postgres_url_is_refused_without_showing_a_password(url: str) -> None:
    message = fault(POSTGRES_URL=url)
    assert "  POSTGRES_URL: " in message
    assert "hush" not in message
    assert "hu%sh" not in message


def test_a_postgres_url_gives_host_port_database_and_user() -> None:
    target = value("POSTGRES_URL", "postgresql://me:pw@db:6432/telemetry?sslmode=require")
    assert (target.where, target.database, target.user) == ("db:6432", "telemetry", "me")
    assert value("POSTGRES_URL", "postgres:///d").where == "local socket:5432"


def test_a_postgres_url_may_name_several_hosts_and_a_refusal_says_so() -> None:
    target = value("POSTGRES_URL", "postgres://u@one:6432,two/d")
    assert (target.host, target.has_several_hosts) == ("one,two", True)
    assert "host[:port][,host...]/database" in fault(POSTGRES_URL="mysql://one,two/d")


def test_a_url_in_the_wrong_variable_is_shown_redacted() -> None:
    message = fault(BATCH_SIZE="redis://u:hush@h")
    assert "BATCH_SIZE: redis://u:***@h is not a whole number" in message


@pytest.mark.parametrize("port", ["abc", "0", "99999", "5432,x"])
def test_a_postgres_port_that_is_none_is_named_with_all_other_bad_variables(port: str) -> None:
    hosts = ",".join("h" for _ in port.split(","))
    url = f"postgres://u@/d?host={hosts}&port={port}"
    with pytest.raises(ConfigError, match=r"POSTGRES_URL.*\n?.*port") as caught:
        load_config({**REQUIRED, "POSTGRES_URL": url, "BATCH_SIZE": "x"})
    assert "BATCH_SIZE" in str(caught.value)
