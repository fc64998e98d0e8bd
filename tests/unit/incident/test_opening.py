"""What opens an incident, what is held back, and what never becomes one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.domain.incident.decisions.closing import is_finished, is_forgotten
from core.domain.incident.effects import Page
from core.domain.incident.inputs import Cancel
from core.domain.incident.policies.policy import OpenAfter, Policy
from core.domain.incident.status import Status
from core.domain.incident.timeline import Discarded, Opened
from tests.unit.incident.examples import (
    KEY,
    POLICY,
    START,
    Life,
    alert,
    cleared,
    command,
    further,
    levels,
    opened,
    opening,
    policy,
)

THREE = OpenAfter(count=3, within=60)


def test_a_report_opens_immediately_and_pages_the_first_level() -> None:
    life = Life()
    rules = Policy(levels=levels((0, "slack#1 mailto#2"), (300, "slack#3")), hold_back=600)
    life.give(opening(rules, service="checkout", summary="All of it."))
    assert life.status == Status.OPEN
    assert [page.key for page in life.pages()] == [
        f"{life.incident.id}/level-1/repeat-1/slack#1",
        f"{life.incident.id}/level-1/repeat-1/mailto#2",
    ]
    page = life.pages()[0]
    assert (page.title, page.dedup_key) == ("[HIGH] Checkout", life.incident.id)
    assert (page.text, page.facts[-1]) == ("All of it.", "Service: checkout")


def test_an_alert_opens_immediately_if_nothing_holds_it_back() -> None:
    life = Life()
    life.give(
        alert(
            policy=POLICY,
            severity="page",
            service="storage",
            summary="97 % used.",
            links={"runbook": "https://runbooks.example/disk"},
            labels={"cluster": "eu"},
            starts_at=START - timedelta(minutes=5),
            previous=None,
        )
    )
    incident = life.incident
    assert (incident.status, incident.severity, incident.service) == ("open", "critical", "storage")
    assert (incident.source, incident.title) == ("alertmanager", "Disk 5f2e is full")
    assert incident.started_at == START - timedelta(minutes=5)
    assert life.sentences() == [
        "Opened with severity critical on storage: Disk 5f2e is full",
        "Alert fires: Disk 5f2e is full",
        "Paging slack#00000001 (level 1)",
    ]
    assert life.timeline[0].actor == "source:alertmanager"
    assert "Runbook: https://runbooks.example/disk" in life.pages()[0].body().splitlines()


def test_a_resolved_alert_never_opens_an_incident() -> None:
    life = Life()
    life.give(cleared(policy=POLICY))
    assert (life.status, life.sentences()) == ("new", [])
    forgets_after = life.deadline
    assert forgets_after == POLICY.remember_for
    life.wait(forgets_after)
    assert life.status == "closed"
    assert is_finished(life.incident)
    assert is_forgotten(life.incident)
    assert life.deadline is None
    assert life.effects == []
    assert life.incident.opened_at is None
    assert life.sentences() == [
        "Never became an incident: nothing that was heard of its alerts opens it"
    ]


def test_an_incident_may_follow_another_under_the_same_key() -> None:
    life = Life()
    before = f"{KEY}@20251231T000000.000Z"
    life.give(alert(policy=POLICY).model_copy(update={"previous": before}))
    assert life.incident.previous == before
    assert f"Follows: {before}" in life.pages()[0].body()


@pytest.mark.parametrize(
    ("reported", "severity", "remark"),
    [
        ("critical", "critical", None),
        (" HIGH ", "high", None),
        ("SEV-1", "critical", None),
        ("loud", "low", "Severity low assumed: 'loud' is not one we know"),
        (None, "low", "Severity low assumed: none was given"),
    ],
)
def test_an_unknown_severity_counts_as_the_default_and_the_timeline_says_so(
    reported: str | None, severity: str, remark: str | None
) -> None:
    rules = policy(default_severity="low")
    for start in (opening(rules, severity=reported), alert(policy=rules, severity=reported)):
        life = Life()
        life.give(start)
        assert life.incident.severity == severity
        assert any("assumed" in text for text in life.sentences()) == (remark is not None)
        assert remark is None or any(remark in text for text in life.sentences())


def test_unknown_fields_of_a_report_are_named_on_the_timeline() -> None:
    life = Life()
    input = opening()
    report = input.report.model_copy(update={"ignored": ("severty", "team")})
    life.give(input.model_copy(update={"report": report}))
    assert "Fields of the report that mean nothing here: severty, team" in life.sentences()


@pytest.mark.parametrize(
    ("starts", "believed", "noted"),
    [
        (-3600, -3600, False),
        (240, 0, False),  # clocks differ
        (3600, 0, True),
    ],
)
def test_a_start_in_the_future_is_not_believed(starts: float, believed: float, noted: bool) -> None:
    moment = START + timedelta(seconds=starts)
    for start in (alert(policy=POLICY, starts_at=moment), opening(started_at=moment)):
        life = Life()
        life.give(start)
        assert life.incident.started_at == START + timedelta(seconds=believed)
        assert any("begins in the future" in text for text in life.sentences()) == noted


def test_unreadable_details_of_an_alert_are_noted() -> None:
    life = Life()
    life.give(alert(policy=POLICY, remarks=("it does not say when it began",)))
    assert "Alert fires: Disk 5f2e is full (it does not say when it began)" in life.sentences()


def test_a_transient_alert_is_held_back_and_pages_nobody() -> None:
    life = Life()
    life.give(alert(policy=policy(hold_back=120)))
    assert (life.status, life.deadline) == (Status.PENDING, 120)
    life.wait(119)
    life.give(cleared())
    assert life.status == Status.CLOSED
    assert is_finished(life.incident)
    assert life.effects == []
    assert (
        life.sentences()[-1]
        == "Never became an incident: every alert was resolved before it opened"
    )


def test_an_alert_that_lasts_opens_after_the_time_it_was_held_back() -> None:
    life = Life()
    life.give(alert(policy=policy(hold_back=120)))
    life.give(alert("another"))
    life.give(cleared())
    life.wait(119)
    assert life.pages() == []
    life.wait(1)
    assert life.status == Status.OPEN
    assert life.incident.opened_at == START + timedelta(seconds=120)
    assert life.paged() == ["slack#00000001"]
    assert life.incident.alerts.distinct == 2


def test_a_worse_alert_raises_what_is_pending_and_still_waits() -> None:
    life = Life()
    life.give(alert(policy=policy(hold_back=120)))
    life.give(alert("another", severity="critical"))
    assert (life.status, life.incident.severity, life.deadline) == ("pending", "critical", 120)


def test_fewer_alerts_than_the_policy_requires_open_nothing() -> None:
    life = Life()
    life.give(alert(policy=policy(open_after=THREE)))
    life.wait(59)
    life.give(alert())
    assert life.deadline == 59 + 60
    life.wait(60)
    assert life.status == Status.CLOSED
    assert life.effects == []
    assert life.sentences()[-1] == (
        "Never became an incident: too few alerts: 2 came, 3 within 1 min would have been needed"
    )


def test_enough_alerts_within_the_window_open() -> None:
    life = Life()
    life.give(alert(policy=policy(open_after=THREE)))
    life.wait(50)
    life.give(alert())
    life.wait(20)
    life.give(alert())  # 20 s after the second, 70 s after the first
    assert life.status == Status.PENDING
    life.wait(35)
    life.give(alert())
    assert life.status == Status.OPEN
    assert life.paged() == ["slack#00000001"]


def test_flapping_alerts_count() -> None:
    life = Life()
    life.give(alert(policy=policy(open_after=THREE)))
    for _ in range(2):
        life.give(cleared())
        assert life.status == Status.PENDING
        life.give(alert())
    assert life.status == Status.OPEN


def test_an_alert_that_fires_on_is_not_one_more_of_those_that_open() -> None:
    life = Life()
    rules = policy(open_after=OpenAfter(count=2, within=60))
    life.give(alert(policy=rules, starts_at=START))
    life.give(alert(starts_at=START))
    assert (life.status, life.incident.alerts.fired) == (Status.PENDING, 2)
    life.give(alert(starts_at=START + timedelta(seconds=1)))
    assert life.status == Status.OPEN


def test_enough_alerts_still_wait_for_the_time_they_are_held_back() -> None:
    rules = policy(open_after=OpenAfter(count=2, within=60), hold_back=300)
    life = Life()
    life.give(alert(policy=rules))
    life.give(alert())
    assert (life.status, life.deadline) == (Status.PENDING, 300)
    life.wait(200)
    life.give(alert())  # alone within its window, and it stays enough
    life.wait(100)
    assert life.status == Status.OPEN


def test_enough_alerts_that_resolve_before_they_open_are_discarded() -> None:
    rules = policy(open_after=OpenAfter(count=2, within=60), hold_back=300)
    life = Life()
    life.give(alert(policy=rules))
    life.give(alert())
    life.give(cleared())
    assert isinstance(life.events[-1], Discarded)


def test_a_report_opens_what_is_pending() -> None:
    life = opened(policy(hold_back=600))
    life.give(further())
    assert life.status == Status.OPEN
    assert life.paged() == ["slack#00000001"]


def test_what_is_cancelled_before_it_opens_leaves_no_report() -> None:
    for life in (Life(), opened(policy(hold_back=600))):
        life.give(Cancel())
        assert is_finished(life.incident)
        assert life.effects == []
        assert isinstance(life.timeline[-1], Discarded)
        assert is_forgotten(life.incident)


def test_a_second_opening_changes_nothing() -> None:
    life = Life()
    life.give(opening())
    assert life.give(opening()) == ([], [])
    assert len(life.all(Opened)) == 1


def test_a_level_without_targets_is_noted_and_does_not_stop_the_escalation() -> None:
    rules = Policy(levels=levels((0, "a"), (300, "b"))).addressed({"b": ["slack#1"]})
    life = Life()
    life.give(opening(rules))
    assert "Nobody to page at level 1: a has no address" in life.sentences()
    life.wait(300)
    assert life.paged() == ["slack#1"]
    assert not any("at level 2" in text for text in life.sentences())
    assert all(isinstance(effect, Page) for effect in life.effects)


def test_a_level_that_reaches_nobody_is_noted_once() -> None:
    rules = Policy(levels=levels((0, "a b")), repeats=2, repeat_after=60)
    life = Life()
    life.give(opening(rules.addressed({"b": ["slack#1"]})))
    life.wait(60)
    life.give(command("acknowledge"))
    life.give(command("unacknowledge"))
    assert life.sentences().count("Level 1: a has no address") == 1

    life = Life()
    life.give(opening(rules.addressed({})))
    life.wait(60)
    life.give(command("acknowledge"))
    life.give(command("unacknowledge"))
    [sentence] = [text for text in life.sentences() if text.startswith("Nobody to page at level 1")]
    assert "b has no address" in sentence
