"""Hand-overs: which come next, and what people are told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.oncall.calendars import NO_CALENDARS
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.handovers import (
    SHOWN_INCIDENTS,
    Handover,
    OpenIncident,
    announces,
    contacts_of,
    message,
    next_handovers,
)
from core.domain.oncall.overrides import applicable
from core.domain.oncall.rota import shift_at
from core.domain.oncall.state import OnCallState
from core.domain.severity import Severity
from tests.unit.oncall.examples import NOW, WEEKLY, after, file, obey
from workers.oncall.handovers import SOON, TOO_LATE, Handovers

NOTHING = OnCallState()


def upcoming(file: OnCallFile, state: OnCallState = NOTHING, since: datetime = NOW) -> Any:
    return next_handovers(file, state, NO_CALENDARS, since, since + timedelta(days=2))


def overridden(person: str, start: float, end: float) -> OnCallState:
    return obey(
        NOTHING,
        "add_override",
        schedule="checkout",
        people=[person],
        **{"from": after(hours=start), "until": after(hours=end)},
    )


HANDOVER = Handover(
    schedule="checkout",
    at=after(days=1),
    leaving=("ana",),
    coming=("ben",),
    on_call=("ben",),
    until=after(days=2),
)


@pytest.mark.parametrize("since", [after(hours=1), after(days=1)], ids=["ahead", "now"])
def test_the_next_handover_says_who_leaves_who_comes_and_for_how_long(since: datetime) -> None:
    assert upcoming(file(), since=since) == (HANDOVER,)


def test_the_first_shift_of_a_schedule_is_a_handover_without_anybody_who_leaves() -> None:
    [found] = upcoming(file())
    assert (found.at, found.leaving, found.coming) == (NOW, (), ("ana",))


def test_overrides_hand_over_when_they_begin_and_when_they_end() -> None:
    state = overridden("eva", 2, 4)
    [begins] = upcoming(file(), state, after(hours=1))
    assert (begins.at, begins.leaving, begins.coming) == (after(hours=2), ("ana",), ("eva",))
    [ends] = upcoming(file(), state, after(hours=3))
    assert (ends.at, ends.leaving, ends.coming) == (after(hours=4), ("eva",), ("ana",))


def test_a_change_of_what_decides_is_no_handover_where_the_people_stay() -> None:
    [found] = upcoming(file(), overridden("ana", 2, 4), after(hours=1))
    assert found.at == after(days=1)


def test_a_shift_that_nobody_follows_ends_with_a_handover() -> None:
    layer = {**WEEKLY["layers"][0], "until": "2026-01-05"}
    [found] = upcoming(
        file(checkout={**WEEKLY, "may_have_gaps": True, "layers": [layer]}), since=after(hours=1)
    )
    assert (found.leaving, found.coming, found.on_call, found.until) == (("ana",), (), (), None)


def test_handovers_of_several_schedules_at_one_moment_come_together() -> None:
    silent = {**WEEKLY, "announce_handovers": False}
    found = upcoming(file(a=WEEKLY, b=WEEKLY, c=silent), since=after(hours=1))
    assert [each.schedule for each in found] == ["a", "b"]


def test_only_a_schedule_that_says_so_announces() -> None:
    assert announces(file())
    assert not announces(file(checkout={**WEEKLY, "announce_handovers": False}))


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 10), st.sampled_from(["ana", "ben", "eva"])),
        max_size=4,
    )
)
def test_handovers_are_where_the_people_of_the_rota_change(
    wanted: list[tuple[int, int, str]],
) -> None:
    """Found one after another, against a walk from quarter hour to quarter hour."""
    own, state = file(), NOTHING
    taken: set[int] = set()
    for number, (start, hours, person) in enumerate(wanted):
        if taken.isdisjoint(range(start, start + hours)):
            taken |= set(range(start, start + hours))
            fields: dict[str, Any] = {"schedule": "checkout", "people": [person]}
            fields |= {"from": after(hours=start), "until": after(hours=start + hours)}
            state = obey(state, "add_override", command_id=f"c{number}", **fields)
    overrides = applicable(state.overrides, "checkout", own.people)

    def people(moment: datetime) -> set[str]:
        shift = shift_at(own.schedules["checkout"], moment, overrides)
        return set(shift.people) if shift else set()

    step, end = timedelta(minutes=15), after(days=2)
    walked = [
        (moment, people(moment))
        for moment in (after(hours=number / 4) for number in range(2 * 24 * 4))
        if people(moment) != people(moment - step)
    ]
    found, since = [], NOW
    while handovers := next_handovers(own, state, NO_CALENDARS, since, end):
        [handover] = handovers
        found.append((handover.at, set(handover.on_call)))
        since = handover.at + timedelta(microseconds=1)
    assert found == walked


INCIDENTS = [
    OpenIncident("k7c2df", Severity.LOW, "Disk half full"),
    OpenIncident("x9b3fg", Severity.CRITICAL, "Checkout answers 500", "checkout", "ana"),
]


def test_who_comes_is_told_until_when_who_was_before_and_what_is_open() -> None:
    title, body = message(HANDOVER, "ben", file(), INCIDENTS)
    assert title == "You are on call for checkout"
    assert body.splitlines() == [
        "From Tue 2026-01-06 10:00 CET until Wed 2026-01-07 10:00 CET.",
        "Before you: Ana Lopez.",
        "",
        "2 incidents not resolved:",
        "x9b3fg Checkout answers 500 (critical, checkout, acknowledged by ana)",
        "k7c2df Disk half full (low)",
    ]


def test_who_leaves_is_told_who_is_on_call_now() -> None:
    title, body = message(HANDOVER, "ana", file(), [])
    assert title == "Your shift for checkout is over"
    assert body.splitlines() == [
        "It ended on Tue 2026-01-06 10:00 CET.",
        "Now on call: Ben Weber until Wed 2026-01-07 10:00 CET.",
        "",
        "No incident is open.",
    ]


def test_who_leaves_is_told_that_nobody_is_on_call() -> None:
    gap = HANDOVER.model_copy(update={"coming": (), "on_call": (), "until": None})
    assert "Nobody is on call now." in message(gap, "ana", file(), []).body


def test_of_many_incidents_the_worst_are_named_and_the_others_counted() -> None:
    many = [OpenIncident(f"h{number}", Severity.HIGH, "t") for number in range(30)]
    lines = message(HANDOVER, "ben", file(), many).body.splitlines()
    assert lines[-1] == f"and {30 - SHOWN_INCIDENTS} more: `tidegate incident list`"
    assert sum(line.startswith("h") for line in lines) == SHOWN_INCIDENTS


@pytest.mark.parametrize(
    ("rules", "contacts"),
    [
        ([], ("ana/push", "ana/sms")),
        ([{"steps": [{"contact": "sms"}, {"contact": "push", "after": "5m"}]}], ("ana/sms",)),
        (
            [{"steps": [{"contact": "duty"}, {"contact": "push", "after": "5m"}]}],
            ("ana/push",),
        ),
        (
            [{"steps": [{"contact": "genie"}, {"contact": "push", "after": "5m"}]}],
            ("ana/push",),
        ),
        ([{"severity": "critical", "steps": [{"contact": "sms"}]}], ("ana/push", "ana/sms")),
    ],
)
def test_people_hear_of_handovers_where_they_hear_first_of_what_is_not_urgent(
    rules: list[Any], contacts: tuple[str, ...]
) -> None:
    """And not through PagerDuty or Opsgenie, which would page for it."""
    whole = file().model_dump(mode="json")
    whole["people"]["ana"]["contacts"] = {
        "push": {"url_env": "A"},
        "duty": {"kind": "pagerduty", "routing_key_env": "B"},
        "genie": {"kind": "opsgenie", "api_key_env": "D"},
        "sms": {"url_env": "C"},
    }
    whole["people"]["ana"]["rules"] = rules
    read = OnCallFile.model_validate(whole)
    assert contacts_of("ana", read.people["ana"]) == contacts


class TestWhatIsDue:
    """What the workflow knows of the next hand-overs."""

    def test_it_is_examined_first_and_then_every_day(self) -> None:
        handovers = Handovers(NOW)
        assert handovers.due_at == NOW
        assert handovers.start_examining(NOW) == NOW
        handovers.examined([])
        assert handovers.due_at == after(days=1)
        assert handovers.start_examining(after(days=1)) == after(days=1)

    def test_a_handover_is_due_once_and_then_the_next_is_looked_for(self) -> None:
        handovers = Handovers(NOW)
        handovers.start_examining(NOW)
        handovers.examined([HANDOVER])
        assert handovers.due_at == HANDOVER.at
        assert handovers.take(HANDOVER.at - timedelta(seconds=1)) == []
        assert handovers.take(HANDOVER.at) == [HANDOVER]
        assert handovers.take(HANDOVER.at) == []
        since = handovers.start_examining(HANDOVER.at)
        assert since == HANDOVER.at + timedelta(microseconds=1)

    def test_a_change_while_it_is_examined_makes_the_answer_stale(self) -> None:
        handovers = Handovers(NOW)
        since = handovers.start_examining(NOW)
        handovers.examine_again(after(minutes=1))
        handovers.examined([HANDOVER])
        assert handovers.due_at == after(minutes=1)
        assert handovers.start_examining(after(minutes=1)) == since

    def test_what_was_due_before_a_change_stays_due(self) -> None:
        handovers = Handovers(NOW)
        handovers.start_examining(NOW)
        handovers.examined([HANDOVER])
        handovers.examine_again(HANDOVER.at + timedelta(seconds=1))
        assert handovers.start_examining(HANDOVER.at + timedelta(seconds=2)) <= HANDOVER.at

    def test_a_change_before_the_next_handover_settles_what_was_before(self) -> None:
        handovers = Handovers(NOW)
        handovers.start_examining(NOW)
        handovers.examined([HANDOVER])
        handovers.examine_again(after(hours=2))
        assert handovers.start_examining(after(hours=3)) == after(hours=2)

    def test_after_an_outage_only_the_last_hour_is_made_up_for(self) -> None:
        handovers = Handovers(NOW)
        assert handovers.start_examining(after(days=9)) == after(days=9) - TOO_LATE

    def test_a_handover_that_was_known_before_an_outage_is_not_announced_after_it(self) -> None:
        handovers = Handovers(NOW)
        handovers.start_examining(NOW)
        handovers.examined([HANDOVER])
        late = HANDOVER.at + TOO_LATE + timedelta(seconds=1)
        assert handovers.take(late) == []
        assert handovers.due_at == late, "the next is looked for"
        assert handovers.start_examining(late) > HANDOVER.at

    def test_an_examination_that_fails_is_made_up_for_before_a_handover_is_too_late(self) -> None:
        handovers = Handovers(NOW)
        handovers.start_examining(NOW)
        handovers.not_examined(after(minutes=10))
        assert handovers.due_at == after(minutes=10) + SOON
        assert handovers.start_examining(handovers.due_at) == NOW

    def test_a_change_while_it_is_examined_is_looked_at_immediately_also_if_that_fails(
        self,
    ) -> None:
        handovers = Handovers(NOW)
        handovers.start_examining(NOW)
        handovers.examine_again(after(minutes=1))
        handovers.not_examined(after(minutes=10))
        assert handovers.due_at == after(minutes=1)
