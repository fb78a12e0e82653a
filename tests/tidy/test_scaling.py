"""What docs/scaling.md names is there: variables that take these values, metrics, alerts, log lines."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from ingestion.config import Config as IngestionConfig
from processor.config import Config as ProcessorConfig
from tests.tidy.contract import OPERATIONS
from tests.tidy.log_lines import log_lines
from tests.tidy.markdown import code_spans, section
from tests.tidy.source import ROOT

SCALING = Path("docs/scaling.md")
VARIABLE = r"([A-Z]+(?:_[A-Z]+)+|WRITERS)(?:=(.*))?"
# Of the recipe that trims a stream.
OF_RECIPES = {"KEEP_S"}


def named(pattern: str) -> list[re.Match[str]]:
    """The code spans that are of this form, of which there is one at least."""
    spans = dict.fromkeys(code_spans((ROOT / SCALING).read_text()))
    found = [match for each in spans if (match := re.fullmatch(pattern, each))]
    assert found
    return found


def test_each_variable_is_there_and_takes_the_value() -> None:
    ours = [*fields(ProcessorConfig), *fields(IngestionConfig)]
    for name, value in (match.groups() for match in named(VARIABLE)):
        parsers = [each.metadata["parse"] for each in ours if each.name.upper() == name]
        assert parsers or name in OF_RECIPES, name
        if value is not None and parsers:
            assert any(_takes(parse, value) for parse in parsers), f"{name}={value}"


def _takes(parse: object, value: str) -> bool:
    assert callable(parse)
    try:
        parse(value)
    except ValueError:
        return False
    return True


def test_each_metric_is_there() -> None:
    # Another test compares these tables with the code.
    tables = [section(OPERATIONS, title).text for title in ("Metrics", "tcp-ingestion: metrics")]
    there = {each.partition("{")[0] for text in tables for each in code_spans(text)}
    assert {match[1] for match in named(r"((?:processor|teltonika)_\w+)(?:\{\w+\})?")} <= there


def test_each_alert_is_there() -> None:
    files = (ROOT / "deploy/observability/prometheus").glob("*.alerts.yml")
    there = {name for file in files for name in re.findall(r"- alert: (\w+)", file.read_text())}
    assert {match[0] for match in named(r"(?:Processor|Ingestion)[A-Z]\w+")} <= there


def test_each_log_line_is_written() -> None:
    text = section(SCALING, "What breaks first, and where it shows").text
    # `no answer within …` is the error that another line quotes.
    said = [
        line
        for lines in re.findall(r"(?:warning|error)s? ((?:`[^`]+`(?:, | with )?)+)", text)
        for line in code_spans(lines)
        if " " in line and not line.startswith("no answer")
    ]
    assert len(said) > 5
    assert not [line for line in said if not any(each.begins_with(line) for each in log_lines())]
