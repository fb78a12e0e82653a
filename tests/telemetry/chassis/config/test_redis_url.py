"""The options of a Redis URL are those that the `redis` package reads."""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import parse_url

from telemetry.chassis.config.redis_url import redis_url_options


def by_the_package(url: str) -> dict[str, Any] | None:
    """None: it does not parse."""
    try:
        options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    options.pop("connection_class", None)
    return options


def by_us(url: str) -> dict[str, Any] | None:
    try:
        return redis_url_options(urlsplit(url))
    except ValueError:
        return None


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://host",
        "redis://host:7777/3",
        "redis://host:0/0",
        "redis://host:port",
        "redis://host/one",
        "redis://host/1/2",
        "redis://host?db=5",
        "redis://host/1?db=5",
        "redis://host?db=x",
        "redis://us%40er:p%2Fw@host",
        "redis://:p%25w@[::1]:6379",
        "redis://user@host",
        "rediss://host?ssl_check_hostname=no&ssl_cert_reqs=none",
        "rediss://host?ssl_check_hostname=1&ssl_ca_certs=%2Ftmp%2Fca.pem",
        "rediss://host?ssl_check_hostname=",
        "redis://host?client_name=a%2520b&client_name=c&unknown=1",
        "unix:///tmp/redis%20socket?db=2",
        "unix://user:pw@/tmp/redis.sock",
    ],
)
def test_a_url_has_the_same_options(url: str) -> None:
    assert by_us(url) == by_the_package(url)


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)


@given(
    st.sampled_from(["redis", "rediss", "unix"]), words, words, words, st.integers(0, 99_999), words
)
def test_any_parts_give_the_same_options(
    scheme: str, user: str, password: str, path: str, port: int, option: str
) -> None:
    def quoted(text: str) -> str:
        return quote(text, safe="")

    place = "" if scheme == "unix" else f"host:{port}"
    url = (
        f"{scheme}://{quoted(user)}:{quoted(password)}@{place}/{quoted(path)}"
        f"?client_name={quoted(option)}&ssl_check_hostname={quoted(option)}"
    )
    assert by_us(url) == by_the_package(url)


def test_the_configuration_loads_without_the_package() -> None:
    program = (
        "import sys; from ingestion.config import load_config;"
        "load_config({'REDIS_URL': 'rediss://u:p@host/1'}); assert 'redis' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
