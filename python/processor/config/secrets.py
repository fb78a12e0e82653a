"""What must not be shown: the secrets that a configuration holds, in every spelling in which they may turn up."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from processor.config.urls import HIDDEN, PARAMETERS_SHOWN

if TYPE_CHECKING:
    from processor.config.settings import Config

# Whoever has a shorter one hides nothing by it, and it would be found inside of every other word.
SECRET_CHARACTERS_MIN = 4


def secrets_of(config: Config) -> tuple[str, ...]:
    """Passwords as they are and as URLs spell them, the longest first."""
    conninfo = config.postgres_url.conninfo
    parts = urlsplit(conninfo)
    parameters = parse_qsl(parts.query)
    found = {
        conninfo,
        parts.password or "",
        config.redis_url.password or "",
        *(value for name, value in parameters if name not in PARAMETERS_SHOWN),
    }
    spelt = {form for each in found for form in (each, unquote(each), quote(each, safe=""))}
    return tuple(
        sorted(
            (each for each in spelt if len(each) >= SECRET_CHARACTERS_MIN), key=len, reverse=True
        )
    )


def hide(text: str, secrets: tuple[str, ...]) -> str:
    """The text with `***` in the place of each secret; `secrets` as `secrets_of` gave them."""
    for each in secrets:
        text = text.replace(each, HIDDEN)
    return text
