"""What the words of a source about an alert do to an incident: the table of docs/incidents.md, row
by row, and what holds for every order of words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain import alert_state
from core.domain.alert import Alert, AlertStatus
from core.domain.alert_state import AlertState, dismiss, hear
from core.domain.incident.alert_counts import (
    MAX_HELD,
    MAX_TRACKED,
    MEMORY_BYTES,
    AlertCount,
    from_memory,
    memory,
    remembered,
)
from core.domain.incident.decisions.closing import is_finished, is_forgotten
from core.domain.incident.decisions.command_handling import refusal
from core.domain.incident.decisions.timers import deadline
from core.domain.incident.effects import Effect, StartSuccessor
from core.domain.incident.inputs import AlertReceived, Recalled
from core.domain.incident.model import Incident
from core.domain.incident.policies.policy import Policy, Recurrence
from core.domain.incident.status import UNRESOLVED, Status
from core.domain.incident.timeline import (
    AlertCleared,
    AlertFired,
    AlertHeard,
    AlertHeld,
    Noted,
    Opened,
    Resolved,
    TimelineEvent,
)
from core.domain.severity import Severity
from tests.support.episodes import Episode, episodes
from tests.unit.incident.examples import (
    ID,
    KEY,
    ON_CALL,
    START,
    Life,
    alert,
    cleared,
    closed,
    command,
    levels,
    opened,
    opening,
    policy,
    resolved,
)

DOCS: Final = Path(__file__).parents[3] / "docs" / "incidents.md"
HOUR: Final = timedelta(hours=1)
SETTLE: Final = 60.0
WIDE: Final = "\N{FIRE}" * 200
REOPENING: Final = policy(reopen_window=3600.0)


def at(minutes: float) -> datetime:
    """Moments of the source; the incident of these tests begins two hours later."""
    return START - timedelta(hours=2) + timedelta(minutes=minutes)


def fires(start: float | None = 0, *, replicated: bool = False, key: str = "a") -> AlertReceived:
    starts_at = None if start is None else at(start)
    return alert(key, policy=REOPENING, starts_at=starts_at, replicated=replicated)


def recovers(start: float | None = 0, end: float | None = 10, *, key: str = "a") -> AlertReceived:
    return cleared(
        key,
        policy=REOPENING,
        starts_at=None if start is None else at(start),
        ends_at=None if end is None else at(end),
    )


# --- the table ------------------------------------------------------------------------------------

KNOWN: Final[Mapping[str, Sequence[AlertReceived]]] = {
    "nothing": (),
    "firing": (fires(20),),
    "recovered": (fires(20), recovers(20, 30)),
    "held": (fires(20), recovers(20, 30), fires(20, replicated=True)),
    "dismissed": (fires(20),),
}
ARRIVES: Final[Mapping[str, AlertReceived | None]] = {
    "firing": fires(20),
    "firing, started later": fires(40),
    "firing, started earlier": fires(0),
    "firing, without a start": fires(None),
    "the same firing, again": fires(20),
    "the same firing, again, replicated": fires(20, replicated=True),
    "the same firing, overtaken": fires(20),
    "resolved": recovers(20, 30),
    "resolved, of an earlier firing": recovers(0, 10),
    "resolved, without an end": recovers(0, None),
    "the settling time is over": None,
}
WHERE: Final[Mapping[str, tuple[Status, ...]]] = {
    "firing": (Status.OPEN,),
    "dismissed": (Status.NEW, Status.RESOLVED, Status.CLOSED),
}
"""Where not every state of an alert is possible."""


def rows() -> Iterator[tuple[str, str, str, str]]:
    """What is known, what arrives, what becomes of the alert, and what the incident does."""
    text = DOCS.read_text(encoding="utf-8")
    [table] = re.findall(r"\| Known \|.*\n\|[-|]+\n((?:\|.*\n)+)", text)
    for line in table.splitlines():
        known, arrives, becomes, does = (cell.strip() for cell in line.strip("|").split("|"))
        yield known, arrives, becomes, does


def test_the_table_of_the_docs_is_that_of_the_module() -> None:
    doc = alert_state.__doc__ or ""
    lines = re.findall(r"^    (\w+) {2,}(.*?) {2,}(\w+)$", doc, re.MULTILINE)
    assert lines[0] == ("known", "arrives", "becomes")
    assert lines[1:] == [row[:3] for row in rows()]


OVERTAKEN, SETTLED = "the same firing, overtaken", "the settling time is over"
POSSIBLE: Final[Mapping[str, set[str]]] = {
    "nothing": {"firing", "resolved", "resolved, without an end"},
    "firing": {name for name in ARRIVES if name == "firing" or name.startswith("resolved")}
    | {"firing, without a start"},
    "recovered": {*ARRIVES} - {"firing", SETTLED},
    "held": {*ARRIVES} - {"firing", OVERTAKEN},
    "dismissed": {*ARRIVES} - {"firing", OVERTAKEN, SETTLED},
}
"""What can arrive; `firing` stands for all starts where they make no difference."""


def test_the_table_is_total() -> None:
    found = [(known, arrives) for known, arrives, _, _ in rows()]
    assert len(found) == len(set(found))
    for known in KNOWN:
        assert {arrives for name, arrives in found if name == known} == POSSIBLE[known]


def state_of(known: str, arrives: str, now: datetime) -> tuple[AlertState, Alert | None]:
    """What is known, and the alert that is held."""
    words = KNOWN[known]
    if arrives == "the same firing, overtaken":
        words = [word for word in words if word.alert.status is AlertStatus.RESOLVED]
    state = AlertState()
    for word in words:
        settle = timedelta(seconds=SETTLE) if word.alert.replicated else None
        state, _ = hear(state, word.alert, now, settle=settle)
    if known == "dismissed":
        state = dismiss(state)
    return state, words[-1].alert if known == "held" else None


def life_in(status: Status, known: str, arrives: str) -> Life:
    """An incident of another alert, that knows this of alert `a`."""
    make = {Status.OPEN: opened, Status.RESOLVED: resolved, Status.CLOSED: closed}
    life = make[status](REOPENING) if status in make else Life()
    state, held = state_of(known, arrives, life.now)
    counts = life.incident.alerts
    tracked = dict(counts.tracked)
    if state.fired_at and status is not Status.NEW:
        tracked["a"] = AlertCount(
            title="a", severity=Severity.MEDIUM, fired=1, firing=state.firing, first_at=START,
            last_at=START,
        )  # fmt: skip
    alerts = counts.model_copy(
        update={
            "states": {**counts.states, **({"a": state} if state != AlertState() else {})},
            "held": {"a": held} if held else {},
            "tracked": tracked,
        }
    )
    life.incident = life.incident.model_copy(update={"alerts": alerts, "policy": REOPENING})
    return life


def name_of(state: AlertState) -> str:
    if state.held_until:
        return "held"
    if state.dismissed:
        return "dismissed"
    return "firing" if state.firing else "recovered"


def cells() -> Iterator[tuple[str, str, str, str, Status]]:
    for known, arrives, becomes, does in rows():
        for status in WHERE.get(known, (Status.NEW, Status.OPEN, Status.RESOLVED, Status.CLOSED)):
            yield known, arrives, becomes, does, status


@pytest.mark.parametrize(("known", "arrives", "becomes", "does", "status"), list(cells()))
def test_the_table(known: str, arrives: str, becomes: str, does: str, status: Status) -> None:
    life = life_in(status, known, arrives)
    before, lines = life.incident, len(life.timeline)
    word = ARRIVES[arrives]
    if word is None:
        life.events.clear()
        life.wait(SETTLE)
        events, effects = life.events, life.effects
    else:
        events, effects = life.give(word)
    visible = [type(event) for event in life.timeline[lines if word else 0 :]]
    kinds = [type(event) for event in events]
    match does:
        case "fires":
            assert_fires(life, status, kinds, effects)
        case "counted" if status in (Status.OPEN, Status.RESOLVED):
            assert kinds == [AlertFired]
            assert life.incident.status is before.status
            assert not effects
        case "recovers" if status is Status.OPEN:
            assert kinds == [AlertCleared]
            assert life.incident.status is Status.OPEN
        case "held":
            assert AlertHeld in kinds
            assert visible == [Noted]
            assert life.incident.status is before.status
            assert not effects
        case "counted" | "recovers" | "-":
            assert not visible
            assert not effects
            assert life.incident.status is before.status
        case _:
            pytest.fail(f"the table says {does!r}")
    if does != "fires" or status is not Status.CLOSED:
        assert name_of(life.incident.alerts.states["a"]) == becomes


def assert_fires(
    life: Life, status: Status, kinds: Sequence[type[TimelineEvent]], effects: Sequence[Effect]
) -> None:
    if status is Status.CLOSED:
        assert life.status == Status.CLOSED
        assert any(isinstance(effect, StartSuccessor) for effect in effects)
        return
    assert life.status == Status.OPEN
    assert AlertFired in kinds
    assert (Opened in kinds) == (status is Status.NEW)
    if status is not Status.OPEN:
        assert life.paged()[-1] == ON_CALL


# --- over the incidents of one key ----------------------------------------------------------------


class Key:
    """All incidents under one key, one after another, as the workflow would have them."""

    def __init__(self, policy: Policy = REOPENING) -> None:
        self.policy = policy
        self.lives = [Life()]

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @property
    def status(self) -> str:
        return self.life.status

    def hears(self, *words: AlertReceived) -> None:
        for word in words:
            if is_finished(self.life.incident) and is_forgotten(self.life.incident):
                states = self.life.incident.alerts.states
                self.begin(Incident(id=self.new_id(), key=KEY))
                self.life.give(Recalled(states=states))
            self.give(word.model_copy(update={"policy": self.policy}))

    def give(self, word: AlertReceived) -> None:
        before = len(self.life.effects)
        self.life.give(word)
        self.succeed(self.life.effects[before:], word)

    def succeed(self, effects: Sequence[Effect], word: AlertReceived | None = None) -> None:
        starts = [effect for effect in effects if isinstance(effect, StartSuccessor)]
        if starts:
            alerts = remembered(self.life.incident.alerts)
            self.begin(Incident(id=self.new_id(), key=KEY, alerts=alerts))
        for effect in starts:
            if effect.held:
                word = AlertReceived(alert=effect.held, event_key="held", policy=self.policy)
            assert word is not None
            self.give(word)
        wanted = self.life.incident.report_wanted
        if wanted and wanted != self.life.incident.reported:
            self.life.write_report()

    def begin(self, incident: Incident) -> None:
        self.lives.append(Life(incident=incident, now=self.life.now))

    def new_id(self) -> str:
        return f"{ID}/{len(self.lives)}"

    def wait(self, seconds: float) -> None:
        end = self.life.now + timedelta(seconds=seconds)
        while (due := deadline(self.life.incident)) and due <= end:
            before = len(self.life.effects)
            self.life.wait(max(0.0, (due - self.life.now).total_seconds()))
            self.succeed(self.life.effects[before:])
        self.life.wait((end - self.life.now).total_seconds())

    def command(self, name: str, **fields: Any) -> None:
        before = len(self.life.effects)
        self.life.do(name, **fields)
        self.succeed(self.life.effects[before:])

    def page_keys(self) -> list[str]:
        return [page.key for life in self.lives for page in life.pages()]

    def opened(self) -> int:
        """How many incidents opened, and how often they were reopened."""
        lives = [life.incident for life in self.lives if life.incident.opened_at]
        return len(lives) + sum(incident.reopened for incident in lives)


ONE_LEVEL: Final = {"levels": levels((0, ON_CALL))}
POLICIES: Final = st.builds(
    lambda window, recurrence, memory: policy(
        **ONE_LEVEL, reopen_window=window, recurrence=recurrence, remember_for=memory
    ),
    st.sampled_from([0.0, 900.0]),
    st.sampled_from(Recurrence),
    st.sampled_from([0.0, 600.0, 3600.0]),
)
EPISODES = episodes(until=100, moments=6)


def words_of(firings: Sequence[Episode]) -> list[AlertReceived]:
    words = []
    for start, end in firings:
        words.append(fires(start))
        if end is not None:
            words.append(recovers(start, end))
    return words


@given(EPISODES, POLICIES, st.data())
def test_in_every_order_and_however_often_the_last_word_counts(
    firings: list[Episode], rules: Policy, data: st.DataObject
) -> None:
    words = words_of(firings)
    repeated = words + data.draw(st.lists(st.sampled_from(words), max_size=6))
    key = Key(rules)
    for word in data.draw(st.permutations(repeated)):
        key.hears(word)
        key.wait(data.draw(st.sampled_from([0, 1, 700, 4000])))
    goes_on = firings[-1][1] is None
    assert (key.status == Status.OPEN) == goes_on
    assert key.opened() <= len(firings)
    assert len(set(key.page_keys())) == len(key.page_keys()) == key.opened()
    assert key.life.incident.alerts.firing == goes_on


@given(EPISODES, st.data())
def test_replicas_without_delivery_ids_end_open_when_the_firing_is_said_again(
    firings: list[Episode], data: st.DataObject
) -> None:
    start = firings[-1][0]
    key = Key(data.draw(POLICIES))
    for word in [*words_of([*firings[:-1], (start, start + 1)]), fires(start, replicated=True)]:
        key.hears(word)
    key.wait(SETTLE)
    assert key.status == Status.OPEN


def test_a_pair_in_either_order_opens_nothing_or_ends_resolved() -> None:
    for replicated in (False, True):
        key = Key()
        key.hears(recovers(), fires(replicated=replicated))
        key.wait(SETTLE)
        assert (key.status, key.opened(), key.page_keys()) == (Status.NEW, 0, [])
        key = Key()
        key.hears(fires(replicated=replicated), recovers())
        assert (key.status, key.opened()) == (Status.RESOLVED, 1)


def test_a_recovery_of_the_far_future_does_not_mute_its_alert() -> None:
    key = Key()
    key.hears(fires(0), recovers(0, 60 * 24 * 365 * 70))
    assert key.status == Status.RESOLVED
    key.life.now += timedelta(minutes=1)
    key.hears(fires(130))
    assert key.status == Status.OPEN


def test_a_repeat_keeps_a_silent_incident_from_being_resolved() -> None:
    key = Key(policy(**ONE_LEVEL, resolve_if_silent_for=3600.0))
    key.hears(fires())
    for _ in range(5):
        key.wait(3500)
        key.hears(fires())
    assert key.status == Status.OPEN
    key.wait(3600)
    assert key.status == Status.CLOSED


@pytest.mark.parametrize("replicated", [False, True])
def test_an_alert_that_fires_on_after_a_person_resolved_it(replicated: bool) -> None:
    key = Key()
    key.hears(fires(replicated=replicated))
    key.command("resolve", force=True)
    key.hears(fires(replicated=replicated))
    key.wait(SETTLE)
    # Of replicas it is the truth, as they say everything once; of others it is a redelivery.
    assert key.status == (Status.OPEN if replicated else Status.RESOLVED)
    key.hears(fires(20, replicated=replicated))
    assert key.status == Status.OPEN


def test_without_times_an_alert_fires_again_as_soon_as_it_is_said_to() -> None:
    key = Key()
    key.hears(fires(None))
    key.command("resolve", force=True)
    key.hears(fires(None))
    assert key.status == Status.OPEN


# --- settling -------------------------------------------------------------------------------------


def test_what_is_held_is_said_and_fires_when_it_has_settled() -> None:
    key = Key()
    key.hears(fires(replicated=True), recovers(), fires(replicated=True))
    assert key.status == Status.RESOLVED
    assert key.life.sentences()[-1] == (
        "Alert fires again, as of the same moment; held until 2026-01-02 03:05:05 UTC: "
        "Disk a is full"
    )
    assert deadline(key.life.incident) == START + timedelta(seconds=SETTLE)
    key.wait(SETTLE - 1)
    assert key.status == Status.RESOLVED
    key.wait(1)
    assert (key.status, len(key.page_keys())) == (Status.OPEN, 2)


def test_a_replica_that_was_late_says_the_recovery_again_and_nobody_is_paged() -> None:
    key = Key()
    key.hears(fires(replicated=True), recovers(), fires(replicated=True), recovers())
    key.wait(SETTLE)
    assert (key.status, len(key.page_keys())) == (Status.RESOLVED, 1)


def test_an_incident_does_not_resolve_or_close_while_one_of_its_alerts_is_held() -> None:
    life = opened(policy(reopen_window=30.0))
    life.give(fires(replicated=True))
    life.give(recovers())
    life.give(fires(replicated=True))
    life.give(cleared())
    assert life.status == Status.OPEN
    life.give(recovers())
    assert life.status == Status.RESOLVED
    life.write_report()
    life.wait(20)
    life.give(fires(replicated=True))
    life.wait(59)
    assert life.status == Status.RESOLVED
    life.wait(1)
    assert life.status == Status.OPEN


@pytest.mark.parametrize("recurrence", list(Recurrence))
@pytest.mark.parametrize("closes", [False, True])
def test_what_settles_reopens_the_incident_or_begins_the_next(
    recurrence: Recurrence, closes: bool
) -> None:
    window = 0.0 if closes else 3600.0
    key = Key(policy(**ONE_LEVEL, reopen_window=window, recurrence=recurrence))
    key.hears(fires(replicated=True), recovers())
    assert key.status == (Status.CLOSED if closes else Status.RESOLVED)
    word = fires(replicated=True)
    labelled = word.alert.model_copy(update={"labels": {"cluster": "eu"}})
    key.hears(word.model_copy(update={"alert": labelled}))
    key.wait(SETTLE)
    assert key.status == Status.OPEN
    renews = closes or recurrence is Recurrence.NEW
    assert len(key.lives) == 1 + renews
    assert (key.life.incident.labels == {"cluster": "eu"}) == renews
    key.hears(recovers())
    assert key.status in (Status.RESOLVED, Status.CLOSED)


def test_what_is_still_held_when_the_next_incident_begins_fires_there() -> None:
    key = Key(policy(**ONE_LEVEL, reopen_window=3600.0, recurrence=Recurrence.NEW))
    key.hears(fires(replicated=True), fires(replicated=True, key="b"), recovers())
    key.hears(recovers(key="b"), fires(replicated=True))
    key.wait(20)
    key.hears(fires(replicated=True, key="b"))
    key.wait(40)
    assert (len(key.lives), key.life.incident.alerts.firing) == (2, 1)
    key.wait(20)
    assert (len(key.lives), key.life.incident.alerts.firing) == (2, 2)


def test_what_fires_on_when_the_incident_is_opened_again_belongs_to_it() -> None:
    key = Key()
    key.hears(fires(replicated=True), fires(replicated=True, key="b"))
    key.command("resolve", force=True)
    key.hears(fires(20, replicated=True), fires(replicated=True, key="b"))
    assert key.status == Status.OPEN
    assert not key.life.all(AlertHeld)
    assert not any(state.dismissed for state in key.life.incident.alerts.states.values())


def test_reopening_takes_up_nothing_that_is_not_part_of_the_incident() -> None:
    key = Key()
    key.hears(fires(replicated=True), fires(replicated=True, key="b"))
    key.command("resolve", force=True)
    key.command("close", reason="resolved")
    key.hears(fires(20, replicated=True, key="b"), recovers(20, 30, key="b"))
    key.hears(fires(40, replicated=True, key="b"))
    assert (len(key.lives), key.life.incident.reopened) == (2, 1)
    assert key.life.incident.alerts.states["a"].dismissed
    key.hears(fires(replicated=True))
    key.wait(SETTLE)
    assert key.life.incident.alerts.tracked["a"].firing


def assert_consistent(incident: Incident) -> None:
    """What the incident counts as firing is what its states say."""
    alerts = incident.alerts
    fire = {name for name, state in alerts.states.items() if state.firing and not state.dismissed}
    assert fire == {name for name, count in alerts.tracked.items() if count.firing}


STEPS: Final = [
    *(fires(start, key=key, replicated=True) for start in (0, 20, 40) for key in "ab"),
    *(recovers(start, start + 10, key=key) for start in (0, 20, 40) for key in "ab"),
    "resolve", "close", "reopen", "mitigate", "wait",
]  # fmt: skip
COMMANDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "resolve": {"force": True},
    "close": {"reason": "duplicate"},
    "reopen": {},
    "mitigate": {},
}


@settings(max_examples=300)
@given(st.lists(st.sampled_from(STEPS), max_size=20), POLICIES)
def test_while_an_incident_lasts_it_counts_as_firing_what_is_known_to_fire(
    walk: Sequence[AlertReceived | str], rules: Policy
) -> None:
    key = Key(rules)
    key.hears(fires(replicated=True), fires(replicated=True, key="b"))
    key.command("close", reason="duplicate")  # so that both are dismissed when it begins
    for step in walk:
        match step:
            case "wait":
                key.wait(SETTLE)
            case str():
                word = command(step, **COMMANDS[step])
                refused = refusal(key.life.incident, word, key.life.now)
                if refused is None and key.status != Status.CLOSED:
                    key.command(step, **COMMANDS[step])
            case AlertReceived():
                key.hears(step)
        if key.life.incident.status in UNRESOLVED:
            assert_consistent(key.life.incident)


def test_replicas_that_disagree_for_long_leave_few_short_lines() -> None:
    life = opened()
    labels = {f"l{number}": "v" * 60 for number in range(20)}
    word = fires(replicated=True)
    word = word.model_copy(update={"alert": word.alert.model_copy(update={"labels": labels})})
    life.give(word)
    for _ in range(300):
        life.give(recovers())
        life.give(word)
    lines = [event for event in life.timeline if "held" in event.sentence()]
    assert 1 < len(lines) < 10
    assert not any("l19" in event.model_dump_json() for event in life.timeline)
    assert life.incident.alerts.held["a"].labels == labels
    assert life.incident.alerts.holds == 300


def test_without_a_settling_time_a_replica_is_believed() -> None:
    key = Key(policy(**ONE_LEVEL, settle=0.0))
    key.hears(fires(replicated=True), recovers(), fires(replicated=True))
    assert key.status == Status.OPEN


def test_more_than_can_be_held_fires_immediately() -> None:
    life = opened()
    names = [f"alert {number}" for number in range(MAX_HELD + 1)]
    for name in names:
        for word in (fires(key=name), recovers(key=name), fires(key=name, replicated=True)):
            life.give(word)
    assert len(life.incident.alerts.held) == MAX_HELD
    assert life.incident.alerts.tracked[names[-1]].firing


# --- memory ---------------------------------------------------------------------------------------


def test_a_closed_incident_hears_late_words_and_pages_nobody() -> None:
    key = Key(policy(**ONE_LEVEL, remember_for=3600.0))
    key.hears(fires(), recovers())
    assert key.status == Status.CLOSED
    assert deadline(key.life.incident) == START + HOUR
    before = key.life.incident.model_dump(exclude={"alerts", "events"})
    key.hears(fires(), recovers(), fires(-5))
    assert key.life.incident.model_dump(exclude={"alerts", "events"}) == before
    key.wait(3600)
    assert is_forgotten(key.life.incident)
    assert len(key.lives) == 1


def test_the_next_run_learns_what_the_last_one_knew() -> None:
    key = Key(policy(**ONE_LEVEL, remember_for=60.0))
    key.hears(fires(), recovers())
    key.wait(7200)
    key.hears(fires())
    assert (len(key.lives), key.status, key.opened()) == (2, Status.NEW, 1)
    key.wait(7200)
    assert key.status == Status.CLOSED
    key.hears(fires())
    assert (len(key.lives), key.status, key.opened()) == (3, Status.NEW, 1)
    key.hears(fires(20))
    assert (key.status, key.opened()) == (Status.OPEN, 2)


def test_what_a_report_closed_is_not_waited_for() -> None:
    life = Life()
    life.give(opening(policy(**ONE_LEVEL)))
    life.do("resolve")
    life.write_report()
    assert is_finished(life.incident)
    assert is_forgotten(life.incident)


def test_the_memory_lasts_as_long_as_the_reopen_window() -> None:
    assert policy(remember_for=0.0, reopen_window=7200.0).memory == 7200
    assert policy(remember_for=3600.0, reopen_window=0.0).memory == 3600
    life = opened(policy(remember_for=0.0))
    life.give(cleared())
    life.write_report()
    assert is_finished(life.incident)
    assert is_forgotten(life.incident)


def test_what_is_known_is_bounded_and_the_oldest_that_is_over_goes_first() -> None:
    life = opened(policy(auto_resolve_acknowledged=False))
    life.do("acknowledge")
    life.give(fires(key="held"))
    life.give(recovers(key="held"))
    life.give(fires(key="held", replicated=True))
    for number in range(2 * MAX_TRACKED):
        life.give(recovers(key=f"alert {number}"))
    states = life.incident.alerts.states
    assert len(states) <= MAX_TRACKED
    assert {"5f2e", "held", f"alert {2 * MAX_TRACKED - 1}"} <= set(states)
    assert "alert 0" not in states
    life.give(fires(key="alert 0"))
    assert life.incident.alerts.tracked["alert 0"].firing


def test_a_run_leaves_the_newest_states_as_many_as_fit() -> None:
    life = opened()
    for number in range(MAX_TRACKED - 1):
        key = f"{number} {WIDE}"
        life.give(fires(number, key=key))
        life.give(recovers(number, number + 1, key=key))
    left = memory(life.incident.alerts)
    assert len(json.dumps(left)) < MEMORY_BYTES
    states = life.incident.alerts.states
    assert list(left) == list(states)[-len(left) :]
    assert from_memory(json.loads(json.dumps(left))) == {name: states[name] for name in left}


def test_what_is_left_of_an_alert_that_fires_is_that_it_was_ended() -> None:
    left = from_memory(memory(opened(starts_at=at(0)).incident.alerts))
    assert left["5f2e"].dismissed


@pytest.mark.parametrize("value", [None, [], "x", {"a": 7}, {"a": {"fired_at": "yesterday"}}])
def test_a_memory_that_cannot_be_read_is_none(value: object) -> None:
    assert from_memory(value) == {}


def test_a_worse_repeat_is_news_and_a_repeat_of_it_is_not() -> None:
    life = opened(starts_at=at(0))
    life.do("acknowledge")
    for severity in ("critical", "critical", "warning"):
        life.give(alert(starts_at=at(0), severity=severity))
    assert life.incident.severity is Severity.CRITICAL
    assert len(life.pages()) == 2


def test_late_words_do_not_make_an_incident_conclude_anything() -> None:
    life = opened(starts_at=at(20))
    events, _ = life.give(recovers(0, 10, key="5f2e"))
    assert [type(event) for event in events] == [AlertHeard]
    assert not life.all(Resolved)
    assert life.status == Status.OPEN
