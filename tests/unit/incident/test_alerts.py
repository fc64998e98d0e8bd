"""Alerts of a running incident: all are counted, few are shown, and their end resolves it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.domain.incident.alert_counts import MAX_TRACKED
from core.domain.incident.decisions.closing import is_finished
from core.domain.incident.effects import Page, StartSuccessor
from core.domain.incident.inputs import FurtherEvent
from core.domain.incident.policies.policy import Recurrence
from core.domain.incident.status import Status
from core.domain.incident.timeline import (
    AlertFired,
    AlertHeard,
    EventJoined,
    Noted,
    Reopened,
    SeverityChanged,
)
from tests.unit.incident.examples import (
    ON_CALL,
    START,
    Life,
    acknowledged,
    alert,
    cleared,
    closed,
    further,
    mitigated,
    opened,
    policy,
    resolved,
)


def test_every_alert_is_counted_and_a_repeat_changes_nothing_else() -> None:
    life = opened(starts_at=START)
    before = life.incident
    life.now += timedelta(minutes=1)
    for _ in range(2):
        events, effects = life.give(alert(starts_at=START))
        assert ([type(event) for event in events], effects) == ([AlertFired], [])
    counts = life.incident.alerts
    assert (counts.fired, counts.distinct, counts.firing) == (3, 1, 1)
    assert counts.tracked["5f2e"].fired == 3
    assert counts.last_fired_at == life.now
    assert counts.states == before.alerts.states
    same = {"alerts", "events"}
    assert life.incident.model_dump(exclude=same) == before.model_dump(exclude=same)


def test_a_storm_of_one_alert_is_a_handful_of_lines() -> None:
    life = opened()
    before = len(life.incident.model_dump_json())
    for _ in range(9_999):
        life.give(alert())
    assert life.incident.alerts.tracked["5f2e"].fired == 10_000
    assert [event.count for event in life.all(AlertFired) if event.visible] == [
        1,
        10,
        100,
        1_000,
        10_000,
    ]
    assert "Alert fires (10,000 times by now): Disk 5f2e is full" in life.sentences()
    assert life.paged() == [ON_CALL]
    # What grows is what it remembers to deduplicate, and that is bounded.
    assert len(life.incident.model_dump_json()) - before < 20 * 1000
    assert life.incident.alerts.last_fired_at == life.now


def test_a_storm_of_different_alerts_is_bounded_too() -> None:
    life = opened()
    for number in range(5_000):
        life.give(alert(f"fingerprint {number}"))
    counts = life.incident.alerts
    assert (counts.fired, counts.distinct) == (5_001, 5_001)
    assert len(counts.tracked) == MAX_TRACKED
    assert len(life.timeline) < 120
    assert len(life.incident.model_dump_json()) < 300_000


def test_flapping_alerts_make_few_timeline_entries() -> None:
    life = opened(policy(auto_resolve_acknowledged=False))
    life.do("acknowledge")
    for _ in range(1_000):
        life.give(cleared())
        life.give(alert())
    assert len(life.timeline) < 30


def test_an_incident_resolves_when_its_last_alert_does() -> None:
    life = opened()
    life.give(alert("another"))
    life.give(cleared())
    assert life.status == Status.OPEN
    life.give(cleared("unknown"))
    assert life.status == Status.OPEN
    life.give(cleared("another"))
    assert life.status == Status.RESOLVED
    assert life.incident.resolved_by == "source:alertmanager"
    assert "Resolved: all alerts are resolved" in life.sentences()


def test_a_truncated_delivery_does_not_resolve_the_incident() -> None:
    life = opened()
    life.give(alert("another"))
    life.give(cleared("another"))
    life.give(cleared(truncated=3))
    assert life.status == Status.OPEN
    assert life.sentences()[-1] == (
        "The source left alerts out: whether all are resolved is not known"
    )
    life.give(cleared())  # a delivery with all alerts
    assert life.status == Status.RESOLVED


def test_what_was_left_out_is_no_matter_to_an_incident_of_one_alert() -> None:
    life = opened(truncated=3)
    life.give(cleared(truncated=3))
    assert life.status == Status.RESOLVED


def test_more_alerts_than_can_be_kept_apart_conclude_nothing() -> None:
    life = opened()
    for number in range(MAX_TRACKED):
        life.give(alert(f"fingerprint {number}"))
    assert life.incident.alerts.untracked == 1
    life.give(cleared())
    for number in range(MAX_TRACKED):
        life.give(cleared(f"fingerprint {number}"))
    assert life.incident.alerts.firing == 0
    assert life.status == Status.OPEN
    assert "There were too many alerts to keep apart" in " ".join(life.sentences())
    life.do("resolve", force=True)
    life.do("reopen")
    life.give(alert())
    life.give(cleared())
    assert life.status == Status.RESOLVED


def test_resolved_alerts_make_room_for_new_ones() -> None:
    life = opened(policy(auto_resolve_acknowledged=False))
    life.do("acknowledge")
    for number in range(3 * MAX_TRACKED):
        life.give(alert(f"fingerprint {number}"))
        life.give(cleared(f"fingerprint {number}"))
    counts = life.incident.alerts
    assert (counts.untracked, counts.distinct, counts.firing) == (0, 3 * MAX_TRACKED + 1, 1)
    assert len(counts.tracked) <= MAX_TRACKED
    life.give(cleared())
    assert life.incident.alerts.all_clear


def test_long_fingerprints_are_shortened_and_stay_distinct() -> None:
    life = opened()
    one, other = "a" * 500 + "1", "a" * 500 + "2"
    life.give(alert(one))
    life.give(alert(other))
    assert life.incident.alerts.distinct == 3
    assert all(len(fingerprint) <= 120 for fingerprint in life.incident.alerts.tracked)
    life.give(cleared(one))
    assert life.incident.alerts.firing == 2


def test_a_worse_alert_raises_the_severity_and_pages_although_acknowledged() -> None:
    life = acknowledged()
    events, effects = life.give(alert("another", severity="critical"))
    assert life.incident.severity == "critical"
    [page] = effects
    assert isinstance(page, Page)
    assert (page.target, page.repeat, page.title[:10]) == (ON_CALL, 2, "[CRITICAL]")
    assert life.status == Status.ACKNOWLEDGED
    assert any(isinstance(event, SeverityChanged) for event in events)


def test_a_worse_alert_pages_nobody_while_snoozed() -> None:
    life = acknowledged()
    life.do("snooze", for_=600)
    _, effects = life.give(alert("another", severity="critical"))
    assert effects == []
    assert life.sentences()[-1] == "Nobody is paged for the higher severity: snoozed"


def test_a_severity_lowered_by_hand_stays_low_while_the_same_alerts_fire() -> None:
    life = opened(severity="critical")
    life.do("set_severity", severity="low")
    life.give(alert(severity="critical"))
    life.give(alert("another", severity="error"))
    assert life.incident.severity == "low"


def test_an_alert_after_the_resolution_reopens_the_incident_and_pages_again() -> None:
    life = resolved(policy(reopen_window=600))
    life.wait(599)
    life.give(alert())
    assert life.status == Status.OPEN
    assert life.incident.reopened == 1
    assert life.incident.acknowledged_by == ()
    assert "Reopened: recurred, an alert fires: Disk 5f2e is full" in life.sentences()
    keys = [page.key for page in life.pages()]
    assert len(set(keys)) == len(keys) == 2
    assert life.deadline == 599 + 300


def test_if_the_policy_says_so_an_alert_after_the_resolution_starts_a_new_incident() -> None:
    life = resolved(policy(reopen_window=600, recurrence=Recurrence.NEW))
    _, effects = life.give(alert(event="e9"))
    assert effects == [StartSuccessor(event_key="e9")]
    assert life.status == Status.CLOSED
    assert not is_finished(life.incident)  # the report of the resolution is still to come
    _, effects = life.give(alert(event="e10"))
    assert effects == [StartSuccessor(event_key="e10")]
    life.write_report()
    assert is_finished(life.incident)


def test_an_event_after_the_close_starts_a_new_incident_unless_it_is_a_resolved_alert() -> None:
    life = closed()
    _, effects = life.give(further("s3:docs/c@1"))
    assert effects == [StartSuccessor(event_key="s3:docs/c@1")]
    assert life.give(further("s3:docs/c@1")) == ([], [])
    events, effects = life.give(cleared())
    assert ([type(event) for event in events], effects) == ([AlertHeard], [])
    assert life.incident.alerts.fired == 1


def test_a_mitigated_incident_reopens_only_for_a_new_alert() -> None:
    life = mitigated()
    life.give(alert())
    assert life.status == Status.MITIGATED
    life.give(alert("another"))
    assert life.status == Status.OPEN
    assert [event.reason for event in life.all(Reopened)] == [
        "a new alert fires: Disk another is full"
    ]


def test_an_acknowledged_incident_may_be_left_for_people_to_resolve() -> None:
    life = acknowledged(policy(auto_resolve_acknowledged=False))
    life.give(cleared())
    assert life.status == Status.ACKNOWLEDGED
    assert life.sentences()[-1].startswith("The source recovered")
    life = acknowledged()
    life.give(cleared())
    assert life.status == Status.RESOLVED


def test_a_repeated_resolved_alert_does_not_resolve_a_reopened_incident() -> None:
    life = opened(policy(reopen_window=600))
    life.give(cleared())
    life.do("reopen")
    life.give(cleared())
    assert life.status == Status.OPEN


def test_another_event_is_noted_once() -> None:
    life = opened()
    events, effects = life.give(further())
    assert [type(event) for event in events] == [EventJoined]
    assert effects == []
    assert life.give(further()) == ([], [])
    assert life.incident.events == 2


@pytest.mark.parametrize("make", [opened, acknowledged, mitigated])
def test_another_event_reopens_only_a_resolved_incident(make: object) -> None:
    life = make()  # type: ignore[operator]
    before = life.status
    life.give(further())
    assert life.status == before
    life = resolved()
    life.give(further())
    assert life.status == Status.OPEN


def test_event_keys_are_remembered_within_bounds() -> None:
    life = opened()
    for number in range(3000):
        life.give(FurtherEvent(event_key=f"key {number} {'x' * 900}", event_type="t"))
    assert len(life.incident.recent_events) == 1000
    assert len(life.incident.model_dump_json()) < 30_000
    assert life.incident.events == 3001
    assert life.give(FurtherEvent(event_key=f"key 2999 {'x' * 900}", event_type="t")) == ([], [])


def test_an_event_before_the_first_report_or_alert_changes_nothing() -> None:
    life = Life()
    assert life.give(further()) == ([], [])
    assert life.all(Noted) == []
