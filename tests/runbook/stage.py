"""Runs the commands of a recipe as a reader would: in a shell, with the servers' addresses in its environment."""

from __future__ import annotations

import os
import pty
import subprocess
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING

from tests.support.processes import PROCESSOR, QUICK_CLAIMS, WAIT_S_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dev.servers import RedisServer
    from tests.runbook.blocks import Block
    from tests.support.ingestion import Ingest, Ingestion
    from tests.support.processes import Service
    from tests.support.servers import Servers

OUTPUT_BYTES = 65_536
INGESTION_CHANNEL = "telemetry:ingestion:control"
"""Where tcp-ingestion takes requests by default."""


@dataclass(frozen=True)
class Stage:
    """The servers and the services of one recipe."""

    servers: Servers
    redis: RedisServer
    start: Callable[..., Service]
    """Starts a processor; its variables are added to those that fit the servers."""
    ingest: Ingest
    """Starts tcp-ingestion."""
    directory: Path
    """Where the commands run."""
    environment: Mapping[str, str]
    """What an operator's shell has: the servers' addresses and the names there."""

    def service(self, instance_id: str = "processor-1", **variables: str) -> Service:
        """A running processor that claims soon."""
        return self.start(**{**QUICK_CLAIMS, "INSTANCE_ID": instance_id, **variables}).ready()

    def ingestion(self, **variables: str) -> Ingestion:
        """A running tcp-ingestion, which operators reach on its usual channel."""
        service = self.ingest(**{"REDIS_CONTROL_CHANNEL": INGESTION_CHANNEL, **variables})
        service.ready()
        return service

    def run(self, block: Block, variables: Mapping[str, str]) -> str:
        """Run a block to its end; its output. Fails unless it ends as the paper says."""
        environment = self._shell(variables)
        if block.is_interrupted:
            return self._interrupted(block, environment)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * WAIT_S_MAX,
            check=False,
        )
        said = f"{done.stdout}{done.stderr}"
        assert done.returncode in block.exit_codes, f"line {block.line}: {block.text}\n{said}"
        return said

    def _shell(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": f"{PROCESSOR.parent}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "TERM": "xterm",
            **self.environment,
            **variables,
        }

    def _interrupted(self, block: Block, environment: Mapping[str, str]) -> str:
        """Run a block on a terminal, and press Ctrl-C once it has shown something."""
        terminal, end = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", f"stty rows 24 cols 80; exec {block.text}"],
            cwd=self.directory,
            env=dict(environment),
            stdin=end,
            stdout=end,
            stderr=end,
            start_new_session=True,
        )
        os.close(end)
        said = b""
        try:
            while len(said) < 20:
                said += os.read(terminal, OUTPUT_BYTES)
            process.send_signal(SIGINT)
            # What it still writes must be read, or it would wait for that.
            while process.poll() is None:
                try:
                    said += os.read(terminal, OUTPUT_BYTES)
                except OSError:
                    break
            assert process.wait(WAIT_S_MAX) in {0, 130}, said
        finally:
            process.kill()
            process.wait()
            os.close(terminal)
        return said.decode("utf-8", "replace")
