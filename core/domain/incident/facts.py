"""What a command did, in the form in which it is answered."""

from __future__ import annotations

from typing import TypedDict


class Held(TypedDict):
    """What holds the paging, and until when in RFC 3339."""

    reason: str
    until: str


class Paged(TypedDict):
    """Whom a level pages: targets, schedules, people and teams by their names; `repeat` counts how
    often it is paged."""

    level: int
    targets: list[str]
    repeat: int


class Before(TypedDict):
    """The incident as the command found it."""

    status: str
    severity: str
    assignee: str | None
    commander: str | None
    acknowledged_by: list[str]
    snoozed_until: str | None


class CommandFacts(TypedDict):
    """`paged` is whom the command paged, `notified` the addresses at which a new assignee is told;
    `next_page_at` when more people are paged, while nobody acknowledges. Moments are in RFC 3339.
    """

    commander: str | None
    snoozed_until: str | None
    held: Held | None
    paged: list[Paged]
    notified: list[str]
    next_page_at: str | None
    before: Before
