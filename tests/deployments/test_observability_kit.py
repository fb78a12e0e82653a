"""The files of the observability kit: Prometheus' own checks, and what each alert and panel must say."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from dev.servers import find_program
from ingestion.journal.exposition import metrics_text as ingestion_metrics_text
from processor.journal.exposition import metrics_text
from tests.support.alerting import CONFIG, FACTOR, KIT, RULES, prometheus_files
from tests.support.dashboard import JOBS, Query, dashboard, panels, queries
from tests.support.journals import new_ingestion_journal, new_journal
from tests.support.shortened import shortened
from tests.tidy.contract import OPERATIONS
from tests.tidy.markdown import code_spans, section

if TYPE_CHECKING:
    from pathlib import Path

ALERT = re.compile(r"- alert: (\w+)\n(.*?)(?=\n\n|\Z)", flags=re.DOTALL)
ALERTS = {job: dict(ALERT.findall(path.read_text())) for job, path in RULES.items()}
BY_NAME = {name: rule for alerts in ALERTS.values() for name, rule in alerts.items()}
# Where OPERATIONS.md has the alerts of each.
SECTIONS = {"processor": "Alerts", "tcp-ingestion": "tcp-ingestion: alerts"}
# A drain's outcome is known when nobody is left to be scraped; crash dumps and the last log line have it.
UNSEEN = {"processor_drain_outcome", "teltonika_drain_outcome"}


def promtool(*arguments: str | Path) -> None:
    subprocess.run([find_program("promtool"), *arguments], check=True)


# The rules


@pytest.mark.deployment("promtool")
def test_prometheus_accepts_the_configuration_and_the_rules() -> None:
    promtool("check", "config", CONFIG)
    promtool("check", "rules", *RULES.values())


@pytest.mark.deployment("promtool")
def test_the_rules_pass_their_unit_tests() -> None:
    promtool("test", "rules", *(path.with_suffix(".test.yml") for path in RULES.values()))


@pytest.mark.deployment("promtool")
def test_prometheus_accepts_the_shortened_files(tmp_path: Path) -> None:
    targets = {job: ["127.0.0.1:9090"] for job in RULES}
    for name, text in prometheus_files(targets).items():
        (tmp_path / name).write_text(text)
    promtool("check", "config", tmp_path / CONFIG.name)


@pytest.mark.parametrize("alert", BY_NAME)
def test_an_alert_has_a_severity_a_summary_a_meaning_and_a_place_in_the_runbook(alert: str) -> None:
    rule = BY_NAME[alert]
    assert re.search(r"labels: \{severity: (critical|warning)\}", rule)
    assert re.search(r"summary: \"\S", rule)
    assert re.search(r"description: >-\n\s+\S", rule)
    assert f"runbook_url: {OPERATIONS}#alert-{alert.lower()}" in rule


@pytest.mark.parametrize("job", RULES)
def test_operators_find_every_alert_and_no_other(job: str) -> None:
    paper = section(OPERATIONS, SECTIONS[job])
    [table] = paper.tables
    listed = {name: severity for cell, severity, _ in table.rows for name in code_spans(cell)}
    assert listed == {
        name: "critical" if "severity: critical" in rule else "warning"
        for name, rule in ALERTS[job].items()
    }
    headings = re.findall(r"^### (.*)$", paper.text, re.MULTILINE)
    assert headings == [f"Alert {name}" for name in ALERTS[job]]


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
    for path in RULES.values():
        text = shortened(path.read_text(), FACTOR)
        assert not re.search(r"\b\d+[smhd]\b", text)
        # The thresholds in seconds that there are.
        assert not re.search(r"> (?:600|2\.5)\b(?! \*)", text)


# The dashboard


@pytest.mark.parametrize("job", JOBS)
def test_a_panel_has_an_id_of_its_own_and_a_place_that_no_other_takes(job: str) -> None:
    every = dashboard(job)["panels"]
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


@pytest.mark.parametrize("job", JOBS)
def test_a_panel_has_a_unit_a_legend_and_a_description(job: str) -> None:
    for panel in panels(job):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert all(each["legendFormat"] for each in panel["targets"]), panel["title"]


@pytest.mark.parametrize("query", queries(), ids=str)
def test_a_query_selects_by_the_dashboards_variables(query: Query) -> None:
    assert 'job="$job"' in query.expression
    assert 'instance=~"$instance"' in query.expression or "ALERTS" in query.expression


def test_every_metric_is_on_a_dashboard() -> None:
    texts = (
        metrics_text(new_journal().snapshot()),
        ingestion_metrics_text(new_ingestion_journal().snapshot()),
    )
    metrics = {
        name
        for text in texts
        for name in re.findall(
            r"^# TYPE ((?:processor|teltonika)_\w+)", text.decode(), re.MULTILINE
        )
    }
    shown = " ".join(query.expression for query in queries())
    assert {name for name in metrics - UNSEEN if name not in shown} == set()


@pytest.mark.parametrize("job", JOBS)
def test_a_dashboard_has_a_uid_that_stays_and_names_no_data_source_of_its_own(job: str) -> None:
    assert dashboard(job)["uid"] == job
    sources = {target["datasource"]["uid"] for panel in panels(job) for target in panel["targets"]}
    assert sources == {"${datasource}"}


def test_grafana_is_given_the_data_source_and_the_folder_of_the_dashboards() -> None:
    provisioning = KIT / "grafana" / "provisioning"
    assert "type: prometheus" in (provisioning / "datasources" / "prometheus.yml").read_text()
    provider = (provisioning / "dashboards" / "telemetry.yml").read_text()
    assert "path: /etc/grafana/dashboards" in provider
