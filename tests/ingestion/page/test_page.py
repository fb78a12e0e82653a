"""The page of tcp-ingestion, as text."""

from __future__ import annotations

import re
from importlib.resources import files

from ingestion.page import ingestion_page

PARTS = (files("ingestion.page") / "parts.html").read_text()
SCRIPT = (files("ingestion.page") / "show.js").read_text()


def test_the_parts_and_the_script_are_in_the_page() -> None:
    html = ingestion_page().html.decode()
    assert PARTS in html
    assert SCRIPT in html
    assert "<title>tcp-ingestion</title>" in html


def test_every_place_that_the_script_fills_is_there_once() -> None:
    named = set(re.findall(r'(?:rows|write|sparkline|figure|at)\("([\w-]+)"', SCRIPT))
    # The frame has that one; a figure has a note as well.
    named -= {"instance"}
    ids = re.findall(r'\bid="([\w-]+)"', PARTS)
    assert len(ids) == len(set(ids))
    assert named <= set(ids)
    assert {f"{name}-note" for name in re.findall(r'figure\("(\w+)"', SCRIPT)} <= set(ids)


def test_the_parts_have_nothing_that_the_policy_would_refuse() -> None:
    assert not re.findall(r"\s(?:style|src|on\w+)=|<(?:script|style|link|img|iframe)\b", PARTS)
    assert "innerHTML" not in SCRIPT
