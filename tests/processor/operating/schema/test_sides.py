"""The databases that a comparison names: a password is refused in an argument, and taken from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.operating.schema.sides import BadSide, database_of
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hush-4711"
URL = f"postgres://directus:{SECRET}@db/telemetry"


@pytest.mark.parametrize(
    "argument",
    [
        "postgres://directus@db/telemetry",
        "postgresql://db1:6000,db2/telemetry?user=directus&sslmode=require",
        "postgres:///telemetry?host=/run/postgresql",
        "postgres://directus:@db/telemetry",
        "postgres://directus@db/telemetry?passfile=/run/secrets/pgpass",
    ],
)
def test_a_url_without_a_password_is_taken_as_it_is(argument: str) -> None:
    assert database_of("A", argument, {}).conninfo == argument


@pytest.mark.parametrize(
    "argument",
    [
        URL,
        f"postgresql://directus@db/telemetry?password={SECRET}",
        f"postgresql://directus@db/telemetry?sslmode=require&p%61ssword={SECRET}",
        f"postgresql://directus@db/telemetry?sslpassword={SECRET}",
        f"postgres://:{SECRET}@db/telemetry",
    ],
)
def test_a_password_is_refused_without_being_quoted(argument: str) -> None:
    with pytest.raises(BadSide, match=r"^B holds a password, which everybody") as caught:
        database_of("B", argument, {})
    assert "env:NAME" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "argument",
    [
        f"host=db password={SECRET}",
        f"postgres://u:{SECRET}#1@db/x",
        f"postgres://u@db/x?pasword={SECRET}",
        f"mysql://u:{SECRET}@db/x",
        f"postgres://u:{SECRET}/7@db:5432/x",
        SECRET,
        "",
    ],
)
def test_what_is_no_url_is_refused_without_being_quoted(argument: str) -> None:
    with pytest.raises(BadSide, match=r"^A ") as caught:
        database_of("A", argument, {})
    assert SECRET not in str(caught.value)


def test_a_variable_may_hold_the_password(tmp_path: Path) -> None:
    assert database_of("A", "env:OLD", {"OLD": URL}).conninfo == URL
    (tmp_path / "url").write_text(f"{URL}\n")
    environ = {"OLD_FILE": str(tmp_path / "url")}
    assert database_of("A", "env:OLD", environ).conninfo == URL


def test_a_file_may_hold_the_password(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{URL}\n")
    assert database_of("A", f"file:{tmp_path / 'url'}", {}).conninfo == URL


@pytest.mark.parametrize("environ", [{}, {"OLD": ""}, {"OLD": f"mysql://u:{SECRET}@db/x"}])
def test_a_variable_without_a_usable_url_is_a_bad_configuration(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="OLD") as caught:
        database_of("A", "env:OLD", environ)
    assert SECRET not in str(caught.value)


def test_a_file_that_cannot_be_read_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(BadSide, match=r"^B cannot be read from file=.*: No such file"):
        database_of("B", f"file:{tmp_path / 'missing'}", {})


def test_a_file_without_a_usable_url_is_a_bad_configuration(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"postgres://u:{SECRET}#1@db/x")
    with pytest.raises(ConfigError, match="what it holds has an unescaped") as caught:
        database_of("A", f"file:{tmp_path / 'url'}", {})
    assert SECRET not in str(caught.value)
