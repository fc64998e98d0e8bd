"""Whom an incident reaches, when, how often, and when not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.domain.incident.decisions.paging import ROUND_DELAYS
from core.domain.incident.effects import FollowUp, Page
from core.domain.incident.inputs import PageSettled, Wake
from core.domain.incident.model import PageStatus
from core.domain.incident.policies.policy import (
    YEAR,
    Level,
    Maintenance,
    Policy,
    PolicyTarget,
    QuietHours,
)
from core.domain.incident.status import Status
from core.domain.incident.timeline import (
    Escalated,
    EscalatedByHand,
    PageCancelled,
    PagingHeld,
    PagingResumed,
)
from core.domain.severity import Severity
from core.domain.windows import Hours, Silence, Span
from tests.unit.incident.examples import (
    ON_CALL,
    SECOND_LINE,
    START,
    Life,
    acknowledged,
    alert,
    levels,
    mitigated,
    opened,
    policy,
)

THREE = levels((0, "one"), (300, "two"), (900, "three"))


def paged_at(life: Life) -> list[tuple[float, str]]:
    """Seconds from the start and target of every page, retries aside."""
    started = [event for event in life.events if event.kind == "page_started" and event.round == 1]
    return [((event.at - START).total_seconds(), event.target) for event in started]


def test_each_level_is_paged_after_its_delay_and_once() -> None:
    life = opened(Policy(levels=THREE))
    life.wait(100_000)
    assert paged_at(life) == [(0, "one"), (300, "two"), (900, "three")]
    assert [(event.level, event.waited) for event in life.all(Escalated)] == [(2, 300), (3, 900)]
    assert "Escalated to level 2: nobody acknowledged in 5 min" in life.sentences()
    assert "Paged before: level 1: one not delivered yet" in life.pages()[1].facts
    assert life.deadline == YEAR


def test_a_first_level_may_wait_too() -> None:
    life = opened(Policy(levels=levels((60, "one"))))
    assert life.pages() == []
    life.wait(60)
    assert life.paged() == ["one"]


def test_the_levels_repeat_as_often_as_the_policy_says() -> None:
    life = opened(Policy(levels=THREE, repeats=2, repeat_after=600))
    life.wait(100_000, deliver=True)
    assert paged_at(life) == [
        (round * 1500 + delay, target)
        for round in range(3)
        for delay, target in ((0, "one"), (300, "two"), (900, "three"))
    ]
    keys = [page.key for page in life.pages()]
    assert len(set(keys)) == 9
    assert keys[3] == f"{life.incident.id}/level-1/repeat-2/one"
    assert "Level 1 is paged again (repeat 2): nobody acknowledged in 25 min" in life.sentences()


def test_the_level_reached_is_paged_again_until_somebody_acknowledges() -> None:
    life = opened(Policy(levels=levels((0, "one"), (300, "two")), repage_every=120))
    life.wait(600, deliver=True)
    assert paged_at(life) == [
        (0, "one"),
        (120, "one"),
        (240, "one"),
        (300, "two"),
        (420, "two"),
        (540, "two"),
    ]
    life.do("acknowledge")
    life.wait(10_000)
    assert len(life.pages()) == 6


def test_a_target_with_a_page_in_flight_is_not_paged_twice() -> None:
    life = opened(Policy(levels=levels((0, "one two")), repage_every=120))
    [one, two] = life.pages()
    life.give(PageSettled(key=two.key))
    life.wait(120)
    assert life.paged() == ["one", "two", "two"]
    life.give(PageSettled(key=one.key))
    life.wait(120)
    assert life.paged()[3:] == ["one"]  # the last page to `two` is still in flight


def test_after_an_outage_each_level_is_paged_once_and_not_once_per_round_missed() -> None:
    life = opened(Policy(levels=THREE, repeats=50, repeat_after=600))
    life.deliver()
    life.now += timedelta(hours=10)
    life.give(Wake())
    assert sorted(life.paged()[1:]) == ["one", "three", "two"]
    due = life.deadline
    assert due is not None
    assert due > 36_000


def test_after_an_unacknowledgement_paging_starts_at_level_one() -> None:
    life = acknowledged(Policy(levels=THREE))
    life.wait(1000)
    life.do("unacknowledge", "ben", note="wrong team")
    assert "Open again: ben gave it back: wrong team" in life.sentences()
    life.wait(300)
    assert paged_at(life)[1:] == [(1000, "one"), (1300, "two")]


def test_an_acknowledgement_times_out() -> None:
    life = acknowledged(policy(acknowledgement_timeout=1800))
    assert life.deadline == 1800
    life.wait(1799)
    life.do("acknowledge", "ben")  # starts the time again
    life.wait(1799)
    assert life.status == Status.ACKNOWLEDGED
    life.wait(1)
    assert life.status == Status.OPEN
    assert life.incident.acknowledged_by == ()
    assert life.paged() == [ON_CALL, ON_CALL]
    assert "Open again: the acknowledgement is older than 30 min" in life.sentences()


def test_an_acknowledgement_does_not_time_out_while_the_incident_is_snoozed() -> None:
    life = acknowledged(policy(acknowledgement_timeout=600))
    life.do("snooze", for_=3600)
    life.wait(3599)
    assert life.status == Status.ACKNOWLEDGED
    life.wait(1)
    assert life.status == Status.OPEN


def test_a_snooze_holds_all_pages_and_then_paging_starts_at_level_one() -> None:
    life = opened(Policy(levels=THREE))
    life.wait(300)
    life.do("snooze", for_=3600)
    assert len(life.all(PageCancelled)) == 2
    assert life.deadline == 3900
    life.wait(3599)
    assert len(life.pages()) == 2
    life.wait(301)
    assert paged_at(life)[2:] == [(3900, "one"), (4200, "two")]
    assert "Snooze ended" in life.sentences()


def test_a_snooze_can_be_ended_changed_and_outlived() -> None:
    life = opened()
    assert life.do("snooze", for_=0) == []
    life.do("snooze", for_=3600)
    life.do("snooze", until=START + timedelta(seconds=60))
    assert life.do("snooze", until=START + timedelta(seconds=60)) == []
    assert life.deadline == 60
    life.do("snooze", "ben", for_=0, note="I am up")
    assert life.sentences()[-2:] == ["Snooze ended: I am up", "Paging slack#00000001 (level 1)"]
    life.do("snooze", for_=3600)
    life.do("resolve", force=True)
    assert life.incident.snoozed_until is None


def test_a_new_alert_pages_nobody_while_a_mitigated_incident_is_snoozed() -> None:
    life = mitigated()
    life.do("snooze", for_=3600)
    life.give(alert("another"))
    assert life.status == Status.OPEN
    assert len(life.pages()) == 1
    assert life.sentences()[-1] == "Nobody is paged until 2026-01-02 04:04:05 UTC: snoozed"
    life.wait(3600)
    assert len(life.pages()) == 2


NIGHT = QuietHours(
    time_zone="Europe/Berlin",
    hours=(Hours(start="22:00", end="08:00"),),  # START is 04:04:05 there
    unless=Severity.HIGH,
)
MORNING = (datetime(2026, 1, 2, 7, tzinfo=UTC) - START).total_seconds()


def test_in_quiet_hours_nobody_is_paged_until_they_end() -> None:
    life = opened(policy(quiet_hours=NIGHT))
    assert life.pages() == []
    assert life.deadline == MORNING
    assert "Nobody is paged until 2026-01-02 07:00:00 UTC: quiet hours" in life.sentences()
    life.wait(MORNING + 300)
    assert paged_at(life) == [(MORNING, ON_CALL), (MORNING + 300, SECOND_LINE)]
    assert len(life.all(PagingResumed)) == 1


@pytest.mark.parametrize(("severity", "pages"), [("critical", 1), ("high", 1), ("medium", 0)])
def test_a_severe_incident_is_paged_in_quiet_hours(severity: str, pages: int) -> None:
    assert len(opened(policy(quiet_hours=NIGHT), severity=severity).pages()) == pages


def test_quiet_hours_without_an_exception_have_none() -> None:
    night = NIGHT.model_copy(update={"unless": None})
    assert opened(policy(quiet_hours=night), severity="critical").pages() == []


def test_an_incident_that_becomes_severe_in_quiet_hours_is_paged_immediately() -> None:
    for raise_it in ("alert", "command"):
        life = opened(policy(quiet_hours=NIGHT))
        life.wait(600)
        if raise_it == "alert":
            life.give(alert("another", severity="critical"))
        else:
            life.do("set_severity", severity="critical")
        assert paged_at(life) == [(600, ON_CALL)]
        assert life.deadline == 600 + 300


def test_an_incident_that_does_not_become_severe_waits_for_the_end_of_quiet_hours() -> None:
    life = opened(policy(quiet_hours=NIGHT), severity="low")
    life.do("set_severity", severity="medium")
    assert life.pages() == []
    assert life.deadline == MORNING


def test_an_escalation_waits_for_the_end_of_quiet_hours_and_starts_again() -> None:
    evening = Hours(start="04:05", end="05:00")
    quiet = QuietHours(time_zone="Europe/Berlin", hours=(evening,))
    life = opened(policy(quiet_hours=quiet))
    assert life.paged() == [ON_CALL]
    life.wait(300, deliver=True)
    assert [event.reason for event in life.all(PagingHeld)] == ["quiet hours"]
    life.wait(3600, deliver=True)
    end = (datetime(2026, 1, 2, 4, tzinfo=UTC) - START).total_seconds()
    assert paged_at(life) == [(0, ON_CALL), (end, ON_CALL), (end + 300, SECOND_LINE)]


def test_quiet_hours_hold_the_retries_of_failed_pages_too() -> None:
    evening = Hours(start="04:04", end="04:06")
    quiet = QuietHours(time_zone="Europe/Berlin", hours=(evening,), unless=Severity.CRITICAL)
    life = opened(policy(quiet_hours=quiet), severity="critical")
    [page] = life.pages()
    life.give(PageSettled(key=page.key, failure="no answer"))
    life.do("set_severity", severity="low")
    life.wait(30)
    assert life.incident.pages[page.key].status is PageStatus.CANCELLED
    assert len(life.pages()) == 1


def silence(until: float, *severities: Severity, start: float = 0) -> Silence:
    span = Span(start=START + timedelta(seconds=start), end=START + timedelta(seconds=until))
    return Silence(name="migration", span=span, severities=severities)


def test_a_silenced_incident_pages_nobody_until_the_silence_ends() -> None:
    life = opened(policy(silences=(silence(600), silence(900), silence(60, Severity.LOW))))
    assert (
        "Nobody is paged until 2026-01-02 03:19:05 UTC: silenced by migration" in life.sentences()
    )
    life.wait(899)
    assert life.pages() == []
    life.wait(1)
    assert life.paged() == [ON_CALL]


def test_a_silence_for_other_severities_silences_nothing() -> None:
    assert opened(policy(silences=(silence(600, Severity.LOW),))).paged() == [ON_CALL]


def test_maintenance_recurs_every_week() -> None:
    window = Maintenance(
        name="backups", time_zone="UTC", hours=(Hours(days=("fri",), start="03:00", end="04:00"),)
    )
    life = opened(policy(maintenance=(window,)))
    assert life.pages() == []
    assert [event.reason for event in life.all(PagingHeld)] == ["maintenance backups"]
    assert life.deadline == (datetime(2026, 1, 2, 4, tzinfo=UTC) - START).total_seconds()


def test_one_reason_after_another_holds_the_paging_without_a_gap() -> None:
    life = opened(policy(silences=(silence(600), silence(1200, start=600))))
    life.wait(1199)
    assert life.pages() == []
    assert len(life.all(PagingHeld)) == 2
    life.wait(1)
    assert life.paged() == [ON_CALL]


def test_a_failed_page_is_noted_retried_with_backoff_and_then_given_up() -> None:
    life = opened(Policy(levels=levels((0, "one"))))
    [key] = life.incident.pages
    for delay in ROUND_DELAYS:
        life.give(PageSettled(key=key, failure="no answer"))
        assert life.incident.pages[key].retry_at == life.now + delay
        life.wait(delay.total_seconds())
        assert life.pages()[-1].key == key
    life.give(PageSettled(key=key, failure="no answer"))
    assert life.incident.pages[key].status is PageStatus.FAILED
    assert life.incident.pages_failed == 1
    assert "given up: no answer" in life.sentences()[-1]


def test_a_page_names_its_fallbacks() -> None:
    target = PolicyTarget(name="chat", fallback=("sms", "mail"))
    life = opened(Policy(levels=(Level(after=0, targets=(target,)),)))
    [page] = life.pages()
    assert page.fallback == ("sms", "mail")
    life.give(PageSettled(key=page.key, via="sms"))
    assert life.sentences()[-1] == "Page delivered to chat through its fallback sms (level 1)"
    assert life.incident.reached == ("sms",)
    assert life.incident.first_paged_at == START


def test_a_page_that_arrives_although_it_was_cancelled_is_noted_and_followed_up() -> None:
    life = acknowledged()
    [key] = life.incident.pages
    assert life.give(PageSettled(key=key, failure="cancelled")) == ([], [])
    _, effects = life.give(PageSettled(key=key))
    assert life.incident.pages[key].status is PageStatus.DELIVERED
    [follow_up] = effects
    assert isinstance(follow_up, FollowUp)
    assert (follow_up.what, follow_up.targets) == ("acknowledged", (ON_CALL,))


def test_targets_that_took_a_page_learn_what_becomes_of_the_incident() -> None:
    life = opened(policy(reopen_window=60))
    life.deliver()
    life.do("acknowledge")
    life.do("resolve", force=True)
    life.give(alert())
    life.do("close", reason="duplicate")
    follow_ups = [effect for effect in life.effects if isinstance(effect, FollowUp)]
    assert [effect.what for effect in follow_ups] == ["acknowledged", "resolved", "resolved"]
    assert {effect.targets for effect in follow_ups} == {(ON_CALL,)}
    assert {effect.dedup_key for effect in follow_ups} == {life.incident.id}


def test_targets_that_took_no_page_learn_nothing() -> None:
    life = opened()
    life.do("acknowledge")
    assert not [effect for effect in life.effects if isinstance(effect, FollowUp)]


def test_every_page_has_a_key_of_its_own_and_retries_keep_it() -> None:
    life = opened(policy(reopen_window=60, repage_every=60))
    for _ in range(3):
        life.wait(120)
        life.do("acknowledge")
        life.do("unacknowledge")
        life.do("resolve", force=True)
        life.give(alert())
    keys = [event.key for event in life.events if event.kind == "page_started"]
    assert len(keys) == len(set(keys)) == len(life.pages())


def test_targets_without_an_address_are_replaced_or_named() -> None:
    rules = Policy(
        levels=(
            Level(
                after=0,
                targets=(
                    PolicyTarget(name="chat", fallback=("sms", "nobody"), variables=("CHAT_URL",)),
                    PolicyTarget(name="mail", fallback=("chat",)),
                ),
            ),
        )
    )
    both = rules.addressed({"chat": ["slack#1", "slack#2"], "sms": ["sms#1"], "mail": ["mailto#1"]})
    assert [(t.name, t.fallback) for t in both.levels[0].targets] == [
        ("slack#1", ("sms#1",)),
        ("slack#2", ("sms#1",)),
        ("mailto#1", ("slack#1",)),
    ]
    lacking = rules.addressed({"sms": ["sms#1"], "mail": ["mailto#1"]})
    assert [t.name for t in lacking.levels[0].targets] == ["sms#1", "mailto#1"]
    life = opened(lacking)
    assert "Level 1: chat has no address (CHAT_URL not set)" in life.sentences()
    assert isinstance(life.effects[0], Page)


# ------------------------------------------------------------------ by hand


def test_a_person_has_the_next_level_paged_now() -> None:
    life = opened(Policy(levels=THREE))
    life.wait(60)
    life.do("escalate", note="the database, too")
    assert paged_at(life) == [(0, "one"), (60, "two")]
    assert life.sentences()[-2:] == [
        "Escalated to level 2: two: the database, too",
        "Paging two (level 2)",
    ]
    assert "Asked by: ana, who escalated to level 2" in life.pages()[-1].facts
    life.wait(10_000)
    assert paged_at(life)[2:] == [(900, "three")], "the rest keeps its time"


def test_at_the_last_level_a_person_has_it_paged_again() -> None:
    life = opened(policy())
    life.do("escalate")
    life.deliver()
    life.do("escalate")
    assert life.paged() == [ON_CALL, SECOND_LINE, SECOND_LINE]
    assert f"Level 2 is paged again (repeat 2): {SECOND_LINE}" in life.sentences()
    keys = [page.key for page in life.pages()]
    assert len(set(keys)) == 3


def test_an_escalation_keeps_the_acknowledgement() -> None:
    life = acknowledged()
    life.do("escalate", "ben")
    assert (life.status, life.incident.acknowledged_by) == (Status.ACKNOWLEDGED, ("ana",))
    assert life.paged() == [ON_CALL, SECOND_LINE]
    life.do("unacknowledge")
    assert life.paged()[2:] == [ON_CALL], "who gives it back starts at level 1"


@pytest.mark.parametrize("held", ["snoozed", "quiet hours", "silenced by migration"])
def test_a_person_escalates_whatever_holds_the_paging(held: str) -> None:
    rules = {
        "snoozed": policy(),
        "quiet hours": policy(quiet_hours=NIGHT),
        "silenced by migration": policy(silences=(silence(7200),)),
    }
    life = opened(rules[held])
    if held == "snoozed":
        life.do("snooze", for_=7200)
    before = len(life.pages())
    [event, *_] = life.do("escalate")
    assert isinstance(event, EscalatedByHand)
    assert event.held == held
    assert f"other paging stays on hold ({held} until 2026-01-02 0" in event.sentence()
    [page] = life.pages()[before:]
    life.give(PageSettled(key=page.key, failure="no answer"))
    life.wait(30)
    assert life.pages()[-1].key == page.key, "a page that a person asked for is tried again"
    life.deliver()
    life.wait(3000)
    assert len(life.pages()) == before + 2, "and nobody else is paged"


def test_a_silence_that_begins_meanwhile_ends_no_page_that_a_person_asked_for() -> None:
    life = opened(policy(repage_every=20, silences=(silence(7200, start=300),)))
    life.wait(290, deliver=True)
    life.do("escalate")
    page = life.pages()[-1]
    life.give(PageSettled(key=page.key, failure="no answer"))
    life.wait(29)
    assert len(life.all(PagingHeld)) == 1
    assert life.incident.pages[page.key].status is PageStatus.WAITING
    life.wait(1)
    assert life.pages()[-1].key == page.key


def test_a_page_that_waits_for_its_next_round_is_sent_now() -> None:
    life = opened(policy())
    life.do("escalate")
    page = life.pages()[-1]
    life.give(PageSettled(key=page.key, failure="no answer"))
    life.do("escalate")
    again = life.pages()[-1]
    assert (again.key, life.incident.pages[page.key].round) == (page.key, 2)
    assert len(life.pages()) == 3


def test_by_hand_levels_that_reach_nobody_are_skipped() -> None:
    life = opened(Policy(levels=levels((0, "one"), (300, ""), (900, "three"), (1200, ""))))
    life.do("escalate")
    life.deliver()
    assert life.paged() == ["one", "three"]
    assert "Nobody to page at level 2" in life.sentences()
    life.do("escalate")
    assert life.paged() == ["one", "three", "three"]


@pytest.mark.parametrize("rules", [Policy(), Policy(levels=levels((0, ""), (300, "")))])
def test_where_no_level_reaches_anybody_an_escalation_is_refused(rules: Policy) -> None:
    assert opened(rules).refused("escalate") == (
        "cannot escalate: the incident is open and its policy 'default' reaches nobody; possible "
        "now: acknowledge, mitigate, resolve, assign, snooze, comment, set_severity, close"
    )


def test_an_escalation_before_the_first_level_was_due_pages_that_one() -> None:
    life = opened(Policy(levels=levels((60, "one"), (300, "two"))))
    life.do("escalate")
    assert paged_at(life) == [(0, "one")]
    life.wait(1000)
    assert paged_at(life) == [(0, "one"), (300, "two")]


def test_in_another_round_it_goes_on_from_the_level_that_was_paged_last() -> None:
    life = opened(Policy(levels=THREE, repeats=2, repeat_after=600))
    life.wait(1500, deliver=True)  # the second round has begun
    life.do("escalate")
    assert life.paged() == ["one", "two", "three", "one", "two"]
    life.wait(100_000, deliver=True)
    assert life.paged()[5:] == ["three", "one", "two", "three"]


def test_an_escalation_puts_off_what_is_paged_again() -> None:
    life = opened(Policy(levels=THREE, repage_every=120))
    life.wait(60, deliver=True)
    life.do("escalate")
    life.wait(180, deliver=True)
    assert paged_at(life) == [(0, "one"), (60, "two"), (180, "two")]


# ------------------------------------------------------------- given back


def test_who_gives_a_snoozed_incident_back_ends_the_snooze_and_level_one_is_paged() -> None:
    life = opened(Policy(levels=THREE))
    life.do("snooze", for_=7200)
    life.do("acknowledge")
    life.do("unacknowledge", "ben")
    assert life.incident.snoozed_until is None
    assert life.paged() == ["one", "one"]
    assert life.sentences()[-3:] == [
        "Snooze ended: ben gave the incident back",
        "Open again: ben gave it back",
        "Paging one (level 1)",
    ]


@pytest.mark.parametrize(
    ("rule", "reason", "until"),
    [
        ({"quiet_hours": NIGHT}, "quiet hours", "07:00:00"),
        ({"silences": (silence(7200),)}, "silenced by migration", "05:04:05"),
        (
            {
                "maintenance": (
                    Maintenance(
                        name="backups",
                        time_zone="UTC",
                        hours=(Hours(days=("fri",), start="03:00", end="04:00"),),
                    ),
                )
            },
            "maintenance backups",
            "04:00:00",
        ),
    ],
)
def test_what_still_holds_the_paging_then_is_on_the_timeline(
    rule: dict[str, object], reason: str, until: str
) -> None:
    life = opened(policy(**rule))
    life.do("snooze", for_=60)
    life.do("acknowledge")
    life.do("unacknowledge")
    assert life.pages() == []
    assert life.sentences()[-1] == f"Nobody is paged until 2026-01-02 {until} UTC: {reason}"


def test_a_reopened_incident_that_is_still_snoozed_says_that_nobody_is_paged() -> None:
    life = mitigated()
    life.do("snooze", for_=3600)
    life.do("reopen")
    assert len(life.pages()) == 1
    assert life.sentences()[-1] == "Nobody is paged until 2026-01-02 04:04:05 UTC: snoozed"
    life.wait(3600)
    assert len(life.pages()) == 2


# ------------------------------------------------------------- levels that reach nobody


def test_a_level_that_reaches_nobody_goes_on_to_the_next_without_waiting() -> None:
    life = opened(Policy(levels=levels((0, ""), (300, "two"), (900, "three"))))
    assert paged_at(life) == [(0, "two")]
    assert life.sentences()[-3:-1] == [
        "Nobody to page at level 1",
        "Escalated to level 2: level 1 reaches nobody",
    ]
    assert "Paged before" not in life.pages()[0].body()
    life.wait(10_000)
    assert paged_at(life) == [(0, "two"), (900, "three")]
    assert "Escalated to level 3: nobody acknowledged in 15 min" in life.sentences()


def test_so_do_several_in_a_row_wherever_they_stand() -> None:
    rules = levels((0, "one"), (300, ""), (600, ""), (900, "four"), (1200, ""))
    life = opened(Policy(levels=rules))
    life.wait(10_000)
    assert paged_at(life) == [(0, "one"), (300, "four")]
    assert "Escalated to level 3: level 2 reaches nobody" in life.sentences()
    assert "Escalated to level 4: level 2 and 3 reach nobody" in life.sentences()


def test_the_delay_of_the_first_level_is_waited_for() -> None:
    life = opened(Policy(levels=levels((60, ""), (300, "two"))))
    life.wait(59)
    assert life.pages() == []
    life.wait(1)
    assert paged_at(life) == [(60, "two")]


def test_each_round_skips_them() -> None:
    rules = levels((0, ""), (300, "two"), (900, "three"))
    life = opened(Policy(levels=rules, repeats=1, repeat_after=600))
    life.wait(10_000, deliver=True)
    assert paged_at(life) == [(0, "two"), (900, "three"), (1500, "two"), (2400, "three")]


def test_the_last_level_that_reaches_somebody_is_paged_again_behind_one_that_does_not() -> None:
    life = opened(Policy(levels=levels((0, "one"), (300, "")), repage_every=200))
    life.wait(800, deliver=True)
    assert paged_at(life) == [(0, "one"), (200, "one"), (500, "one"), (700, "one")]


def test_without_anybody_to_page_every_level_is_gone_through_and_nothing_is_repeated() -> None:
    life = opened(Policy(levels=levels((0, ""), (300, "")), repage_every=200))
    assert life.pages() == []
    assert life.deadline == YEAR
