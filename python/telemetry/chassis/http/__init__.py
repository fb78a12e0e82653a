"""The HTTP endpoints for monitoring: `/metrics`, `/healthz` and `/readyz`.

They read one frozen `Statistics` a request, change nothing, and no client of theirs holds the service up.
"""

from telemetry.chassis.http.listening import address_of, open_listeners
from telemetry.chassis.http.server import serve

__all__ = ["address_of", "open_listeners", "serve"]
