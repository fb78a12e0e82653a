"""Somebody on the metrics port may read what SECURITY.md says, and can change nothing."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

from tests.support.processes import until
from tests.support.servers import drive, entry

if TYPE_CHECKING:
    from tests.processes.conftest import Run
    from tests.support.processes import Service
    from tests.support.servers import Servers

PATHS = ("/", "/metrics", "/healthz", "/readyz", "/status.json", "/elsewhere")
# No name, count or time looks like this.
LATITUDE = 33.712539
ATTRIBUTE = "payload-of-a-device"


def ask(service: Service, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
    """Any request; the answer's status and text."""
    address = service.logged("processor ready")[0]["metrics"]
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def assert_nothing_of_a_device(service: Service, imei: str) -> None:
    for path in PATHS:
        text = ask(service, "GET", path)[1]
        for secret in (imei, str(LATITUDE), ATTRIBUTE):
            assert secret not in text, path


def test_pages_show_no_payload_and_no_device_not_even_in_a_reason(
    run: Run, servers: Servers
) -> None:
    service = run().ready()
    fields = entry(7, 1, latitude=LATITUDE, attributes={"239": ATTRIBUTE})
    imei = str(fields["device_id"])
    servers.publish([fields, {**fields, "payload": f'{{"x": "{ATTRIBUTE}", {imei} {LATITUDE}'}])
    servers.until_rows(1)
    assert_nothing_of_a_device(service, imei)
    # PostgreSQL quotes the row that it refuses.
    servers.own("ALTER TABLE positions ADD CHECK (speed < 0) NOT VALID")
    later = [entry(7, n, latitude=LATITUDE, attributes={"239": ATTRIBUTE}) for n in range(2, 20)]
    servers.publish_at_once(later)
    service.until_not_ready("postgres")
    assert_nothing_of_a_device(service, imei)


def test_no_method_and_no_body_changes_anything(run: Run, servers: Servers) -> None:
    service = run().ready()
    servers.publish(drive(10))
    service.until_metrics(acks_total=10)
    request = json.dumps({"name": "log_level", "arguments": {"level": "trace"}}).encode()
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        for path in PATHS:
            assert ask(service, method, path, request)[0] in {404, 405}
    for path in ("/../etc/passwd", "//metrics", "/metrics/../../etc/passwd", "/%2e%2e/etc/passwd"):
        assert ask(service, "GET", path)[0] == 404
    until(lambda: service.readyz()[0] == 200, "it goes on")
    servers.publish(drive(10, first_second=10))
    service.until_metrics(acks_total=20)
    assert service.stop() == 0
    assert servers.rows() == 20
