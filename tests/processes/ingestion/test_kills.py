"""`kill -9` of tcp-ingestion, Redis and the processor in turn: what was answered is a row, once."""

from __future__ import annotations

import json
import os
import subprocess
import time
from datetime import datetime
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING

import pytest

from dev.servers import launch_redis
from dev.servers.ports import free_port
from tests.support.ingestion import HOST, RUN
from tests.support.processes import QUICK_CLAIMS, WAIT_S_MAX, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import RedisBinary, RedisServer
    from tests.processes.conftest import Run
    from tests.support.ingestion import Ingest
    from tests.support.servers import Servers

DEVICES = 200
RATE = 400
# Between two kills: some hundred frames.
UNHARMED_S = 1.0
ROUNDS = 2


@pytest.fixture(scope="module")
def redis_server(redis_binary: RedisBinary) -> Iterator[RedisServer]:
    """What it has confirmed is on its disk."""
    with launch_redis(redis_binary, extra_args=("--appendfsync", "always")) as server:
        yield server


class Fleet:
    """`tcp-ingestion simulate`, and what its devices have sent and been answered."""

    def __init__(self, port: str, directory: Path) -> None:
        self._files = {"sent": directory / "sent", "answered": directory / "answered"}
        options = [word for name, file in self._files.items() for word in (f"--{name}", str(file))]
        self._process = subprocess.Popen(
            [
                *(str(RUN[0]), "simulate", "--json", *options),
                *("--devices", str(DEVICES), "--rate", str(RATE), "--seconds", "600"),
                f"{HOST}:{port}",
            ],
            env={"PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def records(self, name: str, first_line: int = 0) -> list[tuple[str, int]]:
        """Device and Unix time, in microseconds, of each record, from a line on."""
        file = self._files[name]
        lines = file.read_text().splitlines(keepends=True)[first_line:] if file.exists() else []
        # The last one may be half written.
        found = (json.loads(line) for line in lines if line.endswith("\n"))
        return [(each["device_id"], unix_us(each["ts"])) for each in found]

    def until_all_get_through(self) -> None:
        """Wait until each device has got an answer from now on."""
        before = len(self.records("answered"))
        until(
            lambda: len({imei for imei, _ in self.records("answered", before)}) == DEVICES,
            "every device gets through",
        )

    def stop(self) -> None:
        """Stop sending, and write down what was answered."""
        self._process.send_signal(SIGINT)
        output, errors = self._process.communicate(timeout=WAIT_S_MAX)
        assert self._process.returncode == 130, output + errors
        assert json.loads(output)["wrong_answers"] == 0

    def kill(self) -> None:
        """End it, if it still runs."""
        self._process.kill()
        self._process.communicate()


def unix_us(ts: str) -> int:
    """Of an ISO time."""
    seconds = datetime.fromisoformat(ts).timestamp()
    return round(seconds * 1_000_000)


def rows(servers: Servers) -> list[tuple[str, int]]:
    with servers.owner() as owner:
        found = owner.execute(
            "SELECT device_id, (extract(epoch FROM ts) * 1000000)::bigint FROM positions"
        ).fetchall()
    return [(device, us) for device, us in found]


def test_each_answered_record_is_a_row_once_and_no_row_is_of_a_record_that_nobody_sent(
    ingest: Ingest, run: Run, servers: Servers, redis_server: RedisServer, tmp_path: Path
) -> None:
    port = str(free_port())
    patient = {"CONNECT_ATTEMPTS": "1000", "CONNECT_BACKOFF_MAX_MS": "200"}
    ingestion = ingest(TELTONIKA_PORT=port, **patient).ready()
    processor = run(**QUICK_CLAIMS).ready()
    fleet = Fleet(port, tmp_path)
    try:
        fleet.until_all_get_through()
        for _ in range(ROUNDS):
            ingestion.kill()
            ingestion = ingest(TELTONIKA_PORT=port, **patient).ready()
            time.sleep(UNHARMED_S)  # the time between two kills, and no wait for something
            redis_server.process.kill()
            redis_server.process.start()
            time.sleep(UNHARMED_S)
            processor.kill()
            processor = run(**QUICK_CLAIMS).ready()
            time.sleep(UNHARMED_S)
        fleet.until_all_get_through()
        fleet.stop()
    finally:
        fleet.kill()
    assert ingestion.stop() == 0
    servers.until_settled()
    answered, sent = fleet.records("answered"), fleet.records("sent")
    in_table = rows(servers)
    assert len(in_table) == len(set(in_table))
    assert set(answered) <= set(in_table) <= set(sent)
    # The kills came while much was under way.
    assert len(answered) > ROUNDS * RATE
    servers.assert_promise_kept(rows=len(in_table))
    assert processor.stop() == 0
