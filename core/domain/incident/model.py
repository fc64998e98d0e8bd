"""The incident: an immutable value that is the fold of its timeline.

Nothing here decides anything (see `lifecycle`) and nothing here knows how a page travels or where a
document lies. Every model survives a round trip through JSON, because the durable shell records it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from core.domain.incident.severity import DEFAULT, Severity

REMEMBERED_COMMANDS: Final = 200
"""How many command ids an incident remembers, to answer a repeat without doing it again."""

REMEMBERED_EVENTS: Final = 1000
"""How many event keys an incident remembers, to absorb a redelivery."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_FOLDER_CHARS: Final = 100


class Status(StrEnum):
    """Where an incident stands.

    `new` lasts only while the document that opens it is being read.
    """

    NEW = "new"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Record(BaseModel):
    """A value of the domain: frozen, and tolerant of fields that a later version adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Policy(Record):
    """What holds for one incident from its opening to its end, recorded when it opens.

    `ack_timeout` in seconds; `targets` are names of targets by level, never their URLs, because the
    URLs hold secrets and this is recorded.
    """

    ack_timeout: float = Field(gt=0)
    targets: Mapping[int, tuple[str, ...]] = Field(default_factory=dict)


class PageStatus(StrEnum):
    """What became of a page so far. `waiting` is for the next round after a failed one."""

    SENDING = "sending"
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    CALLED_OFF = "called off"


class PageState(Record):
    """One page to one target: `round` counts from 1, `retry_at` is set while it waits."""

    level: int
    target: str
    round: int = 1
    status: PageStatus = PageStatus.SENDING
    retry_at: AwareDatetime | None = None


class Incident(Record):
    """Everything that decisions are made of. Times are aware; `pages` goes by idempotency key.

    `open_since` is the opening or the last reopening, from which the acknowledgement time-out runs;
    `reported` is the `resolved_at` whose post-incident report is dealt with.
    """

    id: str
    status: Status = Status.NEW
    title: str = ""
    severity: Severity = DEFAULT
    service: str | None = None
    summary: str | None = None
    reporter: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    links: tuple[str, ...] = ()
    document: str | None = None
    policy: Policy | None = None

    started_at: AwareDatetime | None = None
    opened_at: AwareDatetime | None = None
    open_since: AwareDatetime | None = None
    escalated_at: AwareDatetime | None = None
    acknowledged_at: AwareDatetime | None = None
    acknowledged_by: tuple[str, ...] = ()
    resolved_at: AwareDatetime | None = None
    resolved_by: str | None = None
    closed_at: AwareDatetime | None = None
    reported: AwareDatetime | None = None
    reports: tuple[str, ...] = ()

    reopened: int = 0
    events: int = 0
    pages: Mapping[str, PageState] = Field(default_factory=dict)
    recent_commands: tuple[str, ...] = ()
    recent_events: tuple[str, ...] = ()

    def shown(self) -> Incident:
        """The incident without what it only remembers for itself, as it may be told to others."""
        return self.model_copy(update={"recent_commands": (), "recent_events": ()})


def folder_name(incident_id: str) -> str:
    """An incident's ID as one path segment: readable, and different for different IDs.

    An ID of letters, digits, `.`, `_` and `-` stays as it is; any other is spelt with dashes and
    ends in a digest of the whole, since several IDs may look alike after that.
    """
    plain = _UNSAFE.sub("-", incident_id).strip(".-")[:_FOLDER_CHARS].rstrip(".-")
    if plain == incident_id and plain:
        return plain
    digest = hashlib.sha256(incident_id.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{plain}-{digest}" if plain else digest


def compact_time(moment: datetime) -> str:
    """A moment as it goes into keys and file names: `20260102T030405.678Z` for one in UTC."""
    text = moment.isoformat(timespec="milliseconds").replace("-", "").replace(":", "")
    return text.removesuffix("+0000") + "Z" if text.endswith("+0000") else text
