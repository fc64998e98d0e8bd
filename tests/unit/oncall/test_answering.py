"""Who is to be paged: the answer to an incident's question."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.oncall.answer import Answer, Question, Recipient, RecipientKind, TeamMode
from core.domain.oncall.answering import answer
from core.domain.oncall.calendars import NO_CALENDARS, Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.overrides import Override
from core.domain.oncall.silencing import AddedSilence
from core.domain.oncall.state import OnCallState
from core.domain.severity import Severity

FILE = OnCallFile.model_validate(
    {
        "version": 1,
        "people": {
            "ana": {
                "name": "Ana",
                "time_zone": "Europe/Berlin",
                "contacts": {"push": {"url_env": "ANA_PUSH"}, "sms": {"url_env": "ANA_SMS"}},
                "rules": [
                    {
                        "severity": "critical",
                        "steps": [{"contact": "push"}, {"contact": "sms", "after": "2m"}],
                    },
                    {"steps": [{"contact": "push"}]},
                ],
                "quiet_hours": {
                    "hours": [
                        {"from": "22:00", "to": "00:00"},
                        {"from": "00:00", "to": "07:00"},
                    ],
                    "unless": "high",
                },
            },
            "ben": {"name": "Ben", "time_zone": "UTC", "contacts": {"sms": {"url_env": "BEN_SMS"}}},
            "carla": {"name": "Carla", "time_zone": "UTC"},
        },
        "teams": {"web": {"members": ["ana", "ben", "carla"]}},
        "schedules": {
            "checkout": {
                "time_zone": "Europe/Berlin",
                "layers": [
                    {
                        "name": "base",
                        "rotation": {
                            "people": ["ana", "ben"],
                            "every": "day",
                            "start": "2026-03-02",
                            "at": "09:00",
                        },
                        "hours": [{"from": "09:00", "to": "21:00"}],
                    }
                ],
            },
        },
    }
)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def ask(
    *recipients: Recipient,
    now: datetime = NOON,
    severity: Severity = Severity.CRITICAL,
    state: OnCallState | None = None,
    calendars: Calendars = NO_CALENDARS,
    turn: int = 0,
    turns: dict[str, int] | None = None,
) -> Answer:
    question = Question(
        incident_id="i", severity=severity, service="pay", recipients=recipients, turn=turn
    )
    return answer(FILE, state or OnCallState(), calendars, question, now, turns=turns)


def recipient(kind: RecipientKind, name: str, **more: Any) -> Recipient:
    return Recipient(kind=kind, name=name, **more)


CHECKOUT = recipient(RecipientKind.SCHEDULE, "checkout")
WEB = recipient(RecipientKind.TEAM, "web")
IN_TURNS = recipient(RecipientKind.TEAM, "web", mode=TeamMode.ROUND_ROBIN)


def override(*people: str, hour: int = 12, until: int = 14) -> OnCallState:
    added = Override(
        id="o1",
        schedule="checkout",
        people=people,
        start=datetime(2026, 3, 2, hour, tzinfo=UTC),
        end=datetime(2026, 3, 2, until, tzinfo=UTC),
        by="dan",
    )
    return OnCallState(overrides=(added,))


def test_a_schedule_has_the_person_of_the_shift_the_reason_and_the_steps() -> None:
    found = ask(CHECKOUT)
    (ana,) = found.people
    assert (ana.person, ana.name, ana.reason) == (
        "ana",
        "Ana",
        "layer base of schedule checkout",
    )
    assert [(step.target, step.after, step.variables) for step in ana.steps] == [
        ("ana/push", 0, ("ANA_PUSH",)),
        ("ana/sms", 120, ("ANA_SMS",)),
    ]
    assert ana.until == found.until == datetime(2026, 3, 2, 20, tzinfo=UTC)
    assert found.remarks == ()


def test_an_override_decides_while_it_lasts() -> None:
    found = ask(CHECKOUT, state=override("ben"))
    (ben,) = found.people
    assert (ben.person, ben.reason) == ("ben", "an override by dan of schedule checkout")
    assert found.until == datetime(2026, 3, 2, 14, tzinfo=UTC)
    before = ask(CHECKOUT, state=override("ben", hour=13))
    assert [each.person for each in before.people] == ["ana"]
    assert before.until == datetime(2026, 3, 2, 13, tzinfo=UTC)


def test_an_override_of_somebody_who_left_leaves_the_layers() -> None:
    found = ask(CHECKOUT, state=override("zoe"))
    assert [each.person for each in found.people] == ["ana"]
    assert found.remarks == ("override o1 names zoe, who is not in the on-call file",)
    assert ask(CHECKOUT, state=override("zoe", hour=13)).remarks == (), "it does not apply yet"
    assert [each.person for each in ask(CHECKOUT, state=override("zoe", "ben")).people] == ["ben"]


def test_where_nobody_is_on_call_the_answer_says_until_when() -> None:
    found = ask(CHECKOUT, now=datetime(2026, 3, 2, 22, tzinfo=UTC))
    assert found.people == ()
    assert found.remarks == ("nobody is on call for schedule checkout until 2026-03-03 09:00 CET",)
    assert found.until == datetime(2026, 3, 3, 8, tzinfo=UTC)


def test_the_severity_chooses_the_rule_and_whether_quiet_hours_hold() -> None:
    ana = recipient(RecipientKind.PERSON, "ana")
    night = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
    (worse,) = ask(ana, now=night).people
    assert (worse.quiet_until, len(worse.steps), worse.reason) == (None, 2, "person ana")
    (lesser,) = ask(ana, now=night, severity=Severity.MEDIUM).people
    assert [step.target for step in lesser.steps] == ["ana/push"]
    # Both of the quiet hours, one after the other.
    assert lesser.quiet_until == datetime(2026, 3, 3, 6, tzinfo=UTC)


def test_a_team_is_paged_whole_or_in_turns() -> None:
    assert [each.person for each in ask(WEB).people] == ["ana", "ben", "carla"]
    for taken, turn, person in [(0, 0, "ana"), (1, 0, "ben"), (2, 2, "ben"), (3, 0, "ana")]:
        (one,) = ask(IN_TURNS, turns={"web": taken}, turn=turn).people
        assert (one.person, one.reason) == (person, "next of team web")
    assert len(ask(IN_TURNS).people) == 3


def test_somebody_without_a_contact_method_is_named_in_a_remark() -> None:
    found = ask(recipient(RecipientKind.PERSON, "carla"))
    assert [each.steps for each in found.people] == [()]
    assert found.remarks == ("Carla has no contact method",)


@pytest.mark.parametrize("kind", list(RecipientKind))
def test_a_name_that_left_the_file_becomes_a_remark_and_the_others_are_paged(
    kind: RecipientKind,
) -> None:
    found = ask(recipient(kind, "gone"), CHECKOUT)
    assert [each.person for each in found.people] == ["ana"]
    assert found.remarks == (f"there is no {kind} gone in the on-call file",)


def test_what_is_said_of_a_schedules_calendars_is_a_remark() -> None:
    read = Calendars(remarks={"checkout": ("it cannot be read",), "other": ("neither can it",)})
    assert ask(CHECKOUT, calendars=read).remarks == ("it cannot be read",)
    assert ask(WEB, calendars=read).remarks == ("Carla has no contact method",)


def test_silences_that_were_added_are_in_the_answer_without_recipients() -> None:
    silence = AddedSilence(
        id="s1",
        start=NOON,
        end=datetime(2026, 3, 2, 14, tzinfo=UTC),
        by="dan",
        why="work",
    )
    (found,) = ask(state=OnCallState(silences=(silence,))).silences
    assert found.span.start == NOON
    assert ask(now=silence.end, state=OnCallState(silences=(silence,))).silences == ()
