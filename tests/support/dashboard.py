"""The Grafana dashboard of the observability kit, as the tests read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support.alerting import KIT

DASHBOARD = KIT / "grafana" / "dashboards" / "processor.json"


@dataclass(frozen=True)
class Query:
    """One query of a panel."""

    panel: str
    legend: str
    expression: str

    def __str__(self) -> str:
        return f"{self.panel}: {self.legend}"


@cache
def dashboard() -> dict[str, Any]:
    """The whole of it."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panels() -> list[dict[str, Any]]:
    """Its panels, without the rows that group them."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[Query]:
    """The queries of all panels."""
    return [
        Query(panel["title"], target["legendFormat"], target["expr"])
        for panel in panels()
        for target in panel["targets"]
    ]
