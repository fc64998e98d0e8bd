"""Slack's channels with a real incident: one message, edited as the incident changes, and the story
in its thread."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from core.adapters.notifiers.router import ChannelNotifier
from core.contracts import SIGNAL_EVENT
from infra.local.slack import CHANNEL, TOKEN, Answer, refused
from tests.support.incidents import Harness, alert, command, says, timeline, until
from tests.support.slack import LocalSlack, local_slack
from workers.incident.workflow import continue_as_new

OPS = "ops"


@pytest.fixture
def slack() -> Iterator[LocalSlack]:
    with local_slack() as slack:
        yield slack


@pytest.fixture
def chatting(dev_harness: Harness, slack: LocalSlack) -> Harness:
    """A worker whose only level is a channel of Slack."""
    harness = dev_harness
    harness.channels = ChannelNotifier()
    harness.targets = {
        OPS: {"kind": "slack", "token_env": "BOT", "channel": CHANNEL, "url_env": "SLACK_API"}
    }
    harness.addresses |= {"BOT": TOKEN, "SLACK_API": slack.url}
    harness.policy = {"levels": [{"after": "0s", "targets": [OPS]}]}
    return harness


def shown(message: dict[str, Any]) -> list[str]:
    return [block["text"]["text"] for block in message["blocks"] if "text" in block]


def buttons(message: dict[str, Any]) -> list[str]:
    blocks = [block for block in message["blocks"] if block["type"] == "actions"]
    return [each["text"]["text"] for block in blocks for each in block["elements"]]


@pytest.mark.recorded("posted")
async def test_one_message_is_edited_as_the_incident_changes_and_its_thread_has_the_story(
    chatting: Harness, slack: LocalSlack
) -> None:
    async with chatting.working():
        handle = await chatting.start(alert())
        await until(says(handle, f"Page delivered to {OPS}"))
        [message] = slack.workspace.posts()
        assert shown(message)[:2] == ["[CRITICAL] cpu is high", "*Open: nobody has it*"]
        assert buttons(message) == ["Acknowledge", "Escalate", "Snooze 1 h", "Resolve"]
        await command(handle, "acknowledge", "c1", note="looking")
        await until(lambda: "*Acknowledged by ana*" in shown(message))
        assert buttons(message) == ["Escalate", "Snooze 1 h", "Resolve"]
        await command(handle, "resolve", "c2", force=True)
        await command(handle, "close", "c3", reason="false_alarm")
        await handle.result()
    assert shown(message)[1] == "*Closed as false alarm*"
    assert buttons(message) == []
    assert slack.workspace.posts() == [message]
    story = "\n".join(each["text"] for each in slack.workspace.thread(message["ts"]))
    for word in ("Acknowledged: looking", "Resolved although", "Closed (false_alarm)"):
        assert story.count(word) == 1


async def test_slacks_wait_is_waited_for_and_a_lost_answer_posts_nothing_twice(
    chatting: Harness, slack: LocalSlack
) -> None:
    limited = Answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "1"})
    slack.workspace.faults["chat.postMessage"] = [limited, None]
    async with chatting.working():
        handle = await chatting.start(alert())
        await until(says(handle, f"Page delivered to {OPS}"))
        assert len(slack.workspace.messages) == 1
        await command(handle, "close", "c1", reason="false_alarm")
        await handle.result()


async def test_a_workspace_that_removed_the_app_is_named_on_the_timeline_and_pages_others(
    chatting: Harness, slack: LocalSlack
) -> None:
    async with chatting.working():
        handle = await chatting.start(alert())
        await until(says(handle, f"Page delivered to {OPS}"))
        slack.workspace.faults["chat.update"] = [refused("account_inactive")]
        await command(handle, "acknowledge", "c1")
        lost = f"The message at {OPS} cannot be updated any more: "
        await until(says(handle, lost))
        await until(says(handle, "answered account_inactive"))
        await command(handle, "close", "c2", reason="false_alarm")
        await handle.result()
    assert slack.methods().count("chat.update") == 1


async def test_an_app_that_is_not_in_the_channel_fails_at_the_first_attempt(
    chatting: Harness, slack: LocalSlack
) -> None:
    slack.workspace.faults["chat.postMessage"] = [refused("not_in_channel")]
    async with chatting.working():
        handle = await chatting.start(alert())
        await until(says(handle, f"Page to {OPS} (level 1) failed, next round"))
        await until(says(handle, "answered not_in_channel"))
        assert slack.methods() == ["chat.postMessage"]
        await command(handle, "close", "c1", reason="false_alarm")
        await handle.result()


def thread(slack: LocalSlack) -> str:
    """All that is under the only message."""
    [message] = slack.workspace.posts()
    return "\n".join(each["text"] for each in slack.workspace.thread(message["ts"]))


def tells(slack: LocalSlack, word: str) -> bool:
    return word in thread(slack)


async def test_over_many_runs_there_is_one_message_and_each_word_is_told_once(
    chatting: Harness, slack: LocalSlack
) -> None:
    chatting.continue_as_new_after = 60
    async with chatting.working():
        id = (await chatting.start(alert())).id
        handle = chatting.client.get_workflow_handle(id)
        await until(says(handle, f"Page delivered to {OPS}"))
        for number in range(40):
            word = f"word {number}."
            await command(handle, "comment", f"c{number}", note=word)
            if number % 8 == 0:  # as many as wait for an update
                await until(partial(tells, slack, word))
        await command(handle, "close", "end", reason="false_alarm")
        await handle.result()
        found = [run async for run in chatting.client.list_workflows(f"WorkflowId = '{id}'")]
        assert len(found) > 1
    [message] = slack.workspace.posts()
    assert shown(message)[1] == "*Closed as false alarm*"
    assert [thread(slack).count(f"word {number}.") for number in range(40)] == [1] * 40


async def test_the_next_incident_under_the_same_key_has_a_message_and_the_one_before_ends(
    chatting: Harness, slack: LocalSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continue_as_new, "REPORT_FIRST", timedelta(seconds=0.2))
    chatting.policy["remember_for"] = "1h"
    async with chatting.working():
        handle = chatting.client.get_workflow_handle((await chatting.start(alert())).id)
        await until(says(handle, f"Page delivered to {OPS}"))
        slack.workspace.answering.clear()
        slack.workspace.faults["chat.update"] = [refused("internal_error")]
        await command(handle, "acknowledge", "c1")
        await until(lambda: bool(slack.workspace.asked["chat.update"]))
        await command(handle, "close", "c2", reason="false_alarm")  # gathered for the next update
        again = alert(number=1, starts_at=datetime.now(UTC).isoformat())
        await handle.signal(SIGNAL_EVENT, again)

        async def next_one_pages() -> bool:
            entries = "\n".join(await timeline(handle))
            return "Paging ops" in entries and "Closed" not in entries

        await until(next_one_pages)
        slack.workspace.answering.set()
        await until(lambda: len(slack.workspace.posts()) == 2)
        first, second = slack.workspace.posts()
        await until(lambda: "*Closed as false alarm*" in shown(first))
        assert "*Open: nobody has it*" in shown(second)
        assert buttons(first) == []
        await handle.terminate()
