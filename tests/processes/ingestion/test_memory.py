"""What a crowd costs: memory of 5,000 silent connections, and what is left when they have gone."""

from __future__ import annotations

import resource
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.support.ingestion import ADMITTED
from tests.support.ingestion_frames import imei_of, tcp_frame
from tests.support.processes import until

if TYPE_CHECKING:
    from tests.support.ingestion import Device, Ingest, Ingestion

CROWD = 5_000
# A silent connection costs 4.6 KB, and all of them with the service itself 60 MB; some is left to the allocator.
CONNECTION_BYTES_MAX = 5_000
ALL_BYTES_MAX = 63_000_000
# Connecting again does not take more memory than the first time, but for what the allocator has in pieces.
AGAIN_BYTES_MAX = 4_000_000


def crowd(service: Ingestion, open_ones: ExitStack) -> list[Device]:
    """All are connected first, and then log in together."""
    devices = [open_ones.enter_context(service.connect(number)) for number in range(CROWD)]
    for number, device in enumerate(devices):
        device.send(b"\x00\x0f" + imei_of(number).encode())
    for device in devices:
        assert device.receive(1) == ADMITTED
    return devices


def test_five_thousand_silent_devices_cost_little_and_nothing_once_they_have_gone(
    ingest: Ingest,
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    service = ingest().ready()
    with service.login() as warm:
        assert warm.ask(tcp_frame(0)) == 5
    alone = service.rss_bytes()
    with ExitStack() as open_ones:
        devices = crowd(service, open_ones)
        assert service.metrics()["connections_active"] == CROWD
        together = service.rss_bytes()
        # They are served: the first and the last of them.
        for device in (devices[0], devices[-1]):
            assert device.ask(tcp_frame(1)) == 5
    assert (together - alone) / CROWD < CONNECTION_BYTES_MAX
    assert together < ALL_BYTES_MAX
    until(lambda: service.metrics()["connections_active"] == 0, "all have gone")
    with ExitStack() as open_ones:
        crowd(service, open_ones)
        assert service.rss_bytes() < together + AGAIN_BYTES_MAX
    assert service.stop() == 0
