"""What would become of a payload, or of a webhook's request, by the code of production. Nothing is
started, and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import ALERT, Event
from core.domain.identity import workflow_id
from core.domain.routing.table import Deliver, Target
from core.domain.smoke import is_smoke
from core.domain.validation import EventValidationService
from core.errors import InvalidChildId, InvalidEvent, NoRoute, SettingsError, TidegateError
from core.formats.registry import FORMATS, USERS_OWN, read
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
from core.webhooks.decode import Refused, decode
from core.webhooks.endpoints import Endpoint, WebhookTable
from core.webhooks.request import Request, Response
from core.webhooks.verifiers.any_verifier import AnyVerifier
from core.webhooks.verifiers.base import NotVerified

if TYPE_CHECKING:
    from core.formats.mapping.mapping import Finding

_SMOKE: Final = "a smoke event: the root orchestrator takes it by any routing table, and ends"
_EXPLAINED: Final = "queue:explained"
"""The way of a payload in no envelope: the name of its queue is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would become of one event: delivered to `target`, or quarantined for `error`."""

    format: str
    event: Event | None
    target: Target | None
    error: TidegateError | None
    note: str | None = None
    cut: tuple[str, ...] = ()
    """What a signal does not carry of the event, because it would be too large."""

    @property
    def workflow_id(self) -> str | None:
        """The ID of the workflow that the listener's one call would reach."""
        if self.target and self.target.deliver is not Deliver.ORCHESTRATE:
            return self.target.id
        return workflow_id(self.event.key) if self.event else None

    def to_json(self) -> dict[str, object]:
        """The explanation as a JSON object."""
        return {
            "format": self.format,
            "verdict": "quarantined" if self.error else "accepted",
            "key": self.event.key if self.event else None,
            "workflow_id": self.workflow_id,
            "unidentified": self.event.unidentified if self.event else None,
            "target": asdict(self.target) if self.target else None,
            "code": self.error.code if self.error else None,
            "reason": str(self.error) if self.error else None,
            "note": self.note,
            "cut": list(self.cut),
            "event": self.event.to_wire() if self.event else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExplanation:
    """What would become of a request: the `status` and `answer` that its sender gets while Temporal
    is available, and whether it proves who the sender is. `findings` are what each expression of
    the sender's mapping found, where it has one."""

    status: int
    answer: str
    sender: str
    explanations: tuple[Explanation, ...] = ()
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The explanation as a JSON object."""
        return {
            "status": self.status,
            "answer": self.answer,
            "sender": self.sender,
            "events": [explanation.to_json() for explanation in self.explanations],
            "findings": [finding.to_json() for finding in self.findings],
        }


# Payloads


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
        if format is None and _is_users_own(of_delivery) and (hint := _alert_hint(delivery)):
            of_delivery = [replace(each, note=hint) for each in of_delivery]
        explanations += of_delivery
    return explanations


def _is_users_own(explanations: list[Explanation]) -> bool:
    """Whether it is a message of users' own, for want of a format that recognises it."""
    return any(
        each.format == USERS_OWN and each.event and each.event.type != ALERT
        for each in explanations
    )


def _alert_hint(delivery: Delivery) -> str | None:
    """What to try with a body in which a monitoring system's format finds an alert."""
    formats = [name for name in FORMATS if _finds_alert(replace(delivery, format=name))]
    if not formats:
        return None
    named = " or ".join(formats)
    way = delivery.headers[WAY_HEADER]
    if way == _EXPLAINED:
        return (
            f"it looks like an alert ({named}): try --hook NAME with a webhook's body, and "
            f"--format {formats[0]} with what a queue or an invocation has"
        )
    queue = way.partition(":")[2]
    return (
        f"it looks like an alert ({named}): give the queue its format in TIDEGATE_QUEUE_FORMATS, "
        f"{queue}={formats[0]}"
    )


def _finds_alert(delivery: Delivery) -> bool:
    items = (arrival.item for arrival in read(delivery))
    return any(isinstance(item, Event) and item.type == ALERT for item in items)


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


def explain_arrivals(arrivals: Iterable[Arrival], settings: Settings) -> list[Explanation]:
    """What would become of each. Raises `ConfigFileError` for the routing table."""
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
            validation = EventValidationService(documents=roots, max_bytes=settings.max_event_bytes)
            smoke = is_smoke(item.key)
            target = None if smoke else router.target(item)
            wire = checked(item, target, validation)
            note = _SMOKE if smoke else note
        except TidegateError as error:
            return Explanation(format=format, event=item, target=None, error=error, note=note)
        cut = tuple(wire["data"].get("cut", ())) if wire and item.type == ALERT else ()
        return Explanation(format=format, event=item, target=target, error=None, note=note, cut=cut)

    return [explain_one(arrival) for arrival in arrivals]


# Requests


async def explain_request(
    request: Request, hook: str, settings: Settings, now: datetime
) -> RequestExplanation:
    """What would become of a request to a webhook. One that carries no proof of its sender is read
    as if it were verified. Raises `SettingsError` for an unknown webhook or a missing secret, and
    `ConfigFileError` for the files of webhooks and routes.
    """
    endpoint = _endpoint(bootstrap.webhook_table(settings), hook)
    if len(request.body) > endpoint.max_bytes:
        return _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "not checked", "refused unread")
    try:
        sender = await _sender(request, endpoint.verify, settings, now)
    except NotVerified as failure:
        return _refused(HTTPStatus.UNAUTHORIZED, f"not verified: {failure.reason}")
    if action := endpoint.verify.operator_action(request):
        return RequestExplanation(status=HTTPStatus.OK, answer=action, sender=sender)
    return _explain_verified(request, hook, endpoint, settings, sender, now)


def explain_unverified(
    request: Request, hook: str, table: WebhookTable, settings: Settings, now: datetime
) -> RequestExplanation:
    """What would become of a request if it were verified; no secret is needed. Raises
    `SettingsError` for an unknown webhook."""
    endpoint = _endpoint(table, hook)
    return _explain_verified(request, hook, endpoint, settings, "not checked", now)


def _endpoint(table: WebhookTable, hook: str) -> Endpoint:
    endpoint = table.hooks.get(hook)
    if endpoint is None:
        names = ", ".join(table.hooks) or "none"
        raise SettingsError(f"there is no webhook {hook!r}", fix=f"there are: {names}")
    return endpoint


def _explain_verified(
    request: Request,
    hook: str,
    endpoint: Endpoint,
    settings: Settings,
    sender: str,
    now: datetime,
) -> RequestExplanation:
    try:
        decoded = decode(request, hook, endpoint, now)
    except Refused as refusal:
        return _refused(refusal.response.status, sender, str(refusal))
    if isinstance(decoded, Response):
        handshake = f"a handshake: {decoded.body.decode()}"
        return RequestExplanation(status=decoded.status, answer=handshake, sender=sender)
    explanations = explain_arrivals(decoded.arrivals, settings)
    status, answer = _answer(explanations)
    return RequestExplanation(
        status=status,
        answer=answer,
        sender=sender,
        explanations=tuple(explanations),
        findings=_findings(decoded.delivery),
    )


def _findings(delivery: Delivery) -> tuple[Finding, ...]:
    """What each expression of the delivery's mapping found, up to what cannot be read."""
    trace: list[Finding] = []
    if delivery.mapping is not None:
        with suppress(InvalidEvent):  # which is the event's explanation
            delivery.mapping.read(delivery, trace)
    return tuple(trace)


async def _sender(
    request: Request, verifier: AnyVerifier, settings: Settings, now: datetime
) -> str:
    """Raises `NotVerified` for a proof that fails; a missing one is only reported."""
    if verifier.scheme == "none":
        return "anybody: this webhook verifies nobody"
    secrets = bootstrap.secrets(settings)
    try:
        await verifier.verify(request, await secrets.get_all(verifier.references), now)
    except NotVerified as failure:
        if failure.reason != "missing":
            raise
        return f"not checked: the request carries no proof ({verifier.scheme})"
    return f"verified ({verifier.scheme})"


def _refused(status: int, sender: str, answer: str = "refused") -> RequestExplanation:
    return RequestExplanation(status=status, answer=answer, sender=sender)


def _answer(explanations: list[Explanation]) -> tuple[HTTPStatus, str]:
    # What the table lacks is not the sender's fault.
    routing = (NoRoute, InvalidChildId)
    refused = sum(1 for e in explanations if e.error and not isinstance(e.error, routing))
    if not explanations:
        return HTTPStatus.OK, "it holds no events"
    if refused == len(explanations):
        return HTTPStatus.BAD_REQUEST, "no event in it is valid; it is quarantined"
    accepted = len(explanations) - refused
    return HTTPStatus.ACCEPTED, f"{accepted} accepted, {refused} quarantined"
