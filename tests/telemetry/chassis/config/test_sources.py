"""Where a variable's value comes from: the environment, a file, or the default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from telemetry.chassis.config.parsers import Unacceptable, count, text
from telemetry.chassis.config.sources import FILE_BYTES_MAX, files_read
from telemetry.chassis.config.variables import Effective, effective, load, variable
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def url(raw: str) -> str:
    if not raw.startswith("red://"):
        raise Unacceptable("is not such a URL")
    return raw


@dataclass(frozen=True)
class Settings:
    red_url: str = variable(url, secret=True, file=True)
    name: str = variable(text, default="a")
    title: str = variable(text, derive=lambda known, _environ: f"the {known['name']}")
    size: int = variable(count, default="5")


def holding(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("content", [b"red://u:pw@h", b"red://u:pw@h\n", b"red://u:pw@h\r\n"])
def test_a_file_holds_the_value_with_or_without_a_line_feed(tmp_path: Path, content: bytes) -> None:
    path = holding(tmp_path / "url", content)
    assert load(Settings, {"RED_URL_FILE": path}).red_url == "red://u:pw@h"


def test_both_at_once_are_an_error(tmp_path: Path) -> None:
    path = holding(tmp_path / "url", b"red://h")
    with pytest.raises(ConfigError, match="RED_URL: is set, and RED_URL_FILE is set as well"):
        load(Settings, {"RED_URL": "red://h", "RED_URL_FILE": path})
    with pytest.raises(ConfigError, match="RED_URL: is set, and RED_URL_FILE is set as well"):
        files_read({"RED_URL": "red://h", "RED_URL_FILE": path}, "RED_URL")


def test_an_empty_variable_beside_a_file_counts_as_not_set(tmp_path: Path) -> None:
    path = holding(tmp_path / "url", b"red://h")
    assert load(Settings, {"RED_URL": "", "RED_URL_FILE": path}).red_url == "red://h"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"x" * (FILE_BYTES_MAX + 1), f"longer than {FILE_BYTES_MAX} bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "url"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(Settings, {"RED_URL_FILE": str(path)})
    assert f"RED_URL: cannot be read from RED_URL_FILE='{path}': " in str(caught.value)
    assert reason in str(caught.value)


def test_a_bad_value_in_a_file_is_reported_under_the_file_without_its_secret(
    tmp_path: Path,
) -> None:
    path = holding(tmp_path / "url", b"http://u:hush@h")
    with pytest.raises(ConfigError) as caught:
        load(Settings, {"RED_URL_FILE": path})
    assert "RED_URL_FILE: http://u:***@h is not such a URL" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_only_variables_that_say_so_may_come_from_a_file(tmp_path: Path) -> None:
    environ = {"RED_URL": "red://h", "NAME_FILE": holding(tmp_path / "name", b"b")}
    assert load(Settings, environ).name == "a"


def test_what_is_in_effect_says_where_it_comes_from_and_hides_secrets(tmp_path: Path) -> None:
    path = holding(tmp_path / "url", b"red://u:hush@h")
    rows, faults = effective(Settings, {"RED_URL_FILE": path, "NAME": "b", "SIZE": "5"})
    assert rows == [
        Effective("RED_URL", "red://u:***@h", None, "file"),
        Effective("NAME", "b", "a", "environment"),
        Effective("TITLE", "the b", "the b", "default"),
        Effective("SIZE", "5", "5", "environment"),
    ]
    assert faults == []


def test_what_is_in_effect_leaves_out_what_is_bad_and_shows_what_is_missing() -> None:
    rows, faults = effective(Settings, {"NAME": "\n", "SIZE": "none"})
    assert rows == [Effective("RED_URL", None, None, "default")]
    assert [fault.partition(":")[0] for fault in faults] == ["NAME", "SIZE"]


def test_a_program_that_hands_variables_on_reads_the_files(tmp_path: Path) -> None:
    path = holding(tmp_path / "url", b"red://h\n")
    read = files_read({"RED_URL_FILE": path, "NAME": "b"}, "RED_URL")
    assert read == {"RED_URL": "red://h", "NAME": "b"}
    with pytest.raises(ConfigError, match="RED_URL: cannot be read from RED_URL_FILE="):
        files_read({"RED_URL_FILE": str(tmp_path / "none")}, "RED_URL")
