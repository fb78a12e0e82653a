"""Reads a dataclass from the environment, a variable for each field, and reports every fault in one message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

from telemetry.chassis.config.parsers import Unacceptable
from telemetry.chassis.config.urls import redact_url
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Settings = TypeVar("Settings", bound=DataclassInstance)

T = TypeVar("T")

Known = Mapping[str, Any]
"""The fields read so far, by name. A bad one is absent."""
Derive = Callable[[Known, Mapping[str, str]], str]
"""A default from the fields above it and the environment. KeyError: one of those fields is bad."""

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
) -> T:
    """A dataclass field that is read from the environment. It is required if it has neither default.

    `parse` raises Unacceptable. A `secret` value is redacted as a URL in the message of a fault. The declared
    result is the field's type, so that type checkers compare the field with its parser.
    """
    metadata = {"parse": parse, "default": default, "derive": derive, "secret": secret}
    return cast("T", field(metadata=metadata))


def load(
    settings: type[Settings], environ: Mapping[str, str], relations: tuple[Relation, ...] = ()
) -> Settings:
    """Read every field of `settings`. Raises ConfigError, which names every fault."""
    known: dict[str, Any] = {}
    faults: list[str] = []
    for each in fields(settings):
        name = each.name.upper()
        try:
            raw = environ.get(name) or _default(each, known, environ)
        except KeyError:  # The default depends on a bad variable, which is reported already.
            continue
        if raw is None:
            faults.append(f"{name}: is not set; it is required")
            continue
        try:
            known[each.name] = each.metadata["parse"](raw)
        except Unacceptable as fault:
            faults.append(f"{name}: {_shown(raw, each)} {fault}")
    faults.extend(_broken(relations, known))
    if faults:
        raise ConfigError("bad configuration\n" + "\n".join(f"  {line}" for line in faults))
    return settings(**known)


def _default(each: Field[Any], known: Known, environ: Mapping[str, str]) -> str | None:
    derive: Derive | None = each.metadata["derive"]
    return derive(known, environ) if derive else cast("str | None", each.metadata["default"])


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
