"""The HTTP endpoints for monitoring: `/metrics`, `/healthz` and `/readyz`.

They show what a service gives them as `Sources`. They change nothing, and no client can hold up the service.
"""

from telemetry.chassis.http.listening import address_of, open_listeners
from telemetry.chassis.http.routes import Sources
from telemetry.chassis.http.server import serve

__all__ = ["Sources", "address_of", "open_listeners", "serve"]
