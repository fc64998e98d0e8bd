"""What would become of a payload, by the code of production: nothing is started or kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from core import bootstrap
from core.config.settings import Settings
from core.contracts import INCIDENT_WORKFLOW
from core.domain.event import ALERT, INCIDENT_COMMAND, Event
from core.domain.identity import workflow_id
from core.domain.incident.reports.incident_report import IncidentReport, parse_fields
from core.domain.incident.reports.parser import parse_report
from core.domain.routing.table import Deliver, Target
from core.domain.smoke import is_smoke
from core.domain.validation import EventValidationService
from core.errors import (
    DocumentTooLarge,
    InvalidEvent,
    InvalidReport,
    NoRoute,
    TidegateError,
    Unwanted,
)
from core.formats.registry import USERS_OWN, read
from core.formats.shared.delivery import (
    WAY_HEADER,
    Arrival,
    Delivery,
    Malformed,
    shared_scope,
    way_headers,
)
from core.formats.shared.envelopes import opened
from core.formats.shared.json_body import load_json
from core.intake.accept import checked
from core.operations.upload_notification import EXAMPLE_ROOT, upload_notification, upload_uri
from core.operations.webhook_shape import formats_of, shape_of

_SMOKE: Final = "a smoke event: the root orchestrator takes it by any routing table, and ends"
_REPLAY: Final = re.compile(r"(, then|, and|; a) [^,;]*\breplay\b.*|, then `tidegate.*", re.DOTALL)
"""What an error says about what was kept."""
_OF_REPORT: Final = {"title", "severity", "service"}
_VERSION: Final = "VERSION"
"""What the store calls the version of an upload that has not been made."""
_EXPLAINED: Final = "queue:explained"
"""The way of a payload in no envelope: the name of its queue is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would become of one event: delivered to `target`, quarantined for `error`, or
    `dropped`."""

    format: str
    event: Event | None
    target: Target | None
    error: TidegateError | None
    dropped: bool = False
    note: str | None = None
    hooks: tuple[str, ...] = ()
    """Webhooks that would take it, where it looks like the body of a request."""
    cut: tuple[str, ...] = ()
    """What a signal does not carry of the event, because it would be too large."""
    report: IncidentReport | None = None
    """What the incident that it would open makes of its content, where that is a report."""

    @property
    def workflow_id(self) -> str | None:
        """The ID of the workflow that the listener's one call would reach."""
        if self.dropped:
            return None
        if self.target and self.target.deliver is not Deliver.ORCHESTRATE:
            return self.target.id
        return workflow_id(self.event.key) if self.event else None

    @property
    def verdict(self) -> Literal["accepted", "quarantined", "dropped"]:
        if self.error:
            return "quarantined"
        return "dropped" if self.dropped else "accepted"

    @property
    def may_be_upload(self) -> bool:
        """Whether it is JSON in no envelope and for no route: perhaps a document."""
        bare = self.event is not None and self.event.way == _EXPLAINED
        unrouted = self.dropped or isinstance(self.error, NoRoute)
        return bare and self.format == USERS_OWN and unrouted

    @property
    def fix(self) -> str | None:
        """What to do about the error. Nothing was kept, so there is nothing to replay."""
        return _REPLAY.sub("", self.error.fix) or None if self.error else None

    def to_json(self) -> dict[str, object]:
        """The explanation as a JSON object."""
        return {
            "format": self.format,
            "verdict": self.verdict,
            "key": self.event.key if self.event else None,
            "workflow_id": self.workflow_id,
            "unidentified": self.event.unidentified if self.event else None,
            "target": asdict(self.target) if self.target else None,
            "code": self.error.code if self.error else None,
            "reason": self.error.message if self.error else None,
            "fix": self.fix,
            "note": self.note,
            "hooks": list(self.hooks),
            "cut": list(self.cut),
            "report": self.report.model_dump(include=_OF_REPORT) if self.report else None,
            "event": self.event.to_wire() if self.event else None,
        }


def explain_payload(
    payload: bytes,
    format: str | None,
    settings: Settings,
    *,
    unwrap: Callable[[str, Any], list[Delivery] | None],
) -> list[Explanation]:
    """One explanation for each event in a payload. Raises `ConfigFileError` for the routing table.

    `unwrap` returns the deliveries in a platform's envelope, or None for anything else. Without a
    `format` it is the queue's, or guessed, and a note says where it looks like another sender's.
    """
    deliveries = _deliveries(payload, format, settings, unwrap)
    explanations: list[Explanation] = []
    for delivery in deliveries:
        of_delivery = explain_arrivals(read(delivery), settings)
        if format is None and _is_users_own(of_delivery):
            of_delivery = _with_hint(of_delivery, delivery, settings)
        explanations += of_delivery
    return explanations


def explain_upload(name: str, body: bytes, settings: Settings) -> tuple[str, list[Explanation]]:
    """The URI that a document of this name would be uploaded to, and one explanation for each event
    in the notification of that, which has none for what is no document. Raises `ConfigFileError`
    for the routing table."""
    uri = upload_uri(name, settings.documents)
    format, notification = upload_notification(uri, len(body), change=_VERSION)
    delivery = Delivery(format=format, body=notification, unique="explained")
    return uri, explain_arrivals(read(delivery), settings, document=body)


def _is_users_own(explanations: list[Explanation]) -> bool:
    """Whether it is a message of users' own, for want of a format that recognises it."""
    return any(
        each.format == USERS_OWN and each.event and each.event.type != ALERT
        for each in explanations
    )


def _with_hint(
    explanations: list[Explanation], delivery: Delivery, settings: Settings
) -> list[Explanation]:
    """The explanations, with what to try where the body looks like another sender's."""
    way = delivery.headers[WAY_HEADER]
    if way != _EXPLAINED:
        if not (formats := formats_of(delivery)):
            return explanations
        queue = way.partition(":")[2]
        note = (
            f"it looks like an alert ({' or '.join(formats)}): give the queue its format in "
            f"TIDEGATE_QUEUE_FORMATS, {queue}={formats[0]}"
        )
        return [replace(each, note=note) for each in explanations]
    if (shape := shape_of(delivery, settings)) is None:
        return explanations
    named = f" ({' or '.join(shape.formats)})" if shape.formats else ""
    if shape.hooks:
        taken = (
            f"by the webhooks {', '.join(shape.hooks)}"
            if shape.hooks[1:]
            else (f"by the webhook {shape.hooks[0]}")
        )
    else:
        taken = "by no webhook in TIDEGATE_WEBHOOKS"
    note = f"it looks like the body of a webhook's request{named}, which is taken {taken}"
    if shape.formats:
        note += f"; in a queue, or as an invocation: --format {shape.formats[0]}"
    return [replace(each, note=note, hooks=shape.hooks) for each in explanations]


def _deliveries(
    payload: bytes,
    format: str | None,
    settings: Settings,
    unwrap: Callable[[str, Any], list[Delivery] | None],
) -> list[Delivery]:
    try:
        value = load_json(payload)
    except InvalidEvent:
        value = None
    deliveries = unwrap(format or USERS_OWN, value)
    if deliveries is None:
        headers = way_headers(
            _EXPLAINED, scope=shared_scope(settings.queue_scope), trusted=settings.trusted_types
        )
        deliveries = [
            Delivery(format=format or USERS_OWN, body=payload, headers=headers, unique="explained")
        ]
    return [_read_as(format, delivery) for delivery in deliveries]


def _read_as(format: str | None, delivery: Delivery) -> Delivery:
    """The delivery in the format that was asked for, else in the one that its queue was given, else
    in the one that its body most likely has."""
    if format is None and delivery.format != USERS_OWN:
        return delivery
    return replace(delivery, format=format or _guess(delivery))


def _guess(delivery: Delivery) -> str:
    """The format that a body most likely has, in whatever envelope; that of users' own messages if
    no other recognises it."""
    try:
        inner = opened(delivery)[0]
        value = load_json(inner.body) if isinstance(inner, Delivery) else None
    except InvalidEvent:
        return USERS_OWN
    if not isinstance(value, dict):
        return USERS_OWN
    if "tidegatekey" in value:
        return "stored_event"
    from_s3 = value.get("source") == "aws.s3" or value.get("Event") == "s3:TestEvent"
    if from_s3 or isinstance(value.get("Records"), list):
        return "s3"
    return USERS_OWN


def explain_arrivals(
    arrivals: Iterable[Arrival], settings: Settings, *, document: bytes | None = None
) -> list[Explanation]:
    """What would become of each; `document` is the content of what they announce, if it is known.
    Raises `ConfigFileError` for the routing table."""
    router = bootstrap.router(settings)

    def explain_one(arrival: Arrival) -> Explanation:
        item, format = arrival.item, arrival.delivery.format
        if isinstance(item, Malformed):
            return Explanation(format=format, event=None, target=None, error=item.error)
        roots, note = settings.documents, None
        try:
            if item.document and not roots:
                roots = ("/".join(item.document.uri.split("/")[:3]),)
                note = "TIDEGATE_DOCUMENTS is not set here: the document may not be allowed"
            elif document is not None and item.document:
                roots = (*roots, EXAMPLE_ROOT)
            validation = EventValidationService(documents=roots, max_bytes=settings.max_event_bytes)
            smoke = is_smoke(item.key)
            target = None if smoke else router.target(item)
            wire = checked(item, target, validation)
            note = _SMOKE if smoke else note
        except Unwanted as unwanted:
            note = f"{unwanted.message}; the routing table drops such events"
            return Explanation(
                format=format, event=item, target=None, error=None, dropped=True, note=note
            )
        except TidegateError as error:
            return Explanation(format=format, event=item, target=None, error=error, note=note)
        try:
            report = _report(item, target, document, settings)
        except (InvalidReport, DocumentTooLarge) as error:
            known = document is not None  # each upload has a workflow of its own
            note = "refused by its workflow" + ("" if known else ", unless that runs already")
            return Explanation(format=format, event=item, target=target, error=error, note=note)
        cut = tuple(wire["data"].get("cut", ())) if wire and item.type == ALERT else ()
        return Explanation(
            format=format, event=item, target=target, error=None, note=note, cut=cut, report=report
        )

    return [explain_one(arrival) for arrival in arrivals]


def _report(
    event: Event, target: Target | None, document: bytes | None, settings: Settings
) -> IncidentReport | None:
    """The report that the event brings to the incident that it would open; None for an alert or a
    command, for another workflow, and where the document is not known. Raises `InvalidReport` and
    `DocumentTooLarge` where the incident would be refused."""
    if target is None or target.workflow != INCIDENT_WORKFLOW:
        return None
    if event.type in (ALERT, INCIDENT_COMMAND):
        return None
    if event.document is None:
        return parse_fields(event.data, where=f"event {event.key}")
    if document is None:
        return None
    if len(document) > settings.max_report_bytes:
        raise DocumentTooLarge(
            f"{event.document.uri} has {len(document):,} bytes, over the limit of "
            f"{settings.max_report_bytes:,}"
        )
    return parse_report(document, uri=event.document.uri)
