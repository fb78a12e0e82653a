"""A Redis URL with sentinels: what is read out of it, what is refused, and what is shown."""

from __future__ import annotations

import pytest

from telemetry.chassis.config.parsers import Unacceptable
from telemetry.chassis.config.redis_target import RedisTls, redis_target
from telemetry.chassis.config.urls import redact_url


@pytest.mark.parametrize(
    ("url", "service", "places", "db"),
    [
        ("redis+sentinel://one/fleet", "fleet", [("one", 26379)], 0),
        ("redis+sentinel://one,two:7/fleet/3", "fleet", [("one", 26379), ("two", 7)], 3),
        (
            "redis+sentinel://u:p@one,[::1],[fe80::2]:26380/my%20fleet/",
            "my fleet",
            [("one", 26379), ("::1", 26379), ("fe80::2", 26380)],
            0,
        ),
        ("redis+sentinel://[::1]:1,[::2]:2/fleet?db=4", "fleet", [("::1", 1), ("::2", 2)], 4),
    ],
)
def test_the_url_names_sentinels_service_and_database(
    url: str, service: str, places: list[tuple[str, int]], db: int
) -> None:
    target = redis_target(url)
    assert target.sentinels is not None
    assert target.sentinels.service == service
    assert list(target.sentinels.places) == places
    assert (target.db, target.tls) == (db, None)


def test_the_servers_user_and_the_sentinels_are_kept_apart() -> None:
    target = redis_target(
        "redis+sentinel://us%65r:p%40ss@one/fleet?sentinel_username=watch&sentinel_password=w%2Fw&client_name=n"
    )
    assert target.sentinels is not None
    assert (target.username, target.password, target.client_name) == ("user", "p@ss", "n")
    assert (target.sentinels.username, target.sentinels.password) == ("watch", "w/w")
    assert set(target.secrets) == {"p@ss", "w/w"}
    assert not any(secret in repr(target) for secret in ("p@ss", "w/w"))


def test_tls_holds_for_the_sentinels_and_the_servers() -> None:
    target = redis_target("rediss+sentinel://one/fleet?ssl_ca_certs=/ca&ssl_check_hostname=no")
    assert target.tls == RedisTls(
        ca_certs="/ca", cert_reqs="required", certfile=None, keyfile=None, check_hostname=False
    )


def test_a_message_names_the_service_and_who_is_asked_or_was_found() -> None:
    target = redis_target("redis+sentinel://:hush@one,[::1]:7/fleet")
    assert target.where == "fleet (sentinels one:26379, [::1]:7)"
    found = target.found_at("10.0.0.5", 6379)
    assert found.where == "fleet (10.0.0.5:6379)"
    assert (found.password, found.sentinels) == ("hush", None)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one",
        "redis+sentinel://one/",
        "redis+sentinel:///fleet",
        "redis+sentinel://one/fleet/zero",
        "redis+sentinel://one/fleet/1/2",
        "redis+sentinel://one,/fleet",
        "redis+sentinel://one,two:x/fleet",
        "redis+sentinel://one:0/fleet",
        "redis+sentinel://one:70000/fleet",
        "redis+sentinel://::1/fleet",
        "redis+sentinel://[::1/fleet",
        "redis+sentinel://one,two/fleet?db=-1",
        "redis+sentinel://one/fleet?sentinel_pasword=hush",
        "redis+sentinel://one/fleet?ssl_cert_reqs=none",
        # The sentinels know where the server is.
        "redis+sentinel://one/fleet?host=hush",
        "redis+sentinel://one/fleet?port=6380",
        "redis+sentinel://one/fleet?path=/hush",
        "redis+sentinel://u:hush/hush@one,two/fleet",
        "redis+sentinel://u:hu#sh@one/fleet",
        "redis-sentinel://one/fleet",
        "sentinel://one/fleet",
        "redis+sentinel://one/fleet#hush",
        # Options of the sentinels, and no sentinels.
        "redis://one?sentinel_password=hush",
    ],
)
def test_a_bad_url_is_refused_in_words_that_quote_nothing_of_it(url: str) -> None:
    with pytest.raises(Unacceptable) as caught:
        redis_target(url)
    assert "accepted" in str(caught.value) or "percent-encode" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "redis+sentinel://user:secret@one,[::1]:7,three/fleet/2?db=2&sentinel_password=secret",
            "redis+sentinel://user:***@one,[::1]:7,three/fleet/2?db=2&***",
        ),
        ("rediss+sentinel://secret@one,two/fleet", "rediss+sentinel://***@one,two/fleet"),
        ("redis+sentinel://u:sec/ret@one,two/fleet", "redis+sentinel://***"),
        ("redis+sentinel://u:sec[ret@one,two/fleet", "redis+sentinel://***"),
    ],
)
def test_what_is_no_secret_stays_readable(url: str, shown: str) -> None:
    assert redact_url(url) == shown
