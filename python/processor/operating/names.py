"""Names as Redis has them: any bytes, shown as text."""

from __future__ import annotations


def shown(name: bytes) -> str:
    """The name as text; bytes that are no UTF-8 are escaped."""
    return name.decode(errors="backslashreplace")
