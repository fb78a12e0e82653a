"""What tcp-ingestion shows to people who look at its port: the facts of `/status.json`, and the page that draws them.

Pure: it is given the statistics of a moment, and asks nobody. The frame of the page is `telemetry.chassis.http.page`.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from ingestion.journal import SERVICE
from telemetry.chassis.http.page import build_page

if TYPE_CHECKING:
    from telemetry.chassis.http.page import Page


def ingestion_page() -> Page:
    """The page, ready to be sent."""
    parts = files(__name__)
    return build_page(
        title=SERVICE,
        parts=(parts / "parts.html").read_text(),
        script=(parts / "show.js").read_text(),
    )
