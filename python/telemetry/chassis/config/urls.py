"""Takes URLs apart, and shows them without their secrets, malformed ones included."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

from telemetry.chassis.config.parsers import Unacceptable

HIDDEN = "***"
ENCODE = "percent-encode special characters in user and password"

# A list of what is shown, not of what is hidden: a misspelt `pasword=` must not leak either.
PARAMETERS_SHOWN = frozenset(
    {
        "application_name",
        "client_name",
        "connect_timeout",
        "db",
        "dbname",
        "host",
        "port",
        "protocol",
        "ssl_ca_certs",
        "ssl_cert_reqs",
        "ssl_check_hostname",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
        "user",
    }
)
_PLAIN = re.compile(r"[A-Za-z0-9._/-]*")
_HOST = r"(?:[A-Za-z0-9._%-]*|\[[0-9A-Fa-f:.%]*\])(?::[0-9]{0,5})?"
_HOSTS = re.compile(rf"{_HOST}(?:,{_HOST})*")  # libpq takes several.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,15})://")


def redact_url(url: str) -> str:
    """The URL with passwords hidden; only its scheme, if it cannot be taken apart safely.

    A lone name before the `@` is hidden too: it may be a password whose colon was forgotten.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        return HIDDEN
    try:
        parts = split_hosts(url)
        authority = _authority(parts)
    except ValueError:
        return f"{scheme[0]}{HIDDEN}"
    # An unescaped `/`, `?` or `#` in a password ends the authority early, and the `@` is behind it.
    if "@" in parts.path + parts.query + parts.fragment:
        return f"{scheme[0]}{HIDDEN}"
    query = "?" + "&".join(_parameters(parts.query)) if parts.query else ""
    return f"{scheme[0]}{authority}{parts.path}{query}"


def _authority(parts: SplitResult) -> str:
    """User, host and port. Raises ValueError when they do not parse."""
    user_and_password, at, host_and_port = parts.netloc.rpartition("@")
    if not _HOSTS.fullmatch(host_and_port):
        raise ValueError("neither a host nor a list of hosts")
    if not at:
        return host_and_port
    user, _, password = user_and_password.partition(":")
    shown = f"{user}:{HIDDEN}" if user and password else HIDDEN
    return f"{shown}@{host_and_port}"


def _parameters(query: str) -> list[str]:
    return [
        f"{name}={value}" if name in PARAMETERS_SHOWN and _PLAIN.fullmatch(value) else HIDDEN
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]


def split_hosts(url: str) -> SplitResult:
    """Take a URL apart that may have several hosts. Raises ValueError.

    Python's own function refuses a list in which an IPv6 address is not the first.
    """
    before, separator, behind = url.partition("://")
    user, at, hosts = re.match(r"(?:([^/?#]*)(@))?([^/?#]*)", behind).groups("")  # type: ignore[union-attr]  # always
    if "," not in hosts:
        return urlsplit(url)
    rest = behind.removeprefix(f"{user}{at}{hosts}")
    parts = urlsplit(f"{before}{separator}{user}{at}{rest}")
    return parts._replace(netloc=parts.netloc + hosts)


def split_url(raw: str, schemes: tuple[str, ...], accepted: str) -> SplitResult:
    """Take a URL of one of the schemes apart. Raises Unacceptable, whose text quotes nothing of it."""
    if not raw.startswith(tuple(f"{scheme}://" for scheme in schemes)) or not raw.isprintable():
        raise Unacceptable(f"is not such a URL; {accepted}")
    try:
        parts = split_hosts(raw)
    except ValueError:
        raise Unacceptable(f"does not parse; {ENCODE}; {accepted}") from None
    if parts.fragment or "@" in parts.path + parts.query:
        raise Unacceptable(
            f"has an unescaped `/`, `?` or `#` in user or password, or a fragment; {ENCODE}"
        )
    return parts
