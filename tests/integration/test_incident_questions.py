"""The question who is on call, asked by the workflow: beside queries, without an answer, and over
runs."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from core.contracts import SIGNAL_ON_CALL_CHANGED
from core.domain.incident import commands
from core.domain.oncall.answer import Answer, Question
from tests.support.incidents import Harness, alert, command, says, until


def more_than(asked: list[Question], count: int) -> bool:
    return len(asked) > count


def noted(harness: Harness) -> list[Question]:
    """The questions that are asked from now on; nobody is on call."""
    asked: list[Question] = []

    async def noting(question: Question, *, client: Client) -> Answer:
        asked.append(question)
        return Answer()

    harness.find_on_call = noting
    return asked


END = {"reason": "false_alarm"}
INCIDENTS = 12
"""With a timer beside the local activity that asks, about every twelfth run did not replay."""


async def test_queries_while_an_incident_asks_leave_runs_that_replay(dev_harness: Harness) -> None:
    harness, delays = dev_harness, count()

    async def slowly(question: Question, *, client: Client) -> Answer:
        await asyncio.sleep(next(delays) % INCIDENTS * 0.002)
        return Answer()

    harness.find_on_call = slowly
    harness.policy = {
        "levels": [{"after": "0s", "targets": ["on-call"]}],
        "open_after": {"count": 3, "within": "10m"},
    }

    async def one(number: int) -> None:
        handle = await harness.start(alert(f"a{number}"))
        await until(says(handle, "Held back"))
        for again in (1, 2):
            await handle.signal("event", alert(f"a{number}", number=again))
        await until(says(handle, "Page delivered"))
        await command(handle, commands.Close.name, "c1", **END)
        await handle.result()

    async with harness.working():
        for number in range(INCIDENTS):
            await one(number)
    # Each run is replayed by the fixture.


async def test_a_question_that_fails_is_on_the_timeline_and_holds_up_no_target(
    dev_harness: Harness,
) -> None:
    async def failing(question: Question, *, client: Client) -> Answer:
        raise RuntimeError("a calendar is broken")

    dev_harness.find_on_call = failing
    async with dev_harness.working():
        handle = await dev_harness.start(alert())
        await until(says(handle, "Page delivered to on-call"))
        await until(says(handle, "is not known: a calendar is broken"))
        await command(handle, commands.Close.name, "c1", **END)
        await handle.result()


async def test_a_signal_makes_an_open_incident_ask_again_and_others_not(
    dev_harness: Harness,
) -> None:
    asked = noted(dev_harness)
    async with dev_harness.working():
        handle = await dev_harness.start(alert())
        await until(says(handle, "Page delivered"))
        await handle.signal(SIGNAL_ON_CALL_CHANGED)
        await until(lambda: len(asked) == 2)
        await command(handle, commands.Acknowledge.name, "c1")
        await handle.signal(SIGNAL_ON_CALL_CHANGED)
        await command(handle, commands.Close.name, "c2", **END)
        await handle.result()
    assert len(asked) == 2


async def test_a_run_that_continues_as_new_asks_what_the_one_before_has_asked(
    dev_harness: Harness,
) -> None:
    asked = noted(dev_harness)
    dev_harness.continue_as_new_after = 8
    async with dev_harness.working():
        handle = await dev_harness.start(alert())
        latest: WorkflowHandle[object, object] = dev_harness.client.get_workflow_handle(handle.id)
        await until(says(latest, "Page delivered"))
        for _ in range(6):
            before = len(asked)
            await latest.signal(SIGNAL_ON_CALL_CHANGED)
            await until(partial(more_than, asked, before))
        await command(latest, commands.Close.name, "c1", **END)
        await latest.result()
    first = await dev_harness.handles[0].describe()
    assert first.status is WorkflowExecutionStatus.CONTINUED_AS_NEW
