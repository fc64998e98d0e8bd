"""Explain: what would become of a payload, by the code of production, with nothing started."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.config.settings import Settings
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.domain.routing import Child, WorkflowRouter
from core.domain.validation import EventValidationService
from core.errors import InvalidEvent, TidegateError
from core.formats.shared.delivery import Arrival, Delivery, Malformed
from core.formats.shared.json_body import load_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would become of one event: started with `child`, or else refused with `error`."""

    format: str
    event: Event | None
    child: Child | None
    error: TidegateError | None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it as one JSON object."""
        wire = self.event.to_wire() if self.event else None
        return {
            "format": self.format,
            "verdict": "quarantined" if self.error else "started",
            "key": self.event.key if self.event else None,
            "workflow_id": workflow_id(self.event.key) if self.event else None,
            "unidentified": self.event.unidentified if self.event else None,
            "child": self.child.model_dump(mode="json") if self.child else None,
            "code": self.error.code if self.error else None,
            "reason": str(self.error) if self.error else None,
            "note": self.note,
            "event": wire,
        }


def deliveries(
    payload: bytes, format: str | None, unwrap: Callable[[str, Any], list[Delivery] | None]
) -> list[Delivery]:
    """The deliveries in a payload. `unwrap` opens a platform's envelope around a format's bytes and
    answers None for what is none; `format` is guessed where it is None."""
    try:
        value = load_json(payload)
    except InvalidEvent:
        value = None
    wrapped = unwrap(format or "message", value)
    if wrapped is None:
        wrapped = [Delivery(format=format or "message", body=payload, unique="explained")]
    return [d if format else replace(d, format=guess(d.body)) for d in wrapped]


def guess(body: bytes) -> str:
    """The format that a body most likely has; `message` for what no other claims."""
    try:
        value = load_json(body)
    except InvalidEvent:
        return "message"
    if not isinstance(value, dict):
        return "message"
    if "tidegatekey" in value:
        return "stored_event"
    from_s3 = value.get("source") == "aws.s3" or value.get("Event") == "s3:TestEvent"
    if from_s3 or isinstance(value.get("Records"), list):
        return "s3"
    if value.get("Type") == "Notification" and isinstance(value.get("Message"), str):
        return guess(value["Message"].encode(errors="surrogatepass"))
    return "message"


def explain(
    arrivals: Sequence[Arrival], settings: Settings, router: WorkflowRouter
) -> list[Explanation]:
    """One explanation per arrival."""
    return [_explain(arrival, settings, router) for arrival in arrivals]


def _explain(arrival: Arrival, settings: Settings, router: WorkflowRouter) -> Explanation:
    item, format = arrival.item, arrival.delivery.format
    if isinstance(item, Malformed):
        return Explanation(format=format, event=None, child=None, error=item.error)
    roots, note = settings.documents, None
    try:
        if item.document and not roots:
            roots = ("/".join(item.document.uri.split("/")[:3]),)
            note = "TIDEGATE_DOCUMENTS is not set here: whether it allows the document is not known"
        EventValidationService(documents=roots, max_bytes=settings.max_event_bytes).validate(item)
        child = router.child(item)
    except TidegateError as error:
        return Explanation(format=format, event=item, child=None, error=error, note=note)
    return Explanation(format=format, event=item, child=child, error=None, note=note)
