"""A pipe in the place of standard output, for tests that read the log."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from typing import Any

from processor.journal import SERVICE
from telemetry.chassis.logs import BoundedOutput, Log, configure


@dataclass
class Pipe:
    """A pipe whose read end plays whoever collects the logs."""

    read_fd: int
    write_fd: int

    def text(self) -> str:
        """What was written since the last look."""
        os.set_blocking(self.read_fd, False)
        pieces = []
        while True:
            try:
                pieces.append(os.read(self.read_fd, 1 << 20))
            except BlockingIOError:
                return b"".join(pieces).decode()

    def log(self, level: str = "trace", form: str = "json") -> Log:
        """The service's log, written into this pipe."""
        # pytest's handlers raise where the service's must not.
        logging.getLogger().handlers.clear()
        output = BoundedOutput(self.write_fd)
        return configure(service=SERVICE, level=level, form=form, instance_id="i-1", output=output)

    def lines(self) -> list[dict[str, Any]]:
        """The same as JSON objects."""
        return [json.loads(line) for line in self.text().splitlines()]
