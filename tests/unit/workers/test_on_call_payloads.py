"""What the OnCall workflow remembers of its commands: enough for retries, and never more than a
next run can start with."""

from __future__ import annotations

from typing import Any

from workers.oncall.payloads import (
    REMEMBERED_BYTES,
    REMEMBERED_COMMANDS,
    Done,
    RunState,
    remembered,
)

LARGEST_INPUT = 2_000_000


def after(number: int, answer: dict[str, Any]) -> Done:
    """What is remembered after so many commands, which all answer the same."""
    done: Done = {}
    for each in range(number):
        done = remembered(done, str(each), answer)
    return done


def test_the_last_commands_are_remembered_in_their_order() -> None:
    done = after(REMEMBERED_COMMANDS + 5, {"changed": True})
    assert list(done) == [str(each) for each in range(5, REMEMBERED_COMMANDS + 5)]
    assert set(map(str, done.values())) == {"{'changed': True}"}


def test_of_long_answers_fewer_are_remembered_so_that_the_next_run_can_start() -> None:
    answer = {"changed": True, "silences": [{"why": "w" * 59_000}]}
    done = after(REMEMBERED_COMMANDS, answer)
    assert list(done)[-1] == str(REMEMBERED_COMMANDS - 1)
    assert len(done) == REMEMBERED_BYTES // 59_100
    assert len(RunState(done=done).model_dump_json()) < LARGEST_INPUT


def test_the_last_command_is_remembered_whatever_it_answers() -> None:
    assert list(after(3, {"why": "w" * REMEMBERED_BYTES})) == ["2"]
