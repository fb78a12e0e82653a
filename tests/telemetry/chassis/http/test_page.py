from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from telemetry.chassis.http.page import Page, build_page

FERRY = build_page(
    title="ferry & <co>", parts="<p>{{script}}</p>", script="function show(status) {}"
)


def policy_of(page: Page) -> dict[str, str]:
    directives = dict(page.headers)["content-security-policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


def hash_of(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_the_policy_allows_this_script_and_this_style_and_nothing_else() -> None:
    html = FERRY.html.decode()
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    [script] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert policy_of(FERRY) == {
        "default-src": "'none'",
        "script-src": hash_of(script),
        "style-src": hash_of(style),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_the_page_names_nothing_that_is_elsewhere() -> None:
    html = FERRY.html.decode()
    # The namespace of SVG is a name, and is never asked for.
    assert set(re.findall(r"https?://[^\s\"'<>]+", html)) <= {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"(?:src|srcset|action)=", html)
    links = set(re.findall(r'href="([^"]*)"', html))
    assert links == {"data:,", "status.json", "readyz", "healthz", "metrics"}


def test_the_page_has_no_style_or_handler_that_the_policy_would_refuse() -> None:
    body = FERRY.html.decode().partition("<body>")[2].partition("<script>")[0]
    assert not re.findall(r"\s(?:style|on\w+)=", body)


def test_a_title_is_text_and_parts_are_taken_as_they_are() -> None:
    html = FERRY.html.decode()
    assert "<title>ferry &amp; &lt;co&gt;</title>" in html
    assert "<p>{{script}}</p>" in html
