"""The webhooks' pipeline: one HTTP request in, one answer out, on whichever platform.

    find the endpoint -> size -> signature over the raw bytes -> unpack -> handshake
      -> format -> intake -> an answer that makes the sender do the right thing

Nothing is read before it is verified, and nothing starts before all of it is. A stranger learns
nothing and leaves nothing but a count. What a known sender sends is started, known already, kept in
quarantine, or given back to be sent again: the answer's receipts say which.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from core.config.secrets import Secrets
from core.errors import ConfigurationError, InvalidEvent, NotStarted, TransientError
from core.formats.registry import format_of
from core.formats.shared.delivery import Arrival
from core.formats.shared.format import Format
from core.intake.accept import Intake
from core.intake.receipts import Receipt, Verdict
from core.webhooks.decode import Refused, decode, too_large
from core.webhooks.endpoints import Endpoint, WebhookTable
from core.webhooks.request import Request, Response, answer, problem
from core.webhooks.verifiers.base import NotVerified

PREFIX: Final = "/hooks/"
_RETRY: Final = {"retry-after": "5"}
_SHORTEST: Final = 0.05
_RESERVE: Final = 0.3
"""The part of the time for an answer that is set aside to keep what could not be started."""
_TOLD: Final = 100
"""Receipts that an answer holds at most; a platform's answers are limited to some megabytes."""
_CHALLENGES: Final = {"bearer": "Bearer", "basic": 'Basic realm="webhook"'}
log = logging.getLogger(__name__)

Report = Callable[[Arrival, Receipt], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer; `hook` is the endpoint's name where there is one, `refused` the code of the
    problem when the request was refused as a whole."""

    response: Response
    hook: str | None = None
    refused: str | None = None


class Webhooks:
    """All endpoints, ready to receive."""

    def __init__(
        self,
        *,
        table: WebhookTable,
        secrets: Secrets,
        intake: Intake,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._table = table
        self._secrets = secrets
        self._intake = intake
        self._clock = clock

    async def receive(
        self, request: Request, *, time_left: float, report: Report | None = None
    ) -> Outcome:
        """The answer to a request, within `time_left` seconds. Raises nothing for what a request
        may hold; `report` hears of each receipt."""
        if request.path == "/healthz" and request.method in ("GET", "HEAD"):
            return Outcome(response=answer(HTTPStatus.OK, {"status": "up"}))
        name = request.path.removeprefix(PREFIX) if request.path.startswith(PREFIX) else ""
        endpoint = self._table.hooks.get(name)
        if endpoint is None:
            response = problem(HTTPStatus.NOT_FOUND, "there is nothing here", code="NotFound")
            return Outcome(response=response, refused="NotFound")
        try:
            return await self._receive(request, name, endpoint, time_left, report)
        except Refused as refusal:
            return Outcome(response=refusal.response, hook=name, refused=refusal.code)

    async def _receive(
        self,
        request: Request,
        name: str,
        endpoint: Endpoint,
        time_left: float,
        report: Report | None,
    ) -> Outcome:
        if request.method == "OPTIONS":
            return Outcome(response=_preflight(request, endpoint), hook=name)
        if request.method != "POST":
            raise Refused(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "a webhook is posted to",
                {"allow": "POST, OPTIONS"},
            )
        if len(request.body) > endpoint.max_bytes:
            raise too_large(endpoint)
        format = format_of(endpoint.format)
        patience = min(endpoint.answer_within.total_seconds(), format.answer_within or time_left)
        deadline = time.monotonic() + min(time_left, patience)
        await self._verify(request, name, endpoint, deadline)
        if operator_action := endpoint.verify.operator_action(request):
            log.warning("webhook %s: %s", name, operator_action)
            return Outcome(response=answer(HTTPStatus.OK, {"receipts": []}), hook=name)
        found = decode(request, name, endpoint, self._clock())
        if isinstance(found, Response):
            return Outcome(response=found, hook=name)
        reserve = 0.0 if format.retries else _RESERVE * _left(deadline)
        receipts = await self._intake.accept(
            found.arrivals, time_left=_left(deadline - reserve), report=report
        )
        if not format.retries:
            receipts = await self._quarantine_unsettled(found.arrivals, receipts, deadline, report)
        more = format.reply(found.delivery) if format.reply else {}
        return _answered(name, receipts, format, more)

    async def _quarantine_unsettled(
        self,
        arrivals: Sequence[Arrival],
        receipts: Sequence[Receipt],
        deadline: float,
        report: Report | None,
    ) -> list[Receipt]:
        """The receipts, with what would have to come again, and never will, kept in quarantine."""
        late = [n for n, receipt in enumerate(receipts) if not receipt.settled]
        if not late:
            return list(receipts)
        error = NotStarted(f"{receipts[late[0]].reason}; and its sender sends only once")
        try:
            async with asyncio.timeout(_left(deadline)):
                kept = await self._intake.quarantine([arrivals[n] for n in late], error)
        except (ConfigurationError, TransientError, TimeoutError) as failure:
            log.error("what came cannot be kept either: %r", failure)
            return list(receipts)
        found = list(receipts)
        for n, receipt in zip(late, kept, strict=True):
            found[n] = receipt
            if report:
                report(arrivals[n], receipt)
        return found

    async def _verify(
        self, request: Request, name: str, endpoint: Endpoint, deadline: float
    ) -> None:
        """Return if the request is proven to be the sender's. Raises `Refused`."""
        verifier, now = endpoint.verify, self._clock()
        try:
            async with asyncio.timeout(_left(deadline)):
                secrets = await self._secrets.get_all(verifier.references)
                try:
                    await verifier.verify(request, secrets, now)
                except NotVerified as stranger:
                    if stranger.reason != "mismatch":
                        raise
                    # Perhaps the secret was exchanged a moment ago.
                    fresher = await self._secrets.fresher(verifier.references, tried=secrets)
                    if fresher is None:
                        raise
                    await verifier.verify(request, fresher, now)
        except NotVerified as stranger:
            log.warning("webhook %s: not verified: %s", name, stranger.reason)
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "NotVerified",
                "the request was not proven to come from this webhook's sender",
                {
                    "www-authenticate": _CHALLENGES.get(verifier.scheme, "Signature"),
                    **format_of(endpoint.format).refusal_headers,
                },
            ) from None
        except (ConfigurationError, TransientError, TimeoutError) as error:
            # The operator's fault or the moment's: the sender is to come again, not to be dropped.
            log.error("webhook %s: cannot verify anybody: %r", name, error)
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "CannotVerify",
                "this webhook cannot verify its sender now; send it again",
                _RETRY,
            ) from error


def unavailable(error: ConfigurationError) -> Outcome:
    """What a listener answers that cannot have its `Webhooks`: that is the operator's to mend, and
    senders come again until then."""
    log.error("nothing can be received: %s", error)
    response = problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "nothing can be received now; send it again",
        code=error.code,
        headers={"retry-after": "60"},
    )
    return Outcome(response=response, refused=error.code)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), _SHORTEST)


def _preflight(request: Request, endpoint: Endpoint) -> Response:
    """The CloudEvents handshake. It grants what the endpoint's file grants, and proves nothing.
    Source: CloudEvents 1.0.1, "HTTP 1.1 Web Hooks for Event Delivery"."""
    origin = request.headers.get("webhook-request-origin", "")
    headers = {"allow": "POST, OPTIONS"}
    if origin and ("*" in endpoint.origins or origin in endpoint.origins):
        headers["webhook-allowed-origin"] = origin
        if "webhook-request-rate" in request.headers:
            headers["webhook-allowed-rate"] = "*"
    return Response(status=HTTPStatus.OK, headers=headers)


def _answered(
    name: str, receipts: Sequence[Receipt], format: Format, more: dict[str, Any]
) -> Outcome:
    verdicts = Counter(receipt.verdict for receipt in receipts)
    told: dict[str, Any] = {"receipts": [_told(receipt) for receipt in receipts[:_TOLD]]}
    if len(receipts) > _TOLD:
        told["counts"] = {verdict.value: count for verdict, count in verdicts.items()}
    if verdicts[Verdict.RETRY]:
        response = problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not all of it could be accepted now; send all of it again",
            code="NotAccepted",
            headers=_RETRY,
            **told,
        )
        return Outcome(response=response, hook=name, refused="NotAccepted")
    if set(verdicts) == {Verdict.QUARANTINED} and receipts[0].code != NotStarted.__name__:
        code = str(receipts[0].code)
        response = problem(
            HTTPStatus.BAD_REQUEST,
            "none of it can ever be accepted as it is; the original is kept",
            code=code,
            headers=format.refusal_headers,
            **told,
        )
        return Outcome(response=response, hook=name, refused=code)
    if format.empty_response:
        return Outcome(response=Response(status=HTTPStatus.OK), hook=name)
    status = HTTPStatus.ACCEPTED if receipts else HTTPStatus.OK
    return Outcome(response=answer(status, {**more, **told}), hook=name)


def _told(receipt: Receipt) -> dict[str, Any]:
    """A receipt as the sender may see it: where things are kept is nobody's business outside."""
    hidden = {"quarantine_uri", "run_id", "time"}
    if receipt.code != InvalidEvent.__name__:  # all else speaks of how this house is built
        hidden.add("reason")
    return {name: value for name, value in receipt.to_json().items() if name not in hidden}
