"""What would become of a request to a webhook, by the code of production: nothing is started or
kept.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from core import bootstrap
from core.config.settings import Settings
from core.errors import (
    InvalidChildId,
    InvalidEvent,
    InvalidInput,
    InvalidOption,
    InvalidReport,
    NoRoute,
)
from core.formats.shared.delivery import Delivery
from core.operations.explain import Explanation, explain_arrivals
from core.webhooks.decode import Refused, decode
from core.webhooks.endpoints import Endpoint, WebhookTable
from core.webhooks.request import Request, Response
from core.webhooks.verifiers.any_verifier import AnyVerifier
from core.webhooks.verifiers.base import NotVerified

if TYPE_CHECKING:
    from core.formats.mapping.mapping import Finding


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


async def explain_request(
    request: Request, hook: str, settings: Settings, now: datetime
) -> RequestExplanation:
    """What would become of a request to a webhook. One that carries no proof of its sender is read
    as if it were verified. Raises `SettingsError` for an unknown webhook or a missing secret, and
    `ConfigFileError` for the files of webhooks and routes.
    """
    endpoint = bootstrap.webhook_table(settings).endpoint(hook)
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
    endpoint = table.endpoint(hook)
    return _explain_verified(request, hook, endpoint, settings, "not checked", now)


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
    # What the table lacks is not the sender's fault; what a workflow refuses, it refuses later.
    routing = (NoRoute, InvalidChildId, InvalidInput, InvalidOption, InvalidReport)
    refused = sum(1 for e in explanations if e.error and not isinstance(e.error, routing))
    if not explanations:
        return HTTPStatus.OK, "it holds no events"
    if refused == len(explanations):
        return HTTPStatus.BAD_REQUEST, "no event in it is valid; it is quarantined"
    dropped = sum(1 for e in explanations if e.dropped)
    accepted = len(explanations) - refused - dropped
    more = f", {dropped} dropped" if dropped else ""
    return HTTPStatus.ACCEPTED, f"{accepted} accepted, {refused} quarantined{more}"
