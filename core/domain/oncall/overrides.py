"""Overrides: other people than a schedule's layers say, for some time."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pydantic import AwareDatetime

from core.domain.value import Value


class Override(Value):
    """From `start` to `end`, the end excluded, the `people` are on call for a schedule instead of
    those of its layers. `by` is who added it, and `why` their reason."""

    id: str
    schedule: str
    people: tuple[str, ...]
    start: AwareDatetime
    end: AwareDatetime
    by: str
    why: str = ""


def applicable(
    overrides: Iterable[Override], schedule: str, people: Collection[str]
) -> tuple[Override, ...]:
    """The overrides of a schedule, in the order in which they were added, with those of their
    people who are in the on-call file. One of which nobody is left does not apply: the layers have
    somebody to page."""
    found = []
    for each in overrides:
        known = tuple(person for person in each.people if person in people)
        if each.schedule == schedule and known:
            found.append(
                each.model_copy(update={"people": known}) if known != each.people else each
            )
    return tuple(found)
