"""Which devices are known: by a set on a real server, read at the start and again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ingestion.devices import allowlist as allowlist_module
from ingestion.devices.allowlist import Allowlist
from ingestion.devices.known_devices import KnownDevices
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.errors import ConfigError, RedisUnavailable
from telemetry.chassis.redis.cluster.homes import Homes
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.ingestion_frames import imei_of
from tests.support.ingestion_journals import new_journal
from tests.support.publishing import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from dev.servers import RedisServer

FLEET = 5_000
REFRESH_MS = 20


@dataclass
class Harness:
    server: RedisServer
    client: Redis
    key: str

    def devices(self, *, is_strict: bool = False) -> KnownDevices:
        allowlist = Allowlist(
            homes=Homes(redis_target(self.server.ingestion_url)),
            key=self.key,
            client_name="tcp-ingestion/test:devices",
            limits=RedisLimits(silence_ms=300, connect_timeout_ms=300),
        )
        return KnownDevices(allowlist, new_journal(), is_strict=is_strict, refresh_ms=REFRESH_MS)

    def fill(self, *devices: int) -> None:
        self.client.sadd(self.key, *map(imei_of, devices))

    def calls(self, command: str = "sscan") -> int:
        statistics: Any = self.client.info("commandstats")
        found = statistics.get(f"cmdstat_{command}", {"calls": 0, "rejected_calls": 0})
        return int(found["calls"] + found["rejected_calls"])

    async def until_read_again(self) -> None:
        before = self.calls()
        await until(lambda: self.calls() >= before + 2, "the list is read again")


@pytest.fixture
def harness(redis_server: RedisServer, redis_client: Redis, stream_name: str) -> Harness:
    return Harness(redis_server, redis_client, f"{stream_name}:devices")


async def test_a_large_set_is_read_in_steps_and_each_of_its_devices_is_known(
    harness: Harness,
) -> None:
    harness.fill(*range(FLEET))
    devices, before = harness.devices(), harness.calls()
    await devices.start()
    assert all(devices.is_known(imei_of(device)) for device in range(FLEET))
    assert not devices.is_known(imei_of(FLEET))
    assert not devices.is_known("")
    # Steps of a thousand, which Redis takes as a hint.
    assert FLEET / allowlist_module.MEMBERS_PER_STEP <= harness.calls() - before <= 10


@pytest.mark.parametrize(
    ("is_strict", "known", "unknown"),
    [(False, (True, True), (False, True)), (True, (True, True), (False, False))],
)
async def test_unknown_devices_are_refused_where_that_is_wanted(
    harness: Harness, is_strict: bool, known: tuple[bool, bool], unknown: tuple[bool, bool]
) -> None:
    harness.fill(1)
    devices = harness.devices(is_strict=is_strict)
    await devices.start()
    for device, expected in ((1, known), (2, unknown)):
        verdict = devices.verdict(imei_of(device))
        assert (verdict.is_known, verdict.is_accepted) == expected


async def test_without_a_set_every_device_is_unknown_and_accepted(harness: Harness) -> None:
    devices = harness.devices()
    await devices.start()
    assert devices.verdict(imei_of(1)).is_accepted
    assert not devices.is_known(imei_of(1))


async def test_what_changes_in_redis_is_known_after_the_next_reading(harness: Harness) -> None:
    harness.fill(1)
    devices = harness.devices(is_strict=True)
    await devices.start()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(devices.refresh)
        harness.fill(2)
        await until(lambda: devices.is_known(imei_of(2)), "the new one is known")
        harness.client.srem(harness.key, imei_of(1))
        await until(lambda: not devices.is_known(imei_of(1)), "the other one is no longer")
        nursery.cancel_scope.cancel()


def remove(harness: Harness) -> None:
    harness.client.delete(harness.key)


def spoil(harness: Harness) -> None:
    harness.client.set(harness.key, "no set")


def kill(harness: Harness) -> None:
    harness.server.process.kill()


@pytest.mark.parametrize("harm", [remove, spoil, kill])
async def test_a_list_that_cannot_be_read_leaves_the_last_one_in_force_with_a_warning_a_minute(
    harness: Harness, harm: Callable[[Harness], None], caplog: pytest.LogCaptureFixture
) -> None:
    harness.fill(1, 2)
    devices = harness.devices(is_strict=True)
    await devices.start()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(devices.refresh)
        harm(harness)
        await until(lambda: "devices not read" in caplog.text, "it is said")
        await trio.sleep(3 * REFRESH_MS / 1000)
        assert devices.is_known(imei_of(1))
        assert not devices.verdict(imei_of(3)).is_accepted
        harness.server.process.restore()
        harness.client.delete(harness.key)
        harness.fill(3)
        await until(lambda: devices.is_known(imei_of(3)), "the new list counts")
        nursery.cancel_scope.cancel()
    [line] = [each for each in caplog.records if "devices not read" in each.getMessage()]
    assert line.levelname == "WARNING"
    assert "the last list that was read goes on" in line.getMessage()


@pytest.mark.parametrize("harm", [remove, spoil])
async def test_strict_authority_without_a_list_is_no_configuration_to_start_with(
    harness: Harness, harm: Callable[[Harness], None]
) -> None:
    harm(harness)
    with pytest.raises(ConfigError, match=f"the set {harness.key} has to be there"):
        await harness.devices(is_strict=True).start()


async def test_a_server_that_is_away_at_the_start_may_be_tried_again(harness: Harness) -> None:
    harness.fill(1)
    strict, lenient = harness.devices(is_strict=True), harness.devices()
    harness.server.process.kill()
    with pytest.raises(RedisUnavailable):
        await strict.start()
    await lenient.start()
    assert lenient.verdict(imei_of(1)).is_accepted
    harness.server.process.restore()
    await strict.start()
    assert strict.is_known(imei_of(1))


async def test_a_user_that_may_not_read_the_list_knows_no_device(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.fill(1)
    acl: Any = harness.client.execute_command
    devices = harness.devices()
    with harness.server.denials_intended():
        acl("ACL", "SETUSER", "tcp-ingestion", "-sscan")
        try:
            await devices.start()
        finally:
            acl("ACL", "SETUSER", "tcp-ingestion", "+sscan")
    assert not devices.is_known(imei_of(1))
    assert devices.verdict(imei_of(1)).is_accepted
    assert "NOPERM" in caplog.text
    assert "every device counts as unknown" in caplog.text


async def test_members_that_are_no_imeis_are_no_devices(harness: Harness) -> None:
    harness.client.sadd(harness.key, imei_of(1), b"\xff\x00", "not an IMEI")
    devices = harness.devices()
    await devices.start()
    assert devices.is_known(imei_of(1))
    assert not devices.is_known(imei_of(2))
