"""Incidents opened by hand: a report sent the way every event takes, so that routing, receipts and
quarantine hold for it as for any other.

One that follows a closed incident goes to that one's key. What its source has to say from then on
finds it there, and opens no third one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from core import bootstrap
from core.config.settings import Settings
from core.domain.incident.ids import parse_id
from core.domain.incident.reports.incident_report import parse_fields
from core.errors import (
    CommandRefused,
    DocumentNotFound,
    IncidentNotFound,
    TemporalUnavailable,
    named,
)
from core.formats.registry import read
from core.formats.shared.delivery import Delivery
from core.intake.receipts import Verdict
from core.operations.read_report import read_report

if TYPE_CHECKING:
    from temporalio.client import Client

REPORTED: Final = "tidegate.incident.reported"
SUCCESSOR: Final = "tidegate.incident.successor"
"""The types of events by which incidents are opened by hand; the shipped routes know both."""

KEY_PREFIX: Final = "incident:"
"""What the keys of the shipped routes begin with. The subject of a successor is the rest."""

_SOURCE: Final = "tidegate"
_COPIED: Final = ("title", "severity", "service", "labels", "links")


async def open_incident(
    settings: Settings, fields: Mapping[str, Any], *, follows: str | None = None
) -> dict[str, Any]:
    """Send a report with these fields; returns what its root orchestrator did: `action`, `child_id`
    and so on, with `title` and `follows`.

    With `follows`, an incident that is closed, what the fields lack is that one's. Raises
    `InvalidReport`, `CommandRefused`, `IncidentNotFound`, `TemporalUnavailable`, and as itself
    whatever the event is quarantined for.
    """
    client = await bootstrap.connect(settings)
    given = {name: value for name, value in fields.items() if value}
    unique = uuid.uuid4().hex
    event = {"specversion": "1.0", "type": REPORTED, "source": _SOURCE, "id": unique}
    if follows is not None:
        before = await _before(client, settings, follows)
        given = {
            **{name: value for name in _COPIED if (value := before.get(name))},
            "summary": _summary(before),
            "follows": before["id"],
            **given,
        }
        key, _ = parse_id(before["id"])
        event |= {"type": SUCCESSOR, "subject": key.removeprefix(KEY_PREFIX)}
    report = parse_fields(given, where="what is to be opened")
    body = json.dumps({**event, "data": given}, ensure_ascii=False).encode()
    done = await _send(client, settings, body, unique)
    return {**done, "title": report.title, "follows": report.follows}


async def _send(client: Client, settings: Settings, body: bytes, unique: str) -> dict[str, Any]:
    from core.adapters.temporal import outcome

    delivery = Delivery(format="message", body=body, unique=unique)
    [receipt] = await bootstrap.intake(settings).accept(read(delivery))
    if receipt.verdict is Verdict.QUARANTINED:
        kept = f"{receipt.reason}; kept as {receipt.quarantine_uri}"
        raise named(receipt.code or "", kept)
    if receipt.verdict is Verdict.RETRY or receipt.workflow_id is None:
        raise TemporalUnavailable(receipt.reason or "the report was not accepted")
    return await outcome.result(client, receipt.workflow_id)


async def _before(client: Client, settings: Settings, id: str) -> dict[str, Any]:
    """The incident that is to be followed: as Temporal has it, else as its report has it."""
    from core.adapters.temporal import incidents

    try:
        found = (await incidents.show(client, id))["incident"]
    except IncidentNotFound as gone:
        if parse_id(id)[1] is None or settings.reports is None:
            raise
        try:
            report = json.loads(await read_report(settings, id, suffix="json"))
        except DocumentNotFound:
            raise gone from None
        return {**report, "id": report["incident_id"], "reports": ()}
    if found["status"] != "closed" and await incidents.runs(client, found["id"]):
        raise CommandRefused(
            f"incident {found['id']} is {found['status']}, not closed: nothing can follow it yet",
            fix="possible now: `tidegate incident reopen`, or a comment",
        )
    return dict(found)


def _summary(before: Mapping[str, Any]) -> str:
    """The link in words, for whoever is paged."""
    reason = before.get("close_reason")
    closed = f"which was closed{f' as {reason}' if reason else ''}"
    lines = [f"It is not over: this follows {before['id']}, {closed}."]
    report = next((uri for uri in reversed(before["reports"]) if uri.endswith(".md")), None)
    if report:
        lines.append(f"Its report: {report}")
    return "\n".join(lines)
