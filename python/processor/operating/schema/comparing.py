"""Two databases' tables against each other, both read at the same time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import trio

from processor.core.table_diff import differences, remarks
from processor.edges.postgres.operator_session import open_operator_session
from processor.edges.postgres.table_form import read_standing, read_table_form
from processor.errors import PostgresError
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from processor.config.postgres_target import PostgresTarget
    from processor.core.table_diff import Difference, Standing, TableForm


@dataclass(frozen=True, slots=True)
class Side:
    """One database, as it was read in one transaction."""

    where: str
    form: TableForm
    standing: Standing

    def as_json(self) -> dict[str, object]:
        """Where it is, and the versions that run there."""
        standing = self.standing
        return {
            "server": self.where,
            "database": standing.database,
            "postgres": standing.postgres_version,
            "timescaledb": standing.timescaledb_version,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides, and in what they differ."""

    a: Side
    b: Side

    @property
    def has_table(self) -> bool:
        """Whether there is a table on either side."""
        return bool(self.a.form.parts or self.b.form.parts)

    @property
    def differences(self) -> list[Difference]:
        """In the form of the table."""
        return differences(self.a.form, self.b.form)

    @property
    def warnings(self) -> list[str]:
        """In what stands around the table."""
        return remarks(self.a.standing, self.b.standing)

    def as_json(self) -> dict[str, object]:
        """The fields of contract section 10, and which databases these are."""
        found = self.differences
        return {
            "equal": self.has_table and not found,
            "differences": [asdict(each) for each in found],
            "warnings": self.warnings,
            "a": self.a.as_json(),
            "b": self.b.as_json(),
        }


async def compare_tables(a: PostgresTarget, b: PostgresTarget) -> Comparison:
    """Read both. Raises ConfigError, and PostgresError of the first side that cannot be read."""
    outcomes: dict[str, Side | PostgresError | ConfigError] = {}

    async def read(name: str, target: PostgresTarget) -> None:
        # Here, so that no error leaves the nursery in a group.
        try:
            outcomes[name] = await _read(target)
        except (PostgresError, ConfigError) as error:
            outcomes[name] = error

    async with trio.open_nursery() as nursery:
        for name, target in (("a", a), ("b", b)):
            nursery.start_soon(read, name, target)
    return Comparison(_side(outcomes["a"]), _side(outcomes["b"]))


def _side(outcome: Side | PostgresError | ConfigError) -> Side:
    if isinstance(outcome, Side):
        return outcome
    raise outcome


async def _read(target: PostgresTarget) -> Side:
    async with open_operator_session(target) as session, session.look() as connection:
        form = await read_table_form(connection)
        standing = await read_standing(connection)
        return Side(session.where, form, standing)
