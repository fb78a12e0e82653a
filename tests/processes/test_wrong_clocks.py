"""Wrong clocks: of Redis, of a producer's ids, of a device."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from dev.servers import launch_redis
from tests.conftest import redis_key
from tests.support.batches import position
from tests.support.processes import QUICK_CLAIMS
from tests.support.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import Database, RedisBinary, RedisServer
    from tests.processes.conftest import Run
    from tests.support.servers import Fields

# Replaces the function by which Redis reads the time of day: libfaketime does not work with its allocator.
REDIS_CLOCK = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    char days[16] = {0};
    int clock = open(getenv("REDIS_CLOCK_DAYS"), O_RDONLY);
    if (clock < 0 || read(clock, days, sizeof days - 1) < 0) abort();
    close(clock);
    syscall(SYS_gettimeofday, now, zone);
    now->tv_sec += atoi(days) * 86400;
    return 0;
}
"""
DAYS_WRONG = 2
RECORDS = 100
# A wrong verdict would be final at once.
AT_ONCE = {"DLQ_MAX_ATTEMPTS": "1"}


def published_now(records: int = RECORDS, *, ago: timedelta = timedelta()) -> list[Fields]:
    """Positions of devices whose clock is right, or is `ago` behind."""
    first = datetime.now(UTC) - ago - timedelta(seconds=records)
    values = [
        position(n % 10, 0, timestamp=(first + timedelta(seconds=n)).strftime("%FT%T.000Z"))
        for n in range(records)
    ]
    return [{"codec": "8E", "payload": json.dumps(value)} for value in values]


def test_ids_that_are_no_times_of_their_records_cost_none_of_them(
    run: Run, servers: Servers
) -> None:
    days_ago_ms = round((datetime.now(UTC) - timedelta(days=DAYS_WRONG)).timestamp() * 1000)
    ids = [*(f"1-{n}" for n in range(1, 50)), *(f"{days_ago_ms}-{n}" for n in range(51))]
    for entry_id, fields in zip(ids, published_now(), strict=True):
        servers.redis.xadd(servers.stream, fields, id=entry_id)
    service = run(**AT_ONCE).ready()
    servers.until_settled()
    assert service.stop() == 0
    servers.assert_promise_kept(rows=RECORDS)


def test_a_device_with_a_wrong_clock_ends_as_a_dead_letter_among_sound_ones(
    run: Run, servers: Servers
) -> None:
    sound = published_now()
    [wrong] = published_now(1, ago=timedelta(days=4_000))
    servers.publish(sound[:50])
    [wrong_id] = servers.publish([wrong])
    servers.publish(sound[50:])
    service = run(**QUICK_CLAIMS).ready()
    service.wait_for("dead letter")
    servers.until_settled()
    assert service.stop() == 0
    servers.assert_promise_kept(rows=RECORDS, poison=[wrong_id])
    [letter] = servers.dead_letters()
    assert (letter[b"dlq_code"], letter[b"dlq_stage"]) == (b"ts_out_of_window", b"decode")


@contextmanager
def redis_with_a_clock(binary: RedisBinary, directory: Path) -> Iterator[tuple[RedisServer, Path]]:
    """A Redis for this test alone, and the file that holds by how many days its clock is ahead."""
    clock_file, program, library = (directory / name for name in ("days", "redis", "clock.so"))
    clock_file.write_text(str(-DAYS_WRONG))
    compiler = ["cc", "-shared", "-fPIC", "-o", str(library), "-x", "c", "-"]
    subprocess.run(compiler, input=REDIS_CLOCK, text=True, check=True)
    preload = f"LD_PRELOAD={library} REDIS_CLOCK_DAYS={clock_file}"
    program.write_text(f'#!/bin/sh\n{preload} exec {binary.path} "$@"\n')
    program.chmod(0o755)
    with launch_redis(replace(binary, path=program)) as server:
        yield server, clock_file


def test_what_was_refused_by_the_wrong_clock_of_redis_is_written_once_that_is_set(
    run: Run, pytestconfig: pytest.Config, database: Database, tmp_path: Path
) -> None:
    with (
        redis_with_a_clock(pytestconfig.stash[redis_key], tmp_path) as (server, clock_file),
        Redis.from_url(server.admin_url) as client,
    ):
        servers = Servers(client, "telemetry:clock", database)
        servers.publish(published_now())
        service = run(
            **QUICK_CLAIMS,
            DLQ_MAX_ATTEMPTS="1000000",
            REDIS_URL=server.processor_url,
            REDIS_TELEMETRY_STREAM=servers.stream,
        ).ready()
        service.wait_for("record refused", count=RECORDS)
        assert {line["code"] for line in service.logged("record refused")} == {"ts_out_of_window"}
        clock_file.write_text("0")
        servers.until_settled()
        assert service.stop() == 0
        servers.assert_promise_kept(rows=RECORDS)
