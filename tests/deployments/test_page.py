"""The page in a real browser, shown by a real service: traffic, an outage, a drain, and what it refuses to load."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from signal import SIGTERM
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from dev.browser import PROGRAM, TELEPHONE, launch_browser, open_page
from tests.support.ingestion import frozen
from tests.support.ingestion_frames import tcp_frame
from tests.support.processes import QUICK_CLAIMS, WAIT_S_MAX, until
from tests.support.servers import drive, entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from dev.servers import PostgresServer, RedisServer
    from tests.processes.conftest import Run
    from tests.support.ingestion import Ingest
    from tests.support.processes import Service
    from tests.support.servers import Servers

pytestmark = pytest.mark.deployment(PROGRAM)

# WCAG 2.1: for text that is not large.
CONTRAST_MIN = 4.5
CONTRASTS = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((each) => {
      const part = each / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("body *")]
    .filter((each) => each.checkVisibility())
    .filter((each) => [...each.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
    .map((each) => {
      const [a, b] = [light(getComputedStyle(each).color), light(behind(each))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), each.textContent.trim().slice(0, 40)];
    });
}"""


@dataclass
class Seen:
    """What the browser did beside showing the page."""

    addresses: set[str] = field(default_factory=set)
    """Hosts and ports that were asked."""
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and uncaught exceptions."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch_browser() as browser:
        yield browser


@contextmanager
def watched(page: Page) -> Iterator[Seen]:
    """Load the page again, and see what it does from its first moment on."""
    seen = Seen()
    page.on("request", lambda request: seen.addresses.add(urlsplit(request.url).netloc))
    page.on(
        "console",
        lambda line: (
            seen.complaints.append(line.text) if line.type in {"error", "warning"} else None
        ),
    )
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.set_default_timeout(WAIT_S_MAX * 1000)
    page.reload()
    yield seen


def says(page: Page, words: str) -> None:
    """Wait until the page says so at a glance."""
    expect(page.locator("#verdict-words")).to_have_text(words, timeout=WAIT_S_MAX * 1000)


def shows(page: Page, selector: str, text: str) -> None:
    """Wait until that place of the page contains the text."""
    expect(page.locator(selector)).to_contain_text(text, timeout=WAIT_S_MAX * 1000)


def url_of(service: Service) -> str:
    return f"http://{service.address}/"


def test_the_page_follows_traffic_an_outage_a_drain_and_the_end(
    run: Run, servers: Servers, postgres_server: PostgresServer, browser: Browser
) -> None:
    service = run(**QUICK_CLAIMS, DLQ_MAX_ATTEMPTS="1", DRAIN_BUDGET_MS="20000").ready()
    with open_page(browser, url_of(service)) as page, watched(page) as seen:
        says(page, "All is well")
        servers.publish(drive(500))
        shows(page, "#ledger tr:has-text('acknowledged')", "500")
        shows(page, "#written-note", "500 new")
        shows(page, "#silence", "ago")

        bad_id = servers.publish_at_once([entry(1, 9_000, latitude=91.0)])[0]
        says(page, "It works, and something needs a look")
        shows(page, "#problem-list .remedy", "processor dlq list")
        shows(page, "#failures", "out_of_range")
        shows(page, "#failures", bad_id)
        servers.redis.delete(f"{servers.stream}:dlq")
        says(page, "All is well")
        assert seen.complaints == []

        postgres_server.process.stop()
        servers.publish(drive(100, first_second=1_000))
        says(page, "Nothing is written: PostgreSQL cannot be used")
        shows(page, "#problem-list .remedy >> nth=0", "processor config")
        shows(page, "#verdict-more", "100 entries are in hand")
        assert "bad" in str(page.locator("#verdict").get_attribute("class"))
        assert page.title().startswith("✕")

        service.send(SIGTERM)
        says(page, "Draining: it stops reading, and finishes what it has")
        assert seen.complaints == []
        assert seen.addresses == {service.address}

        postgres_server.process.start()
        assert service.wait() == 0
        says(page, "The service does not answer")
        shows(page, "#freshness", "as it was")
        assert "old" in str(page.locator("body").get_attribute("class"))


def test_the_page_of_tcp_ingestion_follows_devices_an_outage_a_drain_and_the_end(
    ingest: Ingest, redis_server: RedisServer, browser: Browser
) -> None:
    service = ingest(DRAIN_DELAY_MS="20000").ready()
    with (
        open_page(browser, url_of(service)) as page,
        watched(page) as seen,
        service.login() as device,
    ):
        assert device.ask(tcp_frame(0)) == 5
        says(page, "All is well")
        shows(page, "#outcomes tr:has-text('frames answered')", "1")
        shows(page, "#verdict-more", "1 connection is open")
        shows(page, "#publish-note", "until Redis has confirmed")
        expect(page.locator("#no-failures")).to_be_visible()

        with frozen(redis_server):
            device.send(tcp_frame(1))
            says(page, "No device is answered: Redis cannot be used")
            shows(page, "#problem-list .remedy", "tcp-ingestion config")
            shows(page, "#publish", "\N{EN DASH}")
            # By Redis' code alone, not by codec, too.
            shows(page, "#failures", "Redis did not confirm it")
            expect(page.locator("#failures tr")).to_have_count(1)
        says(page, "All is well")

        service.send(SIGTERM)
        says(page, "Leaving: it still accepts devices, but not for long")
        assert seen.complaints == []
        assert seen.addresses == {service.address}
        service.send(SIGTERM)
        assert service.wait() == 0
        says(page, "The service does not answer")


def test_a_record_and_a_password_are_never_on_the_page(
    run: Run, servers: Servers, postgres_server: PostgresServer, browser: Browser
) -> None:
    markup = "<img src=x onerror=document.title='taken'>"
    # What an operator names is shown as it is written.
    service = run(**QUICK_CLAIMS, INSTANCE_ID=markup).ready()
    servers.publish_at_once([entry(1, 0, speed="a bad speed"), *drive(5, first_second=10)])
    with open_page(browser, url_of(service)) as page, watched(page) as seen:
        shows(page, "#failures", "bad_type")
        shows(page, "#instance", markup)
        shows(page, "#about tr:has-text('consumer')", markup)
        text = str(page.content()) + service.get("/status.json")[1]
        assert page.locator("img").count() == 0
        assert seen.complaints == []
    for secret in (postgres_server.processor_password, "bad speed", "3563070424410"):
        assert secret not in text


def test_the_policy_refuses_whatever_is_put_into_the_page(
    run: Run, servers: Servers, browser: Browser
) -> None:
    del servers
    service = run().ready()
    with open_page(browser, url_of(service)) as page, watched(page) as seen:
        says(page, "All is well")
        page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "document.body.dataset.taken = 'yes'";
              document.body.append(script);
              document.body.insertAdjacentHTML("beforeend", "<p id=marked style='color: red'>x</p>"
                + "<img src='http://127.0.0.1:9/x.png'>");
            }"""
        )
        until(lambda: page.evaluate("1") and len(seen.complaints) >= 3, "the browser refuses three")
        assert page.evaluate("document.body.dataset.taken ?? null") is None
        colour = page.evaluate("getComputedStyle(document.querySelector('#marked')).color")
        assert colour != "rgb(255, 0, 0)"
        with pytest.raises(Exception, match="Failed to fetch"):
            page.evaluate("() => fetch('http://127.0.0.1:9/')")
    assert all("Content Security Policy" in each for each in seen.complaints)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_on_a_telephone_by_day_and_by_night(
    run: Run, servers: Servers, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    service = run(**QUICK_CLAIMS, DLQ_MAX_ATTEMPTS="1").ready()
    servers.publish_at_once([*drive(50), entry(1, 9_000, latitude=91.0)])
    with open_page(browser, url_of(service), size=TELEPHONE, scheme=scheme) as page:
        shows(page, "#failures", "out_of_range")
        shows(page, "#problem-list", "dead-letter stream")
        width, height = page.evaluate("[document.documentElement.scrollWidth, innerHeight]")
        assert width <= TELEPHONE[0]
        # What is wrong and what to type is seen without a finger's move.
        box = page.locator(".remedy").first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < height
        back = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, back.strip("rgb()").split(","))) < 200) is (scheme == "dark")
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 30
        assert [each for each in contrasts if each[0] < CONTRAST_MIN] == []


def test_the_page_is_in_order_for_those_who_do_not_see_it(
    run: Run, servers: Servers, browser: Browser
) -> None:
    del servers
    service = run().ready()
    with open_page(browser, url_of(service)) as page, watched(page):
        says(page, "All is well")
        expect(page.get_by_role("status")).to_contain_text("All is well")
        expect(page.get_by_role("heading", level=1)).to_contain_text("processor-1")
        names = {section.inner_text() for section in page.get_by_role("heading", level=2).all()}
        assert {"Servers", "This instance", "What became of the entries read"} <= names
        for svg in page.locator("svg").all():
            label = str(svg.get_attribute("aria-label"))
            assert "now" in label
        # Each row of a table has a head.
        assert page.locator("tbody tr:not(:has(th[scope=row]))").count() == 0
        assert json.dumps(page.evaluate("document.documentElement.lang")) == '"en"'
