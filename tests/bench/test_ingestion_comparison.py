from __future__ import annotations

import io
import json
import os
import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from rich.console import Console

from bench.ingestion.comparison import measure
from bench.ingestion.contenders import ASYNCIO, GO, OURS, Contender, ours, peers
from bench.ingestion.load import Load, build_load
from bench.ingestion.report import ingestion_json, print_ingestion
from bench.ingestion.sending import check_entries
from bench.ingestion.servers import STREAM, BenchRedis, launch_bench_redis, running
from bench.ingestion.setting import IngestionScale, Setting
from bench.ingestion.targets import targets
from bench.ingestion.workloads import FLAT_OUT
from bench.measure import BenchError
from dev.servers import Choice
from dev.servers.ports import HOST
from telemetry._codec import AvlFrame, decode_avl

if TYPE_CHECKING:
    from collections.abc import Iterator

CHOICE = Choice(os.environ.get("PROCESSOR_TEST_SERVERS", Choice.AUTO.value))
VECTORS = Path(__file__).parents[1] / "vectors/frames.jsonl"
IMEI = "356307042441013"
BOUND_S = 10.0


@pytest.fixture(scope="module")
def bench_redis() -> Iterator[BenchRedis]:
    with launch_bench_redis(CHOICE) as server:
        yield server


@pytest.fixture(scope="module")
def installed() -> list[Contender]:
    build_load()
    return peers(lambda _text: None)


def frames() -> list[bytes]:
    rows = map(json.loads, VECTORS.read_text().splitlines())
    return [
        bytes.fromhex(row["hex"])
        for row in rows
        if row["transport"] == "tcp" and row["strict_verdict"] == "ok" and row["records"]
    ]


def entry(ts: str, codec: str, payload: bytes) -> dict[str, Any]:
    return {"ts": ts, "device_id": IMEI, "codec": codec, "payload": json.loads(payload)}


def published_by_the_codec(frame: bytes) -> list[dict[str, Any]]:
    [decoded] = decode_avl(frame, IMEI, resync=False)
    assert isinstance(decoded, AvlFrame)
    return [entry(each.timestamp, decoded.codec, each.payload) for each in decoded.records]


def test_every_peer_publishes_what_the_codec_would(
    bench_redis: BenchRedis, installed: list[Contender]
) -> None:
    expected = [each for frame in frames() for each in published_by_the_codec(frame)]
    for peer in installed:
        with running(peer, bench_redis) as service:
            with socket.create_connection((HOST, service.port), BOUND_S) as device:
                device.sendall(b"\0\x0f" + IMEI.encode())
                assert device.recv(1) == b"\x01"
                for frame in frames():
                    # As often as not a frame comes in pieces.
                    device.sendall(frame[:11])
                    device.sendall(frame[11:] + b"\xff")
                    assert int.from_bytes(device.recv(4)) == frame[9], peer.name
            client = redis.Redis.from_url(bench_redis.server.admin_url, protocol=2)
            with closing(client):
                found: Any = client.xrange(STREAM)
        texts = [{key.decode(): value.decode() for key, value in each.items()} for _, each in found]
        assert [
            entry(each["ts"], each["codec"], each["payload"].encode()) for each in texts
        ] == expected, peer.name


def test_tcp_ingestion_and_a_peer_are_compared_in_all_parts(
    bench_redis: BenchRedis, installed: list[Contender]
) -> None:
    scale = IngestionScale(
        rounds=1, seconds=0.3, connections=200, growth_s=1, workloads=(FLAT_OUT,)
    )
    asyncio_peer = next(peer for peer in installed if peer.name == ASYNCIO)

    # It raises when one of them leaves an answer or an entry out.
    result = measure(
        Setting([ours(), asyncio_peer], bench_redis, scale, progress=lambda _text: None)
    )

    assert list(result.sending[FLAT_OUT.name]) == [OURS, ASYNCIO]
    measured = {target.what: target.measured for target in targets(result)}
    ratio = measured[f"CPU a record by {ASYNCIO}'s, {FLAT_OUT.short}"]
    assert ratio is not None
    assert ratio < 1
    assert measured[f"CPU a record by {GO}'s, {FLAT_OUT.short}"] is None
    assert result.drain.exit_code == 0
    assert result.drain.answered_records <= result.drain.entries
    console = Console(record=True, width=200, file=io.StringIO())
    print_ingestion(console, result)
    assert FLAT_OUT.title in console.export_text()
    json.dumps(ingestion_json(result))


def test_an_entry_that_no_device_was_answered_for_is_noticed(
    bench_redis: BenchRedis, installed: list[Contender]
) -> None:
    asyncio_peer = next(peer for peer in installed if peer.name == ASYNCIO)
    with (
        running(asyncio_peer, bench_redis) as service,
        Load(
            ["send", "--connections", "2", "--warm-up", "0.1"], port=service.port, length_s=1
        ) as load,
    ):
        load.part("logins")
        load.go_on()
        tally = load.part("warm_up")
        check_entries(bench_redis, asyncio_peer, [tally])
        with closing(redis.Redis.from_url(bench_redis.server.admin_url, protocol=2)) as client:
            client.xadd(STREAM, {"ts": "2026-05-01T09:30:00.000Z"})

        with pytest.raises(BenchError, match="was given"):
            check_entries(bench_redis, asyncio_peer, [tally])


@pytest.mark.parametrize(
    ("answer", "wrong", "unanswered"),
    [(b"\0\0\0\x05", 0, 0), (b"\0\0\0\x04", 1, 1), (b"", 0, 1)],
    ids=["right", "another number", "none"],
)
def test_the_load_notices_a_wrong_answer_and_a_missing_one(
    answer: bytes, wrong: int, unanswered: int
) -> None:
    build_load()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(17)
            connection.sendall(b"\x01")
            connection.recv(65_536)
            connection.sendall(answer)

    with socket.create_server((HOST, 0)) as listener:
        server = threading.Thread(target=serve, args=[listener])
        server.start()
        port = listener.getsockname()[1]
        asked = ["send", "--connections", "1", "--rate", "1", "--warm-up", "0.1"]
        with Load(asked, port=port, length_s=1) as load:
            load.part("logins")
            load.go_on()
            tally = load.part("warm_up")
        server.join()

    assert (tally.wrong, tally.unanswered) == (wrong, unanswered)
    if wrong or unanswered:
        with pytest.raises(BenchError, match="nothing to compare"):
            tally.check("a server")
