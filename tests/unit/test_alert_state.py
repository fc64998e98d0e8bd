"""The table in `core.domain.alert_state`, row by row, and what holds in every order of words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.alert import Alert, AlertStatus
from core.domain.alert_state import CLOCKS_APART, AlertState, Heard, dismiss, hear, settled
from tests.support.episodes import Episode, episodes

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SETTLE = timedelta(seconds=60)
NOW = START + timedelta(days=1)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def firing(start: float | None = 0) -> Alert:
    starts_at = None if start is None else at(start)
    return Alert(key="k", status=AlertStatus.FIRING, title="t", source="s", starts_at=starts_at)


def resolved(start: float | None = 0, end: float | None = 10) -> Alert:
    return Alert(
        key="k",
        status=AlertStatus.RESOLVED,
        title="t",
        source="s",
        starts_at=None if start is None else at(start),
        ends_at=None if end is None else at(end),
    )


def hear_all(
    words: Iterable[Alert],
    *,
    state: AlertState | None = None,
    settle: timedelta | None = None,
    now: datetime = NOW,
) -> tuple[AlertState, list[Heard]]:
    state, heard = state or AlertState(), []
    for word in words:
        state, what = hear(state, word, now, settle=settle)
        heard.append(what)
    return state, heard


F, R, H, REC, MEM, S = (
    Heard.FIRED,
    Heard.REPEATED,
    Heard.HELD,
    Heard.RECOVERED,
    Heard.REMEMBERED,
    Heard.STALE,
)

ROWS: list[tuple[str, Sequence[Alert], Sequence[Heard], bool]] = [
    ("nothing known, firing", [firing()], [F], True),
    ("nothing known, resolved", [resolved()], [MEM], False),
    ("a recovery that comes first waits for its firing", [resolved(), firing()], [MEM, S], False),
    ("firing, repeated", [firing(), firing()], [F, R], True),
    ("firing, resolved", [firing(), resolved()], [F, REC], False),
    ("firing, an earlier firing's recovery", [firing(20), resolved(0, 10)], [F, S], True),
    (
        "firing again, the first recovery late",
        [firing(0), firing(20), resolved(0, 10)],
        [F, R, S],
        True,
    ),
    ("recovered, the same start", [firing(), resolved(), firing()], [F, REC, S], False),
    ("recovered, an earlier start", [firing(5), resolved(5), firing(0)], [F, REC, S], False),
    ("recovered, a later start", [firing(), resolved(), firing(20)], [F, REC, F], True),
    ("recovered, repeated", [firing(), resolved(), resolved()], [F, REC, R], False),
    (
        "the next begins when the last ends, recovery last",
        [firing(0), firing(10), resolved(0, 10)],
        [F, R, S],
        True,
    ),
    ("the recovery names its end as its start", [firing(0), resolved(10, 10)], [F, REC], False),
    (
        "replicas merge to an earlier start",
        [firing(5), firing(0), resolved(0, 10)],
        [F, R, REC],
        False,
    ),
    ("the recovery has an end alone", [firing(0), resolved(None, 10)], [F, REC], False),
    ("the recovery has a start alone", [firing(20), resolved(0, None)], [F, REC], False),
    (
        "the recovery has a start alone, the next begins later",
        [firing(0), resolved(0, None), firing(20), firing(0)],
        [F, REC, F, R],
        True,
    ),
    ("a start alone, recovery first", [resolved(0, None), firing(0)], [MEM, S], False),
    (
        "the recovery has no times, the next begins later",
        [firing(0), resolved(None, None), firing(0), firing(20)],
        [F, REC, S, F],
        True,
    ),
    ("an end before the start is another's", [firing(20), resolved(None, 10)], [F, S], True),
    ("no times at all", [firing(None), resolved(None, None)], [F, REC], False),
    (
        "no times, twice around",
        [firing(None), resolved(None, None), firing(None), firing(None), resolved(None, None)],
        [F, REC, F, R, REC],
        False,
    ),
    (
        "no times, resolved first: it cannot be told from a new firing",
        [resolved(None, None), firing(None)],
        [MEM, F],
        True,
    ),
]


@pytest.mark.parametrize(
    ("words", "heard", "fires"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_what_words_add_up_to(words: Sequence[Alert], heard: Sequence[Heard], fires: bool) -> None:
    state, found = hear_all(words)
    assert (found, state.firing) == (list(heard), fires)


@pytest.mark.parametrize("settle", [None, SETTLE])
def test_a_recovery_of_the_far_future_mutes_nothing(settle: timedelta | None) -> None:
    state, heard = hear_all([firing(0), resolved(0, 60 * 24 * 365 * 70)], settle=settle)
    assert (heard, state.firing) == ([F, REC], False)
    state, heard = hear_all([firing(20)], state=state, settle=settle)
    assert (heard, state.firing) == ([F], True)


def test_a_firing_of_the_far_future_fires_recovers_and_does_not_mute_the_next() -> None:
    far = 60 * 24 * 365 * 70
    state, heard = hear_all([firing(far), resolved(far, far)])
    assert (heard, state.firing) == ([F, REC], False)
    later = NOW + timedelta(hours=1)
    state, heard = hear_all([firing(60 * 24 + 30)], state=state, now=later)
    assert (heard, state.firing) == ([F], True)


def test_a_clock_that_is_slightly_ahead_is_believed() -> None:
    ahead = (NOW + CLOCKS_APART - START).total_seconds() / 60
    state, heard = hear_all([firing(ahead), resolved(0, ahead - 1)])
    assert (heard, state.firing) == ([F, S], True)


@pytest.mark.parametrize("settle", [None, SETTLE])
@pytest.mark.parametrize("start", [None, 0])
def test_a_source_whose_clock_lags_fires_again_after_a_recovery_without_an_end(
    settle: timedelta | None, start: float | None
) -> None:
    arrival = START + timedelta(minutes=10)  # its words take ten minutes to arrive
    state, heard = hear_all(
        [firing(0), resolved(start, None), firing(3)], settle=settle, now=arrival
    )
    assert (heard, state.firing) == ([F, REC, F], True)


def test_a_start_alone_that_is_held_recovers() -> None:
    state, heard = hear_all([firing(5), resolved(0), firing(5), resolved(0, None)], settle=SETTLE)
    assert (heard, state.firing, state.held_until) == ([F, REC, H, REC], False, None)


@pytest.mark.parametrize("again", [0, 3, 5])
def test_a_replica_is_held_whichever_start_the_others_have_said_since(again: float) -> None:
    state, heard = hear_all([firing(0), firing(5), resolved(0, 10), firing(again)], settle=SETTLE)
    assert (heard, state.firing) == ([F, R, REC, H], False)


def test_a_replica_that_may_be_late_is_held_and_then_believed() -> None:
    state, heard = hear_all([firing(), resolved(), firing(), firing()], settle=SETTLE)
    assert (heard, state.firing) == ([F, REC, H, R], False)
    assert state.held_until == NOW + SETTLE
    assert settled(state, NOW + SETTLE / 2) is None
    believed = settled(state, NOW + SETTLE)
    assert believed is not None
    assert believed.firing
    assert believed.held_until is None
    state, heard = hear_all([firing(), resolved()], state=believed, settle=SETTLE)
    assert (heard, state.firing) == ([R, REC], False)


def test_a_replica_that_was_late_says_the_recovery_again() -> None:
    state, heard = hear_all([firing(), resolved(), firing(), resolved()], settle=SETTLE)
    assert (heard, state.firing, state.held_until) == ([F, REC, H, REC], False, None)


@pytest.mark.parametrize("recovery", [resolved(0, 10), resolved(10, 10), resolved(None, 10)])
def test_a_replica_is_held_whatever_the_recovery_says_of_its_start(recovery: Alert) -> None:
    state, heard = hear_all([firing(), recovery, firing()], settle=SETTLE)
    assert (heard, state.firing) == ([F, REC, H], False)


def test_a_firing_that_its_recovery_overtook_is_not_held_but_when_said_again() -> None:
    state, heard = hear_all([resolved(), firing(), firing()], settle=SETTLE)
    assert (heard, state.firing) == ([MEM, S, H], False)


def test_a_replica_that_saw_it_begin_later_is_held() -> None:
    _, heard = hear_all([firing(0), resolved(0, 10), firing(5)], settle=SETTLE)
    assert heard == [F, REC, H]
    _, heard = hear_all([resolved(0, 10), firing(5)], settle=SETTLE)
    assert heard == [MEM, S]  # the first that is heard of it: overtaken
    _, heard = hear_all([firing(5), resolved(5, 10), firing(0)], settle=SETTLE)
    assert heard == [F, REC, S]


def test_a_new_firing_ends_the_settling() -> None:
    state, heard = hear_all([firing(), resolved(), firing(), firing(20)], settle=SETTLE)
    assert (heard, state.firing, state.held_until) == ([F, REC, H, F], True, None)


def test_what_a_person_ended_stays_ended_while_the_source_says_nothing_new() -> None:
    state, _ = hear_all([firing()])
    state, heard = hear_all([firing(), firing(-5)], state=dismiss(state))
    assert (heard, state.dismissed) == ([R, R], True)
    after, heard = hear_all([firing(20)], state=state)
    assert (heard, after.firing, after.dismissed) == ([F], True, False)
    after, heard = hear_all([resolved()], state=state)
    assert (heard, after.firing, after.dismissed) == ([REC], False, False)


def test_what_a_person_ended_comes_back_when_replicas_say_that_it_fires_on() -> None:
    state, _ = hear_all([firing()], settle=SETTLE)
    state, heard = hear_all([firing()], state=dismiss(state), settle=SETTLE)
    assert heard == [H]
    believed = settled(state, NOW + SETTLE)
    assert believed is not None
    assert believed.firing
    assert not believed.dismissed


def test_a_person_ends_what_has_no_times_until_it_is_said_again() -> None:
    state, _ = hear_all([firing(None)])
    state, heard = hear_all([firing(None)], state=dismiss(state))
    assert (heard, state.dismissed) == ([F], False)


def test_dismissing_what_does_not_fire_changes_nothing() -> None:
    state, _ = hear_all([firing(), resolved()])
    assert not dismiss(state).dismissed


# --- in every order -------------------------------------------------------------------------------

EPISODES = episodes(until=1000, moments=8)


def words_of(found: Sequence[Episode]) -> list[Alert]:
    words = []
    for start, end in found:
        words.append(firing(start))
        if end is not None:
            words.append(resolved(start, end))
    return words


@given(EPISODES, st.data())
def test_no_order_and_no_repetition_changes_what_is_true(
    found: list[Episode], data: st.DataObject
) -> None:
    words = words_of(found)
    repeated = words + data.draw(st.lists(st.sampled_from(words), max_size=8))
    state, heard = hear_all(data.draw(st.permutations(repeated)))
    assert state.firing == (found[-1][1] is None)
    assert heard.count(Heard.FIRED) <= len(found)


@given(EPISODES, st.data())
def test_replicas_that_say_each_word_once_are_never_held(
    found: list[Episode], data: st.DataObject
) -> None:
    state, heard = hear_all(data.draw(st.permutations(words_of(found))), settle=SETTLE)
    assert state.firing == (found[-1][1] is None)
    assert Heard.HELD not in heard


@given(EPISODES, st.data())
def test_each_firing_counts_at_most_once(found: list[Episode], data: st.DataObject) -> None:
    words = words_of(found) * 2
    state, fired = AlertState(), []
    for word in data.draw(st.permutations(words)):
        state, what = hear(state, word, NOW)
        if what is Heard.FIRED:
            fired.append(word.starts_at)
    assert len(fired) == len(set(fired))


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_two_firings_of_which_the_second_goes_on(order: tuple[int, ...]) -> None:
    words = [firing(0), resolved(0, 10), firing(20), firing(20)]
    state, _ = hear_all([words[n] for n in order])
    assert state.firing


@given(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=12))
def test_without_times_the_last_word_counts(words: list[int]) -> None:
    state, _ = hear_all([firing(None) if word else resolved(None, None) for word in words])
    assert state.firing == bool(words[-1])


@given(EPISODES, st.data())
def test_a_replicated_source_that_fires_again_ends_open(
    found: list[Episode], data: st.DataObject
) -> None:
    last = found[-1][0]
    state, _ = hear_all([*words_of([*found[:-1], (last, last + 1)]), firing(last)], settle=SETTLE)
    believed = settled(state, NOW + SETTLE)
    assert believed is not None
    assert believed.firing
