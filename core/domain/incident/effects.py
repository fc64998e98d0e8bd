"""Effects: what the shell has to do because of a decision. They say what, never how."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from core.domain.alert import Alert
from core.domain.incident.severity import Severity
from core.domain.value import Value

REPORT_KEY = "report"
"""The key that cancels the writing of the report; pages have their own keys."""

News = Literal["acknowledged", "resolved"]


class Page(Value):
    """Tell one target, or the first of its fallbacks that can be reached when it cannot.

    `key` names the page (incident, level, repeat, target) and stays the same over its rounds;
    `dedup_key` names the incident, for channels that keep one entry for all pages about it.
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
    """Tell targets that took a page how it goes on. Only channels with a `dedup_key` need it; it
    need not be recorded, and nobody is woken by it."""

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
