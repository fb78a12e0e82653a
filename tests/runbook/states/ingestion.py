"""Devices that tcp-ingestion serves, refuses, or cannot understand."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dev.servers import launch_relay
from tests.support.ingestion import ADMITTED, HOST, REFUSED
from tests.support.ingestion_frames import imei_of
from tests.support.processes import until
from tests.support.resending_device import ResendingDevice, of_one, undecodable
from tests.support.vectors import GOOD, WRONG_CRC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.runbook.stage import Stage
    from tests.support.ingestion import Ingestion

DEVICE = 1
SENDS_EVERY_S = 0.05


def shell(stage: Stage, service: Ingestion) -> dict[str, str]:
    """What the commands of the chapter use."""
    return {
        "HOST": HOST,
        "IMEI": imei_of(DEVICE),
        "METRICS_PORT": service.address.rpartition(":")[2],
        "TELTONIKA_PORT": str(service.port),
        "DEVICE_ALLOWLIST_KEY": allowlist(stage),
    }


def allowlist(stage: Stage) -> str:
    """The set of known devices."""
    return f"{stage.servers.stream}:devices"


@contextmanager
def sending(service: Ingestion, frames: Callable[[], bytes]) -> Iterator[None]:
    """The device sends these meanwhile, and again what is not answered."""
    device = ResendingDevice(service, DEVICE, frames)
    over = threading.Event()

    def live() -> None:
        while not over.wait(SENDS_EVERY_S):
            device.live()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        device.close()


def healthy(stage: Stage) -> Iterator[Mapping[str, str]]:
    """A device is connected and is answered."""
    service = stage.ingestion()
    with sending(service, of_one(GOOD)):
        service.until_metrics(connections_active=1)
        yield shell(stage, service)


def device_that_is_refused(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Only known devices are let in, and this one is not on the list."""
    stage.servers.redis.sadd(allowlist(stage), imei_of(DEVICE + 1))
    service = stage.ingestion(STRICT_DEVICE_AUTH="true", DEVICE_REFRESH_MS="100")
    with service.connect(DEVICE) as device:
        assert device.login() == REFUSED
    yield shell(stage, service)
    service.until_metrics(probes_total=1)
    yield shell(stage, service)

    def is_let_in() -> bool:
        with service.connect(DEVICE) as device:
            return device.login() == ADMITTED

    until(is_let_in, "the device is let in")


def device_that_sends(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Both services work: what the device sends becomes a row."""
    stage.service()
    service = stage.ingestion()
    with sending(service, of_one(GOOD)):
        stage.servers.until_rows(1)
        yield shell(stage, service)
        yield shell(stage, service)


def wrong_checksums(stage: Stage) -> Iterator[Mapping[str, str]]:
    """A device whose frames have wrong CRCs."""
    service = stage.ingestion()
    with sending(service, of_one(WRONG_CRC)):
        service.wait_for("frame refused")
        yield shell(stage, service)
        yield shell(stage, service)
    assert not stage.servers.redis.exists(stage.servers.stream)


def undecodable_frame(stage: Stage) -> Iterator[Mapping[str, str]]:
    """A device that repeats a frame which cannot be decoded, until it is put aside."""
    service = stage.ingestion()
    with sending(service, undecodable()):
        service.wait_for("frame quarantined")
        yield shell(stage, service)
        yield shell(stage, service)
    assert stage.servers.redis.xlen(f"{stage.servers.stream}:quarantine")


def redis_silent(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Redis does not answer the instance, and later does."""
    with launch_relay(stage.redis.port) as link:
        url = stage.redis.ingestion_url.replace(f":{stage.redis.port}/", f":{link.port}/")
        service = stage.ingestion(REDIS_URL=url)
        with sending(service, of_one(GOOD)):
            link.frozen = True
            service.until_not_ready("redis")
            yield shell(stage, service)
            link.frozen = False
            service.until_ready_again()
            assert service.stop() in {0, 3}


def deploy(stage: Stage) -> Iterator[Mapping[str, str]]:
    """An instance has a device, and is replaced."""
    first = stage.ingestion()
    with sending(first, of_one(GOOD)):
        first.until_metrics(connections_active=1)
    yield {**shell(stage, first), "PID": str(first.process.pid)}
    assert first.wait() == 0
    second = stage.ingestion(INSTANCE_ID="tcp-ingestion-2")
    with sending(second, of_one(GOOD)):
        yield shell(stage, second)


def staging_system(stage: Stage) -> Iterator[Mapping[str, str]]:
    """A Redis, and nobody on it; the service under test logs in as in production."""
    yield {"REDIS_URL": stage.redis.ingestion_url, "REDIS_ADMIN_URL": stage.redis.drill_url}
    assert list((stage.directory / "drills").glob("drill-*.html"))
