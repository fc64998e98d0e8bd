"""Draws docs/incident.svg, the picture in docs/cli.md: a list, an incident and an answer as a
terminal shows them.

    python -m tests.incident_picture

It is drawn by the code of the command from the incidents below, so it is the same each time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from core.adapters.temporal.incident_list import IncidentSummary
from core.cli.incident_view import header_lines, list_lines, timeline_lines
from core.domain.handles import handle_of
from core.domain.incident.model import Incident
from infra.local.processes import ROOT

PICTURE: Final = ROOT / "docs" / "incident.svg"
_COLUMNS: Final = 80
_NOW: Final = datetime(2026, 3, 1, 3, 16, tzinfo=UTC)
_KEY: Final = "incident:webhook:prod:5f2e1c8a"
_ID: Final = f"{_KEY}@20260301T030405.678Z"
_TITLE: Final = "Checkout p99 above 8 s"
_POLICY: Final = {
    "name": "default",
    "levels": [
        {"after": 0, "targets": [{"name": "on-call"}]},
        {"after": 300, "targets": [{"name": "second-line"}]},
    ],
}
_INCIDENT: Final = Incident.model_validate(
    {
        "id": _ID,
        "key": _KEY,
        "status": "acknowledged",
        "title": _TITLE,
        "severity": "critical",
        "service": "checkout",
        "policy": _POLICY,
        "opened_at": "2026-03-01T03:04:05Z",
        "open_since": "2026-03-01T03:04:05Z",
        "acknowledged_at": "2026-03-01T03:15:20Z",
        "acknowledged_by": ["ana"],
        "named_links": {"runbook": "https://runbooks.example/checkout-latency"},
        "pages": {
            "1": {"level": 1, "target": "on-call", "status": "delivered"},
            "2": {"level": 2, "target": "second-line", "status": "delivered"},
        },
        "alerts": {
            "fired": 3,
            "distinct": 1,
            "tracked": {
                "5f2e1c8a": {
                    "title": _TITLE,
                    "severity": "critical",
                    "first_at": "2026-03-01T03:04:05Z",
                    "last_at": "2026-03-01T03:14:05Z",
                }
            },
        },
    }
)
_TIMELINE: Final[list[Mapping[str, Any]]] = [
    {"at": f"2026-03-01T{at}Z", "actor": actor, "text": text}
    for at, actor, text in (
        ("03:04:05", "tidegate", f"Opened with severity critical on checkout: {_TITLE}"),
        ("03:04:06", "tidegate", "Page delivered to on-call (level 1)"),
        ("03:09:05", "tidegate", "Escalated to level 2: nobody acknowledged in 5 min"),
        ("03:09:06", "tidegate", "Page delivered to second-line (level 2)"),
        ("03:15:20", "ana", "Acknowledged: looking into it"),
    )
]


def _listed(key: str, minutes: int, **fields: Any) -> IncidentSummary:
    began = _NOW - timedelta(minutes=minutes)
    id = f"{key}@{began:%Y%m%dT%H%M%S}.000Z"
    return IncidentSummary(id=id, workflow_id=key, handle=handle_of(id), began=began, **fields)


def draw() -> str:
    """The picture, an SVG that loads nothing."""
    screen = Console(record=True, file=StringIO(), width=_COLUMNS, force_terminal=True)
    handle = handle_of(_ID)
    incident = IncidentSummary(
        id=_ID,
        workflow_id=_KEY,
        handle=handle,
        began=_NOW - timedelta(minutes=11, seconds=15),
        status="open",
        severity="critical",
        service="checkout",
        title=_TITLE,
    )
    others = [
        _listed("grafana:77", 52, status="open", severity="high", title="Disk full on db-3"),
        _listed(
            "sqs:import",
            194,
            status="mitigated",
            severity="low",
            service="import",
            assignee="ben",
            title="The nightly import takes three hours longer than last week",
        ),
    ]
    lines = [
        Text("$ tidegate incident list"),
        *list_lines([incident, *others], now=_NOW, width=_COLUMNS),
        Text(),
        Text(f'$ tidegate incident ack {handle} --note "looking into it"'),
        Text(f"{handle} acknowledged by ana: nobody else is paged"),
        Text(),
        Text(f"$ tidegate incident show {handle}"),
        *header_lines(_INCIDENT, now=_NOW, width=_COLUMNS, zone=UTC),
        *timeline_lines(_TIMELINE, width=_COLUMNS, zone=UTC),
    ]
    for line in lines:
        screen.print(line, no_wrap=True, overflow="ellipsis", highlight=False)
    svg = screen.export_svg(title="tidegate incident", unique_id="incident")
    return re.sub(r"\s*@font-face \{.*?\}\n", "", svg, flags=re.S)


def main(path: Path = PICTURE) -> None:
    path.write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
