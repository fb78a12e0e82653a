"""The secrets of a configuration, in every spelling, and texts without them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from processor.config import load_config
from telemetry.chassis.config.parsers import text
from telemetry.chassis.config.secrets import hide, secrets_of
from telemetry.chassis.config.variables import load, variable


def secrets(*, redis: str = "redis://h", postgres: str = "postgresql://h/d") -> tuple[str, ...]:
    return secrets_of(load_config({"REDIS_URL": redis, "POSTGRES_URL": postgres}))


@pytest.mark.parametrize(
    ("urls", "secret"),
    [
        ({"redis": "redis://:pass%2Fword@h"}, "pass/word"),
        ({"redis": "redis://:pass%2Fword@h"}, "pass%2Fword"),
        ({"redis": "redis://h?password=pass%2Fword"}, "pass/word"),
        ({"postgres": "postgresql://u:p%61ssword@h/d"}, "password"),
        ({"postgres": "postgresql://u:p%61ssword@h/d"}, "p%61ssword"),
        ({"postgres": "postgresql://u:pass%2Fword@a,b:1/d"}, "pass/word"),
        ({"postgres": "postgresql://h/d?user=u&password=pass%2Fword"}, "pass/word"),
        ({"postgres": "postgresql://h/d?sslpassword=pass%2Fword"}, "pass%2Fword"),
        ({"postgres": "postgresql://u:password@h/d"}, "postgresql://u:password@h/d"),
    ],
)
def test_a_secret_is_hidden_in_this_spelling(urls: dict[str, str], secret: str) -> None:
    assert hide(f"a {secret} b", secrets(**urls)) == "a *** b"


def test_what_is_no_secret_is_shown() -> None:
    text = "user u of host h, database d, application_name seen"
    url = "postgresql://u:password@h/d?application_name=seen"
    assert hide(text, secrets(postgres=url)) == text


def test_a_password_too_short_to_be_one_does_not_spoil_every_text() -> None:
    assert hide("1777627800000-1", secrets(redis="redis://:1@h")) == "1777627800000-1"


@dataclass(frozen=True, kw_only=True)
class OtherSettings:
    """Another service's, with a secret that is a text by itself."""

    token: str = variable(text, secret=True)  # makes a dataclass field
    name: str = variable(text, default="shown")


def test_every_field_that_is_marked_secret_is_found_whatever_the_service() -> None:
    assert secrets_of(load(OtherSettings, {"TOKEN": "pass/word"})) == ("pass%2Fword", "pass/word")
