"""Every address that a sender gives is a link of its alert, and each is bounded and harmless."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from core.domain.event import ALERT
from core.formats.shared.links import MAX_LINKS, fields_of, with_links
from tests.support.webhook_payloads import PAYLOADS, alert, body_of, events, payload, sent

NOT_LINKS = {
    "SigningCertURL": "with which SNS proves itself",
    "UnsubscribeURL": "which ends the subscription",
    "commonAnnotations": "what the alerts of the group repeat",
    "externalURL": "the front page of Alertmanager or Grafana, where the alert has its own",
    "linkToSearchResultsAPI": "for programs",
    "linkToFilteredSearchResultsAPI": "for programs",
    "linkToSearchResultsUI": "the unfiltered results, where there are filtered ones",
    "src": "the picture itself, which its own link shows",
    "url": "of Sentry's API and of the page on which an error happened",
    "issue_url": "for programs",
    "request": "the page on which an error happened",
    "self": "for programs",
    "html_url": "of the people and teams of an incident; its own is a link",
}
"""Fields with addresses that do not tell whoever is paged where to look, and why."""


def addresses(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    match value:
        case dict():
            for name, field in value.items():
                yield from addresses(field, (*path, name))
        case list():
            for item in value:
                yield from addresses(item, path)
        case str() if re.match("https?://", value):
            yield path, value


@pytest.mark.parametrize(("format", "name"), PAYLOADS)
def test_no_address_of_a_recorded_alert_is_lost(format: str, name: str) -> None:
    try:
        body = json.loads(body_of(format, name))
        alerts = [item for item in events(sent(format, body)) if item.type == ALERT]
    except (ValueError, AssertionError):
        return  # refused, or not JSON: other tests say why
    if not alerts:
        return
    kept = {link for item in alerts for link in item.data.get("links", {}).values()}
    lost = {
        ".".join(path): address
        for path, address in addresses(body)
        if address not in kept and not NOT_LINKS.keys() & set(path)
    }
    assert lost == {}


RUNBOOK = "https://runbooks.example/disk"
DASHBOARD = "https://grafana.example/d/disk"


def with_annotations(format: str, **annotations: Any) -> dict[str, str]:
    body = payload(format, "firing")
    del body["alerts"][0]["annotations"]["runbook_url"]
    body["alerts"][0]["annotations"] |= annotations
    return dict(alert(sent(format, body)).links)


@pytest.mark.parametrize("format", ["alertmanager", "grafana"])
@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        ("runbook_url", "runbook"),
        ("runbook", "runbook"),
        ("Runbook_URL", "runbook"),
        ("dashboards", "dashboards"),
        ("wiki_link", "wiki"),
        ("playbook-url", "playbook"),
        ("log_search_url", "log search"),
        ("__logs__", "logs"),
        ("_", "link"),
    ],
)
def test_an_annotation_that_is_an_address_is_a_link(
    format: str, annotation: str, name: str
) -> None:
    assert with_annotations(format, **{annotation: f" {RUNBOOK} "})[name] == RUNBOOK


def test_the_runbook_comes_first() -> None:
    links = with_annotations("alertmanager", dashboard_url=DASHBOARD, runbook_url=RUNBOOK)
    assert next(iter(links)) == "runbook"
    assert links["dashboard"] == DASHBOARD


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "see https://runbooks.example",
        "https://runbooks.example and more",
        "https://",
        "ftp://runbooks.example",
        "https://runbooks.example/" + "x" * 2100,
        ["https://runbooks.example"],
        7,
        None,
        "",
    ],
)
def test_what_is_not_one_address_is_no_link(value: object) -> None:
    assert with_links({}, fields_of({"a_url": value})) == {}


def test_a_control_character_in_an_address_does_not_reach_the_alert() -> None:
    links = with_annotations("alertmanager", wiki_url="https://wiki.example/\x1b]0;x\x07\u202ea")
    assert links["wiki"] == "https://wiki.example/]0;xa"


def test_links_are_counted_and_a_known_one_is_not_repeated() -> None:
    known = {"source": "https://a", "runbook": None, "silence": ""}
    more = {f"link {n}": f"https://b/{n}" for n in range(1000)}
    links = with_links(known, fields_of({"again": "https://a", "source_url": "https://b"} | more))
    assert len(links) == MAX_LINKS
    assert links["source"] == "https://a"
    assert "again" not in links


def test_names_of_links_are_short_whatever_the_sender_calls_them() -> None:
    [name] = with_links({}, [("x" * 5000 + "_url", "https://a")])
    assert len(name) <= 40
    assert with_links({}, fields_of("text"), fields_of(None)) == {}


def test_opsgenies_details_and_pagerdutys_links_are_links() -> None:
    body = payload("opsgenie", "create")
    body["alert"]["details"]["Runbook URL"] = RUNBOOK
    assert alert(sent("opsgenie", body)).links == {"runbook": RUNBOOK}
    body = payload("pagerduty", "trigger")
    body["links"] += [{"href": DASHBOARD}, {"href": "javascript:x", "text": "bad"}, "no link"]
    body["payload"]["custom_details"]["runbook"] = RUNBOOK
    links = alert(sent("pagerduty", body)).links
    assert (links["link"], links["runbook"]) == (DASHBOARD, RUNBOOK)
    assert "bad" not in links
