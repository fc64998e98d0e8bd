"""What `tidegate incident list` and `show` print in a terminal of 80 and of 45 columns, and in a
pipe."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from core.adapters.temporal.incident_list import IncidentSummary
from core.cli.incident_view import change_lines, header_lines, list_lines, timeline_lines
from core.domain.command import Proof
from core.domain.handles import handle_of
from core.domain.incident.model import Incident

NOW = datetime(2026, 1, 2, 10, 20, tzinfo=UTC)
CEST = timezone(timedelta(hours=2), "CEST")


def plain(lines: list[Text]) -> str:
    return "\n".join(each.plain.rstrip() for each in lines) + "\n"


def summary(id: str, age: timedelta, **fields: Any) -> IncidentSummary:
    key = f"incident:{id}"
    own = f"{key}@{NOW - age:%Y%m%dT%H%M%S}.000Z"
    return IncidentSummary(
        id=own, workflow_id=key, handle=handle_of(own), began=NOW - age, **fields
    )


LISTED = [
    summary(
        "alertmanager:5f2e",
        timedelta(hours=3, minutes=12, seconds=9),
        status="acknowledged",
        severity="critical",
        service="checkout",
        acknowledged_by="ana",
        title="p99 latency of the checkout in eu-west-1 is above two seconds",
    ),
    summary(
        "grafana:77",
        timedelta(seconds=45),
        status="open",
        severity="high",
        title="Disk full",
    ),
    summary(
        "document:s3",
        timedelta(days=327, hours=19),
        status="mitigated",
        severity="low",
        service="billing",
        assignee="ben@platform.example.com",
        acknowledged_by="ana",
        title="決済が遅延しています、原因はまだ分かりません、調査を続けています、続報を待て",
    ),
    summary(
        "webhook:evil",
        timedelta(minutes=59, seconds=59),
        status="resolved",
        severity="medium",
        service="a\u202eb",
        title="\x1b[2J[bold]gone\n\tfor good",
    ),
    IncidentSummary(
        id="incident:document:a-report-that-brought-no-incident.json",
        workflow_id="incident:document:a-report-that-brought-no-incident.json",
        handle=handle_of("incident:document:a-report-that-brought-no-incident.json"),
        began=NOW - timedelta(hours=1),
        ended="failed",
    ),
]


POLICY = {
    "name": "default",
    "levels": [
        {"after": 0, "targets": [{"name": "on-call"}]},
        {"after": 900, "targets": [{"name": "second-line"}]},
        {"after": 1800, "targets": [{"name": "head-of-platform"}]},
    ],
}
ID = "incident:alertmanager:5f2e@20260102T070811.000Z"
FULL = Incident.model_validate(
    {
        "id": ID,
        "key": "incident:alertmanager:5f2e",
        "status": "acknowledged",
        "title": "p99 latency of the checkout in eu-west-1 is above two seconds",
        "severity": "critical",
        "policy": POLICY,
        "service": "checkout",
        "summary": "Since 10:05 every second request takes more than two seconds.\nNobody can pay.",
        "assignee": "ben",
        "commander": "zoe",
        "snoozed_until": "2026-01-02T12:00:00Z",
        "opened_at": "2026-01-02T10:08:11Z",
        "open_since": "2026-01-02T10:08:11Z",
        "acknowledged_at": "2026-01-02T10:11:00Z",
        "acknowledged_by": ["ana"],
        "escalation": {"since": "2026-01-02T10:08:11Z", "step": 2},
        "pages": {
            "1": {"level": 1, "target": "on-call", "status": "delivered"},
            "2": {"level": 2, "target": "second-line", "status": "failed"},
        },
        "alerts": {"fired": 1, "distinct": 1, "tracked": {}},
        "named_links": {
            "runbook": "https://runbooks.example/kubernetes/checkout/latency/p99",
            "dashboard of the team": "https://grafana.example/d/checkout",
            "status": "https://status.example/",
        },
        "links": ["https://prometheus.example/graph?g0.expr=latency"],
        "document": "s3://example-documents/incidents/checkout-latency.md",
        "previous": "incident:alertmanager:5f2e@20260101T000000.000Z",
        "reports": ["s3://reports/a/report.json", "s3://reports/a/report.md"],
    }
)
BARE = Incident.model_validate(
    {
        "id": "incident:x@20260102T101930.000Z",
        "status": "open",
        "title": "",
        "severity": "medium",
        "policy": POLICY,
        "opened_at": "2026-01-02T10:19:30Z",
        "open_since": "2026-01-02T10:19:30Z",
        "escalation": {"since": "2026-01-02T10:19:30Z", "step": 1},
        "pages": {"1": {"level": 1, "target": "on-call"}},
    }
)


def entry(at: str, actor: str, text: str, kind: str = "noted") -> dict[str, Any]:
    return {"at": at and f"2026-01-{at}Z", "actor": actor, "text": text, "kind": kind}


TIMELINE = [
    entry("", "tidegate", "12 entries are left out"),
    entry("01T23:59:58", "tidegate", "Opened with severity critical: p99 latency is high"),
    entry("02T00:00:01", "tidegate", "Page to on-call started", "page_started"),
    entry("02T10:11:00", "ana", "Acknowledged: I look at the last deployment of the checkout"),
    entry("02T10:12:00", "source:alertmanager-eu-west-1", "Comment: 決済\n\x1b[2Jが[bold]遅延"),
]


WIDTHS = {"80": 80, "45": 45, "pipe": None}


def snapshot(name: str) -> str:
    return (Path(__file__).parent / "snapshots" / f"{name}.txt").read_text(encoding="utf-8")


def shown(incident: Incident, timeline: list[dict[str, Any]], width: int | None) -> str:
    header = header_lines(incident, now=NOW, width=width, zone=CEST)
    return plain([*header, *timeline_lines(timeline, width=width, zone=CEST)])


@pytest.mark.parametrize("width", WIDTHS)
def test_a_list(width: str) -> None:
    lines = list_lines(LISTED, now=NOW, width=WIDTHS[width])
    assert plain(lines) == snapshot(f"list-{width}")


@pytest.mark.parametrize("width", WIDTHS)
def test_an_incident(width: str) -> None:
    assert shown(FULL, TIMELINE, WIDTHS[width]) == snapshot(f"show-{width}")


@pytest.mark.parametrize("width", WIDTHS)
def test_an_incident_of_which_little_is_known(width: str) -> None:
    assert shown(BARE, TIMELINE[:1], WIDTHS[width]) == snapshot(f"show-bare-{width}")


@pytest.mark.parametrize("width", [45, 80])
def test_only_what_is_to_be_copied_is_wider_than_the_terminal(width: int) -> None:
    lines = [
        *list_lines(LISTED, now=NOW, width=width),
        *header_lines(FULL, now=NOW, width=width, zone=CEST),
        *timeline_lines(TIMELINE, width=width, zone=CEST),
    ]
    wide = [each.plain.strip() for each in lines if each.cell_len > width]
    assert all(text.startswith(("https://", "s3://", "incident:")) for text in wide)
    assert all(each.plain.isprintable() for each in lines)


AT = "2026-01-02T10:11:00Z"


@pytest.mark.parametrize(
    ("fields", "status", "more"),
    [
        ({"status": "new"}, "new", None),
        ({"status": "pending", "pending": {"since": AT}}, "pending since 10:11 UTC", None),
        ({"status": "open"}, "open", None),
        ({"status": "open", "open_since": AT}, "open again since 10:11 UTC", None),
        (
            {"status": "acknowledged", "acknowledged_by": ["ana", "ben"], "acknowledged_at": AT},
            "acknowledged by ana, ben at 10:11 UTC",
            None,
        ),
        (
            {
                "status": "mitigated",
                "mitigated_at": AT,
                "acknowledged_by": ["ana"],
                "acknowledged_at": AT,
            },
            "mitigated at 10:11 UTC",
            "by ana at 10:11 UTC",
        ),
        (
            {"status": "resolved", "resolved_at": AT, "resolved_by": "ana"},
            "resolved by ana at 10:11 UTC",
            None,
        ),
        ({"status": "resolved", "resolved_at": AT}, "resolved at 10:11 UTC", None),
        (
            {"status": "closed", "closed_at": AT, "close_reason": "false_alarm"},
            "closed (false_alarm) at 10:11 UTC",
            None,
        ),
    ],
)
def test_the_header_says_how_an_incident_stands_since_when_and_by_whom(
    fields: dict[str, Any], status: str, more: str | None
) -> None:
    incident = Incident.model_validate({**BARE.model_dump(), **fields})
    text = plain(header_lines(incident, now=NOW, width=80, zone=UTC))
    assert f"\n  status       {status}\n" in text
    assert (f"\n  acknowledged {more}\n" in text) == bool(more)
    closed = incident.status is not BARE.status
    assert plain(change_lines(incident, BARE, now=NOW, width=80, zone=UTC)) == (
        f"now {status}\n" if closed else "\n"
    )


@pytest.mark.parametrize(
    ("fired", "times"), [(1, "once"), (2, "2 times"), (12_345, "12,345 times")]
)
def test_the_header_counts_alerts(fired: int, times: str) -> None:
    alerts = {"fired": fired, "distinct": 1}
    incident = Incident.model_validate({**BARE.model_dump(), "alerts": alerts})
    text = plain(header_lines(incident, now=NOW, width=80, zone=UTC))
    assert f"0 firing of 1, received {times}\n" in text


@pytest.mark.parametrize(
    ("proof", "actor"),
    [
        (None, "ana"),
        (Proof.COMMAND_LINE, "ana (CLI)"),
        (Proof.LINK, "ana (link)"),
        (Proof.OPSGENIE, "ana (Opsgenie)"),
        (Proof.PAGERDUTY, "ana (PagerDuty)"),
        ("of_a_later_version", "ana (of_a_later_version)"),
    ],
)
def test_the_timeline_says_how_it_is_known_who_it_was(proof: str | None, actor: str) -> None:
    [_, label, *_] = timeline_lines([{**TIMELINE[3], "proof": proof}], width=50, zone=UTC)
    assert label.plain.split(maxsplit=1)[1] == actor


def test_only_what_is_new_on_the_timeline_is_shown() -> None:
    new = plain(list(timeline_lines(TIMELINE, TIMELINE[:3], width=80, zone=UTC)))
    assert new.startswith("  10:11:00  ana             Acknowledged")
    assert not list(timeline_lines(TIMELINE, TIMELINE, width=80, zone=UTC))
    abridged = list(timeline_lines(TIMELINE[3:], TIMELINE[:1], width=80, zone=UTC))
    assert plain(abridged).startswith("2026-01-02 (UTC)\n  10:11:00")
