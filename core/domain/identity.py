"""Identity: which events are the same event. One recipe per source, never a guess.

    what happened  ->  key (one recipe per source)  ->  workflow ID

The same object change gives the same key by every path. What is unique only to its sender has the
sender's scope in its key. Different events never have one key: in each part of a key the separator
that follows it is percent-encoded. Where a source gives nothing to recognise an event by, the key
is unique: hashing the body would swallow real repeats.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

WORKFLOW_ID_BYTES: Final = 255
"""Longest workflow ID, in bytes of UTF-8. Temporal takes 1,000, but with its state in PostgreSQL or
MySQL it stores no more than 255 characters, and answers a longer one as if it were unavailable."""

OCCURRENCE: Final = r"@[0-9]{8}T[0-9]{6}\.[0-9]{3}Z"
"""What follows a workflow ID in the ID of one of its incidents; no workflow ID that a route makes
ends so."""

_DIGEST_HEX: Final = 40
_READABLE_BYTES: Final = WORKFLOW_ID_BYTES - 4
"""Longest ID without a digest. Where the cut falls inside a character, up to three bytes go too."""

_HEX = re.compile(r"[0-9A-Fa-f]+")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f%"\\\u2028\u2029\ud800-\udfff]')


def s3_change(
    *,
    sequencer: str | None,
    version: str | None,
    request_id: str | None,
    etag: str | None,
    time: str | None,
) -> str | None:
    """What tells one change of an S3 object from the next, or None when nothing does.

    The sequencer where there is one; else version, request id, etag with time. Every path
    (notification, SNS, EventBridge) carries the same ones, so all paths agree on the choice, but
    for the last: EventBridge's times have no milliseconds, and twice is better than lost.
    """
    if sequencer and _HEX.fullmatch(sequencer):
        return sequencer.upper()
    if version and version != "null":
        return f"v.{version}"
    if request_id:
        return f"r.{request_id}"
    if etag and time:
        return f"t.{key_part(etag, '.')}.{time}"
    return None


def s3_key(bucket: str, key: str, change: str, *, created: bool, kind: str = "") -> str:
    """`s3:bucket/key@change`; a change other than a creation names its `kind` before it."""
    return f"s3:{key_part(bucket, '/')}/{key}@{_change(change, None if created else kind)}"


def blob_change(
    *, sequencer: str | None, etag: str | None, request_id: str | None, event_id: str | None
) -> str | None:
    """What tells one change of a blob from the next, or None when nothing does.

    The sequencer where there is one; else the etag, the request id, the id of the event. Both
    schemas of Event Grid carry the same ones. The caller gives an etag only for a write: no other
    change gives the blob a new one.
    """
    if sequencer and _HEX.fullmatch(sequencer):
        return sequencer.upper()
    for prefix, value in (("e", etag), ("r", request_id), ("i", event_id)):
        if value:
            return f"{prefix}.{value}"
    return None


def blob_key(
    account: str, container: str, path: str, change: str, *, created: bool, kind: str = ""
) -> str:
    """`blob:account/container/path@change`, with the `kind` of a change as in `s3_key`."""
    place = f"{key_part(account, '/')}/{key_part(container, '/')}/{path}"
    return f"blob:{place}@{_change(change, None if created else kind)}"


def scoped_key(scope: str, key: str) -> str:
    """`scope/key`: a key that is unique within a scope only, e.g. `webhook:prod/s3:docs/a@00AB`."""
    return f"{key_part(scope, '/')}/{key}"


def cloudevent_key(scope: str, source: str, id: str) -> str:
    """`scope/ce:source#id`: CloudEvents promises that a sender's source and id are unique
    together, and nothing but the scope says whose they are."""
    return scoped_key(scope, f"ce:{message_key(source, id)}")


def eventbridge_key(scope: str, source: str, id: str) -> str:
    """`scope/eventbridge:source#id`: EventBridge names each event that it takes, but nothing proves
    that EventBridge wrote what says so."""
    return scoped_key(scope, f"eventbridge:{message_key(source, id)}")


def message_key(queue: str, message_id: str) -> str:
    """`queue#id` for what its carrier identifies: `sqs:eu-west-1:1:orders#5f2e`."""
    return f"{key_part(queue, '#')}#{message_id}"


def change_key(sender: str, subject: str, change: str) -> str:
    """`sender#subject@change`, for a change of what a sender has a name for:
    `opsgenie:webhook:prod#disk-full@5f2e:acknowledge`."""
    return f"{message_key(sender, key_part(subject, '@'))}@{change}"


def unidentified_key(source: str, unique: str) -> str:
    """The key of an event that cannot be recognised again; `unique` comes from the caller."""
    return f"unidentified:{message_key(source, unique)}"


def replay_key(key: str, quarantine_id: str) -> str:
    """The key under which an operator's replay starts again, once per quarantined delivery. No
    sender can write one: other keys begin otherwise."""
    return f"replay:{message_key(quarantine_id, key)}"


def workflow_id(key: str) -> str:
    """The ID of the workflow that an event's key names: the key, escaped and bounded."""
    return bounded_id(escaped(key))


def escaped(text: str, separators: str = "") -> str:
    """Text as a part of a workflow ID: `%`, the `separators` that follow it, control characters,
    lone surrogates, and what Temporal's lists cannot find (double quotes, backslashes) are
    percent-encoded. Different texts stay different."""
    safe = _UNSAFE.sub(_percent, text)
    for separator in set(separators):
        safe = safe.replace(separator, _percent_of(separator))
    return safe


def is_separator(character: str) -> bool:
    """Whether the character can end a value in a workflow ID: `escaped` leaves it as it is, unless
    it is a separator, and never writes it."""
    return not character.isalnum() and not _UNSAFE.match(character)


def is_workflow_id(text: str) -> bool:
    """Whether the text can be a workflow ID as it is: escaped where it must be, and bounded."""
    safe = _UNSAFE.sub(lambda unsafe: "%" if unsafe[0] == "%" else "", text)
    return 0 < len(text.encode(errors="surrogatepass")) <= WORKFLOW_ID_BYTES and safe == text


def bounded_id(text: str) -> str:
    """Escaped text as a workflow ID or a keyword attribute of at most `WORKFLOW_ID_BYTES` bytes.

    What is too long keeps its head and ends in a digest of the whole. Such an ID is always longer
    than one without a digest, so that no other text can be made to equal it.
    """
    raw = text.encode()
    if len(raw) <= _READABLE_BYTES:
        return text
    digest = hashlib.sha256(raw).hexdigest()[:_DIGEST_HEX]
    head = raw[: WORKFLOW_ID_BYTES - _DIGEST_HEX - 1].decode(errors="ignore")
    return f"{head}~{digest}"


def key_part(text: str, *separators: str) -> str:
    """Text as a part of a key, of which the `separators` do not end it."""
    for character in ("%", *separators):
        text = text.replace(character, _percent_of(character))
    return text


def _change(change: str, kind: str | None) -> str:
    """A change as the end of a key, after its last `@`. Only one with a kind has a colon."""
    whole = key_part(change, "@", ":")
    return whole if kind is None else f"{key_part(kind, '@')}:{whole}"


def _percent(match: re.Match[str]) -> str:
    return _percent_of(match[0])


def _percent_of(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode(errors="surrogatepass"))
