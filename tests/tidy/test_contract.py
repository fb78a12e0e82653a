"""Contract and code agree: a citation leads somewhere, and a name is on both sides or has a †."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingestion.config import Config as IngestionConfig
from processor.cli import COMMANDS
from processor.cli.run import EPILOG
from processor.config import Config, load_config
from processor.core.ledger import Ledger
from processor.core.schema import EXPECTED_COLUMNS, WRITTEN_COLUMNS
from processor.journal.exposition import metrics_text
from processor.operating.dead_letters.letters import SAID
from telemetry._codec import COLUMNS, DECODE_CODES
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.http.page import Page
from telemetry.chassis.http.routes import Sources, respond
from tests.support.journals import new_journal
from tests.tidy.citations import RULES_SECTION, Citation, citations
from tests.tidy.contract import (
    CONTRACT,
    OPERATIONS,
    RULES,
    SECTIONS,
    TEXT,
    built,
    column,
    names,
    table,
    unbuilt,
)
from tests.tidy.log_lines import LogLine, log_lines
from tests.tidy.markdown import code_spans, section, sections
from tests.tidy.source import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

REQUIRED = {
    "REDIS_URL": "redis://127.0.0.1",
    "POSTGRES_URL": "postgresql://processor@127.0.0.1/telemetry",
}
# Their defaults are described in words; tests/processor/config/test_config.py has a case for each.
DESCRIBED = {
    *REQUIRED,
    "REDIS_CONSUMER_NAME",
    "REDIS_CONTROL_CHANNEL",
    "REDIS_DLQ_STREAM",
    "PANIC_DUMP_DIR",
}
# A retired variable stays until the one is there that does its work.
RETIRED = {"WRITE_LINGER_MS": "READ_INTERVAL_MS", "CONTROL_SOCKET": "REDIS_CONTROL_CHANNEL"}
MISUSE = 2
"""The exit code that the parser of the command line gives."""
# Lines for developers need no row in a paper.
LEVELS_FOR_OPERATORS = ("info", "warn", "error", "fatal")
SAID_WORDS_MIN = 2
TYPES = {"timestamptz": "timestamp with time zone"}


# Citations


def test_the_contract_is_cited() -> None:
    kinds = {(each.file.rpartition(".")[2], each.rule is not None) for each in citations()}
    assert kinds >= {("py", False), ("py", True), ("rs", False), ("md", False), ("md", True)}


def test_sections_and_rules_are_numbered_without_a_gap() -> None:
    assert list(SECTIONS) == [*range(1, len(sections(CONTRACT)) + 1)]
    assert list(RULES) == [*range(1, len(RULES) + 1)]


@pytest.mark.parametrize("citation", citations(), ids=str)
def test_a_citation_leads_to_a_section_and_a_rule(citation: Citation) -> None:
    assert citation.section in SECTIONS
    if citation.rule is not None:
        assert citation.section == RULES_SECTION
        assert citation.rule in RULES


# Names with †


CONFIG = {each.name.upper() for each in fields(Config)}
FILES = {f"{each.name.upper()}_FILE" for each in fields(Config) if each.metadata["file"]}
VARIABLES = [*column(1, "name", "environment"), *column(5, "variable")]


def names_with_a_dagger() -> set[str]:
    return {name for name in unbuilt(names(TEXT)) if re.fullmatch(r"\w+_\w+", name)}


def test_a_name_with_a_dagger_is_not_in_the_code() -> None:
    sources = [*(ROOT / "python").rglob("*.py"), *(ROOT / "rust").glob("*/src/**/*.rs")]
    words = {word for path in sources for word in re.findall(r"\w+", path.read_text())}
    variables = CONFIG | {each.name.upper() for each in fields(IngestionConfig)}
    assert not names_with_a_dagger() & (words | variables)


# Variables


def test_the_environment_is_the_contracts() -> None:
    staying = {name for name, successor in RETIRED.items() if successor in unbuilt(VARIABLES)}
    assert built(VARIABLES) | staying == CONFIG


def test_files_may_hold_what_the_contract_says() -> None:
    assert set(re.findall(r"`(\w+_URL_FILE)`", SECTIONS[5].text)) == FILES


def test_what_is_retired_is_said() -> None:
    assert set(re.findall(r"`(\w+)` is retired", TEXT)) == RETIRED.keys()


def defaults() -> Iterator[tuple[str, str]]:
    """Each variable's default as the contract writes it, but for those that it describes."""
    rows = [(row[2], row[1]) for row in table(1, "name").rows if row[2]]
    rows += [(row[0], row[1]) for row in table(5, "variable").rows]
    for cell, default in rows:
        found = [each.text for each in names(cell) if each.built]
        if found and not set(found) <= DESCRIBED:
            values = default.split(", ") if len(found) > 1 else [default]
            for name, value in zip(found, values, strict=True):
                yield name, [*code_spans(value), value][0]


@pytest.mark.parametrize(("name", "default"), [*defaults()])
def test_a_default_is_the_contracts(name: str, default: str) -> None:
    assert str(getattr(load_config(REQUIRED), name.lower())) == default


def test_operators_find_every_variable_of_the_code() -> None:
    listed = set(code_spans(section(OPERATIONS, "Configuration").text))
    assert listed >= CONFIG


# Metrics


@cache
def metrics() -> Mapping[str, Metric]:
    """All metrics of a service that has just started and has looked at the queue."""
    journal = new_journal()
    journal.queue_seen(lag=0, pending_entries=0)
    families = text_string_to_metric_families(metrics_text(journal.snapshot()).decode())
    return {
        each.name + ("_total" if each.type == "counter" else ""): each
        for each in families
        if each.name.startswith("processor_")
    }


def first_block() -> Iterator[tuple[str, str, str]]:
    """Name, type and labels of each metric that the contract names."""
    for cell, types, labels, _ in table(6, "metric").rows:
        for name, kind in zip(names(cell), types.split(", "), strict=True):
            yield name.text, kind, "".join(code_spans(labels))


@pytest.mark.parametrize(("name", "kind", "labels"), [*first_block()])
def test_a_metric_is_the_contracts_and_there_from_the_start(
    name: str, kind: str, labels: str
) -> None:
    metric = metrics()[name]
    assert metric.type == kind
    assert metric.samples
    label, _, values = labels.partition("=")
    shown = [each.labels for each in metric.samples if kind != "histogram"]
    assert all(each.keys() == ({label} if label else set()) for each in shown)
    if values:
        assert {each[label] for each in shown} == set(values.split("|"))


def test_operators_find_every_metric_of_the_code_and_no_other() -> None:
    [table_of_metrics] = section(OPERATIONS, "Metrics").tables
    listed = {
        name.partition("{")[0] for row in table_of_metrics.rows for name in code_spans(row[0])
    }
    assert listed == metrics().keys()
    assert {name for name, *_ in first_block()} <= listed


# Log lines


def lines_of_the_contract() -> Iterator[tuple[str, str]]:
    """Levels and beginning of each line that the contract names."""
    for levels, beginnings, _ in table(7, "level").rows:
        yield from ((levels, said) for said in code_spans(beginnings))


@pytest.mark.parametrize(("levels", "said"), [*lines_of_the_contract()])
def test_a_log_line_of_the_contract_is_written_at_its_level(levels: str, said: str) -> None:
    lines = [line for line in log_lines() if line.level in levels.split(", ")]
    assert any(line.begins_with(said) for line in lines)


@cache
def said_to_operators() -> tuple[str, ...]:
    """The beginnings of log lines that the contract and OPERATIONS.md quote, of two words or more."""
    spans = [said for _, said in lines_of_the_contract()]
    spans += code_spans((ROOT / OPERATIONS).read_text())
    return tuple(each for each in spans if len(each.split()) >= SAID_WORDS_MIN)


@pytest.mark.parametrize(
    "line",
    [line for line in log_lines() if line.level in LEVELS_FOR_OPERATORS],
    ids=lambda line: line.msg.replace("\0", "*"),
)
def test_operators_find_every_log_line_of_the_code(line: LogLine) -> None:
    found = any(line.begins_with(said) for said in said_to_operators())
    assert found, f"{OPERATIONS} quotes no beginning of two words or more of this line"


# Exit codes


def test_exit_codes_are_the_contracts() -> None:
    codes = {int(row[0]) for row in table(8, "code").rows}
    assert codes == {*map(int, ExitCode), MISUSE}


def test_operators_and_help_name_every_exit_code_of_the_service() -> None:
    [listed] = section(OPERATIONS, "Exit codes").tables
    assert [int(row[0]) for row in listed.rows] == sorted(ExitCode)
    assert [*map(int, re.findall(r"^  (\d+) ", EPILOG, re.MULTILINE))] == sorted(ExitCode)


# Values


def test_decode_codes_are_the_contracts_in_its_order() -> None:
    [paragraph] = re.findall(
        r"^Decode failures are values.*?\n\n", SECTIONS[2].text, re.MULTILINE | re.DOTALL
    )
    codes = [name for name in code_spans(paragraph) if name.islower()]
    assert codes == [*DECODE_CODES]


def test_the_columns_are_the_contracts() -> None:
    rows = table(3, "column of `positions`").rows
    columns = {
        name: (TYPES.get(kind, kind), who.startswith("writer"), default)
        for cell, kind, _, default, who in rows
        for name in code_spans(cell)
    }
    assert {name: kind for name, (kind, _, _) in columns.items()} == {
        each.name: each.type for each in EXPECTED_COLUMNS
    }
    assert [name for name, (_, written, _) in columns.items() if written] == [*COLUMNS]
    for each in EXPECTED_COLUMNS:
        _, _, default = columns[each.name]
        assert set(code_spans(default)) <= each.defaults


def test_the_codec_and_the_schema_have_the_same_columns() -> None:
    assert tuple(column.name for column in WRITTEN_COLUMNS) == COLUMNS


def test_a_dead_letter_has_the_contracts_fields() -> None:
    [script] = (ROOT / "python").rglob("dead_letter.lua")
    written = set(re.findall(r"'(dlq_\w+)'", script.read_text()))
    [named] = re.findall(r"and beside them: (.*?)\. All eleven", SECTIONS[4].text, re.DOTALL)
    fields_named = {name for name in code_spans(named) if name.startswith("dlq_")}
    assert fields_named == written == {f"dlq_{name}" for name in SAID}
    assert len(written) == 11


def test_the_ledger_has_the_contracts_classes() -> None:
    [balance] = re.findall(r"read = (.*?), each", SECTIONS[4].text, re.DOTALL)
    classes = {re.sub(r"[\s-]+", "_", each.strip()) for each in balance.split("+")}
    assert {each.name for each in fields(Ledger)} - {"released_unread"} == {"read", *classes}


# Commands and paths


def test_commands_are_there_that_have_no_dagger() -> None:
    firsts = [names(row[0])[0] for row in table(10, "command").rows]
    commands = [(each.text.split()[0], each.built) for each in firsts]
    assert [name for name, is_there in commands if is_there != (name in COMMANDS)] == []


@pytest.mark.parametrize("command", [*COMMANDS, "drill"])
def test_a_command_is_in_the_papers(command: str) -> None:
    papers = (ROOT / "README.md").read_text() + (ROOT / OPERATIONS).read_text()
    assert f"processor {command}" in papers


def test_paths_are_there_that_have_no_dagger() -> None:
    sources = Sources(
        metrics=lambda: b"",
        health=new_journal().health,
        stalled=lambda: (),
        status=dict,
        page=Page(b"", ()),
    )
    [paths] = SECTIONS[11].tables
    listed = {
        name.text: name.built
        for row in paths.rows
        for cell in row
        for name in names(cell)
        if re.fullmatch(r"/[\w.]*", name.text)
    }
    found = {path: respond("GET", path, sources).status != 404 for path in listed}
    assert found == listed
