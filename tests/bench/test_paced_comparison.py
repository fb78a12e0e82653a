from __future__ import annotations

import io
import json
import os
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
import pytest
import redis
from rich.console import Console

from bench.measure import BenchError
from bench.paced.comparison import measure
from bench.paced.contenders import ASYNCIO, GO, NODE, OURS, other_processor, peers, processor
from bench.paced.load import launch_load
from bench.paced.producer import DEVICES, Sent
from bench.paced.report import paced_json, print_paced
from bench.paced.result import Figures, PacedResult, PacedScale
from bench.paced.running import running
from bench.paced.servers import GROUP, STREAM, PacedServers, launch_paced_servers
from bench.paced.targets import targets
from dev.servers import Choice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHOICE = Choice(os.environ.get("PROCESSOR_TEST_SERVERS", Choice.AUTO.value))
QUICK = PacedScale(rounds=1, seconds=0.3, warm_up_s=0.1, paces=(1_000,))
BOUND_S = 20.0
REFUSED: list[dict[str, object]] = [
    {"latitude": 91},
    {"speed": "63"},
    {"satellites": 1.5},
    {"priority": 40_000},
    {"timestamp": "2026-05-01"},
    {"timestamp": "2006-05-01T09:30:00Z"},
    {"device_id": ""},
]
ROWS = """
    SELECT device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec, attributes
    FROM positions ORDER BY ts
"""
STORE = """
    INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority,
                           codec, attributes)
    VALUES ('1', clock_timestamp() - %s * interval '1 ms', 41, 19, 0, 0, 0, 0, 0, '8', '{}')
"""


@pytest.fixture(scope="module")
def paced_servers() -> Iterator[PacedServers]:
    with launch_paced_servers(CHOICE) as servers:
        yield servers


def test_the_processor_and_a_peer_are_compared_at_a_pace(paced_servers: PacedServers) -> None:
    asyncio_peer = next(each for each in peers(lambda _text: None) if each.name == ASYNCIO)

    # It raises when one of them leaves a row or an entry out.
    result = measure([processor(), asyncio_peer], paced_servers, QUICK, lambda _text: None)

    assert list(result.figures[1_000]) == [OURS, ASYNCIO]
    for figures in result.figures[1_000].values():
        assert 0 < figures.p50_ms <= figures.p99_ms
        assert figures.cpu_us_per_record > 0
        assert 1 <= figures.records_per_commit <= 300
    measured = {target.what: target.measured for target in targets(result)}
    assert measured["CPU a record by the best peer's, 1,000/s"]
    assert measured["CPU a record by the best peer's, 100/s"] is None
    console = Console(record=True, width=200, file=io.StringIO())
    print_paced(console, result)
    assert "1,000 records/s" in console.export_text()
    json.dumps(paced_json(result))


def position(minute: int, attributes: dict[str, Any], **others: object) -> dict[str, Any]:
    return {
        "device_id": "356307042441013",
        "timestamp": f"2026-05-01T09:{minute:02}:00.25Z",
        "latitude": 41.3275,
        "longitude": -19.8187,
        "altitude": 110,
        "angle": 214,
        "speed": 63,
        "satellites": 14,
        "priority": 0,
        "attributes": attributes,
        **others,
    }


def test_every_peer_writes_what_the_processor_writes_and_leaves_what_is_refused(
    paced_servers: PacedServers,
) -> None:
    bigint, buffer = {"__bigint": "18446744073709551615"}, {"__buffer_b64": "AQIDBA=="}
    payloads = [
        position(30, {"239": 1, "78": bigint, "385": buffer, "x": 'a"b', "y": None, "z": True}),
        position(29, {}, altitude=-3.5, extra=[1]),
        # The first of a key is the one that stays.
        position(30, {"239": 2}),
        *(position(31, {}, **wrong) for wrong in REFUSED),
        *(position(31, wrong) for wrong in ({"1": [1]}, {"78": {"__bigint": "x"}})),
    ]
    refused = len(REFUSED) + 2
    written = {}
    for contender in [processor(), *peers(lambda _text: None)]:
        paced_servers.reset()
        with closing(
            redis.Redis.from_url(paced_servers.redis_server.admin_url, protocol=2)
        ) as client:
            client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
            for payload in payloads:
                client.xadd(STREAM, {"ts": "", "codec": "8E", "payload": orjson.dumps(payload)})
            with running(contender, paced_servers) as service:
                service.wait(partial(is_at_rest, client, refused), BOUND_S)
        with psycopg.connect(paced_servers.database.admin_url) as connection:
            written[contender.name] = connection.execute(ROWS).fetchall()

    first, *others = written.values()
    assert [row[-1] for row in first] == [
        {},
        {
            "239": 1,
            "78": bigint["__bigint"],
            "385": buffer["__buffer_b64"],
            "x": 'a"b',
            "y": None,
            "z": True,
        },
    ]
    assert others == [first] * len(others)


def is_at_rest(client: redis.Redis, pending: int) -> bool:
    groups: Any = client.xinfo_groups(STREAM)
    return bool(groups[0]["lag"] == 0 and groups[0]["pending"] == pending)


def test_devices_send_evenly_and_each_record_has_its_own_key(paced_servers: PacedServers) -> None:
    paced_servers.reset()
    url = paced_servers.redis_server.admin_url
    with (
        launch_load(url, STREAM) as load,
        closing(redis.Redis.from_url(url, protocol=2)) as client,
    ):
        sent = load.send(2_000, 0.2)
        entries: Any = client.xrange(STREAM)

    assert sent.records == len(entries) == 400
    keys = [(fields[b"device_id"], fields[b"ts"]) for _, fields in entries]
    assert len(set(keys)) == 400
    assert len({device for device, _ in keys[:DEVICES]}) == DEVICES
    first, *_, last = (int(entry_id.split(b"-")[0]) for entry_id, _ in entries)
    assert last - first >= 150
    payload = orjson.loads(entries[0][1][b"payload"])
    assert payload["timestamp"].encode() == entries[0][1][b"ts"]


def test_latency_is_from_a_records_time_to_the_commit_of_its_row(
    paced_servers: PacedServers,
) -> None:
    paced_servers.reset()
    ages_ms = [1_000 + 10 * number for number in range(100)]
    with psycopg.connect(paced_servers.database.admin_url, autocommit=True) as connection:
        first_us = time.time_ns() // 1_000 - max(ages_ms) * 1_000
        for age_ms in [*ages_ms, 60_000]:
            connection.execute(STORE, (age_ms,))

    commits = paced_servers.commits(Sent(100, first_us, 0.0))

    assert commits.transactions == 100
    assert commits.p50_ms == pytest.approx(ages_ms[49], abs=9)
    assert commits.p99_ms == pytest.approx(ages_ms[98], abs=9)
    with pytest.raises(BenchError, match="101 rows"):
        paced_servers.commits(Sent(100, 0, 0.0))
    with pytest.raises(BenchError, match="left 101 rows of 100 records"):
        paced_servers.check_rows("a service", 100)


def test_the_best_peer_is_the_one_that_needs_least() -> None:
    figures = Figures(10, 0, 0, 1, 1, 1, 0, 0)
    result = PacedResult(
        scale=QUICK,
        servers="",
        titles={},
        peers=(GO, NODE),
        load_before=0,
        load_after=0,
        figures={
            100: {
                OURS: figures,
                GO: replace(figures, cpu_us_per_record=40),
                NODE: replace(figures, cpu_us_per_record=20),
            },
            1_000: {OURS: figures},
        },
    )

    assert result.cpu_by_best_peer(100, OURS) == 0.5
    assert result.cpu_by_best_peer(100, NODE) == 1
    assert result.cpu_by_best_peer(1_000, OURS) is None


def test_another_build_is_called_after_its_checkout(tmp_path: Path) -> None:
    command = tmp_path / "before/.venv/bin/processor"
    with pytest.raises(BenchError, match="is not there"):
        other_processor(command)
    command.parent.mkdir(parents=True)
    command.touch()

    assert other_processor(command).name == "processor of before"
