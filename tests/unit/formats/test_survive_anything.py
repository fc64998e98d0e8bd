"""Whatever arrives becomes events or `Malformed`; reading never raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.event import Event, encode
from core.domain.identity import WORKFLOW_ID_BYTES, workflow_id
from core.errors import InvalidEvent
from core.formats.registry import FORMATS, read
from core.formats.shared.delivery import Delivery, Malformed
from tests.support.mangled import ANY_BODIES, JSON_BODIES, MANGLED_BODIES

HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "message-id", "queue", "sent-at", "tidegate-replay-key"]),
    st.text(max_size=20)
    | st.sampled_from(["application/cloudevents-batch+json", "2025-01-01T00Z"]),
)


def check(format: str, body: bytes, headers: dict[str, str]) -> None:
    delivery = Delivery(format=format, body=body, headers=headers, unique="u")
    arrivals = read(delivery)
    assert [arrival.position for arrival in arrivals] == list(range(len(arrivals)))
    for arrival in arrivals:
        assert arrival.delivery is delivery
        if isinstance(arrival.item, Malformed):
            assert isinstance(arrival.item.error, InvalidEvent)
            assert arrival.item.error.message
        else:
            check_event(arrival.item)


def check_event(event: Event) -> None:
    """Its wire form is JSON, reads back the same, and has a valid workflow ID."""
    assert 0 < len(workflow_id(event.key).encode()) <= WORKFLOW_ID_BYTES
    try:
        encode(event.to_wire())
    except InvalidEvent:
        return  # the validation refuses it
    assert event.key


@pytest.mark.parametrize("format", FORMATS)
@given(body=ANY_BODIES, headers=HEADERS)
def test_any_bytes(format: str, body: bytes, headers: dict[str, str]) -> None:
    check(format, body, headers)


@pytest.mark.parametrize("format", FORMATS)
@given(body=JSON_BODIES, headers=HEADERS)
def test_any_json(format: str, body: bytes, headers: dict[str, str]) -> None:
    check(format, body, headers)


@pytest.mark.parametrize("format", FORMATS)
@given(body=MANGLED_BODIES, headers=HEADERS)
def test_recorded_payloads_mangled(format: str, body: bytes, headers: dict[str, str]) -> None:
    check(format, body, headers)
