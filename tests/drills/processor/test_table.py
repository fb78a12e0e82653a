"""Where a PostgreSQL URL leads to, without a word of its password."""

from __future__ import annotations

import pytest

from drills.processor.table import postgres_place
from telemetry.chassis.config.parsers import Unacceptable


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgres://u:hush@h/d", "h:5432"),
        ("postgresql://u@h:5433/d?sslmode=require", "h:5433"),
        ("postgres://u@a,b/d", "a,b:5432"),
        ("postgres://u@a:1,b:2/d", "a,b:1,2"),
        ("postgres://u@/d?host=/run/pg", "/run/pg:5432"),
        ("postgres:///d", "local socket:5432"),
    ],
)
def test_a_url_names_a_place(url: str, where: str) -> None:
    assert postgres_place(url).where == where


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hush@h/d",
        "host=h password=hush",
        "postgres://u:hush@h:port/d",
        "postgres://u:hu@sh@h/d",
        "postgres://u:hu/sh@h/d",
        "postgres://u:hush@h/d?colour=red",
    ],
)
def test_what_is_no_such_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Unacceptable) as caught:
        postgres_place(url)
    assert "accepted" in str(caught.value) or "percent-encode" in str(caught.value)
    assert not {"hush", "hu", "sh"} & set(str(caught.value).replace("@", " ").split())
