"""The messages in a channel of Slack, over its Web API's wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.adapters.notifiers import slack_blocks
from core.adapters.notifiers.router import ChannelNotifier
from core.domain.targets import Post
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification
from infra.local.slack import CHANNEL, TOKEN, Answer, refused
from tests.support.slack import LocalSlack, local_slack

ID = "incident:webhook:prod:5f2e@20260102T030405.678Z"
BUTTONS = ("acknowledge", "escalate", "snooze", "resolve")
PAGE = Notification(
    key=f"{ID}/level-1/repeat-1/ops",
    title="[HIGH] Checkout <p99>",
    body="One order in five is given up.\n\n"
    "Acknowledge: tidegate incident ack k7m2qx\nService: shop",
    severity="high",
    incident_id=ID,
    dedup_key=ID,
    stands="Open: nobody has it",
    buttons=BUTTONS,
)
LATER = replace(
    PAGE,
    key=f"{ID}/post/ops/1",
    stands="Acknowledged by ana",
    buttons=("resolve",),
    story=("03:05:00 ana (Slack): Acknowledged",),
)
JSON = {"Content-Type": "application/json"}
NOTHING_THERE = Post(channel=CHANNEL, ts="1.000001")


@pytest.fixture
def slack() -> Iterator[LocalSlack]:
    with local_slack() as slack:
        yield slack


async def sent(slack: LocalSlack, page: Notification = PAGE, **address: str) -> Post:
    return (await ChannelNotifier().notify(page, [slack.address(**address)]))["ops"]


async def updated(slack: LocalSlack, page: Notification) -> Post:
    return await ChannelNotifier().update(page, slack.address())


def texts(blocks: list[dict[str, Any]]) -> list[str]:
    return [block["text"]["text"] for block in blocks if "text" in block]


def buttons(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for block in blocks if block["type"] == "actions" for each in block["elements"]]


async def test_a_page_is_one_message_with_its_buttons(slack: LocalSlack) -> None:
    post = await sent(slack)
    [message] = slack.workspace.messages
    assert post == Post(channel=CHANNEL, ts=message["ts"])
    assert message["text"] == "[HIGH] Checkout &lt;p99&gt; (Open: nobody has it)"
    assert texts(message["blocks"]) == [
        "[HIGH] Checkout &lt;p99&gt;",
        "*Open: nobody has it*",
        "One order in five is given up.",
        "Acknowledge: tidegate incident ack k7m2qx\nService: shop",
    ]
    shown = buttons(message["blocks"])
    assert [each["action_id"] for each in shown] == [f"tidegate:{name}" for name in BUTTONS]
    assert {each["value"] for each in shown} == {ID}
    assert ["confirm" in each for each in shown] == [False, True, False, True]


async def test_a_change_edits_the_message_and_is_told_in_its_thread(slack: LocalSlack) -> None:
    post = await sent(slack)
    assert await updated(slack, replace(LATER, post=post)) == post
    [message] = slack.workspace.posts()
    assert "*Acknowledged by ana*" in texts(message["blocks"])
    assert [each["action_id"] for each in buttons(message["blocks"])] == ["tidegate:resolve"]
    [told] = slack.workspace.thread(post.ts)
    assert told["text"] == "03:05:00 ana (Slack): Acknowledged"
    assert "reply_broadcast" not in told


async def test_without_anything_to_do_there_are_no_buttons(slack: LocalSlack) -> None:
    post = await sent(slack)
    await updated(slack, replace(LATER, post=post, buttons=(), story=()))
    [message] = slack.workspace.messages
    assert buttons(message["blocks"]) == []


async def test_a_second_page_is_an_answer_that_the_channel_sees(slack: LocalSlack) -> None:
    post = await sent(slack)
    assert await sent(slack, replace(PAGE, key="another", post=post)) == post
    [answer] = slack.workspace.thread(post.ts)
    assert answer["reply_broadcast"] is True
    assert len(slack.workspace.posts()) == 1


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message"])
async def test_a_message_that_is_gone_is_posted_anew_with_its_thread(
    slack: LocalSlack, error: str
) -> None:
    post = await sent(slack)
    slack.workspace.faults["chat.update"] = [refused(error)]
    new = await updated(slack, replace(LATER, post=post))
    assert new != post
    assert [told["text"] for told in slack.workspace.thread(new.ts)] == list(LATER.story)


async def test_a_second_page_to_a_message_that_is_gone_is_a_message_of_its_own(
    slack: LocalSlack,
) -> None:
    post = await sent(slack, replace(PAGE, post=NOTHING_THERE))
    assert post != NOTHING_THERE
    assert [message["ts"] for message in slack.workspace.posts()] == [post.ts]


async def test_a_message_whose_answer_got_lost_is_not_posted_twice(slack: LocalSlack) -> None:
    slack.workspace.faults["chat.postMessage"] = [None]
    with pytest.raises(NotificationFailed, match="could not be reached"):
        await sent(slack)
    assert slack.methods() == ["chat.postMessage"]
    post = await sent(slack, replace(PAGE, again=True))
    assert [message["ts"] for message in slack.workspace.messages] == [post.ts]


async def test_what_was_told_in_the_thread_is_not_told_twice(slack: LocalSlack) -> None:
    post = await sent(slack)
    slack.workspace.faults["chat.postMessage"] = [None]
    with pytest.raises(NotificationFailed, match="could not be reached"):
        await updated(slack, replace(LATER, post=post))
    await updated(slack, replace(LATER, post=post, again=True))
    assert len(slack.workspace.thread(post.ts)) == 1


async def test_where_the_channel_may_not_be_read_a_page_may_come_twice_but_it_comes(
    slack: LocalSlack,
) -> None:
    await sent(slack)
    slack.workspace.faults["conversations.history"] = [refused("missing_scope")]
    await sent(slack, replace(PAGE, again=True))
    assert len(slack.workspace.messages) == 2


@pytest.mark.parametrize("messages", [5, {"a": 1}, [None, 1, {"metadata": 1}], "keyed"])
async def test_a_page_comes_whatever_a_channel_is_said_to_hold(
    slack: LocalSlack, messages: Any
) -> None:
    key = {"event_type": "tidegate_message", "event_payload": {"key": PAGE.key}}
    found = [{"metadata": key}] if messages == "keyed" else messages
    slack.workspace.faults["conversations.history"] = [Answer({"ok": True, "messages": found})]
    await sent(slack, replace(PAGE, again=True))
    assert len(slack.workspace.messages) == 1


async def test_slacks_wait_is_passed_on(slack: LocalSlack) -> None:
    limited = Answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "30"})
    slack.workspace.faults["chat.postMessage"] = [limited]
    with pytest.raises(NotificationFailed, match="tried again after 30 s") as failed:
        await sent(slack)
    assert (failed.value.retry_after, failed.value.final) == (30, False)


@pytest.mark.parametrize(
    "error",
    ["account_inactive", "token_revoked", "not_in_channel", "channel_not_found", "is_archived"],
)
async def test_an_app_that_was_removed_fails_for_good(slack: LocalSlack, error: str) -> None:
    slack.workspace.faults["chat.postMessage"] = [refused(error)]
    with pytest.raises(
        NotificationFailed, match=f"ops: http://127.0.0.1:.* answered {error}"
    ) as it:
        await sent(slack)
    assert it.value.final


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (refused("internal_error"), "answered internal_error"),
        (Answer("<h1>Bad gateway</h1>", 502), "answered 502"),
        (Answer("[]", 200), "answered 200|could not be asked"),
        (Answer({"ok": True}, 200), "without the message's ts"),
        (Answer("[1]", 200, JSON), "no answer of Slack's"),
        (Answer('"ok"', 200, JSON), "no answer of Slack's"),
        (Answer("[" * 100_000, 200, JSON), "no answer of Slack's"),
    ],
)
async def test_whatever_else_slack_answers_may_work_later(
    slack: LocalSlack, answer: Answer, says: str
) -> None:
    slack.workspace.faults["chat.postMessage"] = [answer]
    with pytest.raises(NotificationFailed, match=says) as failed:
        await sent(slack)
    assert not failed.value.final


async def test_a_redirect_is_not_followed(slack: LocalSlack) -> None:
    with local_slack() as elsewhere:
        moved = Answer("moved", 307, {"Location": f"{elsewhere.url}chat.postMessage"})
        slack.workspace.faults["chat.postMessage"] = [moved]
        with pytest.raises(NotificationFailed, match="answered 307"):
            await sent(slack)
        assert elsewhere.workspace.calls == []


async def test_a_failure_does_not_quote_the_token(slack: LocalSlack) -> None:
    slack.workspace.faults["chat.postMessage"] = [refused("xoxb-hunter2 is not valid")]
    with pytest.raises(NotificationFailed, match="is not valid") as failed:
        await sent(slack, token="xoxb-hunter2")
    assert "hunter2" not in str(failed.value)


async def test_a_server_that_is_not_there_may_be_later() -> None:
    with local_slack() as slack:
        pass
    with pytest.raises(NotificationFailed, match="could not be reached") as failed:
        await sent(slack)
    assert not failed.value.final


async def test_blocks_that_slack_refuses_do_not_keep_the_page(slack: LocalSlack) -> None:
    slack.workspace.faults["chat.postMessage"] = [refused("invalid_blocks")]
    await sent(slack)
    [message] = slack.workspace.messages
    assert "Checkout" in message["text"]
    assert "blocks" not in message


async def test_ten_thousand_characters_of_markup_are_shown_and_obeyed_by_nobody(
    slack: LocalSlack,
) -> None:
    markup = "<!channel> <@U0123> @everyone & <https://evil.example|bank> *_`"
    long = (markup * 200)[:10_000]
    page = replace(PAGE, title=long, body=f"{long}\n\n{long}\n{long}", stands=long)
    post = await sent(slack, page)  # the server refuses what is beyond Slack's limits
    await updated(slack, replace(page, post=post, story=(long, "the last word")))
    for message in slack.workspace.messages:
        written = json.dumps({name: message.get(name) for name in ("text", "blocks")})
        assert "<" not in written.replace("\\u003c", "<")
        assert "@everyone" not in written
    [told] = slack.workspace.thread(post.ts)
    assert told["text"].endswith("the last word")
    assert len(told["text"]) <= slack_blocks.SECTION_CHARS


@pytest.mark.parametrize("limit", [4, 7, 8, 9, 150])
def test_no_escape_is_cut(limit: int) -> None:
    short = slack_blocks.escaped("<" * 200, limit)
    assert len(short) <= limit
    assert short.removesuffix("...").replace("&lt;", "") == ""


async def test_a_channel_without_messages_to_edit_says_so() -> None:
    duty = Address(name="duty", kind="opsgenie", url="http://127.0.0.1:1", secret=TOKEN)
    with pytest.raises(NotificationFailed, match="duty: it has no messages to edit") as failed:
        await ChannelNotifier().update(LATER, duty)
    assert failed.value.final
