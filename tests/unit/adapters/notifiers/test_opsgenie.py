from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.adapters.notifiers.opsgenie import request
from core.adapters.notifiers.router import ChannelNotifier
from core.domain.severity import Severity
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification, NotificationKind
from tests.support.web import Site, serving

KEY = "01234567-89ab-cdef-0123-456789abcdef"
ID = "incident:webhook:prod:a b/c@20260102T030405.678Z"
PAGE = Notification(
    key=f"{ID}/level-1/repeat-1/duty",
    title="[HIGH] Checkout",
    body="Payments fail.",
    severity="high",
    incident_id=ID,
    dedup_key=ID,
    url="https://ui.example/k7m2qx",
    links=(("runbook", "https://runbooks.example/a"),),
)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        site.status, site.says = 202, '{"result":"Request will be processed"}'
        yield site


async def notify(site: Site, notification: Notification, *, timeout: float = 20.0) -> None:
    duty = Address(name="duty", kind="opsgenie", url=f"{site.url('')}/", secret=KEY)
    await ChannelNotifier(timeout=timeout).notify(notification, [duty])


async def test_a_page_creates_an_alert_with_the_incidents_id_as_its_alias(site: Site) -> None:
    await notify(site, PAGE)
    [(path, headers, _)] = site.got
    assert path == "/v2/alerts"
    assert headers["Authorization"] == f"GenieKey {KEY}"
    assert site.bodies() == [
        {
            "message": "[HIGH] Checkout",
            "alias": ID,
            "description": "Payments fail.",
            "priority": "P2",
            "details": {
                "incident_id": ID,
                "handle": PAGE.handle,
                "runbook": "https://runbooks.example/a",
                "incident": "https://ui.example/k7m2qx",
            },
            "user": "Tidegate",
            "source": "Tidegate",
        }
    ]


async def test_no_link_of_an_alert_takes_the_place_of_one_of_ours(site: Site) -> None:
    ours = (("I have it", "https://app.example/i/a"),)
    evil = tuple((name, "https://evil.example") for name in ("I have it", "incident", "handle"))
    await notify(site, replace(PAGE, links=ours + evil))
    [body] = site.bodies()
    assert body["details"] == {
        "incident_id": ID,
        "handle": PAGE.handle,
        "incident": "https://ui.example/k7m2qx",
        "I have it": "https://app.example/i/a",
    }


@pytest.mark.parametrize(
    ("kind", "action"),
    [(NotificationKind.ACKNOWLEDGED, "acknowledge"), (NotificationKind.RESOLVED, "close")],
)
async def test_what_becomes_of_it_is_done_to_the_alert(
    site: Site, kind: NotificationKind, action: str
) -> None:
    await notify(site, replace(PAGE, kind=kind))
    alias = "incident%3Awebhook%3Aprod%3Aa%20b%2Fc%4020260102T030405.678Z"
    assert [path for path, _, _ in site.got] == [
        f"/v2/alerts/{alias}/{action}?identifierType=alias"
    ]
    assert site.bodies() == [{"user": "Tidegate", "source": "Tidegate", "note": "[HIGH] Checkout"}]


@pytest.mark.parametrize("kind", NotificationKind)
def test_every_kind_of_message_is_one_request(kind: NotificationKind) -> None:
    path, body = request(replace(PAGE, kind=kind))
    assert path.startswith("/v2/alerts")
    assert body["user"] == "Tidegate"


@pytest.mark.parametrize(
    ("severity", "priority"),
    [*zip(Severity, ["P1", "P2", "P3", "P4", "P5"], strict=True)],
)
def test_every_severity_has_a_priority(severity: Severity, priority: str) -> None:
    assert request(replace(PAGE, severity=severity))[1]["priority"] == priority


def test_what_is_too_long_is_cut() -> None:
    links = tuple((f"link {number}", "https://x.example/" + "y" * 900) for number in range(20))
    long = replace(PAGE, title="t" * 5_000, body="b" * 50_000, dedup_key="d" * 600, links=links)
    _, body = request(long)
    assert (len(body["message"]), len(body["description"]), len(body["alias"])) == (
        130,
        15_000,
        512,
    )
    assert body["details"]["incident_id"] == ID
    assert sum(map(len, [*body["details"], *body["details"].values()])) <= 8_000


async def test_an_answer_that_is_no_success_fails_without_the_key(site: Site) -> None:
    site.status, site.says = 422, f'{{"message":"Key {KEY} is not valid"}}'
    with pytest.raises(NotificationFailed, match="answered 422") as failed:
        await notify(site, PAGE)
    assert KEY not in str(failed.value)
