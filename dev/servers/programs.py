"""Finds the programs that set-ups of deployments need beside the servers, and names their packages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dev.servers.errors import ServerError

# Debian's package for each.
PACKAGES = {
    "chromium": "chromium",
    "docker-compose": "docker-compose",
    "faketime": "faketime",
    "haproxy": "haproxy",
    "pgbouncer": "pgbouncer",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "stress": "stress",
}
# Debian keeps servers where ordinary users do not look.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def find_program(name: str) -> Path:
    """The path of program `name`, one of `PACKAGES`. Raises ServerError that says how to get it."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        raise ServerError(f"no {name}: install it (Debian: apt-get install {PACKAGES[name]})")
    return Path(found)
