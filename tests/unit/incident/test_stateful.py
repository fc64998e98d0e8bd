"""Properties of an incident that hold for every sequence of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.domain.alert import AlertStatus
from core.domain.incident.commands import COMMANDS, Comment
from core.domain.incident.decisions import escalation, paging, people
from core.domain.incident.decisions.closing import is_finished, is_forgotten
from core.domain.incident.decisions.command_handling import possible, refusal
from core.domain.incident.decisions.on_call import PATIENCE
from core.domain.incident.decisions.timers import deadline
from core.domain.incident.effects import FindOnCall, FollowUp, Page, StartSuccessor, WriteReport
from core.domain.incident.evolve import apply, targets_in_flight
from core.domain.incident.inputs import (
    Cancel,
    Input,
    OnCallAnswered,
    OnCallChanged,
    PageSettled,
    ReportSettled,
    Wake,
)
from core.domain.incident.lifecycle import decide
from core.domain.incident.model import Incident, PageStatus
from core.domain.incident.policies.policy import (
    Level,
    OpenAfter,
    Policy,
    PolicyTarget,
    QuietHours,
    Recurrence,
)
from core.domain.incident.status import UNRESOLVED, Status
from core.domain.incident.timeline import (
    TIMELINE,
    Assigned,
    AssigneeNotified,
    Commented,
    PageDelivered,
    Reopened,
    TimelineEvent,
    Unacknowledged,
)
from core.domain.oncall.answer import Answer, OnCall, Question, Recipient, RecipientKind
from core.domain.oncall.people import ContactStep
from core.domain.severity import Severity
from core.domain.targets import News
from core.domain.windows import Hours, Silence, Span
from tests.unit.incident.examples import (
    ID,
    KEY,
    START,
    alert,
    command,
    further,
    levels,
    opening,
)

SECONDS = st.sampled_from([1.0, 30.0, 60.0, 300.0, 3600.0])
MAYBE = st.none() | SECONDS
ACTORS = st.sampled_from(["ana", "ben", "ana", "source:am"])
KEYS = st.sampled_from(["k1", "k2", "k3"])
SEVERITIES = st.sampled_from([*(severity.value for severity in Severity), "loud"])

QUIET = QuietHours(
    time_zone="Europe/Berlin", hours=(Hours(start="04:00", end="05:00"),), unless=Severity.HIGH
)
SILENCES = st.builds(
    lambda start, length: Silence(
        name="s",
        span=Span(
            start=START + timedelta(seconds=start), end=START + timedelta(seconds=start + length)
        ),
    ),
    SECONDS,
    SECONDS,
)
CHECKOUT = Recipient(kind=RecipientKind.SCHEDULE, name="checkout")
WEB = Recipient(kind=RecipientKind.TEAM, name="web")
BEN = Recipient(kind=RecipientKind.PERSON, name="ben")
ON_CALL = (
    Level(after=0, recipients=(CHECKOUT,)),
    Level(after=60, targets=(PolicyTarget(name="c"),), recipients=(WEB, BEN)),
    Level(after=300, recipients=(CHECKOUT, WEB)),
)
STEPS = st.lists(
    st.builds(
        lambda after, way: (after, way),
        st.sampled_from([0.0, 30.0, 120.0]),
        st.sampled_from(["push", "sms"]),
    ),
    max_size=3,
    unique=True,
).map(sorted)


@st.composite
def answers(draw: st.DrawFn, question: Question, now: datetime) -> Answer:
    """Anybody, for what is asked and for what is not, with moments before and after now."""
    moments = st.none() | st.sampled_from([-60.0, 30.0, 300.0, 3600.0]).map(
        lambda seconds: now + timedelta(seconds=seconds)
    )
    people = [
        OnCall(
            person=person,
            name=person.capitalize(),
            recipient=recipient,
            reason="layer",
            until=draw(moments),
            quiet_until=draw(moments),
            steps=tuple(
                ContactStep(after=after, target=f"{person}/{way}") for after, way in draw(STEPS)
            ),
        )
        for recipient in (CHECKOUT, WEB, BEN)
        for person in draw(
            st.lists(st.sampled_from(["ana", "ben", "eve"]), max_size=2, unique=True)
        )
    ]
    return Answer(
        people=tuple(people),
        silences=tuple(draw(st.lists(SILENCES, max_size=1))),
        until=draw(moments),
        remarks=tuple(draw(st.lists(st.sampled_from(["r1", "r2"]), max_size=2))),
    )


POLICIES = st.builds(
    Policy,
    levels=st.sampled_from(
        [
            levels((0, "a")),
            levels((0, "a b"), (60, "c")),
            levels((30, "a"), (60, "b"), (600, "a")),
            ON_CALL,
            (*ON_CALL, *levels((600, "a"))),
        ]
    ),
    repeats=st.sampled_from([0, 2]),
    repeat_after=SECONDS,
    repage_every=MAYBE,
    acknowledgement_timeout=MAYBE,
    quiet_hours=st.none() | st.just(QUIET),
    silences=st.lists(SILENCES, max_size=2).map(tuple),
    auto_resolve_acknowledged=st.booleans(),
    reopen_window=st.just(0.0) | SECONDS,
    recurrence=st.sampled_from(Recurrence),
    resolve_if_silent_for=MAYBE,
    maximum_age=st.sampled_from([7200.0, 86_400.0]),
    hold_back=st.just(0.0) | SECONDS,
    open_after=st.none() | st.builds(OpenAfter, count=st.integers(2, 3), within=SECONDS),
    settle=st.sampled_from([0.0, 60.0]),
    remember_for=st.sampled_from([0.0, 3600.0]),
    reachable=st.sampled_from([{}, {"ben": ("a", "ben's")}]),
)
ASSIGNMENTS = st.sampled_from(["assignee", "commander"])
FIELDS: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "resolve": st.builds(lambda force: {"force": force}, st.booleans()),
    "assign": st.builds(lambda what, who: {what: who}, ASSIGNMENTS, st.none() | ACTORS),
    "snooze": st.builds(lambda length: {"for": length}, st.just(0.0) | SECONDS),
    "comment": st.just({"note": "hm"}),
    "set_severity": st.builds(lambda severity: {"severity": severity}, st.sampled_from(Severity)),
    "close": st.builds(
        lambda reason: {"reason": reason},
        st.sampled_from(["resolved", "false_alarm", "duplicate", "cancelled"]),
    ),
}


class IncidentLife(RuleBasedStateMachine):
    """One incident and everything that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.incident = Incident(id=ID, key=KEY)
        self.events: list[TimelineEvent] = []
        self.now = START
        self.comments: list[str] = []
        self.reports: set[Any] = set()
        self.sent: dict[str, int] = {}
        self.taken: set[str] = set()
        self.question: FindOnCall | None = None
        """The question that is in flight."""
        self.told: dict[str, set[str]] = {}
        """What each target that took a page has heard since."""

    def give(self, input: Input) -> tuple[TimelineEvent, ...]:
        before = self.incident
        events, effects = decide(before, input, self.now)
        after = reduce(apply, events, before)
        assert after == reduce(apply, events, before), "apply depends on nothing else"
        if not events:
            assert not effects, "effects follow from events"
        self.incident = after
        self.events += events
        for event in events:
            self.note_who_hears(event)
        for effect in effects:
            if isinstance(effect, Page):
                self.check_page(after, effect)
            if isinstance(effect, FollowUp):
                self.check_follow_up(effect)
            if isinstance(effect, WriteReport):
                self.reports.add(effect.as_of)
            if isinstance(effect, FindOnCall):
                assert after.inquiry.asked_at, "what is asked is waited for"
                assert self.question is None or effect.number > self.question.number
                self.question = effect
            if isinstance(effect, StartSuccessor):
                assert after.status is Status.CLOSED
        return events

    def check_page(self, after: Incident, page: Page) -> None:
        assert after.status in (Status.OPEN, Status.ACKNOWLEDGED), "nobody is paged in vain"
        held = paging.hold(after, self.now)
        assert after.pages[page.key].asked_by or not held, "a person asked, or nothing holds it"
        self.sent[page.key] = self.sent.get(page.key, 0) + 1
        assert self.sent[page.key] == after.pages[page.key].round, "a key is one page"

    def note_who_hears(self, event: TimelineEvent) -> None:
        match event:
            case PageDelivered():
                self.told[event.via or event.target] = set()
            case Assigned():
                self.told |= {name: set() for name in event.notified}
            case AssigneeNotified():
                self.told |= {name: set() for name in event.targets}
            case Reopened() | Unacknowledged():
                self.told = {name: set() for name in self.told}
            case _:
                pass

    def check_follow_up(self, follow_up: FollowUp) -> None:
        assert follow_up.targets, "an effect that tells nobody"
        for name in follow_up.targets:
            assert name in self.told, "who took no page hears nothing"
            if follow_up.what is News.HANDED_OVER:
                del self.told[name]
                continue
            if follow_up.what is not News.ASSIGNED:
                assert follow_up.what not in self.told[name], "each news is told once"
                self.told[name].add(follow_up.what)

    @invariant()
    def whoever_took_a_page_knows_how_it_ended(self) -> None:
        if self.incident.status in (Status.RESOLVED, Status.CLOSED):
            assert all(News.RESOLVED in heard for heard in self.told.values())

    @initialize(policy=POLICIES, by=st.sampled_from(["alert", "report"]), severity=SEVERITIES)
    def begin(self, policy: Policy, by: str, severity: str) -> None:
        first = alert("k1", policy=policy, severity=severity)
        self.give(first if by == "alert" else opening(policy, severity=severity))

    @rule(
        key=KEYS,
        status=st.sampled_from(AlertStatus),
        severity=SEVERITIES,
        out=st.integers(0, 1),
        start=st.none() | st.integers(-600, 0),
        replicated=st.booleans(),
    )
    def receive_an_alert(
        self,
        key: str,
        status: AlertStatus,
        severity: str,
        out: int,
        start: int | None,
        replicated: bool,
    ) -> None:
        starts_at = None if start is None else self.now + timedelta(seconds=start)
        input = alert(
            key,
            status=status,
            severity=severity,
            truncated=out,
            starts_at=starts_at,
            replicated=replicated,
        )
        self.give(input)
        if start is None or self.incident.status is Status.CLOSED:
            return
        state = self.incident.alerts.states[key]
        pages, before = dict(self.incident.pages), self.incident.status
        self.give(input)
        if not replicated:
            assert self.incident.alerts.states[key] == state, "a redelivery changes no state"
            assert self.incident.status is before
            assert self.incident.pages == pages, "and pages nobody"

    @rule(number=st.integers(1, 5))
    def receive_an_event(self, number: int) -> None:
        self.give(further(f"e{number}"))

    @rule(actor=ACTORS)
    def be_acknowledged(self, actor: str) -> None:
        self.command("acknowledge", actor, {})

    @rule(actor=ACTORS, length=st.just(0.0) | SECONDS)
    def be_snoozed(self, actor: str, length: float) -> None:
        self.command("snooze", actor, {"for": length})

    @rule(data=st.data(), name=st.sampled_from(list(COMMANDS)), actor=ACTORS)
    def be_commanded(self, data: st.DataObject, name: str, actor: str) -> None:
        self.command(name, actor, data.draw(FIELDS.get(name, st.just({}))))

    def command(self, name: str, actor: str, fields: dict[str, Any]) -> None:
        input = command(name, actor, **fields)
        refused = refusal(self.incident, input, self.now)
        before = self.incident
        events = self.give(input)
        if refused:
            assert not events
            assert self.incident == before
        else:
            assert isinstance(input, Comment) <= bool(events), "an accepted comment is kept"
            assert self.give(input) == (), "a repeat changes nothing"
        if isinstance(input, Comment) and not refused:
            self.comments.append(input.command_id)

    @rule(fails=st.booleans(), via=st.sampled_from([None, "sms"]))
    def settle_a_page(self, fails: bool, via: str | None) -> None:
        in_flight = [
            key
            for key, page in self.incident.pages.items()
            if page.status in (PageStatus.SENDING, PageStatus.CANCELLED)
        ]
        if in_flight:
            failure = "no answer" if fails else None
            self.give(PageSettled(key=in_flight[0], failure=failure, via=via))

    @precondition(lambda self: self.question)
    @rule(data=st.data())
    def hear_who_is_on_call(self, data: st.DataObject) -> None:
        asked, self.question = self.question, None
        assert asked
        waits = self.incident.inquiry.asked_at
        answer = data.draw(answers(asked.question, self.now))
        events = self.give(OnCallAnswered(number=asked.number, answer=answer))
        expected = asked.number == self.incident.inquiry.number or self.question
        if waits and expected:
            assert events, "an answer that is waited for is kept"
        again = OnCallAnswered(number=asked.number, answer=answer)
        if self.question is None:
            assert self.give(again) == (), "an answer counts once"

    @precondition(lambda self: self.question)
    @rule()
    def hear_no_answer(self) -> None:
        asked, self.question = self.question, None
        assert asked
        self.give(OnCallAnswered(number=asked.number, failure="no connection"))

    @rule()
    def hear_of_a_change(self) -> None:
        self.give(OnCallChanged())

    @rule()
    def lose_a_contact_method(self) -> None:
        sending = [
            key
            for key, page in self.incident.pages.items()
            if page.status is PageStatus.SENDING and page.person
        ]
        if sending:
            self.give(PageSettled(key=sending[0], failure="not a target", removed=True))
            assert self.incident.pages[sending[0]].status is PageStatus.FAILED

    @rule(fails=st.booleans())
    def settle_a_report(self, fails: bool) -> None:
        if self.reports:
            as_of = max(self.reports)
            failure = "no store" if fails else None
            self.give(
                ReportSettled(as_of=as_of, failure=failure, uris=() if fails else ("s3://r",))
            )

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.give(Wake())

    @rule()
    def pass_time_to_the_deadline(self) -> None:
        due = deadline(self.incident)
        if due is None:
            return
        self.now = max(self.now, due)
        self.give(Wake())
        after = deadline(self.incident)
        assert after is None or after > self.now, "a wake does all that is due"
        assert self.give(Wake()) == (), "and there is nothing left to do"

    @rule()
    def sleep_through_a_deadline(self) -> None:
        self.now += timedelta(seconds=7)

    @precondition(lambda self: is_finished(self.incident))
    @rule(policy=POLICIES)
    def be_followed_by_another(self, policy: Policy) -> None:
        self.teardown()
        IncidentLife.__init__(self)
        self.give(alert("k1", policy=policy))

    @invariant()
    def the_state_is_the_fold_of_its_events(self) -> None:
        assert reduce(apply, self.events, Incident(id=ID, key=KEY)) == self.incident

    @invariant()
    def it_survives_a_round_trip(self) -> None:
        again = Incident.model_validate_json(self.incident.model_dump_json())
        assert again == self.incident

    @invariant()
    def no_comment_is_lost(self) -> None:
        shown = [e.command_id for e in self.events if isinstance(e, Commented) and e.visible]
        assert shown == self.comments
        assert self.incident.comments == len(shown)

    @invariant()
    def nobody_is_forgotten(self) -> None:
        incident, due = self.incident, deadline(self.incident)
        if incident.status in (Status.PENDING, *UNRESOLVED):
            assert due is not None, "time ends everything"
        if incident.status is not Status.OPEN:
            return
        assert due is not None
        policy, paged = incident.policy, incident.escalation
        rounds = len(policy.levels) * (policy.repeats + 1)
        if paged.step < rounds or policy.repage_every:
            # Somebody will be paged, or what holds the paging will end.
            assert paging.hold(incident, self.now) or due <= max(
                self.now, paged.since or self.now
            ) + timedelta(seconds=10_000)

    @invariant()
    def a_question_is_waited_for_and_not_for_ever(self) -> None:
        inquiry = self.incident.inquiry
        if inquiry.asked_at:
            due = deadline(self.incident)
            assert due is not None
            assert due <= inquiry.asked_at + PATIENCE

    @invariant()
    def whoever_is_on_call_for_a_level_gone_through_is_paged(self) -> None:
        incident = self.incident
        if incident.status is not Status.OPEN or incident.snoozed_until:
            return
        if incident.escalation.held_until or incident.inquiry.asked_at:
            return
        for level in escalation.gone_through(incident):
            for person, who in people.on_call(incident, level).items():
                busy = targets_in_flight(incident, person)
                assert person in incident.escalation.people or busy >= {
                    step.target for step in who.steps
                }

    @invariant()
    def a_person_is_paged_by_each_step_once(self) -> None:
        for paged in self.incident.escalation.people.values():
            assert len(set(paged.taken)) == len(paged.taken)

    @invariant()
    def who_needs_no_page_gets_none(self) -> None:
        if self.incident.status in (Status.OPEN, Status.ACKNOWLEDGED):
            return
        in_flight = (PageStatus.SENDING, PageStatus.WAITING)
        assert not [p for p in self.incident.pages.values() if p.status in in_flight]

    @invariant()
    def a_refusal_and_the_possible_agree(self) -> None:
        for name in possible(self.incident):
            assert name in COMMANDS
        assert (not possible(self.incident)) == (
            self.incident.status in (Status.NEW, Status.CLOSED)
        )

    @invariant()
    def it_ends_when_nothing_is_left_to_do(self) -> None:
        if is_finished(self.incident):
            assert self.incident.status is Status.CLOSED
            assert (deadline(self.incident) is None) == is_forgotten(self.incident)
        if self.incident.status is Status.RESOLVED:
            assert self.incident.report_wanted is not None

    def teardown(self) -> None:
        encoded = TIMELINE.dump_json(tuple(self.events))
        assert list(TIMELINE.validate_json(encoded)) == self.events
        self.it_can_be_brought_to_an_end()

    def it_can_be_brought_to_an_end(self) -> None:
        self.give(Cancel())
        if wanted := self.incident.report_wanted:
            self.give(ReportSettled(as_of=wanted, uris=("s3://r",)))
        assert is_finished(self.incident)
        assert is_forgotten(self.incident)


TestIncidentLife = IncidentLife.TestCase
TestIncidentLife.settings = settings(stateful_step_count=40)
