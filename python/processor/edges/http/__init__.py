"""The HTTP endpoints for monitoring: `/metrics`, `/healthz` and `/readyz`."""

from processor.edges.http.server import open_listeners, serve

__all__ = ["open_listeners", "serve"]
