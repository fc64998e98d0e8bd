"""The incident: an immutable value, the fold of its timeline.

Nothing here decides anything (see `lifecycle`), sends pages or reads documents. Every field is
bounded, however long the incident lives and whatever it receives.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, Field

from core.domain.incident.alert_counts import AlertCounts
from core.domain.incident.description import Description
from core.domain.incident.policies.policy import Policy
from core.domain.incident.status import CloseReason, Status
from core.domain.oncall.answer import Answer, OnCall
from core.domain.oncall.people import ContactStep
from core.domain.severity import DEFAULT, Severity
from core.domain.targets import News, Post
from core.domain.value import Value

REMEMBERED_COMMANDS: Final = 500
"""How many command IDs an incident remembers, to deduplicate retries."""

REMEMBERED_EVENTS: Final = 1000
"""How many event keys an incident remembers, to deduplicate redeliveries."""

KEPT_PAGES: Final = 200
"""How many pages an incident keeps; the oldest that ended make room and stay counted."""

KEPT_NAMES: Final = 50
"""How many acknowledgers, reached targets and reports an incident names."""

KEPT_POSTS: Final = 10
"""How many messages of an incident are kept up to date: the last ones."""

KEPT_LINES: Final = 10
"""How many lines of the story wait to be told under each of them."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_FOLDER_CHARS: Final = 100


class PageStatus(StrEnum):
    """The state of a page. `waiting` means for the next round, after one that failed."""

    SENDING = "sending"
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


IN_FLIGHT: Final = (PageStatus.SENDING, PageStatus.WAITING)


class PageState(Value):
    """One page to one target. `at` is when its last round began; `round` counts from 1;
    `retry_at` is set while it waits; `via` is the fallback that took it."""

    level: int
    target: str
    person: str | None = None
    """The ID of the person whose contact method the target is."""
    repeat: int = 1
    fallback: tuple[str, ...] = ()
    round: int = 1
    status: PageStatus = PageStatus.SENDING
    at: AwareDatetime | None = None
    retry_at: AwareDatetime | None = None
    via: str | None = None
    asked_by: str | None = None
    """The person who asked for it: then nothing that holds the paging holds it."""


class PersonPaging(Value):
    """The paging of one person by their contact methods, as it stands. `on_call` is what was
    answered last about them; steps count from `since`; `asked_by` is the person who escalated by
    hand: then nothing that holds the paging holds it."""

    on_call: OnCall
    level: int
    repeat: int
    since: AwareDatetime
    taken: tuple[ContactStep, ...] = ()
    asked_by: str | None = None

    @property
    def steps(self) -> tuple[ContactStep, ...]:
        """Those that have not been taken."""
        return tuple(step for step in self.on_call.steps if step not in self.taken)

    def due(self, step: ContactStep) -> datetime:
        return self.since + timedelta(seconds=step.after)


class PostState(Value):
    """What a target's message in a chat has yet to show: since `changed_at` it is out of date, and
    the lines `untold` of the story are not under it, nor are the `omitted` ones before them. While
    an update is sent, `sending` is how many of the lines it tells; `number` counts updates."""

    post: Post
    changed_at: AwareDatetime | None = None
    untold: tuple[str, ...] = ()
    omitted: int = 0
    number: int = 0
    sending: int | None = None


class Escalation(Value):
    """How far paging has come while nobody acknowledges.

    Paging counts from `since`; `step` is the number of levels gone through since then, over all
    rounds; `repeats` is how often each level was paged in the whole life of the incident; `people`
    are those who are paged, by their IDs.
    """

    since: AwareDatetime | None = None
    step: int = 0
    paged_at: AwareDatetime | None = None
    held_until: AwareDatetime | None = None
    repeats: Mapping[int, int] = Field(default_factory=dict)
    people: Mapping[str, PersonPaging] = Field(default_factory=dict)


class Wanted(Value):
    """A level that is paged as soon as it is known who is on call, asked from `at` on: because a
    person escalated by hand (`asked_by`), or an alert got worse. With `targets`, its targets are
    paged as well."""

    level: int
    repeat: int
    at: AwareDatetime
    asked_by: str | None = None
    targets: bool = False


class Assignment(Value):
    """Somebody to be notified that the incident is theirs, by whom and with which note; `asked` is
    whether the last question is about them, too."""

    assignee: str
    by: str
    note: str | None = None
    at: AwareDatetime
    asked: bool = False


class Inquiry(Value):
    """The questions who is on call. `number` counts them.

    While one is in flight, `asked_at` is set, and it is about the first `asked_levels` levels. The
    last `answer`, of `answered_at`, is about the first `levels`. `ask_at` is when to ask again
    because the answer may have changed or has failed; `unanswered` whether it has failed last.
    """

    number: int = 0
    asked_at: AwareDatetime | None = None
    asked_levels: int = 0
    answer: Answer = Answer()
    answered_at: AwareDatetime | None = None
    levels: int = 0
    ask_at: AwareDatetime | None = None
    unanswered: bool = False
    wanted: tuple[Wanted, ...] = ()
    assignment: Assignment | None = None


class Pending(Value):
    """Alerts held back: since when, the latest of them, and whether there are enough by now."""

    since: AwareDatetime
    arrivals: tuple[AwareDatetime, ...] = ()
    enough: bool = False


class Origin(Value):
    """When a command was given in the system that passes it on, and what it decides."""

    system: str
    matter: str
    at: AwareDatetime


class Incident(Description):
    """All that decisions depend on. `pages` is keyed by idempotency key.

    `id` is this incident's own, `key` the workflow ID, which its successors have too.
    `open_since` is the opening or the last reopening. `report_wanted` is the resolution or closing
    of which a post-incident report is to be written, `reported` the last one dealt with.
    `silent_until` is how long late words are heard where there is no incident: before one opens,
    and after one has closed.
    """

    id: str
    key: str = ""
    status: Status = Status.NEW
    close_reason: CloseReason | None = None
    title: str = ""
    severity: Severity = DEFAULT
    worst_severity: Severity | None = None
    policy: Policy = Policy()

    assignee: str | None = None
    commander: str | None = None
    snoozed_until: AwareDatetime | None = None

    opened_at: AwareDatetime | None = None
    open_since: AwareDatetime | None = None
    first_paged_at: AwareDatetime | None = None
    first_acknowledged_at: AwareDatetime | None = None
    acknowledged_at: AwareDatetime | None = None
    acknowledged_by: tuple[str, ...] = ()
    mitigated_at: AwareDatetime | None = None
    resolved_at: AwareDatetime | None = None
    resolved_by: str | None = None
    closed_at: AwareDatetime | None = None
    silent_until: AwareDatetime | None = None

    report_wanted: AwareDatetime | None = None
    report_stale: bool = False
    """Whether people have added something since the last report was requested."""
    reported: AwareDatetime | None = None
    reports: tuple[str, ...] = ()

    pending: Pending | None = None
    alerts: AlertCounts = AlertCounts()
    escalation: Escalation = Escalation()
    inquiry: Inquiry = Inquiry()
    pages: Mapping[str, PageState] = Field(default_factory=dict)
    pages_delivered: int = 0
    pages_failed: int = 0
    unreachable_levels: tuple[int, ...] = ()
    """Levels of which the timeline already says that they reach nobody, or not everybody."""
    reached: tuple[str, ...] = ()
    """Targets that took a page, or were told of an assignment, and learn what becomes of it."""
    heard: Mapping[str, News] = Field(default_factory=dict)
    """What each of them has heard since its last page and since the incident was opened last."""
    posts: Mapping[str, PostState] = Field(default_factory=dict)
    """The messages of those targets that have one to be edited."""
    reopened: int = 0
    comments: int = 0
    events: int = 0
    recent_commands: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()
    """The latest of each system about each matter."""
    recent_events: tuple[str, ...] = ()

    @property
    def news(self) -> News | None:
        """What whoever took a page should have heard by now."""
        match self.status:
            case Status.NEW | Status.PENDING | Status.OPEN:
                return None
            case Status.ACKNOWLEDGED | Status.MITIGATED:
                return News.ACKNOWLEDGED
            case Status.RESOLVED | Status.CLOSED:
                return News.RESOLVED

    def shown(self) -> Incident:
        """The incident without what it only remembers for itself, as it may be told to others."""
        alerts = self.alerts.model_copy(update={"states": {}, "held": {}})
        return self.model_copy(
            update={"recent_commands": (), "recent_events": (), "origins": (), "alerts": alerts}
        )


def folder_name(incident_id: str) -> str:
    """An incident's ID as one path segment: readable, and different for different IDs.

    An ID of letters, digits, `.`, `_` and `-` stays as it is. In any other, the rest become dashes
    and a digest of the whole ID is appended, since several IDs may then look alike.
    """
    plain = _UNSAFE.sub("-", incident_id).strip(".-")[:_FOLDER_CHARS].rstrip(".-")
    if plain == incident_id and plain:
        return plain
    digest = hashlib.sha256(incident_id.encode(errors="surrogatepass")).hexdigest()[:24]
    return f"{plain}-{digest}" if plain else digest
