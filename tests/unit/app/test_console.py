from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from core.app.console import static
from core.app.console.application import origin_of
from core.app.console.forms import field, shown
from core.app.console.incident import _links
from core.domain.incident.model import Incident
from tests.support.npm_packages import CONSOLE, HTMX


def test_htmx_is_to_the_byte_the_file_of_the_locked_npm_package() -> None:
    locked = (CONSOLE.install() / HTMX).read_bytes()
    assert static.file("htmx.min.js") == locked


def test_a_link_leads_to_the_web_or_is_text() -> None:
    elsewhere = [
        "javascript:alert(1)",
        "JaVaScRiPt://x.example/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "//evil.example",
        "https:evil.example",
        "\thttps://evil.example",
        "file:///etc/passwd",
        "s3://documents/report.json",
    ]
    incident = Incident(
        id="alert:cpu@20260102T030405.678Z",
        links=("https://status.example/1?a=b&c", *elsewhere),
        named_links={"runbook": "http://runbooks.example", "evil": elsewhere[0]},
        document="s3://documents/a.json",
    )
    found = dict(_links(incident))
    assert {name: to for name, to in found.items() if to} == {
        "runbook": "http://runbooks.example",
        "https://status.example/1?a=b&c": "https://status.example/1?a=b&c",
    }
    assert set(elsewhere) <= set(found)
    assert "evil: javascript:alert(1)" in found
    assert "The report that opened it: s3://documents/a.json" in found


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://tidegate.example", "https://tidegate.example"),
        ("https://Tidegate.example:443/path", "https://tidegate.example"),
        ("https://tidegate.example:8443", "https://tidegate.example:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_origin_is_what_browsers_say(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_an_application_without_a_console_loads_nothing_of_it() -> None:
    code = (
        "import os, sys; os.environ |= {'TIDEGATE_LINK_KEYS': 'env:KEY'}\n"
        "from core.app.application import create; create()\n"
        "print(sorted(n for n in sys.modules if n.startswith(('core.app.console', "
        "'core.app.identity', 'authlib', 'httpx2'))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize(
    ("at", "zone"),
    [
        (datetime.max.replace(tzinfo=UTC), "Asia/Tokyo"),
        (datetime.min.replace(tzinfo=UTC), "America/New_York"),
    ],
)
def test_the_ends_of_the_calendar_are_shown_in_every_zone(at: datetime, zone: str) -> None:
    assert shown(at, ZoneInfo(zone)) == f"{at:%a %d %b %Y %H:%M}"
    assert field(at, ZoneInfo(zone)) == f"{at:%Y-%m-%dT%H:%M}"
