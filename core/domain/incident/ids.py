"""Incident IDs: which events belong to one incident, and how incidents with one key differ.

The key is the incident's workflow ID. The route's `child_id` template makes it, out of source and
fingerprint by default. Incidents with one key follow each other and never run concurrently; each
has an ID of its own, so that a command from an old page cannot reach the next incident.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from core.domain.identity import OCCURRENCE

_ID: Final = re.compile(f"(?P<key>.+){OCCURRENCE}", re.DOTALL)


def incident_id(key: str, began: datetime) -> str:
    """The ID of the incident with that key that began at that moment:
    `incident:alertmanager:5f2e@20260102T030405.678Z`."""
    return f"{key}@{compact_time(began.astimezone(UTC))}"


def parse_id(text: str) -> tuple[str, str | None]:
    """The key and the ID in what somebody typed to name an incident; the ID is None if the text is
    only a key."""
    match = _ID.fullmatch(text)
    return (match["key"], text) if match else (text, None)


def compact_time(moment: datetime) -> str:
    """A time for keys and file names: `20260102T030405.678Z` for one in UTC."""
    text = moment.isoformat(timespec="milliseconds").replace("-", "").replace(":", "")
    return text.removesuffix("+0000") + "Z" if text.endswith("+0000") else text
