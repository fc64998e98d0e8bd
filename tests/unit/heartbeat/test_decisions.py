"""What happens to a heartbeat, without Temporal: deadlines, alarms, outages, pauses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.domain.alert import AlertStatus, read_alert
from core.domain.heartbeat import decisions
from core.domain.heartbeat.alerts import alert_event
from core.domain.heartbeat.beats import Beat
from core.domain.heartbeat.declaration import Declaration, HeartbeatRule
from core.domain.heartbeat.model import Heartbeat, Notice, Pause, Status
from core.domain.heartbeat.witnesses import MOST_WITNESSES, Sighting, sighting_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOURLY = HeartbeatRule.model_validate({"every": "1h", "grace": "10m"}).declared("backup")
DEADLINE = START + 70 * MINUTE


def fresh(declaration: Declaration | None = HOURLY) -> Heartbeat:
    return decisions.declared(Heartbeat(name="backup", since=START), declaration, START)


def beat(at: datetime = START, **fields: Any) -> Beat:
    return Beat(at=at, key=f"key-{at.isoformat()}-{fields}", **fields)


def heard(state: Heartbeat, at: datetime = START, **fields: Any) -> Heartbeat:
    return decisions.heard(state, beat(at, **fields), at)


def missed(state: Heartbeat, *sightings: Sighting) -> Heartbeat:
    """The state after its deadline, when the witnesses have answered."""
    assert state.deadline
    woken = decisions.woken(state, state.deadline)
    return decisions.answered(woken, sightings, state.deadline)


def sent(state: Heartbeat) -> Heartbeat:
    while state.notices:
        state = decisions.accepted(state)
    return state


def sighting(name: str, heard_at: datetime, period: timedelta = 5 * MINUTE) -> Sighting:
    return Sighting(name=name, heard_at=heard_at, due=heard_at + period)


def kinds(notices: tuple[Notice, ...]) -> list[str]:
    return [
        f"{'own' if each.alarm else 'shared'} {'resolved' if each.until else 'firing'}"
        for each in notices
    ]


SILENT = (sighting("a", START), sighting("b", START))


def test_it_waits_for_its_first_beat_as_long_as_for_any() -> None:
    state = fresh()
    assert (state.status, state.deadline) == (Status.WAITING, DEADLINE)
    assert decisions.woken(state, DEADLINE - MINUTE) == state


def test_what_was_never_heard_alarms() -> None:
    state = missed(fresh())
    assert state.status is Status.MISSED
    assert kinds(state.notices) == ["own firing"]
    assert state.alarm
    assert state.alarm.text == "Heartbeat backup was never heard"
    assert state.deadline is None


def test_a_beat_moves_the_deadline() -> None:
    state = heard(fresh(), START + 30 * MINUTE)
    assert (state.status, state.deadline) == (Status.UP, DEADLINE + 30 * MINUTE)


def test_the_next_beat_resolves_the_alert() -> None:
    state = heard(sent(missed(heard(fresh()))), DEADLINE + MINUTE)
    assert (state.status, kinds(state.notices)) == (Status.UP, ["own resolved"])


@pytest.mark.parametrize("at", [START - MINUTE, START])
def test_a_beat_that_is_known_or_older_changes_nothing(at: datetime) -> None:
    state = heard(fresh())
    assert heard(state, at) == state


def test_a_failed_beat_alarms_and_a_good_one_resolves() -> None:
    state = heard(fresh(), failed=True, exit_code=3)
    assert state.status is Status.FAILED
    assert state.alarm
    assert state.alarm.text == "Heartbeat backup failed: it ended with exit code 3"
    again = heard(sent(state), START + MINUTE, failed=True)
    assert kinds(again.notices) == []
    assert kinds(heard(again, START + 2 * MINUTE).notices) == ["own resolved"]


def test_a_beat_that_failed_before_the_declaration_was_read_alarms() -> None:
    state = heard(Heartbeat(name="backup", since=START), failed=True)
    assert kinds(decisions.declared(state, HOURLY, START).notices) == ["own firing"]


def test_an_alarm_that_comes_back_begins_later_than_the_one_before_ended() -> None:
    failed = heard(fresh(), failed=True)
    over = heard(sent(failed), exit_code=0)
    again = heard(sent(over), failed=True, exit_code=1)
    notices = [state.notices[0] for state in (failed, over, again)]
    first, resolved, second = notices
    assert resolved.until
    assert first.since < resolved.until < second.since
    assert len({alert_event(again, each).id for each in notices}) == 3


def test_what_flaps_before_anything_is_accepted_keeps_few_notices() -> None:
    state, at = fresh(), START
    for number in range(100):
        at = START + timedelta(seconds=number)
        state = heard(state, at, failed=number % 2 == 0)
    assert len(state.notices) <= 4
    assert kinds(state.notices)[-1] == "own resolved"
    assert kinds(heard(state, at + MINUTE, failed=True).notices)[-1] == "own firing"


def test_a_timer_that_fires_late_gives_the_next_beat_a_chance() -> None:
    late = DEADLINE + timedelta(seconds=31)
    state = decisions.woken(heard(fresh()), late)
    assert (state.asking, state.deadline) == (False, late + 15 * MINUTE)


def test_timers_that_always_fire_late_do_not_put_an_alarm_off_for_ever() -> None:
    state, now = heard(fresh()), DEADLINE
    for _ in range(decisions.MOST_EXTENSIONS):
        now += timedelta(hours=1)
        state = decisions.woken(state, now)
        assert not state.asking
    state = decisions.woken(state, now + timedelta(hours=1))
    assert state.asking


def test_one_that_was_heard_since_proves_that_beats_are_received() -> None:
    witness = sighting("a", START + 65 * MINUTE)
    assert missed(heard(fresh()), witness, *SILENT).status is Status.MISSED


def test_while_no_witness_is_heard_one_alert_speaks_for_all() -> None:
    state = missed(heard(fresh()), *SILENT)
    assert (state.status, kinds(state.notices)) == (Status.SUSPECT, ["shared firing"])
    later = missed(sent(state), *SILENT)
    assert (later.status, later.notices) == (Status.SUSPECT, ())
    assert later.deadline == DEADLINE + 2 * MINUTE


def test_the_shared_alert_says_when_anything_was_heard_last() -> None:
    own = START + 5 * MINUTE
    for sightings, last in (
        (SILENT, own),
        ((sighting("a", START), sighting("b", START + 6 * MINUTE)), START + 6 * MINUTE),
    ):
        state = heard(fresh(), own)
        assert missed(state, *sightings).notices == (Notice(alarm=None, since=last),)


def test_only_the_first_witnesses_are_heeded() -> None:
    silent = [sighting(str(number), START) for number in range(MOST_WITNESSES)]
    heard_since = sighting("last", START + 65 * MINUTE)
    assert missed(heard(fresh()), *silent, heard_since).status is Status.SUSPECT
    assert missed(heard(fresh()), *silent[1:], heard_since).status is Status.MISSED


def test_a_heartbeat_is_a_witness_while_it_is_heard_as_expected() -> None:
    state = heard(fresh())
    assert sighting_of(state) == Sighting(
        name="backup", heard_at=START, due=START + timedelta(hours=1)
    )
    assert sighting_of(fresh()) is None
    assert sighting_of(heard(fresh(None))) is None
    assert sighting_of(missed(state)) is None
    assert sighting_of(decisions.paused(state, Pause(by="ana", at=START))) is None


def test_one_witness_is_not_enough() -> None:
    assert missed(heard(fresh()), SILENT[0]).status is Status.MISSED


def test_a_witness_that_is_not_due_says_nothing() -> None:
    daily = sighting("daily", START, timedelta(days=1))
    assert missed(heard(fresh()), daily, SILENT[0]).status is Status.MISSED
    assert missed(heard(fresh()), daily, *SILENT).status is Status.SUSPECT


def test_a_witness_that_is_due_soon_is_waited_for_but_not_for_long() -> None:
    state = heard(fresh())
    soon = sighting("soon", DEADLINE - 4 * MINUTE - timedelta(hours=1), timedelta(hours=1))
    soon = soon.model_copy(update={"due": DEADLINE + timedelta(seconds=30)})
    assert soon.heard_at < START + 60 * MINUTE
    asked = missed(state, soon, SILENT[0])
    assert (asked.status, asked.deadline) == (Status.UP, DEADLINE + decisions.ASK_AGAIN)
    now = DEADLINE + decisions.ASK_FOR
    always = soon.model_copy(update={"due": now})
    asked = decisions.answered(decisions.woken(asked, now - MINUTE), (), now)
    state = decisions.woken(state.model_copy(update={"deadline": now}), now)
    assert decisions.answered(state, (always, SILENT[0]), now).status is Status.MISSED


def test_after_an_outage_each_has_a_fresh_deadline() -> None:
    state = sent(missed(heard(fresh()), *SILENT))
    assert state.deadline
    back = sighting("a", state.deadline)
    state = missed(state, back, SILENT[1])
    assert (state.status, kinds(state.notices)) == (Status.UP, ["shared resolved"])
    assert state.deadline == DEADLINE + MINUTE + 15 * MINUTE
    state = missed(sent(state), sighting("a", state.deadline))
    assert (state.status, kinds(state.notices)) == (Status.MISSED, ["own firing"])


def test_a_beat_ends_what_was_suspected() -> None:
    state = sent(missed(heard(fresh()), *SILENT))
    state = heard(state, DEADLINE + MINUTE)
    assert (state.status, kinds(state.notices)) == (Status.UP, ["shared resolved"])


def test_without_enough_witnesses_left_it_alarms_by_itself() -> None:
    state = missed(sent(missed(heard(fresh()), *SILENT)))
    assert state.status is Status.MISSED
    assert kinds(state.notices) == ["shared resolved", "own firing"]


def test_a_pause_resolves_its_alert_and_expects_nothing() -> None:
    state = sent(missed(heard(fresh())))
    state = decisions.paused(state, Pause(by="ana", at=DEADLINE))
    assert (state.status, kinds(state.notices)) == (Status.PAUSED, ["own resolved"])
    assert state.deadline is None
    assert heard(sent(state), DEADLINE + MINUTE, failed=True).notices == ()
    state = decisions.resumed(sent(state), DEADLINE + timedelta(hours=5))
    assert state.deadline == DEADLINE + timedelta(hours=5) + 70 * MINUTE


def test_a_pause_ends_by_itself() -> None:
    until = START + timedelta(hours=3)
    state = decisions.paused(heard(fresh()), Pause(by="ana", at=START, until=until))
    assert decisions.woken(state, until - MINUTE) == state
    assert decisions.woken(state, until).deadline == until + 70 * MINUTE


def test_what_leaves_the_file_is_over_with_its_alert_resolved() -> None:
    state = decisions.declared(sent(missed(heard(fresh()))), None, DEADLINE)
    assert (state.over, kinds(state.notices)) == (True, ["own resolved"])


def test_what_leaves_the_file_while_it_is_paused_is_no_longer_paused() -> None:
    paused = decisions.paused(heard(fresh()), Pause(by="ana", at=START))
    over = decisions.declared(paused, None, START + MINUTE)
    assert (over.over, over.pause) == (True, None)
    back = decisions.declared(over, HOURLY, START + MINUTE)
    assert (back.status, back.deadline) == (Status.UP, DEADLINE + MINUTE)


def test_what_comes_back_into_the_file_before_it_ended_goes_on() -> None:
    state = decisions.declared(heard(fresh()), None, START)
    state = decisions.declared(state, HOURLY, START)
    assert (state.over, state.deadline) == (False, DEADLINE)


def test_what_is_not_declared_waits_for_a_day_and_never_alarms() -> None:
    state = heard(fresh(None), failed=True)
    assert (state.status, state.notices) == (Status.UNDECLARED, ())
    assert not decisions.declared(state, None, START + timedelta(hours=23)).over
    assert decisions.declared(state, None, START + timedelta(hours=24)).over


def test_a_longer_grace_moves_the_deadline() -> None:
    longer = HOURLY.model_copy(update={"grace": 1200.0})
    assert decisions.declared(heard(fresh()), longer, START).deadline == DEADLINE + 10 * MINUTE


def test_the_alert_says_what_whoever_is_paged_needs() -> None:
    rule = {
        "every": "1h",
        "description": "The nightly dump.",
        "service": "shop",
        "severity": "critical",
        "labels": {"team": "data"},
    }
    state = fresh(HeartbeatRule.model_validate(rule).declared("backup"))
    state = heard(state, failed=True, exit_code=2, duration=90.0, output="disk full")
    alert = read_alert(alert_event(state, state.notices[0]))
    assert (alert.key, alert.status) == ("heartbeat:backup", AlertStatus.FIRING)
    assert (alert.service, alert.severity) == ("shop", "critical")
    assert alert.labels == {"team": "data", "heartbeat": "backup"}
    assert alert.summary == (
        "The nightly dump. Expected: every 1h, with a grace of 1 min. Last heard: 2026-03-01 "
        "12:00:00 UTC. It ran for 1 min 30 s. The end of its output: disk full"
    )
    assert alert.remarks == ()
    state = heard(state, START + MINUTE)
    over = read_alert(alert_event(state, state.notices[-1]))
    assert (over.key, over.status, over.starts_at) == (
        alert.key,
        AlertStatus.RESOLVED,
        alert.starts_at,
    )


def test_the_shared_alert_has_one_key() -> None:
    state = missed(heard(fresh()), *SILENT)
    event = alert_event(state, state.notices[0])
    alert = read_alert(event)
    assert (alert.key, alert.severity, event.scope) == ("heartbeats", "critical", "tidegate")
    assert alert.remarks == ()
