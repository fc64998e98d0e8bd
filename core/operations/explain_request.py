"""Explain a webhook's request: who it would be taken for, what is in it, what it would be answered.

By the code of production, with nothing started and nothing kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from core import bootstrap
from core.config.settings import Settings
from core.errors import InvalidChildId, NoRoute, SettingsError
from core.operations.explain import Explanation, explain
from core.webhooks.decode import Refused, decode
from core.webhooks.request import Request, Response
from core.webhooks.verifiers.any_verifier import AnyVerifier
from core.webhooks.verifiers.base import NotVerified


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExplanation:
    """`status` and `answer` as the sender would see them if Temporal answers; `sender` says whether
    the request proves who sent it."""

    status: int
    answer: str
    sender: str
    explanations: tuple[Explanation, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "answer": self.answer,
            "sender": self.sender,
            "events": [explanation.to_json() for explanation in self.explanations],
        }


async def explain_request(
    request: Request, hook: str, settings: Settings, now: datetime
) -> RequestExplanation:
    """What would become of a request to a webhook. One without any proof is read as if it were
    proven. Raises `SettingsError` for a webhook that is not there, and for secrets that are not.
    """
    table = bootstrap.webhook_table(settings)
    endpoint = table.hooks.get(hook)
    if endpoint is None:
        there = ", ".join(table.hooks) or "none"
        raise SettingsError(f"there is no webhook {hook!r}", fix=f"there are: {there}")
    if len(request.body) > endpoint.max_bytes:
        return _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "not asked", "refused, unread")
    try:
        sender = await _sender(request, endpoint.verify, settings, now)
    except NotVerified as stranger:
        return _refused(HTTPStatus.UNAUTHORIZED, f"not verified: {stranger.reason}")
    if operator_action := endpoint.verify.operator_action(request):
        return RequestExplanation(status=HTTPStatus.OK, answer=operator_action, sender=sender)
    try:
        found = decode(request, hook, endpoint, now)
    except Refused as refusal:
        return _refused(refusal.response.status, sender, str(refusal))
    if isinstance(found, Response):
        handshake = f"a handshake: {found.body.decode()}"
        return RequestExplanation(status=found.status, answer=handshake, sender=sender)
    explanations = explain(found.arrivals, settings, bootstrap.router(settings))
    # What has no route is found out by the orchestrator, when the sender has long been answered.
    later = (NoRoute, InvalidChildId)
    bad = sum(1 for e in explanations if e.error and not isinstance(e.error, later))
    if explanations and bad == len(explanations):
        status, answer = HTTPStatus.BAD_REQUEST, "none of it can ever be accepted; it is kept"
    elif explanations:
        status, answer = HTTPStatus.ACCEPTED, f"{len(explanations) - bad} accepted, {bad} kept"
    else:
        status, answer = HTTPStatus.OK, "there are no events in it"
    return RequestExplanation(
        status=status, answer=answer, sender=sender, explanations=tuple(explanations)
    )


async def _sender(
    request: Request, verifier: AnyVerifier, settings: Settings, now: datetime
) -> str:
    """Raises `NotVerified` when there is a proof and it proves nothing."""
    if verifier.scheme == "none":
        return "anybody: this webhook verifies nobody"
    secrets = bootstrap.secrets(settings)
    try:
        await verifier.verify(request, await secrets.get_all(verifier.references), now)
    except NotVerified as stranger:
        if stranger.reason != "missing":
            raise
        return f"not checked: the request carries no proof ({verifier.scheme})"
    return f"proven ({verifier.scheme})"


def _refused(status: int, sender: str, answer: str = "refused") -> RequestExplanation:
    return RequestExplanation(status=status, answer=answer, sender=sender)
