"""A real browser, Debian's chromium, driven by playwright: for tests of the page, and for its pictures."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import sync_playwright

from dev.servers import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

PROGRAM = "chromium"
DESK = (1100, 900)
TELEPHONE = (360, 740)


@contextmanager
def launch_browser() -> Iterator[Browser]:
    """A browser without a window. Raises ServerError if the program is missing."""
    options = ["--disable-gpu"]
    if os.geteuid() == 0:
        # chromium refuses to run as root with its sandbox, and nothing but our own page is opened.
        options.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_program(PROGRAM), args=options, chromium_sandbox=False
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = DESK,
    scheme: Literal["light", "dark"] = "light",
) -> Iterator[Page]:
    """The page at `url`; `size` is the viewport's width and height in CSS pixels."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    try:
        page = context.new_page()
        page.goto(url)
        yield page
    finally:
        context.close()
