"""`processor panic`: what a crash left behind, for a person to read."""

from __future__ import annotations

from processor.journal import SERVICE
from processor.service.crash_sections import PARTS
from telemetry.chassis.cli.commands.panic import panic_command

_EXAMPLES = """\
  processor panic show --json FILE | jq '.in_flight.oldest | keys'  # ids of the entries in flight
  processor panic show --json FILE | jq -r '.tasks[].name'          # every task that was alive
"""

panic = panic_command(SERVICE, PARTS, _EXAMPLES)
