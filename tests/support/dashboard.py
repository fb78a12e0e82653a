"""The Grafana dashboards of the observability kit, as the tests read them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support.alerting import KIT

JOBS = ("processor", "tcp-ingestion")
"""Each has a dashboard of its name."""


@dataclass(frozen=True)
class Query:
    """One query of a panel."""

    job: str
    panel: str
    legend: str
    expression: str

    def __str__(self) -> str:
        return f"{self.job}: {self.panel}: {self.legend}"


@cache
def dashboard(job: str) -> dict[str, Any]:
    """The whole of one."""
    text = (KIT / "grafana" / "dashboards" / f"{job}.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def panels(job: str) -> list[dict[str, Any]]:
    """Its panels, without the rows that group them."""
    return [panel for panel in dashboard(job)["panels"] if panel["type"] != "row"]


def queries() -> list[Query]:
    """The queries of all panels of all dashboards."""
    return [
        Query(job, panel["title"], target["legendFormat"], target["expr"])
        for job in JOBS
        for panel in panels(job)
        for target in panel["targets"]
    ]
