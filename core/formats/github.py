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

_SUBJECTS: Final[Mapping[str, tuple[str | int, ...]]] = {
    "branch_protection_rule": ("rule",),
    "code_scanning_alert": ("alert",),
    "commit_comment": ("comment",),
    "dependabot_alert": ("alert",),
    "deploy_key": ("key",),
    "deployment_protection_rule": ("deployment",),
    "deployment_review": ("workflow_run",),
    "discussion_comment": ("comment",),
    "fork": ("forkee",),
    "gollum": ("pages", 0, "page_name"),
    "installation_repositories": ("installation",),
    "installation_target": ("account",),
    "issue_comment": ("comment",),
    "issue_dependencies": ("blocked_issue",),
    "issues": ("issue",),
    "marketplace_purchase": ("marketplace_purchase", "account"),
    "membership": ("member", "login"),
    "merge_group": ("merge_group", "head_sha"),
    "meta": ("hook_id",),
    "org_block": ("blocked_user", "login"),
    "organization": ("membership", "user", "login"),
    "page_build": ("build", "commit"),
    "pull_request_review": ("review",),
    "pull_request_review_comment": ("comment",),
    "pull_request_review_thread": ("pull_request",),
    "repository_advisory": ("repository_advisory", "ghsa_id"),
    "repository_dispatch": ("branch",),
    "repository_vulnerability_alert": ("alert",),
    "secret_scanning_alert": ("alert",),
    "secret_scanning_alert_location": ("alert",),
    "security_advisory": ("security_advisory", "ghsa_id"),
    "sponsorship": ("sponsorship", "node_id"),
    "status": ("sha",),
    "sub_issues": ("sub_issue",),
    "team_add": ("team",),
}
"""Where an event's subject is, or the object whose number or ID is its subject, if that is not the
object that is named like the event."""


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
    place = _SUBJECTS.get(name, (name,))
    about = at(value, *place)
    return [
        Event(
            id=id or delivery.unique,
            source=_source(value) or receiver,
            type=f"com.github.{name}.{action}" if action else f"com.github.{name}",
            subject=text(about, "number")
            or text(about, "id")
            or text(value, *place)
            or text(value, "ref"),
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


FORMAT: Final = Format(
    parse=parse, headers=("x-github-delivery", "x-github-event"), retries=False, media_types=(FORM,)
)
