"""The page for people: one file with its style and script in it, and the policy that lets it load nothing else.

The frame is any service's: how the page looks, and how it refreshes itself from `/status.json`. A service brings the
parts of the page between header and footer, and the script that fills them.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files

PLACE = re.compile(r"\{\{(\w+)\}\}")
"""Where a text goes in the frame."""


@dataclass(frozen=True, slots=True)
class Page:
    """The page as it is sent."""

    html: bytes
    headers: tuple[tuple[str, str], ...]


def build_page(*, title: str, parts: str, script: str) -> Page:
    """Put a service's parts (HTML) and script into the frame.

    The script defines `show(status)`, which is called with what `/status.json` has; the frame's functions are there.
    """
    frame = files(__name__)
    style = (frame / "frame.css").read_text()
    whole_script = f"{(frame / 'frame.js').read_text()}\n{script}\nstart();\n"
    html = (frame / "frame.html").read_text()
    texts = {"title": escape(title), "style": style, "script": whole_script, "parts": parts}
    html = PLACE.sub(lambda place: texts[place[1]], html)
    return Page(html.encode(), _headers(style, whole_script))


def _headers(style: str, script: str) -> tuple[tuple[str, str], ...]:
    """Nothing is loaded or run but this style and this script; nothing is asked for but this service's own paths."""
    policy = (
        "default-src 'none'",
        f"script-src {_hash(script)}",
        f"style-src {_hash(style)}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return (
        ("content-security-policy", "; ".join(policy)),
        ("referrer-policy", "no-referrer"),
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
