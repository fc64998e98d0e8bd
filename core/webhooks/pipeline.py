"""The webhooks' pipeline: one HTTP request in, one answer out, on whichever platform.

    find the endpoint -> size -> signature over the raw bytes -> decompress -> handshake
      -> format -> intake -> an answer that makes the sender do the right thing

Nothing is decoded before it is verified, and nothing starts before all of it is. An unverified
request learns nothing and leaves nothing but a count. The events of a verified one are started,
delivered, duplicates, quarantined, or to be sent again: the answer's receipts say which.
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
from typing import TYPE_CHECKING, Any, Final

from core.errors import (
    ChildMissing,
    ConfigurationError,
    InvalidChildId,
    InvalidData,
    InvalidEvent,
    InvalidInput,
    InvalidOption,
    NotStarted,
    TransientError,
)
from core.formats.shared.delivery import Arrival
from core.formats.shared.format import Format
from core.intake.accept import Intake
from core.intake.receipts import Receipt, Verdict
from core.webhooks.decode import Refused, decode, too_large
from core.webhooks.endpoints import Endpoint, WebhookTable
from core.webhooks.request import PREFIX, Request, Response, answer, problem
from core.webhooks.verifiers.base import NotVerified
from core.webhooks.verifiers.proving import prove

if TYPE_CHECKING:
    from core.config.secrets import Secrets

_RETRY: Final = {"retry-after": "5"}
_SHORTEST: Final = 0.05
_RESERVE: Final = 0.3
"""The share of the time for an answer that is reserved to quarantine what could not start."""
_MAX_RECEIPTS: Final = 100
"""Most receipts in an answer; platforms limit answers to some megabytes."""
_NOT_THE_SENDERS: Final = tuple(
    kind.__name__
    for kind in (NotStarted, InvalidChildId, InvalidInput, InvalidOption, ChildMissing)
)
"""Codes of what is quarantined for a fault that is not the sender's, which must not be told to give
up: many senders disable a webhook that answers 4xx."""
_THE_SENDERS: Final = (InvalidEvent.__name__, InvalidData.__name__)
"""Codes whose reason a sender is told: it names what the sender wrote, and what was expected."""
_CHALLENGES: Final = {"bearer": "Bearer", "basic": 'Basic realm="webhook"'}
log = logging.getLogger(__name__)

Report = Callable[[Arrival, Receipt], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer. `hook` is the endpoint's name, if there is one; `refused` is the problem's code
    if the whole request was refused."""

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
        """The answer to a request, within `time_left` seconds. Never raises for what a request
        holds. `report` is called with each receipt."""
        if request.path == "/healthz" and request.method in ("GET", "HEAD"):
            return Outcome(response=answer(HTTPStatus.OK, {"status": "up"}))
        path = request.path.removeprefix(PREFIX) if request.path.startswith(PREFIX) else ""
        name, slash, rest = path.partition("/")
        endpoint = self._table.hooks.get(name)
        if endpoint is None or slash + rest not in ("", endpoint.path):
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
            allowed = _allowed(endpoint.sender)
            return Outcome(response=_preflight(request, endpoint, allowed), hook=name)
        format = endpoint.sender
        if request.method not in format.methods:
            raise Refused(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                f"this webhook takes {' and '.join(format.methods)}",
                {"allow": _allowed(format)},
            )
        limit = min(endpoint.max_bytes, endpoint.verify.max_unproven_bytes or endpoint.max_bytes)
        if len(request.body) > limit:
            raise too_large(endpoint, limit)
        timeout = min(endpoint.answer_within.total_seconds(), format.answer_within or time_left)
        deadline = time.monotonic() + min(time_left, timeout)
        await self._verify(request, name, endpoint, deadline)
        if operator_action := endpoint.verify.operator_action(request):
            log.warning("webhook %s: %s", name, operator_action)
            return Outcome(response=answer(HTTPStatus.OK, {"receipts": []}), hook=name)
        decoded = decode(request, name, endpoint, self._clock())
        if isinstance(decoded, Response):
            return Outcome(response=decoded, hook=name)
        reserve = 0.0 if format.retries else _RESERVE * _left(deadline)
        receipts = await self._intake.accept(
            decoded.arrivals, time_left=_left(deadline - reserve), report=report
        )
        if not format.retries:
            receipts = await self._quarantine_unsettled(
                decoded.arrivals, receipts, deadline, report
            )
        more = format.reply(decoded.delivery) if format.reply else {}
        if why := more.get("ignored"):
            log.info("webhook %s: ignored: %s", name, why)
        return _answered(name, receipts, format, more)

    async def _quarantine_unsettled(
        self,
        arrivals: Sequence[Arrival],
        receipts: Sequence[Receipt],
        deadline: float,
        report: Report | None,
    ) -> list[Receipt]:
        """The receipts, after quarantining what would have to be sent again and never will be."""
        unsettled = [n for n, receipt in enumerate(receipts) if not receipt.settled]
        if not unsettled:
            return list(receipts)
        error = NotStarted(f"{receipts[unsettled[0]].reason}; and its sender does not retry")
        try:
            async with asyncio.timeout(_left(deadline)):
                kept = await self._intake.quarantine([arrivals[n] for n in unsettled], error)
        except (ConfigurationError, TransientError, TimeoutError) as failure:
            log.error("cannot quarantine what could not start: %r", failure)
            return list(receipts)
        settled = list(receipts)
        for n, receipt in zip(unsettled, kept, strict=True):
            settled[n] = receipt
            if report:
                report(arrivals[n], receipt)
        return settled

    async def _verify(
        self, request: Request, name: str, endpoint: Endpoint, deadline: float
    ) -> None:
        """Returns if the request is proven to be the sender's. Raises `Refused`."""
        verifier, now = endpoint.verify, self._clock()
        try:
            async with asyncio.timeout(_left(deadline)):
                await prove(verifier, self._secrets, request, now)
        except NotVerified as failure:
            log.warning("webhook %s: not verified: %s", name, failure.reason)
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "NotVerified",
                "the request was not proven to come from this webhook's sender",
                {
                    "www-authenticate": _CHALLENGES.get(verifier.scheme, "Signature"),
                    **endpoint.sender.refusal_headers,
                },
            ) from None
        except (ConfigurationError, TransientError, TimeoutError) as error:
            # A misconfiguration or a transient fault: have the sender retry.
            log.error("webhook %s: cannot verify any request: %r", name, error)
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "CannotVerify",
                "this webhook cannot verify its sender now; send it again",
                _RETRY,
            ) from error


def length_required() -> Outcome:
    """The answer to a request whose platform passes no body without a Content-Length: nothing of it
    can be verified or kept."""
    response = problem(
        HTTPStatus.LENGTH_REQUIRED,
        "send it with a Content-Length: a chunked body does not arrive here",
        code="LengthRequired",
    )
    return Outcome(response=response, refused="LengthRequired")


def unavailable(error: ConfigurationError) -> Outcome:
    """The answer of a listener that cannot build its `Webhooks`: senders retry until the operator
    has fixed the configuration."""
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


def _allowed(format: Format) -> str:
    return ", ".join((*format.methods, "OPTIONS"))


def _preflight(request: Request, endpoint: Endpoint, allowed: str) -> Response:
    """The answer to the CloudEvents handshake: it grants the endpoint's origins and proves nothing.
    Source: CloudEvents 1.0.1, "HTTP 1.1 Web Hooks for Event Delivery"."""
    origin = request.headers.get("webhook-request-origin", "")
    headers = {"allow": allowed}
    if origin and ("*" in endpoint.origins or origin in endpoint.origins):
        headers["webhook-allowed-origin"] = origin
        if "webhook-request-rate" in request.headers:
            headers["webhook-allowed-rate"] = "*"
    return Response(status=HTTPStatus.OK, headers=headers)


def _answered(
    name: str, receipts: Sequence[Receipt], format: Format, more: dict[str, Any]
) -> Outcome:
    verdicts = Counter(receipt.verdict for receipt in receipts)
    body: dict[str, Any] = {"receipts": [_public(receipt) for receipt in receipts[:_MAX_RECEIPTS]]}
    if len(receipts) > _MAX_RECEIPTS:
        body["counts"] = {verdict.value: count for verdict, count in verdicts.items()}
    if verdicts[Verdict.RETRY]:
        response = problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not all of it could be accepted now; send all of it again",
            code="NotAccepted",
            headers=_RETRY,
            **body,
        )
        return Outcome(response=response, hook=name, refused="NotAccepted")
    code = str(receipts[0].code) if receipts else ""
    if set(verdicts) == {Verdict.QUARANTINED} and code not in _NOT_THE_SENDERS:
        response = problem(
            HTTPStatus.BAD_REQUEST,
            "none of it can ever be accepted as it is; the original is kept",
            code=code,
            headers=format.refusal_headers,
            **body,
        )
        return Outcome(response=response, hook=name, refused=code)
    if format.empty_response:
        return Outcome(response=Response(status=HTTPStatus.OK), hook=name)
    status = HTTPStatus.ACCEPTED if receipts else HTTPStatus.OK
    return Outcome(response=answer(status, {**more, **body}), hook=name)


def _public(receipt: Receipt) -> dict[str, Any]:
    """A receipt without what would tell the sender where and how Tidegate runs."""
    hidden = {"quarantine_uri", "quarantine_handle", "run_id", "time"}
    if receipt.code not in _THE_SENDERS:  # other reasons name addresses and settings
        hidden.add("reason")
    return {name: value for name, value in receipt.to_json().items() if name not in hidden}
