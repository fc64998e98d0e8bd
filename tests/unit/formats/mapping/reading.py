"""Helpers for tests of mappings: a description and a body in, alerts and refusals out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from core.domain.alert import Alert, read_alert
from core.domain.event import Event
from core.formats.mapping.description import Description
from core.formats.registry import read
from core.formats.shared.delivery import RECEIVED_HEADER, Delivery, Malformed, way_headers

RECEIVED = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
LEAST: dict[str, Any] = {"key": "id", "status": "state"}
"""The least that a mapping has."""


def delivery(description: dict[str, Any], body: object, **headers: str) -> Delivery:
    """A body, as it is when it is bytes and else as JSON, received by a webhook that is described
    by `LEAST` with these changes. Underscores in headers stand for hyphens."""
    described = {**LEAST, **description}
    return Delivery(
        format="mapped",
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={
            "content-type": "application/json",
            **way_headers("webhook:plant"),
            RECEIVED_HEADER: RECEIVED.isoformat(),
            **{name.replace("_", "-"): text for name, text in headers.items()},
        },
        unique="1a2b",
        mapping=Description.model_validate(described).compiled(),
    )


def items(description: dict[str, Any], body: object, **headers: str) -> list[Event | Malformed]:
    return [arrival.item for arrival in read(delivery(description, body, **headers))]


def alerts(description: dict[str, Any], body: object, **headers: str) -> list[Alert]:
    """The alerts of a body that is read without a refusal."""
    found = items(description, body, **headers)
    refusals = [item.error.message for item in found if isinstance(item, Malformed)]
    assert not refusals
    return [read_alert(item) for item in found if isinstance(item, Event)]


def alert(description: dict[str, Any], body: object, **headers: str) -> Alert:
    [one] = alerts(description, body, **headers)
    return one


def refusal(description: dict[str, Any], body: object, **headers: str) -> str:
    [item] = items(description, body, **headers)
    assert isinstance(item, Malformed), item
    assert item.error.code == "InvalidEvent"
    return item.error.message
