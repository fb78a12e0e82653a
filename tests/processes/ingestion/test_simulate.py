"""`tcp-ingestion simulate` against the service, both as processes of their own."""

from __future__ import annotations

import json
import signal
import socket
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.ingestion import HOST, published
from tests.support.processes import WAIT_S_MAX, until
from tests.support.simulations import records, simulate, started
from tests.support.vectors import DRIVE

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.ingestion import Ingest


def test_what_is_answered_is_in_the_stream_whatever_devices_do(
    ingest: Ingest, redis_client: Redis, stream_name: str, tmp_path: Path
) -> None:
    service = ingest().ready()
    answered, sent = tmp_path / "answered", tmp_path / "sent"
    done = simulate(
        f"{HOST}:{service.port}", "--json", "--answered", answered, "--sent", sent,
        "--devices", "60", "--rate", "300", "--seconds", "3",
        "--resend-share", "0.1", "--reconnect-share", "0.1", "--bad-share", "0.005",
    )  # fmt: skip
    said: dict[str, Any] = done.json
    in_stream = Counter(published(redis_client, stream_name))
    assert done.code == 0, done.err
    assert records(answered) == records(sent)
    assert set(records(answered)) == set(in_stream)
    assert in_stream.total() > records(answered).total()
    assert said["devices"] == 60
    assert said["records_answered"] == records(answered).total()
    assert 0 < said["frames_answered"] == said["frames_sent"] - said["frames_resent"]
    assert said["frames_resent"] > 0
    assert said["connections"] > 60
    assert 0 < said["answer_ms_p50"] <= said["answer_ms_p99"]
    assert said["refused"] == said["wrong_answers"] == said["frames_unanswered"] == 0
    metrics = service.metrics()
    damaged = sum(count for name, count in metrics.items() if 'result="crc_fail"' in name)
    assert damaged == said["timeouts"] > 0


def test_a_recording_is_sent_once_by_each_device(
    ingest: Ingest, redis_client: Redis, stream_name: str, tmp_path: Path
) -> None:
    service = ingest().ready()
    capture = tmp_path / "capture.hex"
    capture.write_text("".join(DRIVE.read_text().splitlines(keepends=True)[:40]))
    done = simulate("--devices", "3", "--capture", capture, f"{HOST}:{service.port}")
    assert done.code == 0
    assert done.out == ""
    assert "3 devices, 120 frames" in done.err
    of_device = Counter(device for device, _ in published(redis_client, stream_name))
    assert len(of_device) == 3
    assert len(set(of_device.values())) == 1


def test_an_interrupted_simulation_says_what_it_has_done(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    service = ingest().ready()
    process = started("--json", "--devices", "5", "--seconds", "600", f"{HOST}:{service.port}")
    until(lambda: redis_client.xlen(stream_name) > 50, "records in the stream")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=WAIT_S_MAX)
    said = json.loads(out)
    assert process.returncode == 130
    assert said["records_answered"] == redis_client.xlen(stream_name)
    assert said["frames_unanswered"] == 0


def test_nobody_listens() -> None:
    with socket.create_server((HOST, 0)) as nobody:
        port = nobody.getsockname()[1]
    done = simulate("--json", f"{HOST}:{port}")
    assert done.code == 4
    assert done.out == ""
    assert done.err == f"tcp-ingestion simulate: {HOST}:{port}: Connection refused\n"
