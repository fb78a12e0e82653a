"""A task that stands still is found by its silence, and `/healthz` names it: each one in turn, on fakes.

A task may be silent for long: it has no work, waits within a bound, or waits for a neighbour that has the work.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio

from telemetry.chassis.exit_codes import ExitCode
from tests.support.fakes.store import FakeStore
from tests.support.service_harness import until

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.processor.conftest import LogLines
    from tests.support.service_harness import ServiceHarness

STALL_S = 60
# Longer than STALL_MS and anything that may come between: the interval of claims, a third of the claim threshold.
SILENCE_S = 120


async def ask(logged: LogLines, path: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an endpoint of the service whose log that is."""
    [ready] = logged.fields("processor ready")
    host, _, port = str(ready["metrics"]).rpartition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        answer = b"".join([piece async for piece in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


async def never(*_: object, **__: object) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize(
    ("task", "call"),
    [
        ("consumer", "read_new"),
        ("reclaimer", "claim"),
        ("acker", "ack"),
        ("failure_recorder", "record_failures"),
        ("lag_probe", "look"),
        ("keep_alive", "keep_alive"),
    ],
)
async def test_a_task_that_stands_still_at_redis_is_named(
    clock: MockClock, service: ServiceHarness, logged: LogLines, task: str, call: str
) -> None:
    names: list[str] = []

    async def script() -> None:
        await until(lambda: logged.fields("processor ready"))
        await trio.sleep(1)
        setattr(service.stream, call, never)
        service.publish(5)
        service.add_malformed()
        await trio.sleep(STALL_S / 2)
        assert (await ask(logged, "/healthz"))[0] == 200
        await trio.sleep(SILENCE_S)
        status, body = await ask(logged, "/healthz")
        assert (status, body["status"]) == (503, "stalled")
        assert all(each["stalled_s"] >= STALL_S for each in body["tasks"])
        names.extend(each["name"] for each in body["tasks"])
        status, body = await ask(logged, "/readyz")
        assert status == 503
        assert f"{task} for" in body["reasons"]["consumer"]
        status, body = await ask(logged, "/status.json")
        assert (body["status"], body["problems"][0]["code"]) == ("stalled", "stalled")
        service.send()

    assert await service.live(script, STALL_MS=str(STALL_S * 1000)) in set(ExitCode)
    assert names == [task]


async def test_a_writer_that_stands_still_is_named_and_those_that_wait_for_it_are_not(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.table.answers = trio.Event()
    # The reader and the reclaimer wait for the writer, too.
    service.publish(200)
    names: list[str] = []

    async def script() -> None:
        await until(lambda: logged.fields("processor ready"))
        await trio.sleep(STALL_S / 2)
        assert (await ask(logged, "/healthz"))[0] == 200
        await trio.sleep(SILENCE_S)
        status, body = await ask(logged, "/healthz")
        names.extend(each["name"] for each in body["tasks"])
        assert status == 503
        service.table.answers.set()
        await until(lambda: len(service.table.rows) == 200)
        assert (await ask(logged, "/healthz"))[0] == 200
        service.send()

    exit_code = await service.live(script, STALL_MS=str(STALL_S * 1000), WRITE_BATCH_SIZE="10")
    assert exit_code is ExitCode.CLEAN
    assert "writer-1" in names
    assert not {"consumer", "reclaimer", "acker", "failure_recorder"} & set(names)


async def test_leases_that_are_not_renewed_are_noticed(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.stream.renew = never  # type: ignore[method-assign, assignment]
    service.table.answers = trio.Event()
    service.publish(5)

    async def script() -> None:
        await until(lambda: logged.fields("processor ready"))
        await trio.sleep(SILENCE_S)
        _, body = await ask(logged, "/healthz")
        assert "leases" in [each["name"] for each in body["tasks"]]
        service.table.answers.set()
        service.send()

    await service.live(script, STALL_MS=str(STALL_S * 1000))


async def test_a_probe_that_stands_still_is_named(
    clock: MockClock,
    service: ServiceHarness,
    logged: LogLines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeStore, "ping", never)

    async def script() -> None:
        await until(lambda: logged.fields("processor ready"))
        await trio.sleep(SILENCE_S)
        _, body = await ask(logged, "/healthz")
        assert [each["name"] for each in body["tasks"]] == ["postgres_probe"]
        service.send()

    await service.live(script, STALL_MS=str(STALL_S * 1000))


async def test_a_service_that_nobody_gives_work_is_healthy_however_long(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    async def script() -> None:
        await until(lambda: logged.fields("processor ready"))
        for _ in range(5):
            await trio.sleep(600.5)
            assert (await ask(logged, "/healthz"))[1] == {"status": "alive", "phase": "running"}
        service.send()

    # Its reads come back every second; the reclaimer looks once in an hour.
    assert (
        await service.live(script, STALL_MS="2000", CLAIM_INTERVAL_MS="3600000") is ExitCode.CLEAN
    )


async def test_pauses_between_tries_are_steps_however_long_the_outage(
    clock: MockClock, service: ServiceHarness, logged: LogLines
) -> None:
    service.publish(50)

    async def script() -> None:
        await until(lambda: len(service.table.rows) == 50)
        service.table.reachable = False
        service.publish(200, first_second=1_000)
        for _ in range(5):
            await trio.sleep(400)
            assert (await ask(logged, "/healthz"))[0] == 200
        service.table.reachable = True
        await until(lambda: len(service.table.rows) == 250)
        service.send()

    assert (
        await service.live(script, STALL_MS="2000", CONNECT_BACKOFF_MAX_MS="120000")
        is ExitCode.CLEAN
    )
