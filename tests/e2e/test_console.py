"""The console in Chromium, on the whole local stack: alerts by HTTP, and what people see and do."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from getpass import getuser
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, Route, expect

from core.contracts import INCIDENT_WORKER
from infra.local.environment import HOOK_SECRETS
from infra.local.stack import LocalStack
from tests.support.chromium import WIDTHS, Scheme, chromium, overflow, picture, tab, violations
from tests.support.eventually import eventually

LOADED = 20_000
"""Milliseconds until Temporal's visibility has an incident and the list has asked for it."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    state = tmp_path_factory.mktemp("stack")
    settings = {"TIDEGATE_ACK_TIMEOUT": "3600"}
    chosen = [INCIDENT_WORKER]
    with LocalStack(state, chosen=chosen, application=True, settings=settings) as stack:
        yield stack


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
def console(stack: LocalStack) -> str:
    assert stack.application
    return f"{stack.application.url}/console"


async def fire(stack: LocalStack, title: str, severity: str = "critical") -> None:
    """An alert, as Alertmanager sends it."""
    labels = {"alertname": title, "severity": severity, "service": "checkout"}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": title},
        "startsAt": "2026-01-02T03:04:05Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": uuid4().hex[:16],
    }
    body = {
        "version": "4",
        "status": "firing",
        "receiver": "tidegate",
        "groupKey": uuid4().hex,
        "groupLabels": {},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": [alert],
    }
    token = HOOK_SECRETS["LOCAL_HOOK_TOKEN"]
    request = urllib.request.Request(  # noqa: S310  # to the stack
        f"{stack.endpoints.gateway}/hooks/alertmanager",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    with await asyncio.to_thread(urllib.request.urlopen, request, timeout=30) as answer:
        assert answer.status == 202


async def focus(page: Page, id: str) -> None:
    """Go on to an element by Tab, as somebody without a mouse does."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == id:
            return
    pytest.fail(f"Tab does not lead to #{id}")


async def test_an_alert_appears_and_is_acknowledged_by_keyboard_alone(
    stack: LocalStack, browser: Browser, console: str
) -> None:
    title = f"Checkout answers 500 ({uuid4().hex[:6]})"
    async with tab(browser) as page:
        await page.goto(console)
        await fire(stack, title)
        link = page.get_by_role("link", name=title)
        await expect(link).to_be_visible(timeout=LOADED)  # by itself
        await focus(page, str(await link.get_attribute("id")))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name=title)).to_be_visible()
        await expect(page.get_by_text("nobody has it")).to_be_visible()
        await focus(page, "acknowledge")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("You have it.")).to_be_visible()
        timeline = page.get_by_role("list").filter(has_text="Opened with severity")
        newest = timeline.get_by_role("listitem").first
        await expect(newest).to_contain_text(f"{getuser()} (console)")
        await expect(newest).to_contain_text("Acknowledged")
        await expect(page.locator("#acknowledge")).to_have_count(0)


async def test_without_javascript_an_incident_is_acknowledged(
    stack: LocalStack, browser: Browser, console: str
) -> None:
    title = f"Payments fail ({uuid4().hex[:6]})"
    async with tab(browser, width=360, javascript=False) as page:
        await fire(stack, title)
        link = page.get_by_role("link", name=title)

        async def listed() -> bool:
            await page.goto(console)
            return await link.count() > 0

        await eventually(listed, "the incident to be listed")
        await link.click()
        await page.get_by_role("button", name="I have it").click()
        await expect(page.get_by_text("You have it.")).to_be_visible()


# ------------------------------------------------------------------------------ what it looks like


@pytest.fixture(scope="module")
async def shown(stack: LocalStack, browser: Browser) -> str:
    """The path of an incident with a title that would be a script, and what else there is."""
    assert stack.application
    title = "Checkout latency is above 2 s <script>window.hacked = 1</script><img src=x onerror=a>"
    await fire(stack, title)
    await fire(stack, "A disk is almost full", "medium")
    async with tab(browser) as page:
        await page.goto(f"{stack.application.url}/console")
        await expect(page.get_by_role("link", name="A disk is almost full")).to_be_visible(
            timeout=LOADED
        )
        link = page.get_by_role("link", name="Checkout latency is above 2 s")
        path = str(await link.get_attribute("href"))
        await page.goto(f"{stack.application.url}{path}")
        await expect(page.get_by_text("Page delivered").first).to_be_visible(timeout=LOADED)
        assert await page.evaluate("window.hacked") is None
    return path


PAGES: dict[str, Callable[[str], str]] = {
    "incidents": lambda shown: "/console/incidents",
    "incident": lambda shown: shown,
    "notice": lambda shown: "/console/nothing",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_every_page_can_be_read_by_everybody(
    width: int, scheme: Scheme, stack: LocalStack, browser: Browser, shown: str
) -> None:
    assert stack.application
    async with tab(browser, width=width, scheme=scheme, errors=False) as page:
        for name, path in PAGES.items():
            await page.goto(f"{stack.application.url}{path(shown)}")
            await picture(page, f"console-{name}-{width}-{scheme}")
            for closed in await page.locator("details").all():
                await closed.locator("summary").click()
            assert await overflow(page) <= 0, name
            assert await violations(page) == [], name


async def test_on_a_phone_the_button_is_within_reach_of_the_thumb(
    stack: LocalStack, browser: Browser, shown: str
) -> None:
    assert stack.application
    async with tab(browser, width=360) as page:
        await page.goto(f"{stack.application.url}{shown}")
        for scrolled in (0, 300):
            await page.evaluate("y => window.scrollTo(0, y)", scrolled)
            assert await page.evaluate("window.scrollY") == scrolled
            box = await page.locator("#acknowledge").bounding_box()
            assert box
            assert box["height"] >= 48
            assert box["width"] >= 300
            assert WIDTHS[360] - 100 <= box["y"] <= WIDTHS[360] - box["height"]


async def test_the_first_thing_that_tab_reaches_leads_to_the_content(
    browser: Browser, console: str, shown: str
) -> None:
    async with tab(browser) as page:
        await page.goto(console)
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()


# ------------------------------------------------------------------------------ what refreshes


async def hide(page: Page, hidden: bool) -> None:
    """Make the page believe that somebody looks at another one, or comes back."""
    await page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', {get: () => hidden, "
        "configurable: true}); document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


async def test_a_page_that_nobody_sees_asks_for_nothing(
    browser: Browser, console: str, shown: str
) -> None:
    asked: list[str] = []
    async with tab(browser) as page:
        await page.goto(console)
        page.on("request", lambda each: asked.extend([each.url] if "/live" in each.url else []))
        await hide(page, True)
        await page.evaluate("htmx.trigger('#list', 'seen')")
        assert asked == []
        async with page.expect_response(f"{console}/incidents/live*"):
            await hide(page, False)
        assert asked


async def test_a_page_that_is_out_of_date_says_so(
    browser: Browser, console: str, shown: str
) -> None:
    async with tab(browser, errors=False) as page:
        await page.goto(console)
        banner = page.get_by_role("alert")
        await expect(banner).to_be_hidden()

        async def fails(route: Route) -> None:
            await route.fulfill(status=503)

        await page.route("**/live*", fails)
        await page.evaluate("htmx.trigger('#list', 'seen')")
        await expect(banner).to_contain_text("This page is no longer up to date.")
        await page.unroute("**/live*")
        await page.evaluate("htmx.trigger('#list', 'seen')")
        await expect(banner).to_be_hidden()


async def test_what_somebody_types_is_left_alone_while_the_incident_changes(
    stack: LocalStack, browser: Browser, shown: str
) -> None:
    assert stack.application
    url = f"{stack.application.url}{shown}"
    async with tab(browser) as page, tab(browser) as other:
        await page.goto(url)
        await page.locator("#do-comment summary").click()
        await page.locator("#note-comment").type("The provider ")
        await other.goto(url)
        await other.locator("#do-mitigate summary").click()
        await other.get_by_role("button", name="Mark as mitigated").click()
        await expect(other.get_by_text("Mark as mitigated: done.")).to_be_visible()
        await expect(page.locator(".standing")).to_contain_text("mitigated")  # by itself
        await expect(page.locator("#latest")).to_have_text(f"{getuser()} (console): Mitigated")
        await expect(page.locator("#note-comment")).to_be_focused()
        await page.keyboard.type("knows.")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(
            page.get_by_text("Comment: done. Comment: The provider knows.")
        ).to_be_visible()
        await expect(page.get_by_role("button", name="Reopen")).to_have_count(0)
        await expect(page.locator("#do-reopen")).to_be_visible()
