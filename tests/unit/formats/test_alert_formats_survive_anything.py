"""Whatever webhooks deliver becomes events or `Malformed`; nothing is raised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.alert import read_alert
from core.domain.event import ALERT, Event, encode
from core.domain.identity import WORKFLOW_ID_BYTES, workflow_id
from core.errors import InvalidEvent
from core.formats.registry import format_of, read
from core.formats.shared.delivery import Delivery, Malformed, way_headers
from core.formats.shared.json_body import load_json
from tests.support.mangled import SCALARS, as_bytes, mangled
from tests.support.webhook_payloads import PAYLOADS, body_of, payload

FORMATS = sorted({format for format, _ in PAYLOADS})


def names(value: Any) -> set[str]:
    """The names of all fields in a payload."""
    if isinstance(value, list):
        return set().union(*map(names, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(names, value.values()))


FIELDS = {f: sorted(set().union(*(names(payload(*p)) for p in PAYLOADS if p[0] == f)))
          for f in FORMATS}  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "message-id", *way_headers("webhook:prod", trusted=("x",))]),
    st.text(max_size=20) | st.sampled_from(["application/json", "2026-01-02T03:00:00Z"]),
)


def json_of(format: str) -> st.SearchStrategy[Any]:
    """Any JSON with the field names of a format."""
    fields = st.sampled_from(FIELDS[format]) | st.text(max_size=8)
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(fields, inner, max_size=8),
        max_leaves=20,
    )


def check(format: str, body: bytes, headers: Mapping[str, str]) -> None:
    delivery = Delivery(format=format, body=body, headers=headers, unique="u")
    for arrival in read(delivery):
        if isinstance(arrival.item, Malformed):
            assert isinstance(arrival.item.error, InvalidEvent)
            assert arrival.item.error.message
        else:
            check_event(arrival.item)
    if reply := format_of(format).reply:
        encode(reply(delivery))


def check_event(event: Event) -> None:
    """It can be sent, reads back the same, and has what incidents need."""
    wire = load_json(encode(event.to_wire()))
    assert Event.from_wire(wire) == event
    assert 0 < len(workflow_id(event.key).encode()) <= WORKFLOW_ID_BYTES
    if event.type == ALERT:
        assert read_alert(event).key


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
def test_any_json(format: str, data: st.DataObject) -> None:
    check(format, as_bytes(data.draw(json_of(format))), data.draw(HEADERS))


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
def test_recorded_payloads_mangled(format: str, data: st.DataObject) -> None:
    originals = st.sampled_from([payload(*p) for p in PAYLOADS if p[0] == format])
    check(format, as_bytes(data.draw(mangled(originals))), data.draw(HEADERS))


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
def test_recorded_payloads_with_a_stretch_of_noise(format: str, data: st.DataObject) -> None:
    body = body_of(*data.draw(st.sampled_from([p for p in PAYLOADS if p[0] == format])))
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(start + 40, len(body))))
    check(format, body[:start] + data.draw(st.binary(max_size=20)) + body[end:], {})
