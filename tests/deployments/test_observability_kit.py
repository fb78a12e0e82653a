"""The files of the observability kit: Prometheus' own checks, and what each alert and panel must say."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from dev.servers import find_program
from processor.journal.exposition import metrics_text
from tests.support.alerting import CONFIG, FACTOR, KIT, RULES, prometheus_files
from tests.support.dashboard import Query, dashboard, panels, queries
from tests.support.journals import new_journal
from tests.support.shortened import shortened
from tests.tidy.contract import OPERATIONS
from tests.tidy.markdown import code_spans, section
from tests.tidy.source import ROOT

if TYPE_CHECKING:
    from pathlib import Path

ALERTS = dict(re.findall(r"- alert: (\w+)\n(.*?)(?=\n\n|\Z)", RULES.read_text(), flags=re.DOTALL))
UNIT_TESTS = KIT / "prometheus" / "alerts.test.yml"
# A drain's outcome is known when nobody is left to be scraped; crash dumps and the last log line have it.
UNSEEN = {"processor_drain_outcome"}


def promtool(*arguments: str | Path) -> None:
    subprocess.run([find_program("promtool"), *arguments], check=True)


# The rules


@pytest.mark.deployment("promtool")
def test_prometheus_accepts_the_configuration_and_the_rules() -> None:
    promtool("check", "config", CONFIG)
    promtool("check", "rules", RULES)


@pytest.mark.deployment("promtool")
def test_the_rules_pass_their_unit_tests() -> None:
    promtool("test", "rules", UNIT_TESTS)


@pytest.mark.deployment("promtool")
def test_prometheus_accepts_the_shortened_files(tmp_path: Path) -> None:
    for name, text in prometheus_files(["127.0.0.1:9090"]).items():
        (tmp_path / name).write_text(text)
    promtool("check", "config", tmp_path / CONFIG.name)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_severity_a_summary_a_meaning_and_a_place_in_the_runbook(alert: str) -> None:
    rule = ALERTS[alert]
    assert re.search(r"labels: \{severity: (critical|warning)\}", rule)
    assert re.search(r"summary: \"\S", rule)
    assert re.search(r"description: >-\n\s+\S", rule)
    assert f"runbook_url: {OPERATIONS}#alert-{alert.lower()}" in rule


def test_operators_find_every_alert_and_no_other() -> None:
    [table] = section(OPERATIONS, "Alerts").tables
    listed = {name: severity for cell, severity, _ in table.rows for name in code_spans(cell)}
    assert listed == {
        name: "critical" if "severity: critical" in rule else "warning"
        for name, rule in ALERTS.items()
    }
    headings = re.findall(r"^### (.*)$", section(OPERATIONS, "Alerts").text, re.MULTILINE)
    assert headings == [f"Alert {name}" for name in ALERTS]


# Shortened times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("for: 5m", "for: 12000ms"),
        ("rate(x_total[10m]) offset 1h", "rate(x_total[24000ms]) offset 144000ms"),
        ("scrape_interval: 5s", "scrape_interval: 200ms"),
        ("interval: 10ms", "interval: 1ms"),
        ("group:x_age_seconds:min > 600", "group:x_age_seconds:min > 24"),
        ("x_seconds > 2.5\n", "x_seconds > 0.1\n"),
        # Shares and counts are no times.
        ("x_seconds > 0.5 * y_seconds", "x_seconds > 0.5 * y_seconds"),
        ("lag:max > 10000", "lag:max > 10000"),
        ("p95, le 0.95", "p95, le 0.95"),
    ],
)
def test_times_are_divided_and_nothing_else(text: str, expected: str) -> None:
    assert shortened(text, FACTOR) == expected


def test_no_time_of_the_rules_stays_as_long_as_it_was() -> None:
    text = shortened(RULES.read_text(), FACTOR)
    assert not re.search(r"\b\d+[smhd]\b", text)
    assert "600" not in re.sub(r"\d+ms", "", text)


# The dashboard


def test_a_panel_has_an_id_of_its_own_and_a_place_that_no_other_takes() -> None:
    every = dashboard()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_has_a_unit_a_legend_and_a_description(panel: dict[str, object]) -> None:
    assert str(panel["description"]).endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]  # type: ignore[index]
    assert all(each["legendFormat"] for each in panel["targets"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("query", queries(), ids=str)
def test_a_query_selects_by_the_dashboards_variables(query: Query) -> None:
    assert 'job="$job"' in query.expression
    assert 'instance=~"$instance"' in query.expression or "ALERTS" in query.expression


def test_every_metric_is_on_the_dashboard() -> None:
    journal = new_journal()
    text = metrics_text(journal.snapshot()).decode()
    metrics = set(re.findall(r"^# TYPE (processor_\w+)", text, re.MULTILINE)) - UNSEEN
    shown = " ".join(query.expression for query in queries())
    assert {name for name in metrics if name not in shown} == set()


def test_the_dashboard_has_a_uid_that_stays_and_names_no_data_source_of_its_own() -> None:
    assert dashboard()["uid"] == "processor"
    sources = {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]}
    assert sources == {"${datasource}"}


def test_grafana_is_given_the_data_source_and_the_folder_of_the_dashboard() -> None:
    provisioning = KIT / "grafana" / "provisioning"
    assert "type: prometheus" in (provisioning / "datasources" / "prometheus.yml").read_text()
    provider = (provisioning / "dashboards" / "processor.yml").read_text()
    assert "path: /etc/grafana/dashboards" in provider
    assert (ROOT / "deploy/observability/grafana/dashboards/processor.json").exists()
