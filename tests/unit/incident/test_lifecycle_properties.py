"""What holds for every sequence of inputs, whatever it is."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from core.domain.incident.effects import Page, WriteReport
from core.domain.incident.fold import apply
from core.domain.incident.inputs import Close, Input, PageSettled, ReportSettled, Wake
from core.domain.incident.lifecycle import deadline
from core.domain.incident.model import Incident, PageStatus, Policy, Status
from core.domain.incident.timeline import TIMELINE, Acknowledged, Resolved
from tests.unit.incident.examples import POLICY, START, Life, acknowledge, further, opening, resolve

ACTORS = st.sampled_from(["ana", "ben"])
COMMAND_IDS = st.sampled_from([f"c{number}" for number in range(8)])
POLICIES = st.sampled_from(
    [POLICY, Policy(ack_timeout=1), Policy(ack_timeout=60, targets={1: ("a#1", "b#2")})]
)
STEPS: st.SearchStrategy[object] = st.one_of(
    POLICIES.map(opening),
    st.sampled_from(["k1", "k2", "k3"]).map(further),
    st.builds(acknowledge, COMMAND_IDS, ACTORS),
    st.builds(resolve, COMMAND_IDS, ACTORS),
    st.just(Wake()),
    st.just(Close()),
    st.sampled_from(["page delivered", "page failed", "report settled"]),
    st.integers(1, 1000),  # seconds pass
)
LIVES = st.lists(STEPS, max_size=60)


def live(steps: list[object]) -> Life:
    """Take an incident through the steps; those about pages and reports pick one under way."""
    life = Life()
    for step in steps:
        if isinstance(step, int):
            life.wait(step)
        elif isinstance(step, str):
            if settled := _settled(life, step):
                life.give(settled)
        else:
            life.give(step)  # type: ignore[arg-type]  # the strategies build inputs
        check(life)
    return life


def _settled(life: Life, step: str) -> Input | None:
    if step == "report settled":
        at = life.incident.resolved_at
        return ReportSettled(resolved_at=at, uris=("s3://r/1.md",)) if at else None
    sending = (k for k, p in life.incident.pages.items() if p.status is PageStatus.SENDING)
    key = next(sending, None)
    failure = "no answer" if step == "page failed" else None
    return PageSettled(key=key, failure=failure) if key else None


def check(life: Life) -> None:
    incident = life.incident
    under_way = [
        page
        for page in incident.pages.values()
        if page.status in (PageStatus.SENDING, PageStatus.WAITING)
    ]
    if incident.status is not Status.OPEN:
        assert not under_way, "nobody is paged about what is taken care of"
        assert deadline(incident) is None
    elif incident.escalated_at is None:
        assert deadline(incident) is not None, "an unacknowledged incident is never forgotten"
    assert all(page.retry_at for page in under_way if page.status is PageStatus.WAITING)


@given(LIVES)
def test_the_incident_is_the_fold_of_its_timeline(steps: list[object]) -> None:
    life = live(steps)
    assert reduce(apply, life.timeline, Incident(id=life.incident.id)) == life.incident


@given(LIVES)
def test_incident_and_timeline_survive_a_round_trip_through_json(steps: list[object]) -> None:
    life = live(steps)
    assert Incident.model_validate_json(life.incident.model_dump_json()) == life.incident
    assert list(TIMELINE.validate_json(TIMELINE.dump_json(tuple(life.timeline)))) == life.timeline


@given(LIVES)
def test_a_wake_always_moves_the_deadline_on(steps: list[object]) -> None:
    life = live(steps)
    for _ in range(50):
        due = deadline(life.incident)
        if due is None:
            return
        life.now = max(life.now, due)
        life.give(Wake())
        after = deadline(life.incident)
        assert after is None or after > life.now
        check(life)


@given(LIVES)
def test_every_page_has_a_key_of_its_own_and_retries_keep_it(steps: list[object]) -> None:
    life = live(steps)
    pages = [effect for effect in life.effects if isinstance(effect, Page)]
    assert {page.key for page in pages} == set(life.incident.pages)
    for key, page in life.incident.pages.items():
        assert sum(each.key == key for each in pages) == page.round


@given(LIVES, st.integers(0, 59))
def test_the_same_input_twice_changes_nothing_the_second_time(
    steps: list[object], position: int
) -> None:
    life = live(steps[:position])
    for step in (acknowledge(), resolve(), further(), opening(), Close()):
        life.give(step)
        before = life.incident
        if not isinstance(step, type(resolve())):
            life.give(step)
            assert life.incident == before


@given(LIVES)
def test_one_command_id_is_done_at_most_once(steps: list[object]) -> None:
    life = live(steps)
    done = [e.command_id for e in life.timeline if isinstance(e, Acknowledged | Resolved)]
    assert len(done) == len(set(done))


@given(LIVES)
def test_each_resolution_writes_one_report(steps: list[object]) -> None:
    life = live(steps)
    asked = [effect.resolved_at for effect in life.effects if isinstance(effect, WriteReport)]
    assert asked == [event.at for event in life.timeline if isinstance(event, Resolved)]


def test_left_alone_an_incident_escalates_and_then_rests() -> None:
    life = Life()
    life.give(opening())
    deadlines = []
    while due := deadline(life.incident):
        deadlines.append(due)
        life.now = due
        life.give(Wake())
    assert deadlines == [START + timedelta(seconds=300)]
