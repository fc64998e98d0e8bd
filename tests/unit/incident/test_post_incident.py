from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from core.domain.handles import handle_of
from core.domain.incident.decisions.paging import ROUND_DELAYS
from core.domain.incident.inputs import PageSettled, ReportSettled
from core.domain.incident.reports.markdown import as_markdown
from core.domain.incident.reports.metrics import metrics_of
from core.domain.incident.reports.post_incident import as_json, build_report, json_schema
from tests.unit.incident.examples import (
    Life,
    alert,
    cleared,
    command,
    opened,
    opening,
    policy,
    resolved,
)


def lived() -> Life:
    """A report, a page, an escalation with a fallback, an alert, and people."""
    life = Life()
    life.give(
        opening(
            policy(reopen_window=3600),
            service="checkout",
            summary="Payments fail.\n<script>alert(1)</script>",
            started_at="2026-01-02T03:00:00Z",
            labels={"region": "eu|us"},
            links=["https://example.org/runbook"],
        )
    )
    [first] = life.pages()
    life.wait(2)
    life.give(PageSettled(key=first.key, via=first.target))
    life.wait(298)
    second = life.pages()[-1]
    life.give(PageSettled(key=second.key, via="sms#3"))
    life.give(alert("am1", event="e1", severity="page"))
    life.wait(60)
    life.give(command("acknowledge", command_id="c1", note="looking | now"))
    life.give(command("assign", command_id="c2", commander="ana"))
    life.give(command("comment", "ben", command_id="c3", note="Action: watch the *queue*"))
    life.wait(600)
    life.give(command("mitigate", command_id="c4"))
    life.wait(3000)
    life.give(cleared("am1", event="e2"))
    return life


def test_the_markdown_report_reads_well() -> None:
    life = lived()
    assert as_markdown(life.incident, life.timeline).decode() == EXPECTED.replace(
        "HANDLE", handle_of(life.incident.id)
    )


EXPECTED = r"""# Post-incident report: Checkout

|  |  |
|---|---|
| Incident | HANDLE |
| ID | incident:alertmanager:5f2e@20260102T030405.000Z |
| Status | resolved |
| Severity | critical |
| Service | checkout |
| Commander | ana |
| Started | 2026-01-02 03:00:00 UTC |
| Opened | 2026-01-02 03:04:05 UTC |
| Mitigated | 2026-01-02 03:20:05 UTC |
| Resolved | 2026-01-02 04:10:05 UTC |
| Document | s3://docs/a |

## Summary

> Payments fail.
> \<script\>alert(1)\</script\>

## Impact

checkout was affected for 1 h 10 min 05 s, at severity critical. 1 alert fired once.

## How long it took

|  |  |
|---|---|
| From opening to first page | 2 s |
| From opening to acknowledgement | 6 min |
| From opening to mitigation | 16 min |
| From opening to resolution | 1 h 06 min |
| From start to opening | 4 min 05 s |
| From start to acknowledgement | 10 min 05 s |
| From start to mitigation | 20 min 05 s |
| From start to resolution | 1 h 10 min 05 s |

## How severe it was

| Time | Who | Severity |
|---|---|---|
| 2026-01-02 03:09:05 UTC | source:alertmanager | high to critical: an alert fires: Disk am1 is full |

## Who did what

- **ana**: Acknowledged: looking \| now; Assigned to nobody, commanded by ana; Mitigated
- **ben**: Comment: Action: watch the \*queue\*

## Alerts

| Alert | Severity | Fired | First | Last | Now |
|---|---|---|---|---|---|
| Disk am1 is full | critical | 1 | 2026-01-02 03:09:05 UTC | 2026-01-02 04:10:05 UTC | resolved |

## Escalations and pages

| Time | Level | Target | Outcome |
|---|---|---|---|
| 2026-01-02 03:04:05 UTC | 1 | slack\#00000001 | delivered |
| 2026-01-02 03:09:05 UTC | 2 | pagerduty\#00000002 | delivered through sms\#3 |

## Timeline

| Time | Who | What |
|---|---|---|
| 2026-01-02 03:04:05 UTC | tidegate | Opened with severity high on checkout: Checkout |
| 2026-01-02 03:04:05 UTC | tidegate | Paging slack\#00000001 (level 1) |
| 2026-01-02 03:04:07 UTC | tidegate | Page delivered to slack\#00000001 (level 1) |
| 2026-01-02 03:09:05 UTC | tidegate | Escalated to level 2: nobody acknowledged in 5 min |
| 2026-01-02 03:09:05 UTC | tidegate | Paging pagerduty\#00000002 (level 2) |
| 2026-01-02 03:09:05 UTC | tidegate | Page delivered to pagerduty\#00000002 through its fallback sms\#3 (level 2) |
| 2026-01-02 03:09:05 UTC | source:alertmanager | Alert fires: Disk am1 is full |
| 2026-01-02 03:09:05 UTC | source:alertmanager | Severity raised from high to critical: an alert fires: Disk am1 is full |
| 2026-01-02 03:10:05 UTC | ana | Acknowledged: looking \| now |
| 2026-01-02 03:10:05 UTC | ana | Assigned to nobody, commanded by ana |
| 2026-01-02 03:10:05 UTC | ben | Comment: Action: watch the \*queue\* |
| 2026-01-02 03:20:05 UTC | ana | Mitigated |
| 2026-01-02 04:10:05 UTC | source:alertmanager | Alert resolved: Disk am1 is full |
| 2026-01-02 04:10:05 UTC | source:alertmanager | Resolved: all alerts are resolved |

## Links

- <https://example.org/runbook>

## Labels

|  |  |
|---|---|
| region | eu\|us |

## Action items

- [ ] watch the \*queue\* (ben)
"""  # noqa: E501  # a table's rows are as long as they are


def test_the_json_report_keeps_to_its_schema_and_counts_in_seconds() -> None:
    life = lived()
    report = json.loads(as_json(life.incident, life.timeline))
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(report, json_schema())
    assert report["format"] == "tidegate.post-incident-report/2"
    assert report["metrics"]["durations"] == {
        "to_first_page": 2.0,
        "to_acknowledge": 360.0,
        "to_mitigate": 960.0,
        "to_resolve": 3960.0,
        "from_start_to_open": 245.0,
        "from_start_to_acknowledge": 605.0,
        "from_start_to_mitigate": 1205.0,
        "from_start_to_resolve": 4205.0,
    }
    assert list(report["people"]) == ["ana", "ben"]
    assert report["pages"][1] == {
        "at": "2026-01-02T03:09:05Z",
        "level": 2,
        "repeat": 1,
        "target": "pagerduty#00000002",
        "outcome": "delivered",
        "outcome_at": "2026-01-02T03:09:05Z",
        "via": "sms#3",
        "reason": None,
    }
    assert [item["text"] for item in report["action_items"]] == ["watch the *queue*"]
    assert [alert["fingerprint"] for alert in report["alerts"]] == ["am1"]
    assert report["escalations"][0]["waited"] == 300.0
    assert [entry["kind"] for entry in report["timeline"]][:3] == [
        "opened",
        "page_started",
        "page_delivered",
    ]


def test_a_report_says_how_severe_it_was_at_worst_who_changed_that_and_when() -> None:
    life = opened(severity="high")
    life.wait(60)
    life.do("set_severity", severity="critical", note="nobody can pay")
    life.wait(3 * 86_400)
    life.do("set_severity", "ben", severity="low")
    life.do("resolve", force=True)
    report = build_report(life.incident, life.timeline)
    assert (report.worst_severity, report.severity) == ("critical", "low")
    assert [(c.by, c.before, c.severity) for c in report.severity_changes] == [
        ("ana", "high", "critical"),
        ("ben", "critical", "low"),
    ]
    assert report.impact == (
        "Something was affected for 3 d, at severity critical at worst and low in the end. "
        "1 alert fired once."
    )
    text = as_markdown(life.incident, life.timeline).decode()
    assert "| Severity | critical at worst, low in the end |" in text
    assert "| 2026-01-02 03:05:05 UTC | ana | high to critical: nobody can pay |" in text
    assert "| 2026-01-05 03:05:05 UTC | ben | critical to low |" in text


def test_the_worst_severity_is_known_although_the_timeline_is_abridged() -> None:
    life = opened(severity="high")
    life.do("set_severity", severity="critical")
    life.do("set_severity", severity="low")
    assert build_report(life.incident, life.timeline[:1]).worst_severity == "critical"


def test_the_severity_of_what_is_held_back_counts_and_a_default_does_not() -> None:
    life = opened(policy(hold_back=60), severity="critical")
    life.do("set_severity", severity="info")
    life.wait(60)
    assert build_report(life.incident, life.timeline).worst_severity == "critical"
    assert build_report(opened(severity="low").incident, ()).worst_severity == "low"


def test_an_escalation_names_who_asked_for_it_or_how_long_nobody_acknowledged() -> None:
    life = opened()
    life.wait(60)
    life.do("escalate")
    life.wait(300)
    [by_hand] = build_report(life.incident, life.timeline).escalations
    assert (by_hand.level, by_hand.by, by_hand.waited) == (2, "ana", None)
    life = opened()
    life.wait(300)
    [waited] = build_report(life.incident, life.timeline).escalations
    assert (waited.level, waited.by, waited.waited) == (2, None, 300)


def test_every_time_of_the_markdown_has_its_zone() -> None:
    life = lived()
    text = as_markdown(life.incident, life.timeline).decode()
    times = re.findall(r"\d\d:\d\d:\d\d.{4}", text)
    assert len(times) > 20
    assert [time for time in times if not time.endswith(" UTC")] == []


def test_pages_have_their_outcome() -> None:
    life = opened()
    [page] = life.pages()
    for _ in range(len(ROUND_DELAYS) + 1):
        life.give(PageSettled(key=page.key, failure="no answer"))
        life.wait(600)
    [first, second] = build_report(life.incident, life.timeline).pages
    assert (first.outcome, first.reason) == ("failed", "no answer")
    assert (second.outcome, second.reason) == ("not delivered", None)


def test_what_never_happened_has_no_duration() -> None:
    life = opened(starts_at=None)
    life.do("resolve", force=True)
    durations = metrics_of(life.incident).durations
    assert durations.to_acknowledge is None
    assert durations.from_start_to_resolve is None
    text = as_markdown(life.incident, life.timeline).decode()
    assert "| From opening to acknowledgement | never |" in text
    assert "From start" not in text
    assert "- [ ] To be agreed" in text


@pytest.mark.parametrize(
    ("reason", "impact"),
    [
        ("false_alarm", "None: closed as false alarm. 1 alert fired once."),
        ("duplicate", "None: closed as duplicate. 1 alert fired once."),
        ("cancelled", "Something was affected, at severity medium. 1 alert fired once."),
    ],
)
def test_the_impact_depends_on_the_close_reason(reason: str, impact: str) -> None:
    life = opened()
    life.do("close", reason=reason)
    text = build_report(life.incident, life.timeline).impact
    assert text == impact.replace("affected,", "affected for 0 s,")


def test_metrics_keep_first_times_and_of_what_can_be_undone_the_last() -> None:
    life = opened(policy(reopen_window=3600))
    life.wait(10)
    life.do("acknowledge")
    life.do("resolve", force=True)
    life.wait(100)
    life.give(alert())
    life.wait(10)
    life.do("acknowledge")
    life.wait(5)
    life.do("resolve", force=True)
    metrics = metrics_of(life.incident)
    assert metrics.durations.to_acknowledge == 10
    assert metrics.durations.to_resolve == 125
    assert (metrics.reopened, metrics.alerts, metrics.distinct_alerts) == (1, 2, 1)
    assert "| Reopened | 1 time |" in as_markdown(life.incident, life.timeline).decode()


def test_the_same_incident_gives_the_same_bytes_twice() -> None:
    one, two = lived(), lived()
    assert as_json(one.incident, one.timeline) == as_json(two.incident, two.timeline)
    assert as_markdown(one.incident, one.timeline) == as_markdown(two.incident, two.timeline)


def test_a_report_that_was_written_does_not_change_the_next_one() -> None:
    life = resolved(policy(reopen_window=3600))
    before, timeline = as_json(life.incident, life.timeline), list(life.timeline)
    assert life.incident.report_wanted is not None
    life.give(ReportSettled(as_of=life.incident.report_wanted, uris=("s3://reports/a.md",)))
    assert as_json(life.incident, timeline) == before


def test_who_did_what_names_only_people() -> None:
    life = opened()
    life.give(cleared())
    assert build_report(life.incident, life.timeline).people == {}
    assert "Nobody did anything by hand." in as_markdown(life.incident, life.timeline).decode()


def test_the_published_schema_is_current() -> None:
    schemas = Path(__file__).parents[3] / "docs" / "schemas"
    published = (schemas / "post-incident-report.schema.json").read_text(encoding="utf-8")
    assert json.loads(published) == json_schema()


def test_the_links_of_its_alerts_are_in_the_report_by_name() -> None:
    links = {"runbook": "https://runbooks.example/disk", "panel": "https://g.example/p?a=<b>"}
    life = opened(links=links)
    life.give(alert("another", links={"runbook": "https://runbooks.example/other"}))
    report = build_report(life.incident, life.timeline)
    assert report.named_links == links
    assert report.alerts[1].links == {"runbook": "https://runbooks.example/other"}
    markdown = as_markdown(life.incident, life.timeline).decode()
    assert markdown.partition("## Links")[2].split("\n\n")[1].splitlines() == [
        "- Runbook: <https://runbooks.example/disk>",
        "- Panel: <https://g.example/p?a=%3Cb%3E>",
        "- Runbook: <https://runbooks.example/other>",
    ]


def test_links_that_are_too_long_to_keep_for_every_alert_are_left_out_of_its_count() -> None:
    links = {"runbook": f"https://r.example/{'x' * 300}", "source": f"https://s/{'y' * 300}"}
    life = opened(links=links)
    assert life.incident.named_links == links
    assert list(life.incident.alerts.tracked["5f2e"].links) == ["runbook"]
