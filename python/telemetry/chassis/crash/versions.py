"""What runs: the versions that decide how a crash came about."""

from __future__ import annotations

import os
import sys

from processor.edges.postgres.connection import libpq_version
from telemetry._codec import __version__

PACKAGES = ("trio", "psycopg", "psycopg-binary", "orjson", "h11", "prometheus-client")


def versions() -> dict[str, str]:
    """By name; a package that is not installed is left out."""
    # Imported late: it takes longer to load than all other modules of the dump, and a crash is rare.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    system = os.uname()
    found = {
        # Package and codec are built, and numbered, as one.
        "processor": __version__,
        "codec": __version__,
        "python": sys.version,
        "os": f"{system.sysname} {system.release} {system.version} {system.machine}",
        "libpq": libpq_version(),
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
