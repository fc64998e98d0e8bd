"""What earlier releases have recorded: their policies, states and timelines are read for ever."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from core.domain.incident.evolve import apply
from core.domain.incident.inputs import Wake
from core.domain.incident.lifecycle import deadline, decide, is_finished
from core.domain.incident.model import Incident, Status
from core.domain.incident.policies.policy import Policy
from core.domain.incident.timeline import TIMELINE, Closed, ReportWritten

HISTORIES = sorted((Path(__file__).parents[2] / "histories").glob("incident-*.json"))

FIRST_POLICY = {"ack_timeout": 60.0, "targets": {"1": ["slack#1", "mailto#2"], "2": ["json#3"]}}
FIRST_TIMELINE: list[dict[str, Any]] = [
    {
        "kind": "opened",
        "at": "2026-01-02T03:04:05Z",
        "actor": "tidegate",
        "title": "Checkout",
        "severity": "high",
        "labels": {},
        "links": [],
        "event_key": "s3:docs/a@1",
        "policy": {**FIRST_POLICY, "reports": True},
    },
    {
        "kind": "page_started",
        "at": "2026-01-02T03:04:05Z",
        "key": "incident:a@20260102T030405.000Z/level-1/slack#1",
        "level": 1,
        "target": "slack#1",
        "round": 1,
    },
    {
        "kind": "acknowledged",
        "at": "2026-01-02T03:04:15Z",
        "actor": "ana",
        "command_id": "c1",
        "note": None,
    },
    {"kind": "resolved", "at": "2026-01-02T03:05:05Z", "actor": "ana", "command_id": "c2"},
    {
        "kind": "report_written",
        "at": "2026-01-02T03:05:06Z",
        "resolved_at": "2026-01-02T03:05:05Z",
        "uris": ["s3://reports/a/report.md"],
    },
    {"kind": "closed", "at": "2026-01-02T03:05:06Z", "reason": "resolved"},
]


def test_a_policy_of_the_first_release_means_what_it_meant() -> None:
    policy = Policy.model_validate(FIRST_POLICY)
    assert [(level.after, [t.name for t in level.targets]) for level in policy.levels] == [
        (0, ["slack#1", "mailto#2"]),
        (60, ["json#3"]),
    ]
    assert (policy.reopen_window, policy.maximum_age, policy.repage_every) == (0, None, None)


def test_a_timeline_of_the_first_release_is_read_and_folded() -> None:
    timeline = TIMELINE.validate_python(FIRST_TIMELINE)
    incident = reduce(apply, timeline, Incident(id="incident:a"))
    assert incident.status is Status.CLOSED
    assert incident.reported == incident.report_wanted == incident.resolved_at
    assert is_finished(incident)
    assert isinstance(timeline[-1], Closed)
    assert isinstance(timeline[-2], ReportWritten)
    assert timeline[-2].as_of == incident.resolved_at


def test_an_open_incident_of_the_first_release_goes_on() -> None:
    """Its timeline does not say how far the paging had come: rather once too often than never."""
    timeline = TIMELINE.validate_python(FIRST_TIMELINE[:2])
    incident = reduce(apply, timeline, Incident(id="incident:a"))
    due = deadline(incident)
    assert due is not None
    events, _ = decide(incident, Wake(), due)
    assert "page_started" in [event.kind for event in events]


def test_a_state_of_the_first_release_is_read() -> None:
    old = {
        "id": "incident:a",
        "status": "open",
        "title": "Checkout",
        "severity": "high",
        "policy": FIRST_POLICY,
        "opened_at": "2026-01-02T03:04:05Z",
        "open_since": "2026-01-02T03:04:05Z",
        "pages": {"k": {"level": 1, "target": "slack#1", "round": 2, "status": "waiting"}},
        "recent_commands": ["c1"],
        "recent_events": ["s3:docs/a@1"],
        "events": 1,
    }
    incident = Incident.model_validate_json(json.dumps(old))
    assert incident.status is Status.OPEN
    assert incident.policy is not None
    assert len(incident.policy.levels) == 2
    assert Incident.model_validate_json(incident.model_dump_json()) == incident


def payloads(history: Path) -> Iterator[Any]:
    """Every JSON payload in a recorded history."""

    def walk(node: Any) -> Iterator[Any]:
        if isinstance(node, dict):
            if isinstance(node.get("data"), str) and "metadata" in node:
                try:
                    yield json.loads(base64.b64decode(node["data"]))
                except ValueError:
                    return
            for value in node.values():
                yield from walk(value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value)

    return walk(json.loads(history.read_text(encoding="utf-8")))


def policies(history: Path) -> list[Any]:
    """Every policy in a recorded history: by itself in the first form, with its limits since."""
    found = [payload for payload in payloads(history) if isinstance(payload, dict)]
    whole = [payload for payload in found if "ack_timeout" in payload]
    return whole + [payload["policy"] for payload in found if payload.get("policy")]


def test_recorded_histories_hold_policies_of_both_forms() -> None:
    recorded = [policy for history in HISTORIES for policy in policies(history)]
    assert any("ack_timeout" in policy for policy in recorded)
    assert any("levels" in policy for policy in recorded)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda path: path.stem)
def test_what_recorded_histories_hold_can_be_read(history: Path) -> None:
    for policy in policies(history):
        assert len(Policy.model_validate(policy).levels) >= 1
    found = [payload for payload in payloads(history) if isinstance(payload, dict)]
    for ending in (p for p in found if p.get("incident") and "timeline" in p):
        assert Incident.model_validate(ending["incident"]).id
        assert TIMELINE.validate_python(ending["timeline"])
