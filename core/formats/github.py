"""GitHub's webhooks: every event of a repository, an organisation or an app, as an event.

Types are `com.github.<event>.<action>` in GitHub's own names, e.g. `com.github.issues.opened`; the
routes decide what a failed run or a security alert means. A delivery is identified by its GUID,
which GitHub's redelivery keeps. `ping` is not an event.
Sources: GitHub, "Webhook events and payloads"; CloudEvents, "GitHub CloudEvents Adapter".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.domain.event import Event
from core.domain.identity import message_key, unidentified_key
from core.errors import InvalidEvent
from core.formats.shared.delivery import Delivery, Malformed, source_of
from core.formats.shared.format import Format
from core.formats.shared.http_body import FORM, load_object
from core.formats.shared.json_path import at, text
from core.formats.shared.times import utc

_FORM_FIELD: Final = "payload"

_SUBJECTS: Final = {
    "issues": "issue",
    "issue_comment": "comment",
    "commit_comment": "comment",
    "pull_request_review": "review",
    "pull_request_review_comment": "comment",
    "dependabot_alert": "alert",
    "code_scanning_alert": "alert",
    "secret_scanning_alert": "alert",
    "repository_vulnerability_alert": "alert",
}
"""The field that holds an event's subject, where it is not named like the event."""


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event; none for a ping. Raises `InvalidEvent`."""
    value = load_object(delivery, form_field=_FORM_FIELD)
    name = delivery.headers.get("x-github-event", "").strip()
    if not name:
        raise InvalidEvent("there is no X-GitHub-Event header, so it is not a GitHub webhook")
    if name == "ping":
        return []
    receiver = source_of(delivery)
    id = delivery.headers.get("x-github-delivery") or delivery.headers.get("message-id")
    action = text(value, "action")
    about = at(value, _SUBJECTS.get(name, name))
    return [
        Event(
            id=id or delivery.unique,
            source=_source(value) or receiver,
            type=f"com.github.{name}.{action}" if action else f"com.github.{name}",
            subject=text(about, "number") or text(about, "id") or text(value, "ref"),
            time=_time(value, about),
            datacontenttype="application/json",
            data=value,
            key=message_key(receiver, id) if id else unidentified_key(receiver, delivery.unique),
            unidentified=not id,
        )
    ]


def _source(value: Mapping[str, Any]) -> str | None:
    """The URL of the repository, else of the organisation, else of the app's account."""
    if url := text(value, "repository", "html_url"):
        return url
    if login := text(value, "organization", "login"):
        return f"https://github.com/{login}"
    return text(value, "installation", "account", "html_url")


def _time(value: Mapping[str, Any], about: object) -> str | None:
    names = ("updated_at", "completed_at", "submitted_at", "created_at")
    times = [*(at(about, name) for name in names), at(value, "head_commit", "timestamp")]
    return next((moment for time in times if (moment := utc(time))), None)


FORMAT: Final = Format(parse=parse, retries=False, media_types=(FORM,))
