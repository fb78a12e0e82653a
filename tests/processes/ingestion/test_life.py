"""One life on a real server: a device logs in and is answered for what is in the stream; a stop request ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.ingestion import iso_times, published
from tests.support.ingestion_frames import imei_of, tcp_frame, times_ms

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.ingestion import Ingest


def test_a_device_is_answered_for_what_is_in_the_stream(
    ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    service = ingest().ready()
    with service.login() as device:
        for number in range(3):
            assert device.ask(tcp_frame(number)) == 5
            sent = [each for n in range(number + 1) for each in times_ms(n)]
            assert published(redis_client, stream_name) == [
                (imei_of(1), ts) for ts in iso_times(sent)
            ]
        assert service.stop() == 0
        assert device.until_closed() == b""
    assert service.messages[-2:] == [
        "shutdown: starting signal=SIGTERM",
        "shutdown: clean exit",
    ]
