"""What errors quote of a sender is short: whatever the listener takes can be refused later, with
the event and the reason in one payload of at most 2 MB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import bootstrap
from core.config.settings import Settings
from core.domain.alert import read_alert
from core.domain.event import Event, encode
from core.domain.signalled import signalled
from core.domain.validation import EventValidationService
from core.errors import PermanentError, TidegateError
from core.formats.registry import read
from core.formats.shared.delivery import Malformed, way_headers
from tests.support.payloads import delivery

PAYLOAD: Final = 2 * 1024 * 1024
"""Temporal's limit for one payload, in bytes."""
LARGEST: Final = 1_900_000
"""The highest TIDEGATE_MAX_EVENT_BYTES."""
REASON: Final = 2_500
"""Most characters of a reason with its fix."""

TYPES = st.sampled_from(
    [
        "tidegate.alert",
        "tidegate.document.created",
        "tidegate.incident.successor",
        "x.incident.reported",
        "x",
    ]
)
ATTRIBUTES = ("id", "source", "type", "subject", "key", "uri", "ext")
UNITS = st.sampled_from(["a", "'\"", "\x00", "é", "🔥", "\\", "%"])
"""What text is made of; in a repr some of it grows to ten times its size."""


def event_of(wire: dict[str, Any]) -> Event | TidegateError:
    trusted = ("tidegate.alert", "tidegate.document.created", "tidegate.incident.successor")
    [arrival] = read(
        delivery("message", json.dumps(wire).encode(), **way_headers("queue:q", trusted=trusted))
    )
    return arrival.item.error if isinstance(arrival.item, Malformed) else arrival.item


def refusals(event: Event) -> Iterator[PermanentError]:
    """Every error for which the event may be refused, here or in its orchestrator."""
    router = bootstrap.router(Settings())
    elsewhere = EventValidationService(documents=("s3://else/",), max_bytes=LARGEST)
    small = EventValidationService(documents=("s3://docs/",), max_bytes=10)
    quarantine = EventValidationService(
        documents=("s3://docs/",), max_bytes=LARGEST, quarantine="s3://docs/"
    )
    attempts = (
        router.target,
        signalled,
        read_alert,
        elsewhere.validate,
        small.validate,
        quarantine.validate,
    )
    for attempt in attempts:
        try:
            attempt(event)
        except PermanentError as error:
            yield error


@settings(max_examples=40)
@given(type=TYPES, where=st.sampled_from(ATTRIBUTES), unit=UNITS, size=st.floats(0, 1))
def test_an_event_that_is_taken_fits_into_one_payload_with_every_reason_to_refuse_it(
    type: str, where: str, unit: str, size: float
) -> None:
    long = unit * int(size * (LARGEST - 1000) / len(unit.encode()))
    wire: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/a", "type": type}
    data: dict[str, Any] = {"key": [long] if where == "key" else "k"}
    data["document"] = {"uri": f"s3://docs/{long if where == 'uri' else ''}"}
    wire |= {"data": data, **({where: f"x{long}"} if where not in ("key", "uri") else {})}
    event = event_of(wire)
    if isinstance(event, TidegateError):
        assert len(str(event)) < REASON
        return
    if event.size > LARGEST:
        return  # the listener does not take it
    taken = len(encode(event.to_wire()))
    for error in refusals(event):
        assert len(str(error)) < REASON
        assert taken + len(json.dumps(str(error), ensure_ascii=False).encode()) < PAYLOAD


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("s3", {"Records": [{"eventSource": "x" * 1_000_000}]}),
        ("s3", {"detail-type": "x" * 1_000_000, "source": "aws.s3"}),
        ("s3", {"detail-type": "x", "source": ["x" * 1_000_000]}),
        ("cloudwatch", {"AlarmArn": "a", "NewStateValue": "x" * 1_000_000}),
        ("cloudwatch", {"detail-type": "x" * 1_000_000, "source": "aws.cloudwatch"}),
        ("event_grid", {"specversion": "x" * 1_000_000}),
        ("message", {"specversion": "1.0", **{"X" * 1000 + str(n): 1 for n in range(1000)}}),
        ("alertmanager", {"alerts": ["x"] * 9_000}),
    ],
)
def test_what_a_format_refuses_is_quoted_shortly(format: str, body: object) -> None:
    for arrival in read(delivery(format, body)):
        assert isinstance(arrival.item, Malformed)
        assert len(str(arrival.item.error)) < REASON
