"""Reads a dataclass from the environment, a variable for each field, and reports every fault in one message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

from telemetry.chassis.config.parsers import Unacceptable
from telemetry.chassis.config.sources import Derive, Known, default_of, find
from telemetry.chassis.config.urls import redact_url
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Settings = TypeVar("Settings", bound=DataclassInstance)

T = TypeVar("T")

VALUE_SHOWN_CHARACTERS_MAX = 80


@dataclass(frozen=True)
class Relation:
    """A condition on several fields; if it does not hold, the fault is reported under `variable`.

    `holds` and `fault` raise KeyError when a field that they look at is bad itself.
    """

    variable: str
    holds: Callable[[Known], bool]
    fault: Callable[[Known], str]


def variable(
    parse: Callable[[str], T],
    *,
    default: str | None = None,
    derive: Derive | None = None,
    secret: bool = False,
    file: bool = False,
) -> T:
    """A dataclass field that is read from the environment. It is required if it has neither default.

    `parse` raises Unacceptable. A `secret` value is redacted as a URL in the message of a fault. With `file`,
    `<NAME>_FILE` may name a file that holds the value. The declared result is the field's type, so that type
    checkers compare the field with its parser.
    """
    metadata = {
        "parse": parse,
        "default": default,
        "derive": derive,
        "secret": secret,
        "file": file,
    }
    return cast("T", field(metadata=metadata))


def load(
    settings: type[Settings], environ: Mapping[str, str], relations: tuple[Relation, ...] = ()
) -> Settings:
    """Read every field of `settings`. Raises ConfigError, which names every fault."""
    reading = _Reading(environ)
    for each in fields(settings):
        row = reading.read(each)
        if row is not None and row.value is None:
            reading.faults.append(f"{row.name}: is not set; it is required")
    faults = [*reading.faults, *_broken(relations, reading.known)]
    if faults:
        raise ConfigError("bad configuration\n" + "\n".join(f"  {line}" for line in faults))
    return settings(**reading.known)


@dataclass(frozen=True, slots=True)
class Effective:
    """A variable as it is in effect; its secrets are hidden."""

    name: str
    value: str | None
    """None: it is required, and is not set."""
    default: str | None
    """None: it is required."""
    source: str
    """One of those in the module `sources`."""


def effective(
    settings: type[DataclassInstance],
    environ: Mapping[str, str],
    relations: tuple[Relation, ...] = (),
) -> tuple[list[Effective], list[str]]:
    """Every variable of `settings` in order, and the faults of those that are bad, which are left out.

    A required variable that is not set is no fault here.
    """
    reading, found = _Reading(environ), list[Effective]()
    for each in fields(settings):
        row = reading.read(each)
        if row is not None:
            found.append(row)
    return found, [*reading.faults, *_broken(relations, reading.known)]


class _Reading:
    """One pass over the fields: the values so far, and what is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.known: dict[str, Any] = {}
        self.faults: list[str] = []
        self._environ = environ

    def read(self, each: Field[Any]) -> Effective | None:
        """Read one field; None if it is bad, or hangs on a field that is bad."""
        name = each.name.upper()
        try:
            found = find(each, self.known, self._environ)
            default = default_of(each, self.known, self._environ)
        except KeyError:  # The default depends on a bad variable, which is reported already.
            return None
        except Unacceptable as fault:
            self.faults.append(f"{name}: {fault}")
            return None
        if found.raw is not None:
            try:
                self.known[each.name] = each.metadata["parse"](found.raw)
            except Unacceptable as fault:
                self.faults.append(f"{found.name}: {_shown(found.raw, each)} {fault}")
                return None
        return Effective(name, _hidden(found.raw, each), _hidden(default, each), found.source)


def _hidden(raw: str | None, each: Field[Any]) -> str | None:
    """The value without its secrets."""
    if raw is None:
        return None
    return redact_url(raw) if each.metadata["secret"] or "://" in raw else raw


def _broken(relations: tuple[Relation, ...], known: Known) -> list[str]:
    faults = []
    for relation in relations:
        try:
            if not relation.holds(known):
                faults.append(f"{relation.variable}: {relation.fault(known)}")
        except KeyError:
            continue
    return faults


def _shown(raw: str, each: Field[Any]) -> str:
    """The value as it may be shown: a URL in the wrong variable is a secret too."""
    if each.metadata["secret"] or "://" in raw:
        return redact_url(raw)
    if len(raw) > VALUE_SHOWN_CHARACTERS_MAX:
        return repr(raw[:VALUE_SHOWN_CHARACTERS_MAX]) + "..."
    return repr(raw)
