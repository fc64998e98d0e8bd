"""What Slack sends to an app: the Events API, interactions and slash commands.

    {"type": "event_callback", "event": {...}}   com.slack.<event's type>
    payload={"type": "block_actions", ...}       com.slack.<type>: buttons, shortcuts, dialogs
    command=/deploy&text=...                     com.slack.slash_command: a form
    {"type": "url_verification", ...}            the handshake: no event

An event is identified by its event_id, an interaction or a command by its trigger_id. What lets
whoever has it act on Slack is left out of the data, wherever it stands: tokens, among them the
deprecated verification token, and addresses to respond at.
Sources: Slack, "The Events API", "Handling user interaction", "Enabling slash commands", "Tokens",
"Sending messages using incoming webhooks".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from core.domain.event import Event, encode, readable_time
from core.domain.identity import message_key, scoped_key, unidentified_key
from core.errors import InvalidEvent
from core.formats.shared.delivery import Delivery, Malformed, scope_of, source_of
from core.formats.shared.format import Format
from core.formats.shared.http_body import FORM, form_fields, load_object, media_type
from core.formats.shared.json_body import load_json
from core.formats.shared.json_path import text
from core.formats.shared.times import from_epoch

_FORM_FIELD: Final = "payload"
_SECRET: Final = re.compile(r"(xox[a-z](\.xox[a-z])?|xapp|xwfp)-|https://hooks\.slack(-gov)?\.com/")
"""How Slack's tokens begin, and the addresses at which whoever has them may post."""
_SECRET_BYTES: Final = re.compile(
    rb"((xox[a-z](\.xox[a-z])?|xapp|xwfp)-|hooks\.slack(-gov)?\.com(/|%2F))[\w.%/-]*"
)
"""The same in bytes that cannot be read, to the end of the word."""
_SUBJECTS: Final = (
    ("event", "channel"),
    ("event", "item", "channel"),
    ("event", "user"),
    ("callback_id",),
    ("view", "callback_id"),
    ("actions", 0, "action_id"),
    ("command",),
)
"""What may be an event's subject: the place, the person, or the app's own name for it."""


def handshake(delivery: Delivery) -> dict[str, Any] | None:
    """The answer to `url_verification`. Raises `InvalidEvent` for one without a challenge."""
    if media_type(delivery) == FORM:
        return None
    value = load_object(delivery)
    if value.get("type") != "url_verification":
        return None
    if not isinstance(challenge := value.get("challenge"), str):
        raise InvalidEvent("Slack's url_verification has no challenge")
    return {"challenge": challenge}


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event; none for handshakes. Raises `InvalidEvent`."""
    fields = dict(form_fields(delivery.body)) if media_type(delivery) == FORM else None
    if fields is not None and _FORM_FIELD not in fields:
        if fields.get("ssl_check"):
            return []
        if "command" not in fields:
            raise InvalidEvent("the form has neither a payload nor a command")
        return [_event(fields, "slash_command", fields.get("trigger_id"), delivery)]
    value = load_object(delivery, form_field=_FORM_FIELD)
    kind = value.get("type")
    if not isinstance(kind, str) or not kind:
        raise InvalidEvent("the body has no type, so it does not come from Slack")
    if kind == "url_verification":
        return []
    if kind != "event_callback":
        return [_event(value, kind, text(value, "trigger_id"), delivery)]
    inner = text(value, "event", "type")
    if inner is None:
        raise InvalidEvent("the event_callback has no event.type")
    return [_event(value, inner, text(value, "event_id"), delivery)]


def without_secrets(delivery: Delivery) -> bytes:
    """The body without what lets its holder act on Slack. Of one that cannot be read, only what
    begins like a token or an address to respond at is masked."""
    try:
        if media_type(delivery) != FORM:
            return _json_without_secrets(delivery.body)
        fields = [
            (name, _json_without_secrets(value.encode()) if name == _FORM_FIELD else value)
            for name, value in form_fields(delivery.body)
            if not _is_secret(name, value)
        ]
        return urlencode(fields).encode()
    except InvalidEvent:
        return _SECRET_BYTES.sub(b"...", delivery.body)


def _event(value: Mapping[str, Any], kind: str, id: str | None, delivery: Delivery) -> Event:
    team = text(value, "team_id") or text(value, "team", "id") or text(value, "enterprise_id")
    source = f"slack:{team}" if team else source_of(delivery)
    id = id or delivery.headers.get("message-id")
    return Event(
        id=id or delivery.unique,
        source=source,
        type=f"com.slack.{kind}",
        subject=next((name for path in _SUBJECTS if (name := text(value, *path))), None),
        time=readable_time(from_epoch(value.get("event_time"))),
        datacontenttype="application/json",
        data=_without_secrets(value),
        key=_key(delivery, source, id),
        unidentified=not id,
    )


def _json_without_secrets(text: bytes) -> bytes:
    return encode(_without_secrets(load_json(text)))


def _without_secrets(value: Any) -> Any:
    """The value without text that is a token or an address to respond at, by its name or by how it
    begins."""
    if isinstance(value, Mapping):
        return {
            name: _without_secrets(field)
            for name, field in value.items()
            if not _is_secret(name, field)
        }
    if isinstance(value, list):
        return [_without_secrets(item) for item in value if not _is_secret("", item)]
    return value


def _is_secret(name: str, value: object) -> bool:
    named = name in ("token", "response_url") or name.endswith("_token")
    return isinstance(value, str) and (named or bool(_SECRET.match(value)))


def _key(delivery: Delivery, source: str, id: str | None) -> str:
    if id is None:
        return unidentified_key(source_of(delivery), delivery.unique)
    return scoped_key(scope_of(delivery), message_key(source, id))


FORMAT: Final = Format(
    parse=parse,
    handshake=handshake,
    media_types=(FORM,),
    without_secrets=without_secrets,
    answer_within=2.5,  # of Slack's 3 s, the way there and back included
    refusal_headers={"x-slack-no-retry": "1"},
    empty_response=True,  # people see the answer to a command or a button
)
