"""The two databases of a comparison, as the command line names them: no argument may hold a password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.config.postgres_target import holds_password, postgres_target
from telemetry.chassis.config.parsers import Unacceptable
from telemetry.chassis.config.sources import file_content, files_read
from telemetry.chassis.errors import ConfigError, TelemetryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.config.postgres_target import PostgresTarget

_VARIABLE, _FILE = "env:", "file:"
_ELSEWHERE: Final = (
    "put the URL into a variable and write env:NAME, or into a file and write file:PATH"
)


class BadSide(TelemetryError):
    """The argument names no database; the message quotes nothing of a URL (exit 2)."""


def database_of(side: str, argument: str, environ: Mapping[str, str]) -> PostgresTarget:
    """The database that an argument names: a URL without a password, `env:NAME` or `file:PATH`.

    `side` is A or B. Raises BadSide, and ConfigError for what the variable or the file holds.
    """
    if argument.startswith(_VARIABLE):
        return _held(_of_variable(argument.removeprefix(_VARIABLE), environ), argument)
    if argument.startswith(_FILE):
        return _held(_of_file(side, argument.removeprefix(_FILE)), argument)
    try:
        target = postgres_target(argument)
    except Unacceptable as fault:
        raise BadSide(f"{side} {fault}; or env:NAME, or file:PATH") from None
    if holds_password(target):
        raise BadSide(
            f"{side} holds a password, which everybody on this machine can read in the list of processes:"
            f" {_ELSEWHERE}"
        )
    return target


def _of_variable(name: str, environ: Mapping[str, str]) -> str:
    url = files_read(environ, name).get(name)
    if not url:
        raise ConfigError(f"{name} is not set: it should hold the URL of a database")
    return url


def _of_file(side: str, path: str) -> str:
    try:
        return file_content(path, "file")
    except Unacceptable as fault:
        raise BadSide(f"{side} {fault}") from None


def _held(url: str, argument: str) -> PostgresTarget:
    try:
        return postgres_target(url)
    except Unacceptable as fault:
        raise ConfigError(f"{argument}: what it holds {fault}") from None
