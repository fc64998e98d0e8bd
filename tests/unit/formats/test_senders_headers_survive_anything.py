"""Whatever the headers, a body becomes events or `Malformed`, and a handshake is answered or
refused: only `InvalidEvent` is raised."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.alert import read_alert
from core.domain.event import ALERT, Event, encode
from core.domain.identity import WORKFLOW_ID_BYTES, workflow_id
from core.errors import InvalidEvent
from core.formats.registry import format_of, read
from core.formats.shared.delivery import Delivery, Malformed
from tests.support.mangled import JSON_VALUES, as_bytes, mangled
from tests.support.webhook_payloads import PAYLOADS, payload

FORM = "application/x-www-form-urlencoded"
TEXTS = st.text(max_size=12)
HEADERS: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "sentry": {
        "sentry-hook-resource": st.sampled_from(["event_alert", "issue", "metric_alert", "error"]),
        "request-id": TEXTS,
    },
    "github": {
        "x-github-event": st.sampled_from(["issues", "push", "workflow_run", "ping"]) | TEXTS,
        "x-github-delivery": TEXTS,
    },
    "slack": {},
    "event_grid": {"aeg-event-type": st.sampled_from(["Notification", "SubscriptionValidation"])},
    "cloudwatch": {"x-amz-sns-message-type": TEXTS},
    "message": {
        f"{prefix}{name}": st.sampled_from(["1.0", "%ff", '"a'])
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
        for prefix in ("ce-", "ce_")
        for name in ("specversion", "id", "source", "type", "time", "other")
    },
}
CONTENT_TYPES = st.sampled_from(
    ["application/json", FORM, "text/plain", "image/png", "application/cloudevents+json", ""]
)


def bodies(format: str) -> st.SearchStrategy[bytes]:
    recorded = [payload(*result) for result in PAYLOADS if result[0] == format]
    values = JSON_VALUES | mangled(st.sampled_from(recorded)) if recorded else JSON_VALUES
    plain = values.map(as_bytes)
    return plain | plain.map(lambda body: b"payload=" + body) | st.binary()


@pytest.mark.parametrize("format", HEADERS)
@given(data=st.data())
def test_any_headers_and_bodies(format: str, data: st.DataObject) -> None:
    headers = {
        name: data.draw(values)
        for name, values in {**HEADERS[format], "content-type": CONTENT_TYPES}.items()
        if data.draw(st.booleans())
    }
    delivery = Delivery(format=format, body=data.draw(bodies(format)), headers=headers, unique="u")
    if handshake := format_of(format).handshake:
        with contextlib.suppress(InvalidEvent):
            encode(handshake(delivery))
    for arrival in read(delivery):
        if isinstance(arrival.item, Malformed):
            assert isinstance(arrival.item.error, InvalidEvent)
            assert arrival.item.error.message
        else:
            check(arrival.item)


def check(event: Event) -> None:
    assert 0 < len(workflow_id(event.key).encode()) <= WORKFLOW_ID_BYTES
    with contextlib.suppress(
        InvalidEvent
    ):  # lone surrogates in headers: the validation refuses them
        encode(event.to_wire())
    assert Event.from_wire(event.to_wire()) == event
    if event.type == ALERT:
        assert read_alert(event).key
