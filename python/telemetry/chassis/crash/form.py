"""What writer and reader of a dump agree on."""

from __future__ import annotations

FORMAT = "processor-panic/1"
"""The member `format` of every dump; another number is another set of sections."""

DUMP_BYTES_MAX = 2 * 1024 * 1024
"""Ten of them fit on the smallest volume, and one into any editor."""
