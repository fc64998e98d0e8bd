"""The system's Chromium in tests: pages as people see them, and what axe-core says about them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from tests.support.npm_packages import AXE, CONSOLE
from tests.support.programs import program

SCREENSHOTS: Final = Path(__file__).parents[2] / "build" / "screenshots"
"""Where a run leaves its pictures."""

WIDTHS: Final = {360: 740, 1280: 800}
"""A phone, and a desk: widths with their heights, in pixels."""

_POLICY: Final = "Content Security Policy"

Scheme = Literal["light", "dark"]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser. Skips the test where there is none on this machine."""
    path = program("chromium", package="chromium")
    # Its sandbox does not work for root, as whom containers of a pipeline run.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=flags)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def tab(
    browser: Browser,
    *,
    width: int = 1280,
    scheme: Scheme = "light",
    javascript: bool = True,
    errors: bool = True,
) -> AsyncIterator[Page]:
    """A page of its own session. Fails with whatever the browser complained about, such as what the
    Content-Security-Policy forbids; without `errors` with that alone."""
    context = await browser.new_context(
        viewport={"width": width, "height": WIDTHS[width]},
        color_scheme=scheme,
        java_script_enabled=javascript,
    )
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and (errors or _POLICY in message.text):
            complaints.append(message.text)

    page = await context.new_page()
    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(15_000)
    try:
        yield page
    finally:
        await context.close()
    assert not complaints, complaints


async def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page as it is shown now: the rule, and where."""
    # By the protocol: the page's own policy would not let it in.
    await page.evaluate((CONSOLE.install() / AXE).read_text(encoding="utf-8"))
    found: dict[str, Any] = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['html']} {node.get('failureSummary', '')}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(await page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


async def picture(page: Page, name: str) -> None:
    """Keep a picture of what is shown."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png")
