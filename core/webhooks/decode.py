"""A request decoded: its arrivals, or the answer to a handshake.

Used for verified requests, and by `tidegate explain`, which starts nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus

from core.errors import InvalidEvent
from core.formats.registry import read
from core.formats.shared.delivery import (
    ATTRIBUTE_PREFIX,
    CLOUDEVENT_PREFIXES,
    HEARTBEAT_HEADER,
    OWN_PREFIX,
    RECEIVED_HEADER,
    Arrival,
    Delivery,
    Malformed,
    shared_scope,
    way_headers,
    webhook_way,
)
from core.formats.shared.times import format_time
from core.webhooks.decompress import TooLarge, UnknownEncoding, decompress
from core.webhooks.endpoints import NEVER_KEPT, Endpoint
from core.webhooks.request import Request, Response, answer, problem


class Refused(Exception):
    """The whole request is refused, and nothing of it is kept. `code` is stable."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.response = problem(status, detail, code=code, headers=headers)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A request's delivery and its arrivals."""

    delivery: Delivery
    arrivals: list[Arrival]


def decode(
    request: Request, name: str, endpoint: Endpoint, received: datetime
) -> Decoded | Response:
    """The request decoded, which was received at this moment, or the answer to a handshake. Raises
    `Refused`."""
    format = endpoint.sender
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not format.accepts(media_type):
        accepted = ", ".join(("application/json", *format.media_types))
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            f"this webhook accepts {accepted}",
            format.refusal_headers,
        )
    delivery = _delivery(request, name, endpoint, received)
    try:
        delivery = _with_body(delivery, decompress(request, endpoint.max_bytes))
        if format.handshake and (challenge := format.handshake(delivery)) is not None:
            return answer(HTTPStatus.OK, challenge)
    except UnknownEncoding:
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedEncoding",
            "the only content encoding accepted is gzip",
            {"accept-encoding": "gzip", **format.refusal_headers},
        ) from None
    except TooLarge:
        raise too_large(endpoint) from None
    except InvalidEvent as error:
        return Decoded(delivery, [Arrival(Malformed(error), delivery)])
    return Decoded(delivery, read(delivery))


def too_large(endpoint: Endpoint, limit: int | None = None) -> Refused:
    """The refusal of a body over the `limit`, which is the endpoint's if it is None."""
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "TooLarge",
        f"a body may be at most {limit or endpoint.max_bytes:,} bytes long",
        endpoint.sender.refusal_headers,
    )


def _delivery(request: Request, name: str, endpoint: Endpoint, received: datetime) -> Delivery:
    dropped = {*NEVER_KEPT, *endpoint.verify.confidential}
    forbidden = (
        (OWN_PREFIX,) if endpoint.verify.covers_headers else (OWN_PREFIX, *CLOUDEVENT_PREFIXES)
    )
    headers = {
        header: text
        for header, text in request.headers.items()
        if header not in dropped and not header.startswith(forbidden)
    }
    headers |= way_headers(
        webhook_way(name), scope=shared_scope(endpoint.scope), trusted=endpoint.trusted_types
    )
    headers |= {f"{ATTRIBUTE_PREFIX}{key}": text for key, text in endpoint.attributes.items()}
    own_id = request.headers.get(endpoint.id_header.lower()) if endpoint.id_header else None
    if id := own_id or endpoint.verify.delivery_id(request):
        headers["message-id"] = id
    if endpoint.sender.timed:
        headers[RECEIVED_HEADER] = format_time(received)
    if endpoint.heartbeat:
        headers[HEARTBEAT_HEADER] = endpoint.heartbeat
    return Delivery(
        format=endpoint.format,
        body=request.body,
        headers=headers,
        unique=uuid.uuid4().hex,
        mapping=endpoint.compiled_mapping,
    )


def _with_body(delivery: Delivery, body: bytes) -> Delivery:
    if body is delivery.body:
        return delivery
    headers = {n: text for n, text in delivery.headers.items() if n != "content-encoding"}
    return replace(delivery, body=body, headers=headers)
