"""Whom an incident pages that is on call: asked at the moment of paging, paged by their own rules
until somebody acknowledges, and handed over when the shift ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import pytest

from core.cli.incident_view import header_lines
from core.domain.incident.decisions.command_facts import command_facts
from core.domain.incident.decisions.on_call import PATIENCE, RETRY, next_page
from core.domain.incident.effects import FindOnCall, FollowUp
from core.domain.incident.evolve import apply
from core.domain.incident.inputs import OnCallAnswered, OnCallChanged, PageSettled, Wake
from core.domain.incident.lifecycle import decide
from core.domain.incident.model import Incident, PageStatus
from core.domain.incident.policies.policy import Level, Policy, PolicyTarget, QuietHours
from core.domain.incident.reports.markdown import as_markdown
from core.domain.incident.reports.post_incident import build_report
from core.domain.incident.status import Status
from core.domain.incident.timeline import (
    AssigneeNotified,
    HandedOver,
    PageCancelled,
    PagingHeld,
    PersonPaged,
)
from core.domain.oncall.answer import (
    MAX_PEOPLE,
    Answer,
    OnCall,
    Question,
    Recipient,
    RecipientKind,
    TeamMode,
)
from core.domain.oncall.people import ContactStep
from core.domain.severity import Severity
from core.domain.targets import News
from core.domain.windows import Hours, Silence, Span
from tests.unit.incident.examples import START, Life, alert, command, opened

CHECKOUT = Recipient(kind=RecipientKind.SCHEDULE, name="checkout")
MANAGERS = Recipient(kind=RecipientKind.SCHEDULE, name="managers")
WEB = Recipient(kind=RecipientKind.TEAM, name="web", mode=TeamMode.ROUND_ROBIN)
ANA = Recipient(kind=RecipientKind.PERSON, name="ana")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def who(person: str, recipient: Recipient = CHECKOUT, **fields: Any) -> OnCall:
    """A person with a push now and a text message after two minutes."""
    steps = fields.pop("steps", ((0, "push"), (120, "sms")))
    return OnCall(
        person=person,
        name=person.capitalize(),
        recipient=recipient,
        reason=f"layer weekdays of {recipient}",
        steps=tuple(ContactStep(after=after, target=f"{person}/{way}") for after, way in steps),
        **fields,
    )


class Rota:
    """Answers with the people and the silences that it holds, for what is asked."""

    def __init__(self, *people: OnCall) -> None:
        self.people: tuple[OnCall, ...] = people
        self.silences: tuple[Silence, ...] = ()
        self.remarks: tuple[str, ...] = ()
        self.silent = False

    def __call__(self, question: Question, now: datetime) -> Answer | None:
        if self.silent:
            return None
        people = tuple(each for each in self.people if each.recipient in question.recipients)
        ends = [each.until for each in people if each.until]
        return Answer(
            people=people,
            silences=self.silences,
            until=min(ends, default=None),
            remarks=self.remarks,
        )


def level(after: float, *names: str | Recipient) -> Level:
    return Level(
        after=after,
        targets=tuple(PolicyTarget(name=name) for name in names if isinstance(name, str)),
        recipients=tuple(name for name in names if isinstance(name, Recipient)),
    )


def begun(rota: Rota, *levels: Level, **rules: Any) -> Life:
    """An incident that an alert opened, whose questions the rota answers."""
    severity = rules.pop("severity", "high")
    life = Life(answer=rota)
    life.give(alert(policy=Policy(levels=levels, **rules), severity=severity))
    return life


def paged_at(life: Life) -> list[tuple[float, str]]:
    started = [event for event in life.events if event.kind == "page_started" and event.round == 1]
    return [((event.at - START).total_seconds(), event.target) for event in started]


def silence(until: float) -> Silence:
    return Silence(name="deploy", span=Span(start=START, end=at(until)))


# ------------------------------------------------------------------------- the question


def test_an_incident_asks_before_it_pages_anybody_and_pages_with_the_answer() -> None:
    rota = Rota(who("ana", until=at(3600)))
    rota.silent = True
    life = begun(rota, level(0, "chat", CHECKOUT), level(300, MANAGERS))
    assert life.pages() == []
    [question] = life.asked
    assert question.recipients == (CHECKOUT,)
    assert (question.incident_id, question.workflow_id) == (life.incident.id, life.incident.key)
    rota.silent = False
    life.give(OnCallAnswered(number=1, answer=rota(question, START)))
    assert life.paged() == ["chat", "ana/push"]
    assert life.sentences()[-3:] == [
        "Paging chat (level 1)",
        "Ana is paged as on call for schedule checkout (layer weekdays) "
        "until 2026-01-02 04:04:05 UTC",
        "Paging ana/push (level 1)",
    ]


def test_a_page_says_as_what_the_person_is_paged() -> None:
    life = begun(Rota(who("ana", until=at(3600))), level(0, CHECKOUT))
    [page] = life.pages()
    assert page.key == f"{life.incident.id}/level-1/repeat-1/ana/push"
    assert page.facts[0] == (
        "Paged as: on call for schedule checkout (layer weekdays) until 2026-01-02 04:04:05 UTC"
    )


def test_a_team_member_is_told_so_and_a_person_by_name_needs_no_reason() -> None:
    life = begun(
        Rota(who("ben", WEB).model_copy(update={"reason": f"next of {WEB}"}), who("ana", ANA)),
        level(0, WEB, ANA),
    )
    facts = {page.target: page.facts[0] for page in life.pages()}
    assert facts["ben/push"] == "Paged as: next of team web"
    assert not facts["ana/push"].startswith("Paged as")


def test_levels_of_targets_are_asked_about_too_because_of_silences_added_at_run_time() -> None:
    rota = Rota()
    rota.silences = (silence(600),)
    life = begun(rota, level(0, "chat"))
    assert life.pages() == []
    assert (
        life.sentences()[-1] == "Nobody is paged until 2026-01-02 03:14:05 UTC: silenced by deploy"
    )
    life.wait(600)
    assert paged_at(life) == [(600, "chat")]


def test_each_paging_asks_anew_about_the_levels_gone_through_and_no_others() -> None:
    life = begun(Rota(who("ana"), who("eve", MANAGERS)), level(0, CHECKOUT), level(300, MANAGERS))
    life.wait(300)
    assert [question.recipients for question in life.asked] == [
        (CHECKOUT,),
        (CHECKOUT,),  # for the text message
        (CHECKOUT, MANAGERS),
    ]


def test_a_team_in_turns_goes_on_in_the_next_round() -> None:
    life = begun(Rota(who("ben", WEB)), level(0, WEB), repeats=1, repeat_after=600)
    life.wait(600, deliver=True)
    assert [question.turn for question in life.asked] == [0, 0, 1]
    assert [page.key.rpartition("/ben/")[0][-8:] for page in life.pages()] == [
        "repeat-1",
        "repeat-1",
        "repeat-2",
    ]


def test_while_quiet_hours_of_the_policy_hold_the_paging_nothing_is_asked() -> None:
    hold = Silence(name="plan", span=Span(start=START, end=at(600)))
    life = begun(Rota(who("ana")), level(0, CHECKOUT), silences=(hold,))
    assert life.asked == []
    life.wait(600)
    assert paged_at(life) == [(600, "ana/push")]


# ------------------------------------------------------------------------- contact rules


def test_the_rules_of_a_person_run_until_somebody_acknowledges() -> None:
    rules = ((0, "push"), (120, "sms"), (300, "call"))
    life = begun(Rota(who("ana", steps=rules)), level(0, CHECKOUT))
    life.wait(121, deliver=True)
    assert paged_at(life) == [(0, "ana/push"), (120, "ana/sms")]
    life.do("acknowledge")
    life.wait(1000)
    assert paged_at(life) == [(0, "ana/push"), (120, "ana/sms")]
    life.do("unacknowledge")
    life.wait(1000, deliver=True)
    assert [target for _, target in paged_at(life)[2:]] == ["ana/push", "ana/sms", "ana/call"]


def test_a_contact_method_that_is_used_twice_has_a_key_for_each_use() -> None:
    life = begun(Rota(who("ana", steps=((0, "push"), (60, "push")))), level(0, CHECKOUT))
    life.wait(60, deliver=True)
    keys = [page.key for page in life.pages()]
    assert [key.partition("repeat-1/")[2] for key in keys] == ["ana/push", "ana/push/2"]


def test_a_person_whom_two_recipients_name_is_paged_once() -> None:
    rota = Rota(who("ana"), who("ana", ANA), who("ana", MANAGERS))
    life = begun(rota, level(0, CHECKOUT, ANA), level(60, MANAGERS))
    life.wait(119, deliver=True)
    assert paged_at(life) == [(0, "ana/push")]
    [paged] = life.all(PersonPaged)
    assert paged.on_call.recipient == CHECKOUT, "the first of them"


def test_a_person_is_paged_again_when_the_rules_have_run() -> None:
    life = begun(Rota(who("ana")), level(0, CHECKOUT), repage_every=100)
    life.wait(301, deliver=True)
    assert paged_at(life) == [
        (0, "ana/push"),
        (120, "ana/sms"),
        (200, "ana/push"),
    ]


def test_a_late_step_of_a_person_takes_back_no_number_of_a_paging() -> None:
    life = begun(Rota(who("ana")), level(0, "chat", CHECKOUT), repage_every=50)
    life.wait(250, deliver=True)
    keys = [page.key for page in life.pages()]
    assert len(keys) == len(set(keys)), "a key is used once"
    assert life.paged().count("chat") == 6


def test_a_contact_method_with_a_page_in_flight_is_not_used_again() -> None:
    life = begun(Rota(who("ana", steps=((0, "push"),))), level(0, CHECKOUT), repage_every=60)
    life.wait(200)
    assert paged_at(life) == [(0, "ana/push")]
    assert len(life.all(PersonPaged)) == 1
    life.deliver()
    life.wait(60)
    assert len(life.pages()) == 2


def test_a_person_who_is_paged_again_is_not_by_a_contact_method_with_a_page_in_flight() -> None:
    life = begun(Rota(who("ana")), level(0, CHECKOUT), repage_every=150)
    life.wait(120)
    push, sms = life.incident.pages
    life.give(PageSettled(key=sms, via="ana/sms"))
    life.wait(300)
    assert [target for _, target in paged_at(life)] == ["ana/push", "ana/sms", "ana/sms"]
    assert life.incident.pages[push].status is PageStatus.SENDING


def test_quiet_hours_of_a_person_delay_that_person_and_not_the_level() -> None:
    rota = Rota(who("ana", quiet_until=at(1000)), who("eve", MANAGERS))
    life = begun(rota, level(0, CHECKOUT), level(300, MANAGERS))
    life.wait(300)
    assert paged_at(life) == [(300, "eve/push")]
    life.wait(600, deliver=True)
    rota.people = (who("ana"), who("eve", MANAGERS))
    life.wait(300, deliver=True)
    assert paged_at(life) == [
        (300, "eve/push"),
        (420, "eve/sms"),
        (1000, "ana/push"),
        (1120, "ana/sms"),
    ]


def test_quiet_hours_that_begin_between_two_steps_delay_the_second() -> None:
    rota = Rota(who("ana"))
    life = begun(rota, level(0, CHECKOUT))
    life.deliver()
    rota.people = (who("ana", quiet_until=at(900)),)
    life.wait(899)
    assert paged_at(life) == [(0, "ana/push")]
    rota.people = (who("ana"),)
    life.wait(1)
    assert paged_at(life)[1:] == [(900, "ana/sms")]


def test_an_incident_that_gets_worse_asks_whether_quiet_hours_hold_still() -> None:
    rota = Rota(who("ana", quiet_until=at(900)))
    life = begun(rota, level(0, CHECKOUT))
    rota.people = (who("ana", steps=((0, "call"),)),)
    life.wait(60)
    life.do("set_severity", severity="critical")
    assert paged_at(life) == [(60, "ana/call")]


def test_a_level_that_turns_out_to_reach_nobody_is_gone_through_without_delay() -> None:
    rota = Rota(who("eve", MANAGERS))
    rota.remarks = ("nobody is on call for schedule checkout until 2026-01-02 05:00 UTC",)
    life = begun(rota, level(0, CHECKOUT), level(300, MANAGERS), level(600, "chat"))
    assert paged_at(life) == [(0, "eve/push")]
    assert life.sentences()[2:] == [
        rota.remarks[0],
        "Nobody to page at level 1: schedule checkout reaches nobody",
        "Escalated to level 2: level 1 reaches nobody",
        "Eve is paged as on call for schedule managers (layer weekdays)",
        "Paging eve/push (level 2)",
    ]
    life.wait(600)
    assert paged_at(life)[-1] == (600, "chat")


def test_remarks_are_on_the_timeline_once_and_only_where_anybody_depends_on_them() -> None:
    rota = Rota(who("ana"))
    rota.remarks = ("calendar of checkout cannot be read",)
    life = begun(rota, level(0, CHECKOUT))
    life.wait(120, deliver=True)
    assert life.sentences().count(rota.remarks[0]) == 1
    assert rota.remarks[0] not in begun(rota, level(0, "chat")).sentences()


def test_a_person_without_a_contact_method_reaches_nobody() -> None:
    life = begun(Rota(who("ana", steps=())), level(0, CHECKOUT), level(300, "chat"))
    assert paged_at(life) == [(0, "chat")]


def test_a_level_that_reaches_some_of_its_recipients_says_whom_it_does_not() -> None:
    life = begun(Rota(who("ana")), level(0, CHECKOUT, MANAGERS), level(300, "chat"))
    assert life.paged() == ["ana/push"]
    assert "Level 1: schedule managers reaches nobody" in life.sentences()


# ------------------------------------------------------------------------- hand-over


def test_whoever_comes_on_call_is_paged_and_whoever_leaves_hears_of_it() -> None:
    rota = Rota(who("ana", until=at(200)))
    life = begun(rota, level(0, CHECKOUT))
    life.deliver()
    life.wait(199)
    rota.people = (who("ben", until=at(9000)),)
    life.wait(1)
    assert paged_at(life) == [(0, "ana/push"), (120, "ana/sms"), (200, "ben/push")]
    [news] = [effect for effect in life.effects if isinstance(effect, FollowUp)]
    assert (news.what, news.targets) == (News.HANDED_OVER, ("ana/push",))
    assert news.title == "Handed over to Ben: [HIGH] Disk 5f2e is full"
    assert news.text == "Ben is paged for schedule checkout from now on."
    assert "Ana hands over to Ben for schedule checkout" in life.sentences()
    assert [event.target for event in life.all(PageCancelled)] == ["ana/sms"]
    assert life.incident.reached == ()
    life.wait(10_000)
    assert [target for _, target in paged_at(life)[2:]] == ["ben/push", "ben/sms"]


def test_whoever_handed_over_hears_nothing_more_of_the_incident() -> None:
    rota = Rota(who("ana", until=at(60)))
    life = begun(rota, level(0, CHECKOUT))
    life.deliver()
    rota.people = (who("ben"),)
    life.wait(60, deliver=True)
    life.do("acknowledge", "ben")
    news = [effect for effect in life.effects if isinstance(effect, FollowUp)]
    assert [(each.what, each.targets) for each in news] == [
        (News.HANDED_OVER, ("ana/push",)),
        (News.ACKNOWLEDGED, ("ben/push",)),
    ]


def test_as_long_as_nobody_comes_whoever_was_paged_stays() -> None:
    rota = Rota(who("ana", until=at(60)))
    life = begun(rota, level(0, CHECKOUT))
    rota.people = ()
    life.wait(130, deliver=True)
    assert paged_at(life) == [(0, "ana/push"), (120, "ana/sms")]
    assert life.all(HandedOver) == []


def test_whoever_comes_on_call_after_a_gap_is_paged() -> None:
    rota = Rota()
    life = Life(answer=lambda question, now: Answer(people=rota.people, until=at(600)))
    life.give(alert(policy=Policy(levels=(level(0, CHECKOUT),))))
    rota.people = (who("ben"),)
    life.wait(600)
    assert paged_at(life) == [(600, "ben/push")]


def test_a_shift_that_ends_while_its_answer_is_on_the_way_is_handed_over_all_the_same() -> None:
    rota = Rota(who("ana", until=at(2)))
    rota.silent = True
    life = begun(rota, level(0, CHECKOUT))
    life.wait(3)
    [question] = life.asked
    life.give(OnCallAnswered(number=1, answer=Rota(*rota.people)(question, START)))
    rota.silent, rota.people = False, (who("ben"),)
    life.wait(RETRY.total_seconds())
    assert life.paged() == ["ana/push", "ben/push"]
    assert life.all(HandedOver)[0].to == ("Ben",)


def test_whoever_comes_is_paged_although_the_clock_of_who_answers_is_behind() -> None:
    rota = Rota(who("ana", until=at(60)))
    life = begun(rota, level(0, CHECKOUT))
    life.wait(60)
    assert life.paged() == ["ana/push"]
    rota.people = (who("ben"),)
    life.wait(RETRY.total_seconds())
    assert paged_at(life) == [(0, "ana/push"), (90, "ben/push")]
    assert len(life.asked) == 3, "no more often than that"


def test_a_change_at_run_time_is_followed_immediately() -> None:
    rota = Rota(who("ana"))
    life = begun(rota, level(0, CHECKOUT))
    life.wait(30, deliver=True)
    rota.people = (who("ben"),)
    life.give(OnCallChanged())
    assert paged_at(life) == [(0, "ana/push"), (30, "ben/push")]
    assert life.all(HandedOver)[0].to == ("Ben",)
    rota.people = (who("ana"),)
    life.give(OnCallChanged())
    keys = [page.key for page in life.pages() if page.target == "ana/push"]
    assert len(set(keys)) == 2, "a key is used once"


def test_a_change_while_a_question_is_in_flight_is_asked_about_after_its_answer() -> None:
    rota = Rota(who("ana"))
    rota.silent = True
    life = begun(rota, level(0, CHECKOUT))
    for _ in range(5):
        life.give(OnCallChanged())
    assert len(life.asked) == 1
    rota.silent = False
    life.give(OnCallAnswered(number=1, answer=rota(life.asked[0], life.now)))
    assert life.paged() == ["ana/push"]
    assert len(life.asked) == 2


@pytest.mark.parametrize(
    ("deed", "fields"), [("acknowledge", {}), ("mitigate", {}), ("snooze", {"for_": 60})]
)
def test_a_change_is_nothing_to_an_incident_that_pages_nobody(
    deed: str, fields: dict[str, Any]
) -> None:
    life = begun(Rota(who("ana")), level(0, CHECKOUT))
    life.do(deed, **fields)
    assert life.give(OnCallChanged()) == ([], [])
    assert len(life.asked) == 1


def test_a_silence_that_is_ended_early_ends_the_hold() -> None:
    rota = Rota(who("ana"))
    rota.silences = (silence(3600),)
    life = begun(rota, level(0, CHECKOUT))
    life.wait(60)
    rota.silences = (silence(600),)
    life.give(OnCallChanged())
    assert [event.until for event in life.all(PagingHeld)] == [at(3600), at(600)]
    rota.silences = ()
    life.give(OnCallChanged())
    assert paged_at(life) == [(60, "ana/push")]


def test_a_silence_that_is_added_later_holds_the_next_step() -> None:
    rota = Rota(who("ana"))
    life = begun(rota, level(0, CHECKOUT))
    life.deliver()
    rota.silences = (silence(600),)
    life.wait(599)
    assert paged_at(life) == [(0, "ana/push")]
    life.wait(1)
    assert paged_at(life)[1:] == [(600, "ana/push")]


def test_the_next_page_is_at_the_end_of_the_silence_that_will_hold_it() -> None:
    rota = Rota(who("ana"))
    life = begun(rota, level(0, CHECKOUT), level(900, "chat"))
    assert next_page(life.incident) == at(120)
    rota.silences = (silence(600),)
    life.give(OnCallChanged())
    assert next_page(life.incident) == at(600)
    rota.silences = (silence(100),)
    life.give(OnCallChanged())
    assert next_page(life.incident) == at(120)


def test_the_next_page_of_what_a_person_had_paged_waits_for_no_silence() -> None:
    rota = Rota(who("ana"))
    rota.silences = (silence(600),)
    life = begun(rota, level(0, CHECKOUT))
    life.do("escalate")
    assert next_page(life.incident) == at(120)


def test_the_next_page_is_after_the_quiet_hours_in_which_it_is_due() -> None:
    night = QuietHours(time_zone="UTC", hours=(Hours(start="03:05", end="09:00"),))
    life = begun(Rota(who("ana")), level(0, CHECKOUT), quiet_hours=night)
    assert next_page(life.incident) == datetime(2026, 1, 2, 9, tzinfo=UTC)


def test_whoever_comes_on_call_during_a_silence_is_paged_when_it_ends() -> None:
    rota = Rota(who("ana", until=at(600)))
    life = begun(rota, level(0, CHECKOUT))
    life.wait(599, deliver=True)
    rota.people, rota.silences = (who("ben"),), (silence(1200),)
    life.wait(1, deliver=True)
    assert [event.until for event in life.all(PagingHeld)] == [at(1200)]
    life.wait(600, deliver=True)
    assert paged_at(life)[2:] == [(1200, "ben/push")]


def test_a_change_in_quiet_hours_does_not_begin_anew_what_has_paged_everybody() -> None:
    hold = Silence(name="plan", span=Span(start=at(300), end=at(900)))
    life = begun(Rota(who("ana")), level(0, CHECKOUT), silences=(hold,))
    life.wait(400, deliver=True)
    life.give(OnCallChanged())
    life.wait(3600, deliver=True)
    assert life.paged() == ["ana/push", "ana/sms"]


def test_when_a_silence_has_ended_it_is_asked_about_the_first_level_alone() -> None:
    rota = Rota(who("ana"), who("eve", MANAGERS))
    life = begun(rota, level(0, CHECKOUT), level(300, MANAGERS))
    life.wait(300, deliver=True)
    rota.silences = (silence(600),)
    life.wait(299, deliver=True)
    life.wait(1)
    assert (life.asked[-1].recipients, life.asked[-1].turn) == ((CHECKOUT,), 0)


def test_a_target_that_was_removed_is_tried_again_since_a_release_may_bring_it_back() -> None:
    life = begun(Rota(), level(0, "chat"))
    [key] = life.incident.pages
    life.give(PageSettled(key=key, failure="chat is not among the targets", removed=True))
    assert life.incident.pages[key].status is PageStatus.WAITING


def test_a_contact_method_that_was_removed_makes_the_incident_ask_again() -> None:
    rota = Rota(who("ana"))
    life = begun(rota, level(0, CHECKOUT))
    [key] = life.incident.pages
    rota.people = (who("ben"),)
    life.give(PageSettled(key=key, failure="ana/push is not among the targets", removed=True))
    assert life.incident.pages[key].status is PageStatus.FAILED
    assert life.paged() == ["ana/push", "ben/push"]


def test_a_change_is_nothing_to_an_incident_that_the_policy_holds() -> None:
    hold = Silence(name="plan", span=Span(start=START, end=at(600)))
    life = begun(Rota(who("ana")), level(0, CHECKOUT), silences=(hold,))
    assert life.give(OnCallChanged()) == ([], [])


def test_a_change_that_changes_nothing_is_not_on_the_timeline() -> None:
    rota = Rota(who("ana"))
    rota.silences = (silence(600),)
    life = begun(rota, level(0, CHECKOUT))
    before = life.sentences()
    life.give(OnCallChanged())
    assert life.sentences() == before


def test_a_silence_holds_nothing_before_somebody_would_be_paged() -> None:
    rota = Rota(who("ana"))
    life = begun(rota, level(0, CHECKOUT))
    rota.silences = (silence(60),)
    life.give(OnCallChanged())
    assert life.all(PagingHeld) == []
    life.wait(120, deliver=True)
    assert paged_at(life)[1:] == [(120, "ana/sms")]


def test_an_incident_that_pages_targets_alone_does_not_ask_when_shifts_end() -> None:
    life = Life(answer=lambda question, now: Answer(until=at(60)))
    life.give(alert(policy=Policy(levels=(level(0, "chat"), level(3600, CHECKOUT)))))
    life.wait(600)
    assert len(life.asked) == 1


# ------------------------------------------------------------------------- no answer


def test_an_answer_that_does_not_come_holds_up_no_target_and_is_asked_for_again() -> None:
    rota = Rota(who("ana"))
    rota.silent = True
    life = begun(rota, level(0, "chat", CHECKOUT), level(300, "duty"))
    life.wait(PATIENCE.total_seconds())
    assert paged_at(life) == [(60, "chat")]
    assert life.sentences()[-2] == (
        "Who is on call, and what is silenced, is not known: no answer has come"
    )
    life.wait(500)
    assert [target for _, target in paged_at(life)] == ["chat", "duty"]
    assert life.sentences().count(life.sentences()[2]) == 1, "only the first failure is visible"
    rota.silent = False
    life.wait(PATIENCE.total_seconds() + RETRY.total_seconds())
    assert paged_at(life)[-1][1] == "ana/push"
    assert len([target for _, target in paged_at(life) if target == "ana/push"]) == 1


def test_a_level_after_one_that_reaches_nobody_waits_for_an_answer_about_itself() -> None:
    rota = Rota(who("eve", MANAGERS))
    life = begun(rota, level(0, "chat"), level(60, CHECKOUT), level(300, MANAGERS))
    life.answer = lambda question, now: (
        None if MANAGERS in question.recipients else rota(question, now)
    )
    life.wait(60 + PATIENCE.total_seconds())  # which fails if a deadline stays in the past
    assert life.paged() == ["chat"]
    assert life.deadline == 60 + (PATIENCE + RETRY).total_seconds()
    life.answer = rota
    life.wait(RETRY.total_seconds())
    assert life.paged() == ["chat", "eve/push"]


def test_a_hand_over_that_cannot_be_asked_about_is_asked_about_again_after_a_while() -> None:
    rota = Rota(who("ana", until=at(60)))
    life = begun(rota, level(0, CHECKOUT))
    rota.silent = True
    life.wait(60)
    life.give(OnCallAnswered(number=2, failure="no connection"))
    assert len(life.asked) == 2
    rota.silent, rota.people = False, (who("ben"),)
    life.wait(RETRY.total_seconds())
    assert life.paged() == ["ana/push", "ben/push"]


def test_a_failure_is_named_and_asked_about_again_soon() -> None:
    rota = Rota(who("ana"))
    rota.silent = True
    life = begun(rota, level(0, CHECKOUT))
    life.give(OnCallAnswered(number=1, failure="no such workflow"))
    assert "no such workflow" in life.sentences()[-1]
    rota.silent = False
    life.wait(RETRY.total_seconds())
    assert paged_at(life) == [(30, "ana/push")]


def test_without_an_answer_the_last_one_counts() -> None:
    rota = Rota(who("ana"))
    life = begun(rota, level(0, CHECKOUT))
    life.deliver()
    rota.silent = True
    life.wait(120 + PATIENCE.total_seconds())
    assert paged_at(life) == [(0, "ana/push"), (180, "ana/sms")]


def test_a_level_that_was_due_without_an_answer_is_held_by_a_silence_that_comes_with_it() -> None:
    rota = Rota(who("ana"))
    rota.silent = True
    life = begun(rota, level(0, CHECKOUT))
    life.wait(PATIENCE.total_seconds())
    rota.silent, rota.silences = False, (silence(600),)
    life.wait(RETRY.total_seconds())
    assert life.pages() == []
    assert not any("higher severity" in sentence for sentence in life.sentences())
    life.wait(600)
    assert life.paged()[0] == "ana/push"


def test_without_an_answer_a_worse_alert_pages_the_targets() -> None:
    rota = Rota(who("ana"))
    life = begun(rota, level(0, "chat", CHECKOUT), severity="low")
    life.deliver()
    life.do("acknowledge", "ben")
    rota.silent = True
    life.give(alert(severity="critical"))
    life.wait(PATIENCE.total_seconds())
    assert life.paged() == ["chat", "ana/push", "chat"]
    rota.silent = False
    life.wait(PATIENCE.total_seconds())
    assert life.paged() == ["chat", "ana/push", "chat", "ana/push"]


def test_an_answer_that_comes_too_late_does_nothing() -> None:
    rota = Rota(who("ana"))
    rota.silent = True
    life = begun(rota, level(0, CHECKOUT))
    life.wait(PATIENCE.total_seconds())
    assert life.give(OnCallAnswered(number=1, answer=Answer(people=(who("ana"),)))) == ([], [])


def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_question() -> None:
    rota = Rota(who("ana"))
    rota.silent = True
    life = begun(rota, level(0, CHECKOUT))
    life.wait(PATIENCE.total_seconds() + RETRY.total_seconds())
    assert len(life.asked) == 2
    assert life.give(OnCallAnswered(number=1, answer=Answer(people=(who("ana"),)))) == ([], [])
    life.give(OnCallAnswered(number=2, answer=Answer(people=(who("ben"),))))
    assert life.paged() == ["ben/push"]


def test_an_answer_to_an_incident_that_somebody_took_meanwhile_pages_nobody() -> None:
    rota = Rota(who("ana"))
    rota.silent = True
    life = begun(rota, level(0, "chat", CHECKOUT))
    life.do("acknowledge")
    life.give(OnCallAnswered(number=1, answer=Answer(people=(who("ana"),))))
    life.wait(3600)
    assert life.pages() == []
    assert life.status == Status.ACKNOWLEDGED
    assert life.sentences()[-1] == "Acknowledged", "and nobody asks why there is no answer"


def test_an_answer_is_not_waited_for_once_somebody_has_the_incident() -> None:
    rota = Rota(who("ana"))
    rota.silent = True
    life = begun(rota, level(0, CHECKOUT))
    life.do("acknowledge")
    life.wait(3600)
    assert life.sentences()[-1] == "Acknowledged"


def test_an_escalation_by_hand_ends_with_an_acknowledgement_before_its_answer() -> None:
    rota = Rota(who("eve", MANAGERS))
    life = begun(rota, level(0, "chat"), level(300, MANAGERS))
    rota.silent = True
    life.do("escalate", "ben")
    rota.silent = False
    life.do("acknowledge", "ana")
    life.wait(600)
    assert life.paged() == ["chat"]


# ------------------------------------------------------------------------- by hand, and worse


def test_an_escalation_by_hand_pages_targets_immediately_and_people_with_the_answer() -> None:
    rota = Rota(who("eve", MANAGERS, quiet_until=at(9000)))
    life = begun(rota, level(0, "chat"), level(300, "duty", MANAGERS), level(600, "boss"))
    life.do("acknowledge")
    rota.silent = True
    life.do("escalate", "ana")
    assert life.paged() == ["chat", "duty"]
    assert "Escalated to level 2: duty, schedule managers" in life.sentences()
    rota.silent = False
    life.give(OnCallAnswered(number=2, answer=rota(life.asked[-1], life.now)))
    assert life.paged() == ["chat", "duty", "eve/push"], "whatever holds other pages"
    assert life.pages()[-1].facts[0] == "Asked by: ana, who escalated to level 2"
    life.wait(120, deliver=True)
    assert life.paged()[-1] == "eve/sms", "although somebody has it: eve has not acknowledged"
    life.do("acknowledge", "eve")


def test_whoever_is_paged_by_hand_is_paged_on_when_a_hold_ends() -> None:
    hold = Silence(name="plan", span=Span(start=START, end=at(60)))
    rota = Rota(who("ana"), who("eve", MANAGERS))
    life = begun(rota, level(0, CHECKOUT), level(600, MANAGERS), silences=(hold,))
    life.do("escalate")
    life.do("escalate")
    assert life.paged() == ["ana/push", "eve/push"]
    life.wait(120, deliver=True)
    assert life.paged()[2:] == ["ana/sms", "eve/sms"]


def test_an_escalation_by_hand_during_a_hold_says_nothing_more_of_the_hold() -> None:
    hold = Silence(name="plan", span=Span(start=at(60), end=at(900)))
    rota = Rota(who("ana", steps=((0, "push"), (60, "sms"), (300, "call"))), who("eve", MANAGERS))
    life = begun(rota, level(0, CHECKOUT), level(600, MANAGERS), silences=(hold,))
    life.wait(300, deliver=True)
    life.do("escalate")
    assert life.paged() == ["ana/push", "eve/push"]
    assert len(life.all(PagingHeld)) == 1


def test_an_escalation_by_hand_ends_with_the_acknowledgement_of_whoever_it_reached() -> None:
    life = begun(Rota(who("eve", MANAGERS)), level(0, "chat"), level(300, MANAGERS))
    life.do("acknowledge")
    life.do("escalate")
    life.do("acknowledge", "eve")
    life.wait(1000)
    assert life.paged() == ["chat", "eve/push"]


def test_an_escalation_by_hand_to_a_level_that_reaches_nobody_goes_on_to_the_next() -> None:
    life = begun(Rota(), level(0, "chat"), level(300, MANAGERS), level(600, "duty"))
    life.do("escalate")
    assert life.paged() == ["chat", "duty"]
    assert "Nobody to page at level 2: schedule managers reaches nobody" in life.sentences()


def test_a_worse_alert_pages_the_first_level_of_an_incident_that_somebody_has() -> None:
    life = begun(Rota(who("ana")), level(0, CHECKOUT), severity="low")
    life.do("acknowledge", "ben")
    life.give(alert(severity="critical"))
    assert life.paged() == ["ana/push", "ana/push"]
    life.wait(1000)
    assert life.paged() == ["ana/push", "ana/push"], "somebody has it: once, by the first method"


def test_a_worse_alert_pages_a_first_level_that_was_not_due() -> None:
    life = begun(Rota(who("ana")), level(60, CHECKOUT), severity="low")
    life.do("acknowledge", "ben")
    life.give(alert(severity="critical"))
    assert life.paged() == ["ana/push"]


def test_a_silence_added_at_run_time_holds_the_page_for_a_worse_alert() -> None:
    rota = Rota(who("ana"))
    life = begun(rota, level(0, "chat", CHECKOUT), severity="low")
    life.do("acknowledge", "ben")
    rota.silences = (silence(600),)
    life.give(alert(severity="critical"))
    assert len(life.pages()) == 2
    assert life.sentences()[-1] == ("Nobody is paged for the higher severity: silenced by deploy")


def test_an_escalation_by_hand_pages_no_target_twice() -> None:
    rota = Rota(who("eve", MANAGERS))
    life = begun(rota, level(0, "chat"), level(300, "duty", MANAGERS))
    rota.silent = True
    life.do("escalate")
    life.deliver()
    life.give(OnCallAnswered(number=2, answer=Answer(people=(who("eve", MANAGERS),))))
    assert life.paged() == ["chat", "duty", "eve/push"]


def test_an_escalation_by_hand_while_a_question_is_in_flight_has_its_people_in_the_next() -> None:
    rota = Rota(who("ana"), who("eve", MANAGERS))
    rota.silent = True
    life = begun(rota, level(0, CHECKOUT), level(300, MANAGERS))
    life.do("escalate")
    life.do("escalate")
    rota.silent = False
    life.give(OnCallAnswered(number=1, answer=Answer(people=(who("ana"),))))
    assert sorted(life.paged()) == ["ana/push", "eve/push"]
    assert [len(question.recipients) for question in life.asked] == [1, 2]


def test_whoever_is_paged_by_hand_is_not_relieved_by_a_shift_that_ends() -> None:
    rota = Rota(who("eve", MANAGERS))
    life = begun(rota, level(0, "chat"), level(300, MANAGERS))
    life.do("escalate")
    rota.people = (who("zoe", MANAGERS),)
    life.give(OnCallChanged())
    life.wait(120, deliver=True)
    assert life.all(HandedOver) == []
    assert {"eve/sms", "zoe/push"} <= set(life.paged())


def test_whoever_was_paged_for_a_worse_alert_is_not_paged_on_when_somebody_escalates() -> None:
    rota = Rota(who("ana"), who("eve", MANAGERS))
    life = begun(rota, level(0, CHECKOUT), level(300, MANAGERS), severity="low")
    life.do("acknowledge", "ben")
    for severity in ("high", "critical"):
        life.give(alert(severity=severity))
        life.deliver()
    assert life.paged() == ["ana/push"] * 3, "each time it gets worse"
    life.wait(300)
    life.do("escalate", "ben")
    assert life.paged() == [*["ana/push"] * 3, "eve/push"]


def test_a_worse_alert_asks_about_the_first_level_alone() -> None:
    life = begun(Rota(who("ana")), level(0, CHECKOUT), level(300, MANAGERS), severity="low")
    life.do("acknowledge", "ben")
    life.wait(3600)
    life.give(alert(severity="critical"))
    assert life.asked[-1].recipients == (CHECKOUT,)


def test_a_worse_alert_pages_no_other_level_where_the_first_reaches_nobody() -> None:
    life = begun(Rota(), level(0, CHECKOUT), level(300, "chat"), severity="low")
    life.do("acknowledge", "ben")
    life.deliver()
    life.give(alert(severity="critical"))
    assert life.paged() == ["chat"]


def test_a_command_that_ends_a_hold_names_the_first_level_and_no_other() -> None:
    quiet = QuietHours(
        time_zone="UTC", hours=(Hours(start="03:06", end="09:00"),), unless=Severity.CRITICAL
    )
    life = begun(Rota(who("ana")), level(0, "chat", CHECKOUT), level(60, "duty"), quiet_hours=quiet)
    life.wait(300, deliver=True)
    before, input = life.incident, command("set_severity", severity="critical")
    events = decide(before, input, life.now).events
    facts = command_facts(before, reduce(apply, events, before), events, life.now)
    assert facts["paged"] == [
        {"level": 1, "targets": ["chat", "schedule checkout"], "repeat": 2},
    ]


def test_while_it_is_being_asked_no_moment_of_the_next_page_is_known() -> None:
    rota = Rota(who("ana"))
    rota.silent = True
    life = begun(rota, level(0, CHECKOUT), level(300, "chat"))
    assert next_page(life.incident) is None
    life.give(OnCallAnswered(number=1, answer=Answer(people=(who("ana"),))))
    assert next_page(life.incident) == at(120)
    life.do("acknowledge")
    assert next_page(life.incident) is None


# ------------------------------------------------------------------------- assignment


def test_an_assignment_reaches_the_person_by_the_first_contact_methods() -> None:
    steps = ((0, "push"), (0, "mail"), (60, "sms"))
    life = begun(Rota(who("ana", ANA, steps=steps)), level(0, "chat"))
    life.do("assign", "ben", assignee="Ana", note="you know this disk")
    [news] = [effect for effect in life.effects if isinstance(effect, FollowUp)]
    assert (news.what, news.targets) == (News.ASSIGNED, ("ana/push", "ana/mail"))
    assert news.title == "Assigned to you by ben: [HIGH] Disk 5f2e is full"
    assert news.text.startswith("you know this disk")
    assert life.sentences()[-1] == "Ana is notified of the assignment by ben"
    life.do("resolve", force=True)
    assert life.effects[-2].targets == ("ana/push", "ana/mail")  # type: ignore[union-attr]


@pytest.mark.parametrize("assignee", ["somebody else", "eve", "ben", None])
def test_an_assignment_to_nobody_of_the_on_call_file_notifies_nobody(assignee: str | None) -> None:
    life = begun(Rota(who("ana", ANA), who("ben", ANA.model_copy(update={"name": "ben"}))))
    life.do("assign", "ana", assignee="zoe")
    life.do("assign", "ben", assignee=assignee)
    assert life.all(AssigneeNotified) == []


def test_an_assignment_while_a_question_is_in_flight_is_asked_about_next() -> None:
    rota = Rota(who("ana", ANA))
    rota.silent = True
    life = begun(rota, level(0, "chat"))
    life.do("assign", "ben", assignee="ana")
    rota.silent = False
    life.give(OnCallAnswered(number=1, answer=Answer()))
    assert len(life.all(AssigneeNotified)) == 1


# ------------------------------------------------------------------------- what is read


def test_the_report_says_who_was_paged_as_what_and_who_took_over() -> None:
    rota = Rota(who("ana", until=at(60)))
    life = begun(rota, level(0, CHECKOUT))
    life.wait(59, deliver=True)
    rota.people = (who("ben", until=at(9000)),)
    life.wait(1, deliver=True)
    life.do("resolve", "ben", force=True)
    report = build_report(life.incident, life.timeline)
    assert [(each.person, each.role, each.until) for each in report.on_call] == [
        ("ana", "on call for schedule checkout (layer weekdays)", at(60)),
        ("ben", "on call for schedule checkout (layer weekdays)", at(9000)),
    ]
    assert [(each.handed_over_at, each.handed_over_to) for each in report.on_call] == [
        (at(60), ("Ben",)),
        (None, ()),
    ]
    text = as_markdown(life.incident, life.timeline).decode()
    assert "## Who was on call" in text
    assert "| to Ben at 2026-01-02 03:05:05 UTC |" in text


def test_the_header_of_an_incident_says_who_is_being_paged() -> None:
    rota = Rota(who("ana", until=at(3600)), who("eve", MANAGERS, quiet_until=at(600)))
    life = begun(rota, level(0, CHECKOUT, MANAGERS))
    lines = header_lines(life.incident, now=life.now, width=None, zone=UTC)
    shown = [line.plain.strip() for line in lines if line.plain.strip().startswith("on call ")]
    assert [line.removeprefix("on call").strip() for line in shown] == [
        "Ana, on call for schedule checkout (layer weekdays) until 04:04:05 UTC",
        "Eve, on call for schedule managers (layer weekdays); not before 03:14:05 UTC",
    ]


# ------------------------------------------------------------------------- bounds


def test_of_too_many_people_the_first_are_paged_and_a_remark_says_so() -> None:
    people = tuple(who(f"p{number}") for number in range(MAX_PEOPLE + 2))
    names = {step.target: (step.target,) for each in people for step in each.steps}
    answer = Answer(people=people).addressed(names)
    assert len(answer.people) == MAX_PEOPLE
    assert answer.remarks == ("2 more people are on call than the 50 who are paged",)


def test_a_team_of_too_many_people_does_not_keep_the_next_level_from_being_paged() -> None:
    large = Recipient(kind=RecipientKind.TEAM, name="all")
    members = tuple(who(f"p{number}", large) for number in range(MAX_PEOPLE + 10))
    names = {f"{each.person}/push": (f"{each.person}/push",) for each in members}
    names["eve/push"] = ("eve/push",)
    rota = Rota(*(each.model_copy(update={"steps": each.steps[:1]}) for each in members))
    life = Life(answer=lambda question, now: (rota(question, now) or Answer()).addressed(names))
    life.give(alert(policy=Policy(levels=(level(0, large), level(300, MANAGERS)))))
    assert len(life.paged()) == MAX_PEOPLE
    rota.people = (*rota.people, who("eve", MANAGERS, steps=((0, "push"),)))
    life.wait(300, deliver=True)
    assert paged_at(life)[MAX_PEOPLE:] == [(300, "eve/push")]
    assert life.all(HandedOver) == [], "whoever is left out of an answer may be on call still"


def test_of_more_recipients_than_people_may_be_named_those_of_the_level_that_is_due_are_paged() -> (
    None
):
    recipients = [
        Recipient(kind=RecipientKind.PERSON, name=f"p{number}") for number in range(MAX_PEOPLE + 10)
    ]
    people = tuple(who(each.name, each) for each in recipients)
    names = {step.target: (step.target,) for each in people for step in each.steps}
    kept = [each.person for each in Answer(people=people).addressed(names).people]
    assert kept == [each.name for each in recipients[10:]]


def test_a_contact_method_has_the_names_of_its_addresses_and_one_without_is_named() -> None:
    steps = (
        ContactStep(after=0, target="ana/chat", variables=("ANA_CHAT",)),
        ContactStep(after=60, target="ana/sms", variables=("ANA_SMS", "SMS_KEY")),
    )
    ana = who("ana").model_copy(update={"steps": steps})
    answer = Answer(people=(ana,)).addressed({"ana/chat": ("ana/chat#1", "ana/chat#2")})
    assert [step.target for step in answer.people[0].steps] == ["ana/chat#1", "ana/chat#2"]
    assert answer.remarks == ("ana/sms has no address (ANA_SMS and SMS_KEY not set)",)


def test_an_incident_with_a_question_in_flight_survives_a_round_trip() -> None:
    rota = Rota(who("ana"))
    rota.silent = True
    incident = begun(rota, level(0, CHECKOUT)).incident
    again = Incident.model_validate_json(incident.model_dump_json())
    assert again == incident
    assert again.inquiry.asked_at


def test_nothing_is_asked_for_an_incident_that_pages_nobody() -> None:
    life = opened(Policy())
    life.give(Wake())
    assert life.asked == []
    assert not any(isinstance(effect, FindOnCall) for effect in life.effects)
    assert life.incident.severity is Severity.MEDIUM
