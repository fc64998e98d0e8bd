"""Effects: what the workflow has to do because of a decision. They say what, never how."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from core.domain.alert import Alert
from core.domain.severity import Severity
from core.domain.value import Value

REPORT_KEY = "report"
"""The key that cancels the writing of the report; pages have their own keys."""

News = Literal["acknowledged", "resolved"]
"""What targets that took a page learn later."""


class Page(Value):
    """Notify one target, or the first of its fallbacks that can be reached if it cannot.

    `key` is the page's idempotency key (incident, level, repeat, target), the same over its rounds;
    `dedup_key` is the incident's, for channels that keep one entry for all pages about it.
    """

    key: str
    level: int
    target: str
    repeat: int = 1
    fallback: tuple[str, ...] = ()
    title: str
    body: str
    severity: Severity
    dedup_key: str = ""


class FollowUp(Value):
    """Tell targets that took a page what became of the incident. Only channels with a `dedup_key`
    need it; it is not on the timeline, and it wakes nobody."""

    what: News
    targets: tuple[str, ...]
    dedup_key: str
    title: str


class CancelInFlight(Value):
    """Cancel what is in flight under these keys. What has ended, or does not stop, still counts."""

    keys: tuple[str, ...]


class WriteReport(Value):
    """Write the post-incident report of the resolution or closing at `as_of`."""

    as_of: AwareDatetime


class StartSuccessor(Value):
    """The event belongs to a new incident under the same workflow ID: start it when this one is
    finished. Events named by several of these belong to the same successor. `held` is the alert,
    where it was held until now and no event brings it."""

    event_key: str
    held: Alert | None = None


Effect = Page | FollowUp | CancelInFlight | WriteReport | StartSuccessor
