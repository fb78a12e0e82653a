"""Redaction: no part of a password is ever shown, however the URL is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.config.settings import load_config
from telemetry.chassis.config.urls import redact_url
from telemetry.chassis.errors import ConfigError

MARK = "Zq9"
secrets = st.lists(
    st.sampled_from([*"/?#@:&=;%[]\\ \t\n+'\"é", "%40", "://", "%zz"]), max_size=6
).map(lambda joints: MARK + "".join(joint + MARK for joint in joints))
schemes = st.sampled_from(["redis", "rediss", "unix", "postgres", "postgresql", "http", "nonsense"])
places = st.sampled_from(
    [
        "{scheme}://user:{secret}@host:1/0",
        "{scheme}://:{secret}@host/db?x=1",
        "{scheme}://user:{secret}@",
        "{scheme}://user:{secret}@h1:1,h2:2/db",
        "{scheme}://user:{secret}@[::1]:6379/0",
        "{scheme}://user:{secret}@host:port",
        "{scheme}://host/0?password={secret}",
        "{scheme}://host/db?sslmode=require&sslpassword={secret}",
        "{scheme}://user:{secret}@/run/redis.sock",
        " {scheme}://user:{secret}@host",
        "{scheme}:user:{secret}@host",
        "host=h password={secret}",
    ]
)


@given(schemes, places, secrets)
def test_no_part_of_a_secret_is_shown(scheme: str, place: str, secret: str) -> None:
    assert MARK not in redact_url(place.format(scheme=scheme, secret=secret))


@given(schemes, places, secrets)
def test_no_part_of_a_secret_is_in_the_complaint_about_a_bad_url(
    scheme: str, place: str, secret: str
) -> None:
    url = place.format(scheme=scheme, secret=secret)
    with pytest.raises(ConfigError) as caught:
        load_config({"REDIS_URL": url, "POSTGRES_URL": url, "INSTANCE_ID": "\n"})
    assert MARK not in str(caught.value)


@given(st.text())
def test_any_text_is_redacted_without_an_error(text: str) -> None:
    redact_url(text)
    redact_url(f"redis://{text}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("rediss://user:secret@host/1?client_name=p", "rediss://user:***@host/1?client_name=p"),
        ("redis://:secret@host", "redis://***@host"),
        ("redis://secret@host", "redis://***@host"),
        ("unix:///run/redis.sock?db=1&password=secret", "unix:///run/redis.sock?db=1&***"),
        (
            "postgres://u:p@a:1,b:2/db?sslmode=require",
            "postgres://u:***@a:1,b:2/db?sslmode=require",
        ),
        ("postgres://u:p/q@h/db", "postgres://***"),
        ("redis://user:12/34@host", "redis://***"),
        ("redis://user:12?34@host", "redis://***"),
        ("redis://user:12#34@host", "redis://***"),
        ("redis://user:secret", "redis://***"),
        ("secret", "***"),
    ],
)
def test_what_is_no_secret_stays_readable(url: str, shown: str) -> None:
    assert redact_url(url) == shown
