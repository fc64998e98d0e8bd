"""Overrides: other people than a schedule's layers say, for some time."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pydantic import AwareDatetime

from core.domain.value import Value


class Override(Value):
    """From `start` to `end`, the end excluded, the `people` are on call for a schedule instead of
    those of its layers. `by` is who added it, `why` is theirs to say."""

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
    known = (
        each.model_copy(update={"people": tuple(p for p in each.people if p in people)})
        for each in overrides
        if each.schedule == schedule
    )
    return tuple(each for each in known if each.people)
