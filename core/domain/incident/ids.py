"""Grouping: which events are one incident, and how incidents of one group are told apart.

The grouping key is the incident workflow's ID: the route's `child_id` template makes it, out of
source and fingerprint unless the operator wants otherwise, and refuses to make one out of nothing.
Incidents of one key follow each other, never side by side; each has an ID of its own, so that a
command from an old page cannot reach the next incident.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from core.domain.incident.model import compact_time

_ID: Final = re.compile(r"(?P<key>.+)@\d{8}T\d{6}\.\d{3}Z", re.DOTALL)


def incident_id(key: str, began: datetime) -> str:
    """The ID of the incident of that key that began at that moment:
    `incident:alertmanager:5f2e@20260102T030405.678Z`."""
    return f"{key}@{compact_time(began.astimezone(UTC))}"


def parse_id(text: str) -> tuple[str, str | None]:
    """A key and, when the text is an incident's own ID, that ID: what somebody types to name an
    incident may be either."""
    match = _ID.fullmatch(text)
    return (match["key"], text) if match else (text, None)
