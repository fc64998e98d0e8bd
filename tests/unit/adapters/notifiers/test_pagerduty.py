from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.adapters.notifiers.pagerduty import dedup_key, event
from core.adapters.notifiers.router import ChannelNotifier
from core.domain.severity import Severity, severity_of
from core.errors import NotificationFailed, TransientError
from core.ports.notifier import Address, Notification, NotificationKind
from tests.support.web import Site, serving

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
PAGE = Notification(
    key="incident:a/level-1/repeat-1/duty",
    title="[HIGH] Checkout",
    body="Payments fail.",
    severity="high",
    incident_id="incident:a",
    dedup_key="incident:a",
    url="https://ui.example/k7m2qx",
    links=(("runbook", "https://runbooks.example/a"),),
)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        site.status, site.says = 202, '{"status":"success"}'
        yield site


async def notify(site: Site, notification: Notification, *, timeout: float = 20.0) -> None:
    duty = Address(name="duty", kind="pagerduty", url=site.url("/v2/enqueue"), secret=ROUTING_KEY)
    await ChannelNotifier(timeout=timeout).notify(notification, [duty])


async def test_a_page_triggers(site: Site) -> None:
    await notify(site, PAGE)
    assert [path for path, _, _ in site.got] == ["/v2/enqueue"]
    assert site.bodies() == [
        {
            "routing_key": ROUTING_KEY,
            "event_action": "trigger",
            "dedup_key": "incident:a",
            "client": "Tidegate",
            "client_url": "https://ui.example/k7m2qx",
            "links": [{"href": "https://runbooks.example/a", "text": "runbook"}],
            "payload": {
                "summary": "[HIGH] Checkout",
                "source": "incident:a",
                "severity": "error",
                "custom_details": {
                    "incident_id": "incident:a",
                    "handle": "65mqph",
                    "page": "incident:a/level-1/repeat-1/duty",
                    "severity": "high",
                    "body": "Payments fail.",
                },
            },
        }
    ]


async def test_follow_ups_go_to_the_same_pagerduty_incident(site: Site) -> None:
    for kind in NotificationKind:
        await notify(site, replace(PAGE, kind=kind, key=f"incident:a/{kind}"))
    assert [(b["event_action"], b["dedup_key"]) for b in site.bodies()] == [
        ("trigger", "incident:a"),
        ("acknowledge", "incident:a"),
        ("resolve", "incident:a"),
        ("trigger", "incident:a"),
        ("trigger", "incident:a"),
    ]
    assert ["payload" in body for body in site.bodies()] == [True, False, False, True, True]


def test_without_an_address_of_the_incident_the_event_names_none() -> None:
    assert "client_url" not in event(replace(PAGE, url=None), "k")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("critical", "critical"),
        ("high", "error"),
        ("medium", "warning"),
        ("low", "info"),
        ("info", "info"),
        ("another", "info"),
    ],
)
def test_severities_are_sent_in_pagerdutys_words(ours: str, theirs: str) -> None:
    assert event(replace(PAGE, severity=ours), "k")["payload"]["severity"] == theirs


def test_a_severity_that_pagerduty_knows_is_read_back_as_the_same() -> None:
    for severity in set(Severity) - {Severity.LOW}:
        word = event(replace(PAGE, severity=severity.value), "k")["payload"]["severity"]
        assert severity_of(word, "pagerduty") is severity


@pytest.mark.parametrize("length", [1, 254, 255])
def test_a_dedup_key_that_fits_is_kept(length: int) -> None:
    assert dedup_key("k" * length) == "k" * length


def test_a_longer_dedup_key_is_shortened_and_stays_unique() -> None:
    one, other = dedup_key("k" * 256), dedup_key("k" * 257)
    assert len(one) == len(other) == 255
    assert one != other


def test_a_summary_is_never_longer_than_pagerduty_takes() -> None:
    assert len(event(replace(PAGE, title="t" * 5000), "k")["payload"]["summary"]) == 1024
    assert event(replace(PAGE, title=""), "k")["payload"]["summary"]


@pytest.mark.parametrize("status", [400, 429, 500, 503])
async def test_a_refusal_fails_with_the_targets_name_and_is_transient(
    site: Site, status: int
) -> None:
    site.status = status
    site.says = f'{{"message":"Event object is invalid","errors":["{ROUTING_KEY} is not known"]}}'
    with pytest.raises(NotificationFailed) as failed:
        await notify(site, PAGE)
    assert isinstance(failed.value, TransientError)
    assert f"duty: http://127.0.0.1:{site.port} answered {status}" in str(failed.value)
    assert "*** is not known" in str(failed.value)
    assert ROUTING_KEY not in str(failed.value)


async def test_a_service_that_hangs_takes_no_more_than_the_timeout(site: Site) -> None:
    site.answering.clear()
    with pytest.raises(NotificationFailed, match=r"did not answer within 0\.3 s"):
        await notify(site, PAGE, timeout=0.3)
