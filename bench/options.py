"""Options that the commands of the benchmarks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dev.servers import Choice

if TYPE_CHECKING:
    from argparse import ArgumentParser


def add_servers_option(parser: ArgumentParser) -> None:
    """`--servers`: whose Redis and PostgreSQL are measured with; `Choice` of its value says so."""
    parser.add_argument(
        "--servers",
        choices=[choice.value for choice in Choice],
        default=Choice.AUTO.value,
        help="whose Redis and PostgreSQL: the machine's, the embedded ones, or whichever is there",
    )
