"""`tcp-ingestion panic`: what a crash left behind, for a person to read."""

from __future__ import annotations

from ingestion.journal import SERVICE
from ingestion.service.crash_sections import PARTS
from telemetry.chassis.cli.commands.panic import panic_command

_EXAMPLES = """\
  tcp-ingestion panic show --json FILE | jq .load               # what it held
  tcp-ingestion panic show --json FILE | jq -r '.tasks[].name'  # every task that was alive
"""

panic = panic_command(SERVICE, PARTS, _EXAMPLES)
