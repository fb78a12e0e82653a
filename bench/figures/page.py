"""Writes `docs/benchmarks/README.md` and its plots from the stored results: the same results give the same page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.figures.part import Table
from bench.figures.parts import PARTS
from bench.figures.style import as_svg
from bench.targets import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bench.figures.part import Json, Part, Plot

TOP = """\
# Benchmarks

Everything that is measured of this project, beside other services that do the same work, or beside a limit that no
service can pass, in the same run. `make benchmarks` measures it again and writes this page; `make benchmarks
ARGS="--only codec"` measures one part, `ARGS=--draw` draws from [the results](results) alone, `ARGS=--quick` is a small
run, by which nothing is judged. `make bench` prints the comparisons on the terminal;
[bench/README.md](../../bench/README.md) says how each of them is made.

How to read it: contenders run in turn, and medians are shown. A ratio holds on other machines, a time does not. CPU
time is user and system time of the process alone. Records per second and latency also depend on what shares the
processors: here the service, its servers and the producer of the load share all of them.
"""

QUICK = "**A quick run, of few rounds: it shows the form, not the figures, and nothing is judged by it.**\n"


def write_page(results: Mapping[str, Json], directory: Path) -> None:
    """Write the page and all plots, and remove plots that no part has any more."""
    directory.mkdir(parents=True, exist_ok=True)
    files = {
        plot_file(part, plot): plot
        for part in PARTS
        if part.name in results
        for plot in part.plots(results[part.name]["figures"])
    }
    for name, plot in files.items():
        (directory / name).write_text(as_svg(plot.draw), encoding="utf-8")
    for file in directory.glob("*.svg"):
        if file.name not in files:
            file.unlink()
    (directory / "README.md").write_text(page(results), encoding="utf-8")


def plot_file(part: Part, plot: Plot) -> str:
    """The plot's name in the directory."""
    return f"{part.name}-{plot.name}.svg"


def page(results: Mapping[str, Json]) -> str:
    """The text of the page; a part that was never measured is named as such."""
    sections = [TOP, _summary(results), _machine(results)]
    sections += [_section(part, results[part.name]) for part in PARTS if part.name in results]
    if missing := [part.title for part in PARTS if part.name not in results]:
        sections.append("## Not measured yet\n\n" + "".join(f"- {title}\n" for title in missing))
    return "\n".join(sections)


def _summary(results: Mapping[str, Json]) -> str:
    """How many of each part's targets were reached, and which were not; a quick run shows neither."""
    with_targets = [
        (part.title, results[part.name])
        for part in PARTS
        if part.name in results and results[part.name]["figures"].get("targets")
    ]
    rows = [
        _counted(title, result["figures"]["targets"])
        for title, result in with_targets
        if not result["quick"]
    ]
    paragraphs = ["## In short\n"]
    if rows:
        caption = "What was aimed at, and what was not reached:"
        paragraphs.append(_table(Table(caption, ("part", "reached", "missed"), rows)))
    if quick := [title for title, result in with_targets if result["quick"]]:
        paragraphs.append(
            "Measured by a quick run alone, by which nothing is judged:\n\n"
            + "".join(f"- {title}\n" for title in quick)
        )
    return "\n".join(paragraphs)


def _counted(title: str, targets: Sequence[Json]) -> tuple[str, str, str]:
    missed = "; ".join(each["what"] for each in targets if each["met"] is False)
    reached = sum(each["met"] is True for each in targets)
    return title, f"{reached} of {len(targets)}", missed


def _section(part: Part, result: Json) -> str:
    figures = result["figures"]
    return "\n".join(
        [
            f"## {part.title}\n",
            f"{part.compared.strip()}\n",
            *([QUICK] if result["quick"] else []),
            *(
                f"![{plot.caption}]({plot_file(part, plot)})\n\n*{plot.caption}*\n"
                for plot in part.plots(figures)
            ),
            *(_table(table) for table in part.tables(figures)),
            *_targets(figures.get("targets", ()), are_judged=not result["quick"]),
            _remark(result),
        ]
    )


def _table(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    rows = "\n".join(f"| {' | '.join(row)} |" for row in (table.header, rule, *table.rows))
    return f"{table.caption}\n\n{rows}\n"


def _targets(targets: Sequence[Json], *, are_judged: bool) -> Iterator[str]:
    if not targets:
        return
    header = ["figure", "measured", "target"]
    rows = [
        [
            each["what"],
            _number(each["measured"]),
            f"{'≥' if each['at_least'] else '≤'} {each['bound']:g}",
        ]
        for each in targets
    ]
    if are_judged:
        header.append("reached")
        for row, each in zip(rows, targets, strict=True):
            row.append(VERDICTS[each["met"]])
    yield _table(Table("What was aimed at:", header, rows))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _remark(result: Json) -> str:
    return (
        f"Measured on {result['date']} at commit {result['commit']}, in {_minutes(result['seconds'])};"
        f" load average {result['load_before']} before, {result['load_after']} behind."
        f" [Results](results/{result['part']}.json).\n"
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 100 else f"{seconds:.0f} s"


def _machine(results: Mapping[str, Json]) -> str:
    """What the parts were measured on and with; where they differ, each value with its parts."""
    rows = [
        ("processor", _values(results, lambda each: each["machine"]["cpu"])),
        ("cores", _values(results, lambda each: str(each["machine"]["cores"]))),
        ("memory", _values(results, lambda each: f"{each['machine']['memory_gb']} GB")),
        ("kernel", _values(results, lambda each: each["machine"]["kernel"])),
    ]
    names = dict.fromkeys(name for result in results.values() for name in result["versions"])
    rows += [(name, _values(results, partial(_version, name))) for name in names]
    lines = "".join(f"| {name} | {value} |\n" for name, value in rows)
    return f"## Machine and versions\n\n| | |\n| --- | --- |\n{lines}"


def _version(name: str, result: Json) -> str:
    version: str = result["versions"].get(name, "")
    return version


def _values(results: Mapping[str, Json], value_of: Callable[[Json], str]) -> str:
    parts: dict[str, list[str]] = {}
    for name, result in results.items():
        if value := value_of(result):
            parts.setdefault(value, []).append(name)
    if len(parts) <= 1:
        return "".join(parts)
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in parts.items())
