"""`tidegate policies explain` says of an incident what becomes of a real one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.contracts import QUERY_TIMELINE
from core.domain.incident.policies.file import Facts, Policies
from core.domain.oncall.answer import Answer
from core.operations.explain_policy import explain_policy
from tests.support.incidents import ON_CALL, REPORT, SECOND_LINE, Harness, alert

NOW: dict[str, Any] = {"after": "0s", "targets": [ON_CALL]}
LATER: dict[str, Any] = {"after": "TIDEGATE_ACK_TIMEOUT", "targets": [SECOND_LINE]}
BERLIN = ZoneInfo("Europe/Berlin")


def hours(begin: int, end: int) -> dict[str, str]:
    """From and to so many hours from now."""
    now = datetime.now(UTC)
    begun, ended = ((now + timedelta(hours=h)).astimezone(BERLIN) for h in (begin, end))
    return {"from": f"{begun:%H:%M}", "to": f"{ended:%H:%M}"}


@pytest.mark.parametrize(
    ("policy", "maintenance", "by_alert"),
    [
        ({"levels": [NOW, LATER], "repeats": 2, "repeat_after": "10m"}, [], False),
        ({"levels": [NOW], "repage_every": "2h"}, [], False),
        ({"levels": [{"after": "15m", "targets": ["unset"]}, {**LATER, "after": "1h"}]}, [], False),
        (
            {
                "levels": [NOW, LATER],
                "quiet_hours": {"time_zone": BERLIN.key, "hours": [hours(-1, 2), hours(2, 4)]},
            },
            [],
            False,
        ),
        (
            {"levels": [NOW], "repage_every": "90m"},
            [
                {
                    "name": "m",
                    "match": {"service": "checkout"},
                    "time_zone": BERLIN.key,
                    "hours": [hours(4, 6)],
                }
            ],
            False,
        ),
        ({"levels": [NOW, LATER], "hold_back": "2m", "resolve_if_silent_for": "1h"}, [], True),
        ({"levels": [{"after": "2h", "targets": [ON_CALL]}], "maximum_age": "1h"}, [], False),
    ],
    ids=["repeats", "repaged", "unset", "quiet", "maintenance", "held-back", "too-late"],
)
async def test_a_real_incident_pages_as_explained(
    policy: dict[str, Any], maintenance: list[Any], by_alert: bool, harness: Harness
) -> None:
    harness.policy = {"maximum_age": "12h", "reopen_window": "0s", **policy}
    harness.targets = {"unset": {"url_env": "NOT_SET"}}
    harness.maintenance = maintenance
    async with harness.working():
        wire = alert() if by_alert else harness.upload(json.dumps(REPORT))
        handle = await harness.start(wire)
        await handle.result()
        entries = await handle.query(QUERY_TIMELINE)
    begun = datetime.fromisoformat(entries[0]["at"])
    facts = Facts(
        severity="critical" if by_alert else "high",
        source="alertmanager" if by_alert else None,
        service="checkout",
    )
    explanation = explain_policy(
        policies_of(harness),
        facts,
        begun,
        ack_timeout=300,
        addresses={ON_CALL: (ON_CALL,), SECOND_LINE: (SECOND_LINE,), "unset": ()},
        unset={},
        find=lambda question, now: Answer(),
    )
    explained = [
        (seconds(step.at - begun), step.level, name)
        for step in explanation.steps
        if step.kind == "paged"
        for name, _ in step.targets
    ]
    real = [
        (seconds(datetime.fromisoformat(e["at"]) - begun), e["level"], e["target"])
        for e in entries
        if e["kind"] == "page_started"
    ]
    assert explanation.more_at is None
    assert explained == real


def policies_of(harness: Harness) -> Policies:
    return Policies.model_validate(
        {
            "version": 1,
            "targets": {
                ON_CALL: {"url_env": "A"},
                SECOND_LINE: {"url_env": "B"},
                **harness.targets,
            },
            "policies": [{"name": "default", **harness.policy}],
            "maintenance": harness.maintenance,
        }
    )


def seconds(moment: timedelta) -> int:
    """To ten seconds: a real incident's timers are a few late."""
    return round(moment.total_seconds() / 10) * 10
