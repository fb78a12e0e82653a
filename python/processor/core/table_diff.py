"""Two tables against each other: what one has and the other has not, or has differently.

Not a difference: the order of the columns, since Directus adds them as they come and every statement names them; the
names that PostgreSQL makes up for indexes and constraints; owner and grants, which are of a database and not of the
table's form.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from processor.core.schema import DEFAULTED_COLUMNS, NEEDED_PRIVILEGES, TABLE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SERVICE_ROLE: Final = "processor"
"""The role that the service connects as, in a database that was set up as the contract says."""
# NAMEDATALEN - 1, less the number that PostgreSQL puts behind a name that is taken.
_CUT_NAME_BYTES_MIN: Final = 60
_MADE_UP: Final = re.compile(rf"({TABLE_NAME}.*)_(idx|key|pkey|check|fkey|excl)[0-9]*")
_SPELLINGS: Final = {
    spelling: min(column.defaults, key=len)
    for column in DEFAULTED_COLUMNS
    for spelling in column.defaults
}


@dataclass(frozen=True, slots=True)
class Named:
    """An index or a constraint; `definition` is without the name."""

    name: str
    definition: str
    is_made_up: bool = False
    """Whether the name is one that PostgreSQL chose."""


@dataclass(frozen=True, slots=True)
class TableForm:
    """All that makes a table what it is, as the server of any version describes it."""

    parts: Mapping[str, str]
    """What has a name of its own, from the table itself to its policies: `column speed` is `real NOT NULL`.

    Empty if there is no such table.
    """
    indexes: tuple[Named, ...] = ()
    """Without those of constraints."""
    constraints: tuple[Named, ...] = ()
    """Without NOT NULL, which is said of the column: only PostgreSQL 18 has it here, too."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that differs; None on the side where it is absent."""

    object: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands around a table: no part of its form, but worth knowing before one replaces the other."""

    database: str
    postgres_version: str
    timescaledb_version: str | None
    owner: str | None
    """None: there is no table."""
    privileges: frozenset[str] | None
    """Those of NEEDED_PRIVILEGES that the service's role has; None: there is no such role."""


def differences(a: TableForm, b: TableForm) -> list[Difference]:
    """What differs, in the order of `a`'s catalogue; only the table, if one side has none."""
    if not a.parts or not b.parts:
        first = [[*form.parts.items()][:1] for form in (a, b)]
        a, b = (TableForm(dict(each)) for each in first)
    return [
        *_of_parts(a.parts, b.parts),
        *_of_named("index", a.indexes, b.indexes),
        *_of_named("constraint", a.constraints, b.constraints),
    ]


def column_text(
    type_: str, *, not_null: bool, default: str | None, further: str | None = None
) -> str:
    """A column as its owner would write it; spellings of a default that mean the same look alike."""
    texts = [type_, further or "", "NOT NULL" if not_null else ""]
    if default is not None:
        texts.append(f"DEFAULT {_SPELLINGS.get(default, default)}")
    return " ".join(filter(None, texts))


def is_made_up(name: str, columns: tuple[str, ...]) -> bool:
    """Whether PostgreSQL would choose this name for an index or constraint on these columns."""
    found = _MADE_UP.fullmatch(name)
    if found is None:
        return False
    whole = "_".join((TABLE_NAME, *columns))
    if found[1] in (TABLE_NAME, whole):
        return True
    return len(name.encode()) >= _CUT_NAME_BYTES_MIN and whole.startswith(found[1])


def remarks(a: Standing, b: Standing) -> list[str]:
    """What is no difference of the tables, but has to be put right, or known, before one replaces the other."""
    found = list[str]()
    if a.owner != b.owner:
        owners = [each.owner or "nobody" for each in (a, b)]
        found.append(f"the table belongs to {owners[0]} in A, to {owners[1]} in B")
    for side, standing in (("A", a), ("B", b)):
        if standing.privileges is None:
            found.append(f"{side} has no role {SERVICE_ROLE}")
            continue
        missing = [each for each in NEEDED_PRIVILEGES if each not in standing.privileges]
        if missing:
            found.append(f"role {SERVICE_ROLE} has no {', '.join(missing)} in {side}")
    if a.timescaledb_version != b.timescaledb_version:
        versions = [each.timescaledb_version or "none" for each in (a, b)]
        found.append(f"TimescaleDB: {versions[0]} in A, {versions[1]} in B")
    return found


def _of_parts(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Difference]:
    for name in (*a, *(each for each in b if each not in a)):
        if a.get(name) != b.get(name):
            yield Difference(name, a.get(name), b.get(name))


def _of_named(kind: str, a: tuple[Named, ...], b: tuple[Named, ...]) -> Iterator[Difference]:
    rest_a, rest_b = _unpaired(a, b, operator.eq)
    rest_a, rest_b = _unpaired(rest_a, rest_b, _differ_by_made_up_name)
    yield from _of_parts(_texts(kind, rest_a), _texts(kind, rest_b))


def _unpaired(
    a: Sequence[Named], b: Sequence[Named], is_pair: Callable[[Named, Named], bool]
) -> tuple[list[Named], list[Named]]:
    """What is left of both sides when each of `a` has taken one partner at most."""
    rest_a, rest_b = list[Named](), [*b]
    for each in a:
        partner = next((other for other in rest_b if is_pair(each, other)), None)
        if partner is None:
            rest_a.append(each)
        else:
            rest_b.remove(partner)
    return rest_a, rest_b


def _differ_by_made_up_name(one: Named, other: Named) -> bool:
    return one.definition == other.definition and (one.is_made_up or other.is_made_up)


def _texts(kind: str, rest: list[Named]) -> dict[str, str]:
    return {f"{kind} {each.name}": each.definition for each in rest}
