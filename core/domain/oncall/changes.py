"""What becomes of the state of on-call by a command, or why the command is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from core.domain.durations import format_duration
from core.domain.handles import handle_of
from core.domain.matching import Match
from core.domain.oncall.commands import (
    AddOverride,
    AddSilence,
    AnyCommand,
    EndSilence,
    PlannedOverride,
    RemoveOverride,
    Swap,
)
from core.domain.oncall.overrides import Override
from core.domain.oncall.silencing import AddedSilence
from core.domain.oncall.state import MAX_BYTES, OnCallState
from core.domain.severity import Severity
from core.domain.text import counted
from core.domain.value import Value

LONGEST_SILENCE: Final = timedelta(days=30)
"""A longer one belongs in the policies file."""
LONGEST_OVERRIDE: Final = timedelta(days=366)
"""A longer one belongs in the schedule."""
FARTHEST: Final = timedelta(days=366)
"""How far ahead something may begin."""

END_OVERRIDE: Final = "tidegate oncall overrides remove {id}"
END_SILENCE: Final = "tidegate silence end {id}"


class Refusal(Value):
    """Why a command is refused, and what to do instead."""

    why: str
    advice: str

    def __str__(self) -> str:
        return f"{self.why}; {self.advice}"


class Change(Value):
    """The `state` after a command, and which overrides and silences it has added, or ended."""

    state: OnCallState
    overrides: tuple[Override, ...] = ()
    silences: tuple[AddedSilence, ...] = ()

    def facts(self) -> dict[str, Any]:
        """What it did, as JSON."""
        shown = self.model_dump(mode="json", include={"overrides", "silences"})
        return {"changed": True, **shown}


def change(state: OnCallState, command: AnyCommand, now: datetime) -> Change | Refusal:
    """What a command does to the state at a moment. What has ended is left out of it."""
    before = state.at(now)
    after = _change(before, command, now)
    if isinstance(after, Change) and after.state.at(now).size > max(MAX_BYTES, before.size):
        return _too_large(before)
    return after


def _change(state: OnCallState, command: AnyCommand, now: datetime) -> Change | Refusal:
    match command:
        case AddOverride():
            return _override(state, command, [command], now)
        case Swap():
            return _override(state, command, command.overrides, now)
        case RemoveOverride():
            return _remove_override(state, command.id, now)
        case AddSilence():
            return _add_silence(state, command, now)
        case EndSilence():
            return _end_silence(state, command.id)


def _override(
    state: OnCallState,
    command: AddOverride | Swap,
    planned: Sequence[PlannedOverride],
    now: datetime,
) -> Change | Refusal:
    """Add all of the planned overrides, or none."""
    added: list[Override] = []
    for plan in planned:
        start = max(plan.start or now, now)
        what = f"the override of schedule {plan.schedule}"
        if refused := _impossible(what, start, plan.end, now, LONGEST_OVERRIDE, "the schedule"):
            return refused
        for other in (*state.overrides, *added):
            if other.schedule == plan.schedule and start < other.end and other.start < plan.end:
                return _overlapping(other, own=other in added)
        taken = [each.id for each in (*state.overrides, *added)]
        added.append(
            Override(
                id=_new_id(command.command_id, taken),
                schedule=plan.schedule,
                people=plan.people,
                start=start,
                end=plan.end,
                by=command.actor,
                why=command.why,
            )
        )
    overrides = (*state.overrides, *added)
    return Change(state=state.model_copy(update={"overrides": overrides}), overrides=tuple(added))


def _overlapping(other: Override, *, own: bool) -> Refusal:
    if own:
        why = f"the two overrides of schedule {other.schedule} overlap"
        return Refusal(why=why, advice="swap shifts that do not overlap")
    return Refusal(
        why=f"override {other.id} has {' and '.join(other.people)} on call for schedule "
        f"{other.schedule} {_span(other)}, by {other.by}",
        advice=f"end it first: `{END_OVERRIDE.format(id=other.id)}`",
    )


def _remove_override(state: OnCallState, id: str, now: datetime) -> Change | Refusal:
    """One that has begun ends now: until then it has decided."""
    ended = tuple(each for each in state.overrides if each.id == id)
    if not ended:
        return _unknown(f"no override {id}", state.overrides)
    overrides = tuple(
        each if each.id != id else each.model_copy(update={"end": now})
        for each in state.overrides
        if each.id != id or each.start < now
    )
    return Change(state=state.model_copy(update={"overrides": overrides}), overrides=ended)


def _add_silence(state: OnCallState, command: AddSilence, now: datetime) -> Change | Refusal:
    start = max(command.start or now, now)
    what = "the maintenance" if command.kind == "maintenance" else "the silence"
    if refused := _impossible(what, start, command.end, now, LONGEST_SILENCE, "the policies file"):
        return refused
    if command.match and command.incident:
        return Refusal(
            why="it has both an `incident` and a `match`",
            advice="add a silence for each",
        )
    if command.incident is None and _is_everything(command.match) and not command.everything:
        return Refusal(
            why=f"{what} matches every incident",
            advice="say what it is for, or confirm it: `--everything`",
        )
    added = AddedSilence(
        id=_new_id(command.command_id, [each.id for each in state.silences]),
        kind=command.kind,
        match=command.match,
        incident=command.incident,
        start=start,
        end=command.end,
        by=command.actor,
        why=command.why,
    )
    silences = (*state.silences, added)
    return Change(state=state.model_copy(update={"silences": silences}), silences=(added,))


def _end_silence(state: OnCallState, id: str) -> Change | Refusal:
    ended = tuple(each for each in state.silences if each.id == id)
    if not ended:
        return _unknown(f"no silence or maintenance window {id}", state.silences)
    silences = tuple(each for each in state.silences if each.id != id)
    return Change(state=state.model_copy(update={"silences": silences}), silences=ended)


def _impossible(
    what: str, start: datetime, end: datetime, now: datetime, longest: timedelta, place: str
) -> Refusal | None:
    """Why a period cannot be added."""
    if end <= now:
        return Refusal(why=f"{what} is in the past", advice="give an `until` in the future")
    if end <= start:
        why = f"{what} ends before it starts"
        return Refusal(why=why, advice="give an `until` that is after `from`")
    if end - start > longest:
        return Refusal(
            why=f"{what} lasts longer than {format_duration(longest.total_seconds())}",
            advice=f"shorten it, or put it into {place}",
        )
    if start - now > FARTHEST:
        ahead = format_duration(FARTHEST.total_seconds())
        return Refusal(why=f"{what} begins in more than {ahead}", advice=f"put it into {place}")
    return None


def _is_everything(match: Match | None) -> bool:
    """Whether a match fits whatever has the fields that it names."""
    if match is None:
        return True
    if match.severity is not None and set(match.severity) != set(Severity):
        return False
    patterns = (match.source, match.service, *(match.labels or {}).values())
    return all(some is None or any(not p.strip("*") for p in some) for some in patterns)


def _unknown(what: str, others: Iterable[Override | AddedSilence]) -> Refusal:
    ids = ", ".join(each.id for each in others)
    advice = f"give the ID of one of these: {ids}" if ids else "there is nothing to end"
    return Refusal(why=f"there is {what}, or it has ended", advice=advice)


def _too_large(state: OnCallState) -> Refusal:
    """What makes most room is what lasts longest."""
    override = max(state.overrides, key=lambda each: each.end, default=None)
    silence = max(state.silences, key=lambda each: each.end, default=None)
    ends = [END_OVERRIDE.format(id=override.id)] if override else []
    ends += [END_SILENCE.format(id=silence.id)] if silence else []
    return Refusal(
        why=f"{counted(len(state.overrides), 'override')} and "
        f"{counted(len(state.silences), 'silence')} leave no room for more: together they may "
        f"have {MAX_BYTES:,} bytes",
        advice="end some that nobody needs; those that last longest: "
        + " and ".join(f"`{each}`" for each in ends),
    )


def _span(override: Override) -> str:
    return f"from {override.start:%Y-%m-%d %H:%M} to {override.end:%Y-%m-%d %H:%M %Z}".rstrip()


def _new_id(command_id: str, taken: Collection[str]) -> str:
    """What people type for what a command adds. It follows from the command's ID, so that a retry
    yields the same."""
    number = 0
    while (id := handle_of(f"{command_id}/{number}" if number else command_id)) in taken:
        number += 1
    return id
