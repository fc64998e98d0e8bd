"""The contract of events, and every recorded event to hold it against."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from core.config.settings import Settings
from core.domain.event import INCIDENT_REPORTED, INCIDENT_SUCCESSOR, Event
from core.domain.signalled import signalled
from core.errors import InvalidEvent
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from core.operations.contract.events import EVENTS, OTHER_NAME
from core.operations.contract.json_schema import json_schema
from functions_aws import sqs
from tests.support import payloads, preset_payloads, webhook_payloads

_SCHEMA: Final = json_schema()
WHOLE: Final = Draft202012Validator(_SCHEMA)
"""The published schema."""

_NAMES: Final = {each.type: each.name for each in EVENTS}
_ONE: Final = {
    name: Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": _SCHEMA["$defs"]})
    for name in (*_NAMES.values(), OTHER_NAME)
}


_FAILED: Final = {
    "heartbeat": "backup",
    "status": "failed",
    "exit_code": 3,
    "duration": 12.5,
    "output": "disk full",
}
_REPORT: Final = {
    "title": "Checkout is down",
    "severity": "high",
    "service": "checkout",
    "summary": "Nobody can pay.",
    "labels": {"region": "eu"},
    "links": ["https://status.example/"],
    "named_links": {"runbook": "https://wiki.example/checkout"},
    "follows": "incident:checkout@20260102T030405Z",
}
_PNG: Final = {
    "ce_specversion": "1.0",
    "ce_id": "1",
    "ce_source": "/camera",
    "ce_type": "com.example.picture",
    "content_type": "image/png",
}


def name_of(wire: Mapping[str, Any]) -> str:
    """The name of an event's type in the contract."""
    return _NAMES.get(wire["type"], OTHER_NAME)


def faults(wire: Mapping[str, Any]) -> list[str]:
    """What the contract says against an event of this type; faster than the whole schema, and
    clearer."""
    validator = _ONE[name_of(wire)]
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(wire)]


@cache
def recorded() -> Mapping[str, dict[str, Any]]:
    """Every event in `tests/events`, and what a signal carries of it, in the wire form, by where it
    comes from."""
    found: dict[str, dict[str, Any]] = {}
    for name, event in _events():
        found[name] = event.to_wire()
        try:
            found[f"{name}-signalled"] = signalled(event)
        except InvalidEvent:
            continue  # too large for a signal
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def _events() -> Iterator[tuple[str, Event]]:
    for name, delivery in _deliveries():
        for arrival in read(delivery):
            if isinstance(arrival.item, Event):
                yield f"{name}-{arrival.position}", arrival.item
    for preset, file in preset_payloads.CASES:
        case = preset_payloads.expected(preset)[file]
        for position, item in enumerate(preset_payloads.read_as(preset, file, case)):
            if isinstance(item, Event):
                yield f"{preset}-{file}-{position}", item


def _deliveries() -> Iterator[tuple[str, Delivery]]:
    for format, name in webhook_payloads.PAYLOADS:
        delivery = webhook_payloads.sent(format, webhook_payloads.body_of(format, name))
        headers = {"x-github-event": name.partition("-")[0]} if format == "github" else {}
        yield f"{format}-{name}", replace(delivery, headers={**delivery.headers, **headers})
    for name in payloads.NAMES:
        of_s3 = "s3" in name or "object" in name
        format = "s3" if of_s3 or "marker" in name or "lifecycle" in name else "message"
        if name.startswith("lambda-sqs-"):
            batch = sqs.deliveries(format, payloads.recorded_json(name), Settings())
            yield from ((f"{name}-{n}", delivery) for n, delivery in enumerate(batch or ()))
        elif not name.startswith("lambda-"):
            yield name, payloads.delivery(format, payloads.recorded(name))
    group = webhook_payloads.payload("alertmanager", "firing")
    group["alerts"][0]["annotations"]["description"] = "It is slow. " * 500
    yield "long", webhook_payloads.sent("alertmanager", group)
    page = webhook_payloads.payload("pagerduty_webhook", "our-own-page")
    page["event"]["agent"] = {"type": "user_reference", "id": "P1", "summary": "Maeve Example"}
    page["event"]["data"]["incident_key"] = "incident:webhook:prod:5f2e@20260102T030405.678Z"
    for type in ("acknowledged", "resolved", "reassigned"):
        page["event"]["event_type"] = f"incident.{type}"
        yield f"command-{type}", webhook_payloads.sent("pagerduty_webhook", page)
    yield "heartbeat-name", webhook_payloads.sent("heartbeat", b"backup")
    yield "heartbeat-failed", webhook_payloads.sent("heartbeat", _FAILED)
    for type in (INCIDENT_REPORTED, INCIDENT_SUCCESSOR):
        event = {"specversion": "1.0", "type": type, "source": "tidegate", "id": "1"}
        headers = way_headers("command", trusted=(type,))
        yield (
            type,
            replace(payloads.delivery("message", event | {"data": _REPORT}), headers=headers),
        )
    yield "null", payloads.delivery("message", b"null", message_id="m-1")
    yield "binary", payloads.delivery("message", b"\x89PNG", **_PNG)
