"""All parts, in the order of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.figures import bulk, codec, failover, ingestion, pace, sweeps

if TYPE_CHECKING:
    from bench.figures.part import Part

PARTS: tuple[Part, ...] = (
    pace.PART,
    bulk.PART,
    codec.PART,
    sweeps.PART,
    failover.PART,
    ingestion.PART,
)
