"""Turns of teams: idempotent for an incident, fair, and bounded."""

from __future__ import annotations

from core.domain.oncall.turns import MAX_TEAMS, REMEMBERED, Turns


def test_each_incident_takes_the_next_turn_and_keeps_it() -> None:
    turns, numbers = Turns(), []
    for incident in ("a", "b", "a", "c", "b"):
        turns, number = turns.take("web", incident)
        numbers.append(number)
    assert numbers == [0, 1, 0, 2, 1]


def test_teams_take_turns_by_themselves() -> None:
    turns, _ = Turns().take("web", "a")
    assert turns.take("data", "a")[1] == 0
    assert turns.take("data", "b")[1] == 0


def test_old_turns_are_forgotten_and_the_count_goes_on() -> None:
    turns = Turns()
    for number in range(REMEMBERED + 1):
        turns, taken = turns.take("web", f"incident:{number}")
        assert taken == number
    assert len(turns.taken) == REMEMBERED
    assert turns.take("web", "incident:0")[1] == REMEMBERED + 1
    assert turns.take("web", "incident:1")[1] == 1


def test_as_many_teams_are_kept_as_a_file_may_have() -> None:
    turns = Turns()
    for number in range(MAX_TEAMS + 5):
        turns, _ = turns.take(f"team{number}", "a")
    assert len(turns.next) == MAX_TEAMS
    assert Turns.model_validate(turns.model_dump(mode="json")) == turns
