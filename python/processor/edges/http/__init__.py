"""The HTTP endpoints for monitoring: `/metrics`, `/healthz` and `/readyz`.

They read one frozen `Statistics` a request, change nothing, and no client of theirs holds the service up.
"""

from processor.edges.http.server import open_listeners, serve

__all__ = ["open_listeners", "serve"]
