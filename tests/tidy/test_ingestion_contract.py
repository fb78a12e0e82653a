"""Contract section 12 and tcp-ingestion agree: variables, defaults, metrics; and operators find all of them."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingestion.cli import COMMANDS
from ingestion.cli.run import EPILOG
from ingestion.cli.simulate import simulate
from ingestion.config import Config, effective_config
from ingestion.config.settings import PANIC_DUMP_DIR
from ingestion.journal.exposition import metrics_text
from ingestion.journal.identity import Identity
from ingestion.page.flow import Flow
from ingestion.page.status import status_of
from processor.config import Config as ProcessorConfig
from telemetry.chassis.exit_codes import ExitCode
from tests.support.journals import new_ingestion_journal
from tests.tidy.contract import OPERATIONS, SECTIONS, built, column, names, table
from tests.tidy.markdown import code_spans, section
from tests.tidy.source import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

TEXT = SECTIONS[12].text
CONFIG = {each.name.upper() for each in fields(Config)}
FILES = {f"{each.name.upper()}_FILE" for each in fields(Config) if each.metadata["file"]}
# The contract writes what an empty or a symbolic default means; tests/ingestion/config/test_config.py has these.
DESCRIBED = {
    "REDIS_URL": "required",
    "TELTONIKA_HOST": "all addresses",
    "MAX_CONNECTIONS": "what RLIMIT_NOFILE leaves",
    "PROXY_TRUSTED": "none",
    # If it is there.
    "PANIC_DUMP_DIR": str(PANIC_DUMP_DIR),
}
# Of any service: the contract says nothing of them.
UNSAID = {"panic", "healthcheck"}


# Variables


def test_the_environment_is_the_contracts() -> None:
    [with_tls] = re.findall(r"TLS needs `(\w+)` and `(\w+)`", TEXT)
    assert built(column(12, "variable")) | {*with_tls} == CONFIG | FILES


@cache
def defaults() -> Mapping[str, str | None]:
    """The default of each variable as it would stand in the environment."""
    return {each.name: each.default for each in effective_config({})}


def contract_defaults() -> Iterator[tuple[str, str]]:
    """Each default that the contract gives, as it writes it."""
    for cell, text, _ in table(12, "variable").rows:
        found = [each.text for each in names(cell)]
        if ";" in text:
            first, others = text.split("; as in §5, but ")
            yield from [(found[0], first), *re.findall(r"`(\w+)` `?([^`,]+)`?(?:, |$)", others)]
        else:
            words = re.sub(r" \(.*?\)| records", "", text)
            values = words.split(", ") if ", " in words else [words] * len(found)
            yield from zip(found, values, strict=True)


@pytest.mark.parametrize(("name", "text"), [*contract_defaults()])
def test_a_default_is_the_contracts(name: str, text: str) -> None:
    value = [*code_spans(text), text][0]
    assert DESCRIBED.get(name, defaults()[name]) == value


def test_what_both_services_have_is_the_same_but_for_what_the_contract_says() -> None:
    [(cell, text, _)] = [row for row in table(12, "variable").rows if "as in §5" in row[1]]
    others = {"INSTANCE_ID", *re.findall(r"`(\w+)` ", text)}
    shared = {each.text for each in names(cell)} - others - FILES
    processors = {each.name.upper(): each.metadata["default"] for each in fields(ProcessorConfig)}
    assert shared
    assert {name: defaults()[name] for name in shared} == {
        name: processors[name] for name in shared
    }


def test_operators_find_every_variable_of_the_code() -> None:
    listed = {
        name
        for row in section(OPERATIONS, "tcp-ingestion: configuration").tables[0].rows
        for name in code_spans(row[0])
    }
    assert listed == CONFIG | FILES


# Metrics


@cache
def metrics() -> Mapping[str, Metric]:
    """All metrics of its own of a service that has just started."""
    text = metrics_text(new_ingestion_journal().snapshot()).decode()
    return {
        each.name + ("_total" if each.type == "counter" else ""): each
        for each in text_string_to_metric_families(text)
        if each.name.startswith("teltonika_")
    }


def contract_metrics() -> list[tuple[str, str]]:
    """Name and labels of each metric that the contract names."""
    found = [re.fullmatch(r"(teltonika_\w+)(?:\{(.*)\})?", each) for each in code_spans(TEXT)]
    return [*{each[1]: (each[1], each[2] or "") for each in reversed(found) if each}.values()]


@pytest.mark.parametrize(("name", "labels"), contract_metrics())
def test_a_metric_is_the_contracts_and_there_from_the_start(name: str, labels: str) -> None:
    metric = metrics()[name]
    assert metric.samples
    wanted = dict(each.partition("=")[::2] for each in labels.split(",") if each)
    if metric.type != "histogram":
        assert all(each.labels.keys() == wanted.keys() for each in metric.samples)
    for label, values in wanted.items():
        if values:
            assert {each.labels[label] for each in metric.samples} == {*values.split("|")}


def test_the_reasons_for_a_refused_connection_are_the_contracts() -> None:
    [said] = re.findall(r"`reason` is (.*?)\.\s", TEXT, re.DOTALL)
    found = metrics()["teltonika_connections_refused_total"].samples
    assert {each.labels["reason"] for each in found} == {*code_spans(said)}


def test_operators_find_every_metric_of_the_code_and_no_other() -> None:
    [listed] = section(OPERATIONS, "tcp-ingestion: metrics").tables
    labels = {
        name: {*filter(None, rest.rstrip("}").split(","))}
        for row in listed.rows
        for name, _, rest in (each.partition("{") for each in code_spans(row[0]))
    }
    assert labels == {
        name: {label for each in metric.samples for label in each.labels} - {"le"}
        for name, metric in metrics().items()
    }


# Exit codes and commands


def test_help_names_every_exit_code_of_the_service() -> None:
    # It has no schema.
    codes = sorted({*ExitCode} - {ExitCode.SCHEMA})
    assert [*map(int, re.findall(r"^  (\d+) ", EPILOG, re.MULTILINE))] == codes


@pytest.mark.parametrize("command", sorted({*COMMANDS, "drill"} - UNSAID))
def test_a_command_is_in_the_contract(command: str) -> None:
    spans = [each.removeprefix("tcp-ingestion ").split()[0] for each in code_spans(TEXT)]
    assert command in spans


@pytest.mark.parametrize("command", [*COMMANDS, "drill"])
def test_a_command_is_in_the_papers(command: str) -> None:
    papers = (ROOT / "README.md").read_text() + (ROOT / OPERATIONS).read_text()
    assert f"tcp-ingestion {command}" in papers


def test_the_simulator_has_the_contracts_options() -> None:
    [said] = [each for each in code_spans(TEXT) if each.startswith("tcp-ingestion simulate")]
    options = {name for each in simulate.params for name in each.opts if name.startswith("--")}
    assert {*re.findall(r"--[a-z-]+", said), "--answered"} <= options


# The page


def status() -> dict[str, Any]:
    """What a service that has just started shows on `/status.json`."""
    return status_of(
        new_ingestion_journal().snapshot(),
        Flow(),
        Identity(),
        listeners={"tcp": "h:1", "udp": None, "tls": None},
        reasons={},
        stalled=(),
        log_level="info",
    )


def contract_fields() -> list[tuple[str, set[str]]]:
    """Each field of `/status.json`, and the keys in it that the contract names."""
    [said] = re.findall(r"`/status\.json`: (.*?);", TEXT, re.DOTALL)
    parts = [re.fullmatch(r"(\w+)(?:\[\]|\{(.*)\})?", each) for each in code_spans(said)]
    return [(each[1], {*filter(None, (each[2] or "").split(","))}) for each in parts if each]


@pytest.mark.parametrize(("field", "keys"), contract_fields())
def test_the_status_has_the_contracts_fields(field: str, keys: set[str]) -> None:
    shown = status()[field]
    assert not keys or keys <= shown.keys()


def test_operators_find_every_problem_that_the_page_names() -> None:
    source = (ROOT / "python/ingestion/page/problems.py").read_text()
    codes = re.findall(r'Problem\(\s*"(\w+)",', source)
    _, problems = section(OPERATIONS, "tcp-ingestion").tables
    assert [name for row in problems.rows for name in code_spans(row[0])] == codes
