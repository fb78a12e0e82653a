"""The users of Redis as files have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev.servers.redis_users import ACL_FILES

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class User:
    """One line of an ACL file."""

    name: str
    words: tuple[str, ...]

    @property
    def rights(self) -> tuple[str, ...]:
        """The commands that it is given, in the file's order."""
        return tuple(word[1:] for word in self.words if word.startswith("+"))


def users_of(path: Path) -> dict[str, User]:
    """The users of a file, by name."""
    lines = [line.split() for line in path.read_text().splitlines()]
    assert all(words[0] == "user" for words in lines)
    return {words[1]: User(words[1], tuple(words[2:])) for words in lines}


def deployed(name: str) -> User:
    """A user of those that the project deploys."""
    [user] = [users[name] for path in ACL_FILES if name in (users := users_of(path))]
    return user
