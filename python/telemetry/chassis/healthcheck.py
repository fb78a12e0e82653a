"""Asks a service's `/healthz` whether it is alive. It imports little, since it runs often."""

from __future__ import annotations

import http.client
import os

ANSWER_SECONDS_MAX = 3.0
# More than anybody reads of an answer.
SHOWN_BYTES_MAX = 1024


def problem(port_default: int) -> str | None:
    """What is wrong, in one line; None if nothing is. METRICS_HOST and METRICS_PORT say where to ask."""
    # An empty variable counts as not set.
    host = os.environ.get("METRICS_HOST") or "127.0.0.1"
    port = os.environ.get("METRICS_PORT") or str(port_default)
    try:
        # No urllib: it would ask a proxy that the environment names.
        connection = http.client.HTTPConnection(host, int(port), timeout=ANSWER_SECONDS_MAX)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        body = answer.read(SHOWN_BYTES_MAX).decode(errors="replace")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"no answer from METRICS_HOST={host} METRICS_PORT={port}: {error!r}"
    if answer.status != http.client.OK:
        return f"/healthz answers {answer.status}: {' '.join(body.split())}"
    return None
