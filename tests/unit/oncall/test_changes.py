"""What commands make of the state of on-call, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.command import read_command
from core.domain.oncall import changes
from core.domain.oncall.changes import FARTHEST, LONGEST_OVERRIDE, LONGEST_SILENCE, Change
from core.domain.oncall.commands import COMMANDS, AddOverride
from core.domain.oncall.state import MAX_BYTES, OnCallState
from tests.unit.oncall.examples import NOW, after, ask, obey, refused

NOTHING = OnCallState()
OVERRIDE: dict[str, Any] = {
    "schedule": "checkout",
    "people": ["ben"],
    "from": after(hours=1),
    "until": after(hours=3),
}
SILENCE: dict[str, Any] = {
    "match": {"service": "checkout"},
    "until": after(hours=2),
    "why": "deploy",
}


def test_the_commands() -> None:
    """A changed field of a command is a changed line here."""
    assert {name: sorted(kind.model_fields) for name, kind in COMMANDS.items()} == {
        "add_override": ["actor", "command_id", "end", "people", "schedule", "start", "why"],
        "remove_override": ["actor", "command_id", "id"],
        "swap": ["actor", "command_id", "overrides", "why"],
        "add_silence": [
            *("actor", "command_id", "end", "everything", "incident", "kind", "match"),
            *("start", "why"),
        ],
        "end_silence": ["actor", "command_id", "id"],
    }


def test_an_override_says_who_why_from_and_until() -> None:
    [override] = obey(NOTHING, "add_override", **OVERRIDE, why="dentist").overrides
    assert (override.schedule, override.people) == ("checkout", ("ben",))
    assert (override.start, override.end) == (after(hours=1), after(hours=3))
    assert (override.by, override.why) == ("ana", "dentist")


@pytest.mark.parametrize("start", [None, after(hours=-2)])
def test_an_override_begins_now_at_the_earliest(start: datetime | None) -> None:
    [override] = obey(NOTHING, "add_override", **{**OVERRIDE, "from": start}).overrides
    assert override.start == NOW


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"until": NOW}, "the override of schedule checkout is in the past"),
        ({"until": after(hours=1)}, "the override of schedule checkout ends before it starts"),
        ({"until": after(hours=2) + LONGEST_OVERRIDE}, "lasts longer than 366 d"),
        (
            {"from": after(hours=1) + FARTHEST, "until": after(hours=2) + FARTHEST},
            "begins in more than 366 d",
        ),
    ],
)
def test_an_override_that_cannot_be_meant_is_refused(fields: dict[str, Any], why: str) -> None:
    assert why in refused(NOTHING, "add_override", **{**OVERRIDE, **fields}).why


@pytest.mark.parametrize(
    ("start", "end", "overlaps"),
    [(0, 1, False), (0, 2, True), (2, 4, True), (3, 4, False), (1, 3, True), (0, 5, True)],
)
def test_overrides_of_a_schedule_do_not_overlap(start: float, end: float, overlaps: bool) -> None:
    before = obey(NOTHING, "add_override", **OVERRIDE)
    other = {**OVERRIDE, "from": after(hours=start), "until": after(hours=end)}
    outcome = ask(before, "add_override", command_id="c2", **other)
    assert isinstance(outcome, Change) is not overlaps
    assert isinstance(
        ask(before, "add_override", command_id="c3", **{**other, "schedule": "payments"}), Change
    )


def test_an_overlap_is_refused_with_the_override_and_how_to_end_it() -> None:
    before = obey(NOTHING, "add_override", **OVERRIDE)
    [other] = before.overrides
    refusal = refused(before, "add_override", command_id="c2", **OVERRIDE)
    assert refusal.why == (
        f"override {other.id} has ben on call for schedule checkout from 2026-01-05 10:00 to "
        "2026-01-05 12:00 UTC, by ana"
    )
    assert refusal.advice == f"end it first: `tidegate oncall overrides remove {other.id}`"


def test_a_swap_is_two_overrides_or_none() -> None:
    second = {**OVERRIDE, "people": ["ana"], "from": after(hours=5), "until": after(hours=6)}
    state = obey(NOTHING, "swap", overrides=[OVERRIDE, second])
    assert [each.people for each in state.overrides] == [("ben",), ("ana",)]
    assert len({each.id for each in state.overrides}) == 2
    refused(state, "swap", command_id="c2", overrides=[{**OVERRIDE, "schedule": "b"}, second])


def test_a_swap_of_shifts_that_overlap_is_refused() -> None:
    refusal = refused(NOTHING, "swap", overrides=[OVERRIDE, {**OVERRIDE, "people": ["ana"]}])
    assert refusal.why == "the two overrides of schedule checkout overlap"


def test_an_override_that_is_removed_before_it_begins_is_gone() -> None:
    before = obey(NOTHING, "add_override", **OVERRIDE)
    assert obey(before, "remove_override", id=before.overrides[0].id) == NOTHING


def test_an_override_that_is_removed_after_it_began_has_decided_until_then() -> None:
    before = obey(NOTHING, "add_override", **OVERRIDE)
    now = after(hours=2)
    state = obey(before, "remove_override", now, id=before.overrides[0].id)
    assert [each.end for each in state.overrides] == [now]
    assert state.at(now) == NOTHING


@pytest.mark.parametrize("name", ["remove_override", "end_silence"])
def test_what_is_not_there_cannot_be_ended_and_what_is_there_is_named(name: str) -> None:
    state = obey(obey(NOTHING, "add_override", **OVERRIDE), "add_silence", **SILENCE)
    known = state.overrides[0].id if name == "remove_override" else state.silences[0].id
    assert refused(state, name, id="nosuch").advice == f"give the ID of one of these: {known}"
    assert refused(NOTHING, name, id="nosuch").advice == "there is nothing to end"


def test_what_has_ended_is_dropped_by_the_next_command() -> None:
    before = obey(obey(NOTHING, "add_override", **OVERRIDE), "add_silence", **SILENCE)
    later = {**SILENCE, "until": after(hours=9)}
    state = obey(before, "add_silence", after(hours=4), command_id="c2", **later)
    assert (len(state.overrides), len(state.silences)) == (0, 1)


@pytest.mark.parametrize(
    "match",
    [
        None,
        {"service": "*"},
        {"service": ["checkout", "**"]},
        {"source": "*", "labels": {"team": "*"}},
        {"severity": ["critical", "high", "medium", "low", "info"]},
    ],
)
@pytest.mark.parametrize("kind", ["silence", "maintenance"])
def test_a_silence_that_matches_everything_is_to_be_confirmed(kind: str, match: Any) -> None:
    fields = {**SILENCE, "match": match, "kind": kind}
    refusal = refused(NOTHING, "add_silence", **fields)
    assert refusal.why == f"the {kind} matches every incident"
    assert refusal.advice == "say what it is for, or confirm it: `--everything`"
    assert obey(NOTHING, "add_silence", **fields, everything=True).silences


@pytest.mark.parametrize(
    "match", [{"service": "check*"}, {"severity": "critical"}, {"service": "*", "source": "a"}]
)
def test_a_silence_that_matches_some_needs_no_confirmation(match: Any) -> None:
    assert obey(NOTHING, "add_silence", **{**SILENCE, "match": match}).silences


def test_a_silence_is_for_one_incident_or_for_what_matches() -> None:
    assert refused(NOTHING, "add_silence", **SILENCE, incident="incident:a").advice == (
        "add a silence for each"
    )


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"until": NOW}, "the silence is in the past"),
        ({"from": after(hours=3)}, "the silence ends before it starts"),
        (
            {"until": NOW + LONGEST_SILENCE + timedelta(seconds=1)},
            "the silence lasts longer than 30 d",
        ),
    ],
)
def test_a_silence_that_cannot_be_meant_is_refused(fields: dict[str, Any], why: str) -> None:
    assert refused(NOTHING, "add_silence", **{**SILENCE, **fields}).why == why


@pytest.mark.parametrize(
    ("name", "fields", "problem"),
    [
        ("add_silence", {**SILENCE, "why": ""}, "why"),
        ("add_silence", {**SILENCE, "why": "w" * 201}, "why"),
        ("add_silence", {**SILENCE, "actor": "a" * 101}, "actor"),
        ("add_silence", {**SILENCE, "match": {}}, "match: it names neither source"),
        ("add_silence", {**SILENCE, "match": {"servise": "a"}}, "match.servise: there is no such"),
        ("add_silence", {**SILENCE, "until": "2026-01-05T10:00:00"}, "until"),
        ("add_override", {**OVERRIDE, "people": []}, "people"),
        ("add_override", {**OVERRIDE, "people": ["a"] * 21}, "people"),
        ("add_override", {**OVERRIDE, "schedule": "Not a name"}, "schedule"),
        ("swap", {"overrides": [OVERRIDE]}, "overrides"),
    ],
)
def test_the_shape_of_commands(name: str, fields: dict[str, Any], problem: str) -> None:
    whole = {"command_id": "c1", "actor": "ana", **fields}
    with pytest.raises(ValueError, match=problem):
        read_command(COMMANDS[name], whole)


def test_a_state_stays_below_its_limit_and_can_always_be_made_smaller() -> None:
    state, number = NOTHING, 0
    while isinstance(
        outcome := ask(
            state,
            "add_override",
            command_id=f"c{number}",
            schedule="s" * 63,
            people=["p" * 63] * 20,
            why="ä" * 200,
            **{"from": after(hours=number + 1), "until": after(hours=number + 2)},
        ),
        Change,
    ):
        state, number = outcome.state, number + 1
    assert MAX_BYTES - 2_500 < state.size <= MAX_BYTES
    assert state.overrides[-1].id in outcome.advice
    assert obey(state, "remove_override", id=state.overrides[0].id).size < state.size


@pytest.mark.parametrize("below", [0, -100], ids=["full", "larger than the limit"])
def test_what_has_begun_can_be_ended_of_a_state_without_room(
    monkeypatch: pytest.MonkeyPatch, below: int
) -> None:
    """Its end, which is now, may take more bytes than the one that was planned."""
    state = obey(NOTHING, "add_override", **OVERRIDE, why="w" * 100)
    state = obey(state, "add_silence", **{**SILENCE, "until": after(hours=5)}, command_id="c2")
    monkeypatch.setattr(changes, "MAX_BYTES", state.size + below)
    then = after(hours=2, microseconds=1)
    ended = obey(state, "remove_override", then, id=state.overrides[0].id)
    assert [each.end for each in ended.overrides] == [then]
    ended = obey(ended, "end_silence", then, id=state.silences[0].id)
    assert ended.at(then) == NOTHING


spans = st.tuples(st.integers(0, 100), st.integers(1, 20)).map(
    lambda span: (after(hours=span[0]), after(hours=sum(span)))
)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), spans, st.integers(0, 50)), max_size=20))
def test_whatever_is_asked_overrides_of_a_schedule_never_overlap_and_ids_differ(
    wanted: list[tuple[str, tuple[datetime, datetime], int]],
) -> None:
    state = NOTHING
    for number, (schedule, (start, end), hours) in enumerate(wanted):
        command = AddOverride.model_validate(
            {
                "command_id": f"c{number}",
                "actor": "ana",
                "schedule": schedule,
                "people": ["ben"],
                "from": start,
                "until": end,
            }
        )
        fields = command.model_dump(by_alias=True, exclude={"command_id", "actor"})
        outcome = ask(
            state, "add_override", after(hours=hours), command_id=command.command_id, **fields
        )
        if isinstance(outcome, Change):
            state = outcome.state
        for one in state.overrides:
            for other in state.overrides:
                apart = one.end <= other.start or other.end <= one.start
                assert one is other or one.schedule != other.schedule or apart
        assert len({each.id for each in state.overrides}) == len(state.overrides)
        assert OnCallState.model_validate(state.to_json()) == state
