"""Sends the capture as devices would, and waits until the processor has settled every record of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from typing import TYPE_CHECKING

from redis import Redis
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dev.demo.figures import SentFrames, Summary, collect, group_state
from dev.demo.system import STREAM, TCP_INGESTION
from dev.servers import ServerError
from dev.servers.errors import log_tail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from dev.demo.system import System

SETTLE_BOUND_S = 120.0
# Redis has no event for "acknowledged": ask. It is also the resolution of `seconds`.
SETTLE_PROBE_S = 0.01


def replay(capture: Path, devices: int, system: System, console: Console) -> Summary:
    """Send `capture` from each device, wait for its last acknowledgement, and ask the servers for the figures.

    Raises ServerError if sending fails, the processor ends, or does not finish in time.
    """
    sent = send(capture, devices, system)
    with Redis.from_url(system.redis.admin_url) as client:
        wait_until_settled(client, system, console)
        seconds = seconds_since_first_entry(client)
        figures = collect(
            sent, client, STREAM, system.database.admin_url, f"{system.processor_url}/metrics"
        )
    return Summary(figures, seconds)


def send(capture: Path, devices: int, system: System) -> SentFrames:
    """Run `tcp-ingestion simulate`, its progress bar on standard error."""
    with ended_at_exit(
        subprocess.Popen(
            [
                *(TCP_INGESTION, "simulate", "--json", "--devices", str(devices)),
                *("--capture", capture, system.ingestion_address),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    ) as simulator:
        printed, _ = simulator.communicate()
    if simulator.returncode != 0:
        raise ServerError(
            f"tcp-ingestion simulate ended with status {simulator.returncode};"
            f" the end of {system.ingestion_log}:\n{log_tail(system.ingestion_log)}"
        )
    said = json.loads(printed)
    return SentFrames(said["frames_sent"] - said["frames_resent"], said["frames_answered"])


@contextlib.contextmanager
def ended_at_exit(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """End the process when the block ends: it has its own session, which Ctrl-C does not reach."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until_settled(client: Redis, system: System, console: Console) -> None:
    """Wait until the group has neither lag nor pending entries, at most `SETTLE_BOUND_S`."""
    records = int(client.xlen(STREAM))
    deadline = time.monotonic() + SETTLE_BOUND_S
    with progress_bar(console) as progress:
        task = progress.add_task("settling", total=records)
        while True:
            group = group_state(client, STREAM)
            if group["lag"] is not None:
                open_records = group["lag"] + group["pending"]
                progress.update(task, completed=records - open_records)
                if open_records == 0:
                    return
            if not system.processor.running:
                raise ServerError(f"the processor has ended:\n{log_tail(system.log)}")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"not settled within {SETTLE_BOUND_S:.0f} s (lag {group['lag']}, pending {group['pending']});"
                    f" the end of {system.log}:\n{log_tail(system.log)}"
                )
            time.sleep(SETTLE_PROBE_S)


def progress_bar(console: Console) -> Progress:
    """A bar that is drawn on a terminal only."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("records"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def seconds_since_first_entry(client: Redis) -> float:
    """From the stream's first entry until now, both by the server's clock."""
    first_id = client.xinfo_stream(STREAM)["first-entry"][0]
    seconds, microseconds = client.time()
    return float(seconds + microseconds / 1e6 - int(first_id.split(b"-")[0]) / 1e3)
