"""Secrets that are recognised wherever they come out, and the places where they could."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from redis import Redis

    from tests.support.processes import Service

# Each has a core that nothing else contains, so that quoting, escaping and encoding cannot hide it.
REDIS_CORE, POSTGRES_CORE, KEY_CORE = "Qx7redisZw", "Qx7pgsqlZw", "Qx7tlskeyZw"
REDIS_PASSWORD = f"/@:%?#& {REDIS_CORE}'\"\\ü"
POSTGRES_PASSWORD = f"#?&=/@:% {POSTGRES_CORE}'\"\\ü"
KEY_PASSPHRASE = f"{KEY_CORE}&+%/"
CORES = (REDIS_CORE, POSTGRES_CORE, KEY_CORE)
PATHS = ("/", "/metrics", "/healthz", "/readyz", "/status.json", "/nothing")


@dataclass(frozen=True)
class SecretUrls:
    """URLs whose passwords are the secrets."""

    user: str
    redis_place: str
    postgres_place: str

    def redis(self, *, place: str = "", wrong: str = "") -> str:
        password = quote(REDIS_PASSWORD + wrong, safe="")
        return f"redis://{self.user}:{password}@{place or self.redis_place}"

    def postgres(self, *, place: str = "", wrong: str = "", options: str = "") -> str:
        password, passphrase = (
            quote(POSTGRES_PASSWORD + wrong, safe=""),
            quote(KEY_PASSPHRASE, safe=""),
        )
        place = place or self.postgres_place
        return f"postgresql://{self.user}:{password}@{place}?sslpassword={passphrase}{options}"


def assert_kept(what: Iterable[tuple[str, str]]) -> None:
    """Fail for the first place, by its name, that shows a secret."""
    for place, text in what:
        for core in CORES:
            assert core not in text, f"{place} shows a secret: {_around(text, core)}"


def _around(text: str, core: str) -> str:
    at = text.index(core)
    return text[max(0, at - 200) : at + 100]


def said_by(service: Service, directory: Path) -> Iterator[tuple[str, str]]:
    """The log, standard error, and every file that it has left."""
    yield "the log", str(service.lines)
    yield "standard error", service.stderr
    yield from dumps_in(directory)


def dumps_in(directory: Path) -> Iterator[tuple[str, str]]:
    """The dumps, which nobody else may read."""
    for path in directory.glob("*.json"):
        assert path.stat().st_mode & 0o777 == 0o600, path
        yield str(path), path.read_text()


def shown_by(service: Service) -> Iterator[tuple[str, str]]:
    """What others see of a running service: its pages, its command line and title."""
    for path in PATHS:
        yield path, service.get(path)[1]
    process = Path(f"/proc/{service.process.pid}")
    yield "the process' title", (process / "cmdline").read_text() + (process / "comm").read_text()


def shown_by_redis(admin: Redis) -> Iterator[tuple[str, str]]:
    """What Redis lists of its clients."""
    clients: Any = admin.client_list()
    yield "CLIENT LIST", str(clients)
    yield "SLOWLOG", str(admin.slowlog_get(10_000))
    yield "ACL LOG", str(admin.acl_log())
