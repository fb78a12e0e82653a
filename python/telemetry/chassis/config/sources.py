"""Where the text of a variable comes from: the environment, the file that `<NAME>_FILE` names, or the default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Any, Final, cast

from telemetry.chassis.config.parsers import Unacceptable
from telemetry.chassis.errors import ConfigError

ENVIRONMENT: Final = "environment"
FILE: Final = "file"
DEFAULT: Final = "default"

FILE_SUFFIX: Final = "_FILE"
# A URL has a few hundred bytes; whoever names a device or a log by mistake is not to fill the memory.
FILE_BYTES_MAX = 64 * 1024

Known = Mapping[str, Any]
"""The fields read so far, by name. A bad one is absent."""
Derive = Callable[[Known, Mapping[str, str]], str]
"""A default from the fields above it and the environment. KeyError: one of those fields is bad."""


@dataclass(frozen=True, slots=True)
class Found:
    """The text of a variable, and where it was found."""

    raw: str | None
    """None: it is not set, and has no default."""
    source: str
    """ENVIRONMENT, FILE or DEFAULT."""
    name: str
    """The variable that a message is to name: `REDIS_URL`, or `REDIS_URL_FILE`."""


def find(each: Field[Any], known: Known, environ: Mapping[str, str]) -> Found:
    """Look a field's text up. An empty variable counts as not set.

    Raises Unacceptable for a file that cannot be used, KeyError if the default hangs on a field that is bad.
    """
    name = each.name.upper()
    given = environ.get(name)
    path = environ.get(name + FILE_SUFFIX) if each.metadata["file"] else None
    if given and path:
        raise Unacceptable(_both_set(name + FILE_SUFFIX))
    if path:
        return Found(file_content(path, name + FILE_SUFFIX), FILE, name + FILE_SUFFIX)
    if given:
        return Found(given, ENVIRONMENT, name)
    return Found(default_of(each, known, environ), DEFAULT, name)


def files_read(environ: Mapping[str, str], *names: str) -> dict[str, str]:
    """The environment with the content of `<NAME>_FILE` as `NAME`, for those names.

    For programs that hand the variables on. Raises ConfigError.
    """
    read = dict(environ)
    for name in names:
        file_name = name + FILE_SUFFIX
        if path := read.pop(file_name, None):
            if read.get(name):
                raise ConfigError(f"{name}: {_both_set(file_name)}")
            try:
                read[name] = file_content(path, file_name)
            except Unacceptable as fault:
                raise ConfigError(f"{name}: {fault}") from None
    return read


def default_of(each: Field[Any], known: Known, environ: Mapping[str, str]) -> str | None:
    """The default's text; None if the variable is required. Raises KeyError as `find` does."""
    derive: Derive | None = each.metadata["derive"]
    return derive(known, environ) if derive else cast("str | None", each.metadata["default"])


def _both_set(file_name: str) -> str:
    return f"is set, and {file_name} is set as well; accepted: one of both"


def file_content(path: str, name: str) -> str:
    """The file's text without the line feed that editors put behind it; `name` is the variable that named it.

    Raises Unacceptable.
    """
    if "://" in path:  # not shown: it has the password
        raise Unacceptable(
            f"cannot be read: {name} is a URL; accepted: the path of a file that holds it"
        )
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Unacceptable(f"cannot be read from {name}={path!r}: {reason}") from None
    text = data.decode("utf-8", "replace").strip("\r\n") if len(data) <= FILE_BYTES_MAX else ""
    if not text:
        raise Unacceptable(
            f"cannot be read from {name}={path!r}: the file is empty, or longer than {FILE_BYTES_MAX} bytes"
        )
    return text
