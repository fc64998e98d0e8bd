"""Witnesses: other heartbeats that say whether a beat is missing, or whether none can be heard.

A heartbeat that misses its deadline cannot know by itself whether its job has stopped or whether
whatever receives beats is down. Others that are expected often can: one that was heard since the
beat was due proves that beats are received. When at least two of them should have been heard
meanwhile, and none was, the front door is suspect.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final

from pydantic import AwareDatetime

from core.domain.heartbeat.declaration import Declaration
from core.domain.heartbeat.model import Heartbeat
from core.domain.value import Value

MOST_ASKED: Final = 10
"""How many are asked: those with the shortest periods."""
MOST_WITNESSES: Final = 5
"""How many of those are heeded."""
LEAST_WITNESSES: Final = 2
"""How many have to be overdue."""
SLACK: Final = timedelta(seconds=15)
"""How much later than expected a witness is overdue."""
SOON: Final = timedelta(seconds=75)
"""How soon a witness must be expected to be waited for."""


class Sighting(Value):
    """When a witness was heard last, and when it is expected again."""

    name: str
    heard_at: AwareDatetime
    due: AwareDatetime


class Verdict(StrEnum):
    """What the witnesses say about a beat that did not come."""

    RECEIVED = "received"
    """Beats are received: one was heard since."""
    SILENT = "silent"
    """No beat is received: all that should have been heard since were not."""
    SOON = "soon"
    """One that is expected soon can say."""
    UNKNOWN = "unknown"
    """Too few can say."""


def by_period(declarations: Iterable[Declaration], now: datetime) -> list[Declaration]:
    """The declarations, those with the shortest periods first."""
    return sorted(declarations, key=lambda each: (each.period(now), each.name))


def candidates(name: str, declarations: Iterable[Declaration]) -> list[Declaration]:
    """Whom to ask about the heartbeat of this name, out of what `by_period` returns."""
    return list(islice((each for each in declarations if each.name != name), MOST_ASKED))


def sighting_of(heartbeat: Heartbeat) -> Sighting | None:
    """What a heartbeat says as a witness; None for one that nobody expects to hear, that was never
    heard, or whose alert fires: it says nothing about others."""
    if heartbeat.declaration is None or heartbeat.pause or heartbeat.alarm or not heartbeat.beat:
        return None
    heard_at = heartbeat.beat.at
    return Sighting(name=heartbeat.name, heard_at=heard_at, due=heartbeat.declaration.due(heard_at))


def verdict(sightings: Iterable[Sighting], since: datetime, now: datetime) -> Verdict:
    """What the witnesses say about a beat that was expected at `since`."""
    heeded = tuple(sightings)[:MOST_WITNESSES]
    if any(each.heard_at >= since for each in heeded):
        return Verdict.RECEIVED
    overdue = sum(each.due + SLACK < now for each in heeded)
    soon = sum(now <= each.due + SLACK <= now + SOON for each in heeded)
    if overdue + soon < LEAST_WITNESSES:
        return Verdict.UNKNOWN
    return Verdict.SOON if soon else Verdict.SILENT
