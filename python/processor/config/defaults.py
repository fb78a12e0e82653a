"""Defaults that hang on other variables or on the machine."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PANIC_DUMP_DIR = Path("/var/lib/processor")


def consumer_name(known: Mapping[str, Any], _environ: Mapping[str, str]) -> str:
    """The instance id."""
    return str(known["instance_id"])


def dlq_stream(known: Mapping[str, Any], _environ: Mapping[str, str]) -> str:
    """The stream's name with `:dlq` behind it."""
    return f"{known['redis_telemetry_stream']}:dlq"


def control_socket(known: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """`processor-<INSTANCE_ID>.sock` in `$XDG_RUNTIME_DIR`, else in `processor-<uid>` of the temporary directory.

    Who binds the socket creates that directory with mode 0700. Characters of the instance id that
    have a meaning in paths become `_`.
    """
    instance = re.sub(r"[^A-Za-z0-9._-]", "_", str(known["instance_id"]))
    directory = environ.get("XDG_RUNTIME_DIR")
    private = Path(directory) if directory else Path(_temporary()) / f"processor-{os.getuid()}"
    return str(private / f"processor-{instance}.sock")


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        # Nothing is writable, under a read-only root: only who binds the socket needs to mind.
        return "/tmp"  # noqa: S108 - named, not used


def panic_dump_dir(_known: Mapping[str, Any], _environ: Mapping[str, str]) -> str:
    """`/var/lib/processor` if it exists and is writable, else the working directory."""
    usable = PANIC_DUMP_DIR.is_dir() and os.access(PANIC_DUMP_DIR, os.W_OK | os.X_OK)
    return str(PANIC_DUMP_DIR if usable else Path.cwd())
