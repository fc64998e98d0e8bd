"""How an incident ends: resolved, silent, too old, closed by hand, cancelled; and its reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.config.files import load_policies
from core.domain.incident.decisions.closing import is_finished
from core.domain.incident.effects import REPORT_KEY, CancelInFlight, WriteReport
from core.domain.incident.inputs import Cancel, ReportSettled
from core.domain.incident.policies.file import Facts
from core.domain.incident.status import CloseReason, Status
from core.domain.incident.timeline import Resolved
from core.domain.oncall.file import NOBODY
from tests.unit.incident.examples import (
    POLICY,
    START,
    Life,
    acknowledged,
    alert,
    closed,
    further,
    mitigated,
    opened,
    opening,
    policy,
    resolved,
)

ROOT = Path(__file__).parents[3]


def reports(life: Life) -> list[WriteReport]:
    return [effect for effect in life.effects if isinstance(effect, WriteReport)]


def test_a_resolution_is_reported_and_then_the_incident_closes() -> None:
    life = resolved()
    assert reports(life) == [WriteReport(as_of=life.now)]
    life.wait(100_000)
    assert life.status == Status.RESOLVED
    life.give(ReportSettled(as_of=life.incident.report_wanted, failure="no place for reports"))
    assert life.sentences()[-2:] == [
        "No post-incident report: no place for reports",
        "Closed (resolved)",
    ]
    assert is_finished(life.incident)
    assert life.incident.close_reason is CloseReason.RESOLVED


def test_a_resolved_incident_closes_when_its_reopen_window_has_passed() -> None:
    life = resolved(policy(reopen_window=600))
    life.write_report()
    assert life.deadline == 600
    life.wait(599)
    assert life.status == Status.RESOLVED
    life.wait(1)
    assert is_finished(life.incident)
    assert len(reports(life)) == 1


def test_a_comment_after_the_resolution_is_in_a_report_too() -> None:
    life = resolved(policy(reopen_window=600))
    life.write_report()
    life.do("comment", note="it was the DNS")
    life.wait(600)
    assert life.status == Status.CLOSED
    assert [report.as_of for report in reports(life)][1:] == [life.now]
    assert not is_finished(life.incident)
    life.write_report()
    assert is_finished(life.incident)
    assert len(life.incident.reports) == 2


def test_a_report_that_was_asked_for_before_the_comment_does_not_hold_it() -> None:
    life = resolved(policy(reopen_window=600))
    life.do("comment", note="it was the DNS")
    life.write_report()
    life.wait(600)
    assert len(reports(life)) == 2


def test_an_event_after_the_resolution_cancels_the_report() -> None:
    life = resolved()
    life.wait(10)
    _, effects = life.give(further())
    assert CancelInFlight(keys=(REPORT_KEY,)) in effects
    assert life.status == Status.OPEN


def test_the_report_of_a_resolution_that_was_undone_does_not_close_the_incident() -> None:
    life = resolved()
    first = life.now
    life.wait(10)
    life.give(further())
    assert life.give(ReportSettled(as_of=first, failure="cancelled")) == ([], [])
    life.do("resolve", force=True)
    life.give(ReportSettled(as_of=first, uris=("s3://reports/old.md",)))
    assert life.status == Status.RESOLVED
    life.write_report()
    assert is_finished(life.incident)
    assert life.incident.reports == ("s3://reports/old.md", "s3://reports/a.md")


@pytest.mark.parametrize("make", [opened, acknowledged, mitigated])
@pytest.mark.parametrize("reason", ["false_alarm", "duplicate", "cancelled"])
def test_an_incident_closed_by_hand_is_reported(make: object, reason: str) -> None:
    life = make()  # type: ignore[operator]
    life.do("close", reason=reason, note="see the other one")
    assert life.status == Status.CLOSED
    assert life.sentences()[-2 if make is opened else -1] == f"Closed ({reason}): see the other one"
    assert len(reports(life)) == 1
    life.write_report()
    assert is_finished(life.incident)


def test_a_resolved_incident_may_be_closed_before_its_window_ends() -> None:
    life = resolved(policy(reopen_window=600))
    life.write_report()
    life.do("close", reason="resolved")
    assert is_finished(life.incident)
    assert len(reports(life)) == 1


def test_a_resolved_incident_that_turns_out_a_false_alarm_is_reported_as_one() -> None:
    life = resolved(policy(reopen_window=600))
    life.do("close", reason="false_alarm")
    assert len(reports(life)) == 2
    assert CancelInFlight(keys=(REPORT_KEY,)) in life.effects
    life.write_report()
    assert is_finished(life.incident)


@pytest.mark.parametrize("make", [opened, acknowledged, mitigated, resolved])
def test_a_cancelled_incident_closes_and_is_reported(make: object) -> None:
    life = make(policy(reopen_window=600))  # type: ignore[operator]
    life.give(Cancel())
    assert life.incident.close_reason is CloseReason.CANCELLED
    assert "Closed (cancelled): the workflow was cancelled" in life.sentences()
    life.write_report()
    assert is_finished(life.incident)
    assert life.give(Cancel()) == ([], [])


def test_an_incident_whose_source_falls_silent_is_resolved() -> None:
    life = opened(policy(resolve_if_silent_for=1800))
    life.wait(1000, deliver=True)
    life.give(alert())
    life.wait(1799)
    assert life.status == Status.OPEN
    life.wait(1)
    assert [event.note for event in life.all(Resolved)] == ["no alert came for 30 min"]


def test_the_policy_of_prometheus_page_ends_what_prometheus_does_not_send_again(
    tmp_path: Path,
) -> None:
    page = (ROOT / "docs" / "webhooks" / "prometheus.md").read_text(encoding="utf-8")
    [example] = (
        text for text in re.findall(r"```yaml\n(.*?)```", page, re.S) if "policies:" in text
    )
    file = tmp_path / "policies.yaml"
    file.write_text(example, encoding="utf-8")
    policies = load_policies(file, NOBODY)
    assert policies.choose(Facts(source="datadog"), ack_timeout=300).resolve_if_silent_for is None
    rules = policies.choose(Facts(source="prometheus"), ack_timeout=300)
    life = Life()
    for _ in range(60):
        life.give(alert(policy=rules, source="prometheus", starts_at=START, replicated=True))
        life.wait(60)
    assert life.status == Status.OPEN
    life.wait(14 * 60)
    assert life.status != Status.OPEN
    assert [event.note for event in life.all(Resolved)] == ["no alert came for 15 min"]


def test_an_incident_without_alerts_is_not_silent() -> None:
    life = Life()
    life.give(opening(policy(resolve_if_silent_for=1800)))
    life.wait(100_000)
    assert life.status == Status.OPEN


def test_a_reopened_incident_is_not_silent_immediately() -> None:
    life = opened(policy(resolve_if_silent_for=1800, reopen_window=86_400))
    life.wait(1800)
    life.wait(1000)
    life.do("reopen")
    life.wait(1799)
    assert life.status == Status.OPEN
    life.wait(1)
    assert life.status == Status.RESOLVED


@pytest.mark.parametrize("make", [opened, acknowledged, mitigated])
def test_an_incident_that_nobody_resolves_ends_at_its_maximum_age(make: object) -> None:
    life = make(policy(maximum_age=86_400))  # type: ignore[operator]
    life.wait(86_399)
    assert life.status != Status.CLOSED
    life.wait(1)
    assert life.incident.close_reason is CloseReason.CANCELLED
    assert any("within its maximum age of 1 d" in text for text in life.sentences())
    assert len(reports(life)) == 1


def test_by_default_a_resolved_incident_closes_immediately() -> None:
    life = closed(POLICY)
    assert life.incident.resolved_at == life.incident.closed_at
