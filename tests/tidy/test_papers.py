"""The links of the papers, the places of the README and the commands of the Makefile exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from processor.core.write_errors import TABLE
from tests.tidy.markdown import code_spans, section, without_code_blocks
from tests.tidy.source import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCHITECTURE = Path("ARCHITECTURE.md")
PAPERS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
TARGET = re.compile(r"^([a-z-]+):.*## ", re.MULTILINE)


def links() -> Iterator[tuple[Path, str]]:
    """Paper and target of each link within the repository."""
    for paper in PAPERS:
        for target in LINK.findall(without_code_blocks(paper.read_text())):
            if "://" not in target:
                yield paper, target


@cache
def anchors(paper: Path) -> set[str]:
    """The anchors of a paper's headings, by the rule that forges share."""
    headings = HEADING.findall(without_code_blocks(paper.read_text()))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize(
    ("paper", "target"), [*links()], ids=lambda each: getattr(each, "name", each)
)
def test_a_link_leads_somewhere(paper: Path, target: str) -> None:
    file, _, anchor = target.partition("#")
    linked = paper.parent / file if file else paper
    assert linked.exists()
    assert not anchor or anchor in anchors(linked)


def test_the_places_of_the_readme_exist() -> None:
    [places] = section(Path("README.md"), "Where things are").tables
    named = [name for row in places.rows for name in code_spans(row[0])]
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_files_of_the_architecture_exist() -> None:
    named = {
        span
        for span in code_spans((ROOT / ARCHITECTURE).read_text())
        if span.endswith((".py", ".rs"))
    }
    assert named
    places = ("python/**/", "rust/*/", "")
    assert not [
        name for name in named if not any([*ROOT.glob(f"{place}{name}")] for place in places)
    ]


def test_the_architecture_shows_the_decisions_about_a_failed_write_in_their_order() -> None:
    [decisions] = section(ARCHITECTURE, "A failed write").tables
    step = decisions.header.index("step")
    assert [row[step] for row in decisions.rows] == [f"`{each.name}`" for *_, each in TABLE]


def test_contributors_find_every_command_of_the_makefile() -> None:
    targets = TARGET.findall((ROOT / "Makefile").read_text())
    [commands] = section(Path("CONTRIBUTING.md"), "Commands").tables
    listed = {name for row in commands.rows for name in code_spans(row[0])}
    assert targets
    assert listed >= {f"make {target}" for target in targets}


def test_hooks_before_a_commit_call_commands_of_the_makefile() -> None:
    targets = TARGET.findall((ROOT / "Makefile").read_text())
    entries = re.findall(
        r"^ +entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE
    )
    assert entries
    assert {*entries} <= {f"make {target}" for target in targets}
