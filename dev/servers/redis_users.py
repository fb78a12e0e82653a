"""The users of a launched Redis: those that the project deploys, each with a password, and a test's administrator."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import redis

from dev.servers.ports import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEPLOYED = Path(__file__).parents[2] / "deploy" / "redis"
ACL_FILES = tuple(DEPLOYED / f"{name}.acl" for name in ("users", "replication", "drill"))
ADMIN = "admin"
PROCESSOR, OPERATOR, INGESTION, DRILL = "processor", "operator", "tcp-ingestion", "drill"
REPLICA, SENTINEL = "replica", "sentinel"
DEFAULT = "default"
DEPLOYED_USERS = frozenset({PROCESSOR, OPERATOR, INGESTION, DRILL, REPLICA, SENTINEL, DEFAULT})
# One for all users and servers of this process: a replica gets into its primary, and who is led from one server to
# another gets in there, too. With characters that a URL has to encode.
PASSWORD = f"{secrets.token_urlsafe(12)}/@:%+"
# In the place of the deployed line, as SECURITY.md advises: these servers have an append-only file, and most versions
# drop transactions of that file at their start if `default` may not execute what is in them (docs/PITFALLS.md).
DEFAULT_BESIDE_AN_APPEND_ONLY_FILE = "user default off resetpass resetkeys allkeys allcommands"
# A wrong password is noted in the same log, and is always a test's intention.
DENIALS = frozenset({"command", "key", "channel"})


def redis_url(user: str, port: int, *, db: int = 0) -> str:
    """The URL of a server of this machine, or of a relay before one, for one of its users."""
    return f"redis://{login(user)}@{HOST}:{port}/{db}"


def login(user: str) -> str:
    """User and password, as they stand in a URL."""
    return f"{user}:{quote(PASSWORD, safe='')}"


def write_users(directory: Path) -> Path:
    """Write the deployed users with a password each, and an administrator; returns the settings that load them."""
    users, settings = directory / "users.acl", directory / "redis.conf"
    users.write_text("".join(f"{line}\n" for line in _acl_lines()))
    settings.write_text(f"aclfile {users}\nmasteruser {REPLICA}\nmasterauth {PASSWORD}\n")
    for file in (users, settings):
        file.chmod(0o600)
    return settings


def _acl_lines() -> Iterator[str]:
    yield DEFAULT_BESIDE_AN_APPEND_ONLY_FILE
    for path in ACL_FILES:
        for line in path.read_text().splitlines():
            if not line.startswith(f"user {DEFAULT} "):
                yield f"{line} >{PASSWORD}"
    yield f"user {ADMIN} on allkeys allchannels allcommands >{PASSWORD}"


class Denials:
    """What one server has refused to the deployed users, over all of its lives: it forgets that when it ends.

    Users that a test makes for itself are left out: what they may not do is what it is about.
    """

    def __init__(self, connect: Callable[[], redis.Redis]) -> None:
        self._connect = connect
        self._noted: list[str] = []

    def note(self) -> None:
        """Keep what is in the server's log, and have it start again; nothing if the server does not answer."""
        with contextlib.suppress(redis.RedisError), self._connect() as client:
            entries: Any = client.acl_log()
            client.acl_log_reset()
            self._noted += [_sentence(each) for each in entries if _counts(each)]

    def forget(self) -> None:
        """Have what is in the server's log count as intended."""
        with self._connect() as client:
            client.acl_log_reset()

    def take(self) -> list[str]:
        """What was noted and not taken before, a sentence each."""
        self.note()
        taken, self._noted = self._noted, []
        return taken


def _counts(entry: dict[str, Any]) -> bool:
    return entry["reason"] in DENIALS and entry["username"] in DEPLOYED_USERS


def _sentence(entry: dict[str, Any]) -> str:
    return (
        f"user {entry['username']} may not use the {entry['reason']} {entry['object']}"
        f" ({entry['context']}, {entry['count']} times, client {entry['client-info'].get('name')})"
    )
