"""Notifications to a channel of Slack through its Web API: one message for each incident and
target, which is edited, and a thread under it.

Slack has no documented way to post a message once: each of ours carries its key as metadata, and
where it may have been posted before it is looked up first.

Sources: Slack, "chat.postMessage", "chat.update", "conversations.history",
"conversations.replies", "Message metadata", "Rate limits".
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from core.adapters.notifiers import http_post, slack_blocks
from core.adapters.notifiers.channel import Channel
from core.adapters.notifiers.redaction import redacted
from core.domain.targets import Post
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification

if TYPE_CHECKING:
    import aiohttp
    from slack_sdk.web.async_client import AsyncWebClient
    from slack_sdk.web.async_slack_response import AsyncSlackResponse

    from core.domain.targets import SlackTarget

log = logging.getLogger(__name__)

API_URL: Final = "https://slack.com/api/"
EVENT_TYPE: Final = "tidegate_message"
"""The type of our messages' metadata; its payload is their key."""

_FINAL: Final = frozenset(
    {
        "access_denied",
        "account_inactive",
        "channel_not_found",
        "invalid_auth",
        "is_archived",
        "missing_scope",
        "no_permission",
        "not_authed",
        "not_in_channel",
        "restricted_action",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    }
)
"""Errors that are there until somebody installs the app, or invites it, again."""
_GONE: Final = frozenset(
    {
        "cant_update_message",
        "edit_window_closed",
        "invalid_thread_ts",
        "message_not_found",
        "thread_not_found",
    }
)
"""Errors of a message that was deleted, or that is not ours to edit."""
_BLOCKS: Final = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
"""Errors of a message that is not posted for the way it looks: its text is."""
_LOOKED_BACK: Final = 6 * 3600
"""Seconds in which a message that may have been posted is looked for."""
_LOOKED_AT: Final = 200
"""Messages that are looked at: Slack answers no more at a time."""


class _Gone(Exception):
    """There is no such message any more."""


class _NotShown(Exception):
    """Slack refuses the blocks."""


def addresses(name: str, target: SlackTarget, values: Mapping[str, str]) -> tuple[Address, ...]:
    """One address: the API, the bot's token as its secret, and the channel."""
    url = values[target.url_env] if target.url_env else API_URL
    secret = values[target.token_env]
    return (Address(name=name, kind=target.kind, url=url, secret=secret, room=target.channel),)


def check(address: Address) -> None:
    http_post.host(address.url)


async def send(notification: Notification, address: Address, timeout: float) -> Post:
    """Post the message about the incident or, where there is one, an answer in its thread that the
    channel sees, too; returns the message."""
    async with _slack(address, timeout) as slack:
        if notification.post is None:
            return await slack.post(notification)
        try:
            summary = slack_blocks.summary(notification)
            await slack.reply(notification, summary, notification.post, broadcast=True)
        except _Gone:
            return await slack.post(notification)
    return notification.post


async def update(notification: Notification, address: Address, timeout: float) -> Post:
    """Edit the message, or post another in its place if it is gone; tell the story in its
    thread."""
    async with _slack(address, timeout) as slack:
        post = notification.post
        try:
            post = await (slack.edit(notification, post) if post else slack.post(notification))
        except _Gone:
            post = await slack.post(notification)
        if notification.story:
            text = slack_blocks.story(notification.story)
            try:
                await slack.reply(notification, text, post)
            except _Gone:  # deleted a moment ago
                post = await slack.post(notification)
    return post


class _NoRedirects:
    """A session as far as the library uses it: what is for Slack goes nowhere else."""

    closed = False

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def request(self, method: str, url: str, **options: Any) -> Any:
        return self._session.request(method, url, allow_redirects=False, **options)


class _Slack:
    """The calls about one channel."""

    def __init__(self, client: AsyncWebClient, channel: str) -> None:
        self._client = client
        self._channel = channel

    async def post(self, notification: Notification) -> Post:
        """Post the message, unless it is there from an attempt before."""
        key = notification.key
        if notification.again and (found := await self._find(key, self._channel)):
            return found
        text, blocks = slack_blocks.summary(notification), slack_blocks.blocks(notification)
        common: dict[str, Any] = {
            "channel": self._channel,
            "text": text,
            "metadata": _metadata(key),
            "unfurl_links": False,
            "unfurl_media": False,
        }
        try:
            answer = await _called(self._client.chat_postMessage(**common, blocks=blocks))
        except _NotShown:
            answer = await _called(self._client.chat_postMessage(**common))
        return _post(answer, self._channel)

    async def edit(self, notification: Notification, post: Post) -> Post:
        common: dict[str, Any] = {
            "channel": post.channel,
            "ts": post.ts,
            "text": slack_blocks.summary(notification),
        }
        blocks = slack_blocks.blocks(notification)
        try:
            await _called(self._client.chat_update(**common, blocks=blocks))
        except _NotShown:
            await _called(self._client.chat_update(**common, blocks=[]))
        return post

    async def reply(
        self, notification: Notification, text: str, post: Post, *, broadcast: bool = False
    ) -> None:
        """Tell something in the thread, unless an attempt before has."""
        key = f"{notification.key}/thread"
        if notification.again and await self._find(key, post.channel, thread=post.ts):
            return
        await _called(
            self._client.chat_postMessage(
                channel=post.channel,
                thread_ts=post.ts,
                reply_broadcast=broadcast,
                text=text,
                metadata=_metadata(key),
                unfurl_links=False,
                unfurl_media=False,
            )
        )

    async def _find(self, key: str, channel: str, thread: str | None = None) -> Post | None:
        """The message with that key, if it is among the last of the channel or the thread. Where
        they may not be read there is none: twice is better than never."""
        asked: dict[str, Any] = {
            "channel": channel,
            "oldest": f"{time.time() - _LOOKED_BACK:.6f}",
            "limit": _LOOKED_AT,
            "include_all_metadata": True,
        }
        try:
            answer = await _called(
                self._client.conversations_replies(ts=thread, **asked)
                if thread
                else self._client.conversations_history(**asked)
            )
        except NotificationFailed as failure:
            if not failure.final:
                raise
            log.warning("a message may be posted twice: %s", failure.message)
            return None
        except _Gone:
            return None
        messages = answer.get("messages")
        for message in messages if isinstance(messages, list) else ():
            if _key_of(message) == key and (ts := message.get("ts")):
                return Post(channel=channel, ts=str(ts))
        return None


@asynccontextmanager
async def _slack(address: Address, timeout: float) -> AsyncIterator[_Slack]:
    """The calls about an address, in a block whose errors are `NotificationFailed`, without the
    token."""
    import aiohttp
    from slack_sdk.web.async_client import AsyncWebClient

    try:
        async with (
            asyncio.timeout(timeout),
            aiohttp.ClientSession(trust_env=True) as session,
        ):
            # Without the library's own retries: a message whose answer got lost may be posted.
            client = AsyncWebClient(
                address.secret,
                base_url=address.url,
                session=cast("aiohttp.ClientSession", _NoRedirects(session)),
                retry_handlers=[],
            )
            client.proxy = None  # the session reads the environment, NO_PROXY as well
            yield _Slack(client, address.room)
    except NotificationFailed as failure:
        reason = redacted(failure.message, address.url, [address.secret])
        where = http_post.host(address.url)
        raise NotificationFailed.together(f"{where} {reason}", [failure]) from None
    except TimeoutError:
        where = http_post.host(address.url)
        raise NotificationFailed(f"{where} did not answer within {timeout:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        where, kind = http_post.host(address.url), type(error).__name__
        raise NotificationFailed(f"{where} could not be reached ({kind})") from None


async def _called(calling: Any) -> AsyncSlackResponse:
    """Slack's answer. Raises `NotificationFailed`, `_Gone` or `_NotShown`."""
    from slack_sdk.errors import SlackApiError, SlackClientError

    try:
        answer: AsyncSlackResponse = await calling
    except SlackApiError as error:
        raise _failure(error.response) from None
    except SlackClientError as error:
        raise NotificationFailed(f"could not be asked ({type(error).__name__})") from None
    except (AttributeError, RecursionError):  # of the library, about what is no JSON object
        raise NotificationFailed("answered what is no answer of Slack's") from None
    return answer


def _failure(answer: Any) -> Exception:
    """Why Slack has not done what it was asked."""
    data = getattr(answer, "data", None)
    status = getattr(answer, "status_code", None) or getattr(answer, "status", 0)
    code = str(data.get("error", "")) if isinstance(data, dict) else ""
    if code in _GONE:
        return _Gone(code)
    if code in _BLOCKS:
        return _NotShown(code)
    retry_after = _seconds(answer.headers.get("Retry-After")) if status == 429 else None
    later = f", to be tried again after {retry_after:g} s" if retry_after else ""
    reason = f"answered {code or status}{later}"
    return NotificationFailed(reason, final=code in _FINAL, retry_after=retry_after)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() else None


def _post(answer: AsyncSlackResponse, channel: str) -> Post:
    """The message that was posted: Slack says in which channel, as for a person's own."""
    if not (ts := answer.get("ts")):
        raise NotificationFailed("answered without the message's ts")
    return Post(channel=str(answer.get("channel") or channel), ts=str(ts))


def _metadata(key: str) -> dict[str, Any]:
    return {"event_type": EVENT_TYPE, "event_payload": {"key": key}}


def _key_of(message: Any) -> str | None:
    metadata = message.get("metadata") if isinstance(message, dict) else None
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
        return None
    payload = metadata.get("event_payload")
    return payload.get("key") if isinstance(payload, dict) else None


CHANNEL: Final = Channel(addresses=addresses, check=check, send=send, update=update)
