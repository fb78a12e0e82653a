"""The account that a server runs as: the caller's, or an unprivileged one if the server refuses root."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from dev.servers.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class PopenOptions(TypedDict, total=False):
    """The part of `subprocess.Popen`'s arguments that an account decides."""

    user: int
    group: int
    extra_groups: Iterable[int]
    umask: int


@dataclass(frozen=True)
class Account:
    """A user of this machine; `switch` says whether processes have to change to it."""

    name: str
    uid: int
    gid: int
    switch: bool

    def popen_options(self) -> PopenOptions:
        """Arguments that make a child run as this account, with files that others cannot read."""
        if not self.switch:
            return {"umask": 0o077}
        return {"user": self.uid, "group": self.gid, "extra_groups": (), "umask": 0o077}

    def can_reach(self, directory: Path) -> bool:
        """Whether this account may enter `directory` and list it: asked of the kernel, as that user."""
        # From "/", since a private working directory alone would make the shell complain.
        test = subprocess.run(
            ["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "sh", directory],
            cwd="/",
            check=False,
            **self.popen_options(),
        )
        return test.returncode == 0

    def make_directory(self, directory: Path) -> Path:
        """Create a directory that belongs to this account alone."""
        directory.mkdir(mode=0o700)
        return self._owning(directory)

    def write_file(self, file: Path, text: str) -> Path:
        """Write a file that this account alone may read."""
        file.touch(mode=0o600)
        file.write_text(text)
        return self._owning(file)

    def _owning(self, path: Path) -> Path:
        if self.switch:
            os.chown(path, self.uid, self.gid)
        return path


SELF = Account("yourself", os.getuid(), os.getgid(), switch=False)


def unprivileged(name: str = "nobody") -> Account:
    """The account for a server that refuses root: the caller's if it is not root, else the user `name`."""
    if os.getuid() != 0:
        return SELF
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ServerError(
            f"PostgreSQL refuses to run as root and there is no user {name!r}; add it, or run as an ordinary user"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)
