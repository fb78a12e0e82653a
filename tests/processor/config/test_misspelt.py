"""Names that were meant to be variables of the service are named, and others are left alone."""

from __future__ import annotations

import pytest

from processor.config import RETIRED, Config
from telemetry.chassis.config.misspelt import misspelt


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("REDIS_TELEMTRY_STREAM", "REDIS_TELEMETRY_STREAM"),
        ("REDIS_ULR", "REDIS_URL"),
        ("POSTGRES_URI", "POSTGRES_URL"),
        ("POSTGRESQL_URL", "POSTGRES_URL"),
        ("POSTGRES_URLFILE", "POSTGRES_URL_FILE"),
        ("redis_url", "REDIS_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("BATCHSIZE", "BATCH_SIZE"),
        ("WRITER", "WRITERS"),
        ("DRAIN_BUDGET_S", "DRAIN_BUDGET_MS"),
    ],
)
def test_a_misspelt_name_is_named_with_the_one_that_is_meant(name: str, meant: str) -> None:
    [hint] = misspelt([name, "HOME"], Config, RETIRED)
    assert hint == f"{name} is no variable of the service: is {meant} meant?"


@pytest.mark.parametrize(
    "name",
    [
        "REDIS_URL",
        "REDIS_URL_FILE",
        "POSTGRES_USER",
        "POSTGRES_PASSWORD",
        "POSTGRES_DB",
        "PGPASSWORD",
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_PASSWORD",
        "HOSTNAME",
        "PATH",
        "LOGNAME",
        "SHLVL",
        "",
    ],
)
def test_other_names_are_left_alone(name: str) -> None:
    assert [*misspelt([name], Config, RETIRED)] == []


def test_a_retired_variable_is_named_with_what_does_its_work() -> None:
    [hint] = misspelt({"CONTROL_SOCKET": "/run/hush"}, Config, RETIRED)
    assert hint == "CONTROL_SOCKET is retired and ignored: REDIS_CONTROL_CHANNEL does its work"
