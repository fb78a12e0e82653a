"""Finds the secrets of a configuration and hides them in texts, in every spelling in which they may turn up."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import parse_qsl, quote, unquote

from telemetry.chassis.config.urls import HIDDEN, PARAMETERS_SHOWN, split_hosts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed import DataclassInstance

# A shorter secret protects nothing, and would be found inside every other word.
SECRET_CHARACTERS_MIN = 4


@runtime_checkable
class HoldsSecrets(Protocol):
    """The value of a variable of which a part is secret."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """That part, or those parts, as they are; empty texts do not count."""


def secrets_of(settings: DataclassInstance) -> tuple[str, ...]:
    """The secrets in the fields that are marked `secret`, in every spelling, the longest first."""
    found: list[str] = []
    for each in fields(settings):
        if each.metadata.get("secret"):
            value = getattr(settings, each.name)
            found += value.secrets if isinstance(value, HoldsSecrets) else (str(value),)
    return spellings(found)


def secrets_in_url(url: str) -> tuple[str, ...]:
    """The URL itself, its password, and every option that is not known to be harmless."""
    parts = split_hosts(url)
    options = parse_qsl(parts.query)
    return (
        url,
        parts.password or "",
        *(value for name, value in options if name not in PARAMETERS_SHOWN),
    )


def spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """The secrets as they are and as URLs spell them, the longest first."""
    forms = {form for each in secrets for form in (each, unquote(each), quote(each, safe=""))}
    long_enough = (each for each in forms if len(each) >= SECRET_CHARACTERS_MIN)
    return tuple(sorted(long_enough, key=len, reverse=True))


def hide(text: str, secrets: tuple[str, ...]) -> str:
    """The text with `***` in the place of each secret; `secrets` as `secrets_of` returned them."""
    for each in secrets:
        text = text.replace(each, HIDDEN)
    return text
