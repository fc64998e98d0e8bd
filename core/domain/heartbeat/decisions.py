"""What happens to a heartbeat, as pure functions: the state before in, the state after out.

    declared            its declaration was read: it begins, changes, or is over
    heard               a beat came
    woken               its deadline may have passed
    answered            the witnesses have said what they heard
    paused, resumed     somebody said so
    accepted            the intake has accepted its first notice

A beat that does not come is missed at its deadline. Two things put an alarm off, because the fault
may be ours: a timer that fires late (Temporal or its workers were down), and witnesses that are all
overdue, too (the front door is down). Neither does so for ever.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from core.domain.heartbeat.beats import Beat, how_it_ended
from core.domain.heartbeat.declaration import Declaration
from core.domain.heartbeat.model import Alarm, Heartbeat, Notice, Outage, Pause, Status
from core.domain.heartbeat.witnesses import Sighting, Verdict, verdict

LATE: Final = timedelta(seconds=30)
"""How late a timer may fire before the fault counts as ours."""
MOST_EXTENSIONS: Final = 2
"""How often in a row a deadline is put off because its timer fired late."""
LONGEST_EXTENSION: Final = timedelta(minutes=5)
ASK_AGAIN: Final = timedelta(seconds=10)
"""Between two questions to witnesses that can say soon."""
ASK_FOR: Final = timedelta(seconds=90)
"""How long after its deadline a beat is at most asked about so."""
EXAMINE: Final = timedelta(minutes=1)
"""Between two questions to witnesses while no heartbeat is heard."""
WAIT_FOR_DECLARATION: Final = timedelta(days=1)
"""How long what is not declared waits to be."""
READ_AGAIN: Final = timedelta(minutes=30)
"""Between two looks for its declaration."""

_TICK: Final = timedelta(milliseconds=1)


def declared(state: Heartbeat, declaration: Declaration | None, now: datetime) -> Heartbeat:
    """Its declaration was read; None says that there is none.

    What was declared before and is no longer is over, its alert resolved. What never was waits for
    a day.
    """
    if declaration is None:
        if state.declaration is not None or now - state.since >= WAIT_FOR_DECLARATION:
            return _over(state, now)
        return _with(state, deadline=now + READ_AGAIN)
    if state.declaration is None or state.over:
        state = _expecting(_with(state, declaration=declaration, since=now, over=False))
        return _failed(state, now) if state.beat and state.beat.failed else state
    if declaration == state.declaration:
        return state
    changed = _with(state, declaration=declaration)
    return changed if state.alarm or state.outage or state.pause else _expecting(changed)


def heard(state: Heartbeat, beat: Beat, now: datetime) -> Heartbeat:
    """A beat came. One that is older than the last, or a repetition of it, changes nothing."""
    if state.beat and (beat.at < state.beat.at or beat.key == state.beat.key):
        return state
    state = _with(state, beat=beat, beats=state.beats + 1)
    if state.declaration is None or state.pause or state.over:
        return state
    state = _expecting(_received(state, now))
    return _failed(state, now) if beat.failed else _recovered(state, now)


def woken(state: Heartbeat, now: datetime) -> Heartbeat:
    """The deadline, or the end of a pause, may have passed."""
    if state.pause and state.pause.until and state.pause.until <= now:
        return resumed(state, now)
    if state.declaration is None or state.deadline is None or state.deadline > now:
        return state  # what is not declared is read again by the workflow
    if state.alarm:
        return _with(state, deadline=None)
    late = now - state.deadline > LATE
    if late and state.extensions < MOST_EXTENSIONS and not state.outage:
        return _extended(_with(state, extensions=state.extensions + 1), now)
    return _with(state, asking=True)


def answered(state: Heartbeat, sightings: tuple[Sighting, ...], now: datetime) -> Heartbeat:
    """The witnesses have answered. A beat that came meanwhile has settled the question."""
    due, declaration = state.due, state.declaration
    if not state.asking or due is None or declaration is None:
        return state
    state = _with(state, asking=False)
    match verdict(sightings, due, now):
        case Verdict.RECEIVED if state.outage:
            return _extended(_received(state, now), now)
        case Verdict.RECEIVED | Verdict.UNKNOWN:
            return _missed(state, now)
        case Verdict.SILENT | Verdict.SOON if state.outage:
            return _with(state, deadline=now + EXAMINE)
        case Verdict.SILENT:
            heard_at = max((each.heard_at for each in sightings), default=state.since)
            outage = Outage(heard_at=max(heard_at, _last(state)), at=now)
            notice = Notice(alarm=None, since=outage.heard_at)
            return _with(_noticed(state, notice), outage=outage, deadline=now + EXAMINE)
        case Verdict.SOON:
            if now - (due + declaration.lateness) < ASK_FOR:
                return _with(state, deadline=now + ASK_AGAIN)
            return _missed(state, now)


def paused(state: Heartbeat, pause: Pause) -> Heartbeat:
    """Somebody has paused it: nothing is expected, and its alert is resolved."""
    state = _recovered(_received(state, pause.at), pause.at)
    return _with(state, pause=pause, due=None, deadline=pause.until, asking=False)


def resumed(state: Heartbeat, now: datetime) -> Heartbeat:
    """It is expected again, from now on."""
    return _expecting(_with(state, pause=None, since=now))


def accepted(state: Heartbeat) -> Heartbeat:
    """The intake has accepted the first notice."""
    return _with(state, notices=state.notices[1:])


def _over(state: Heartbeat, now: datetime) -> Heartbeat:
    state = _recovered(_received(state, now), now)
    return _with(state, over=True, pause=None, due=None, deadline=None, asking=False)


def _last(state: Heartbeat) -> datetime:
    """From when the next beat is expected."""
    return max(state.since, state.beat.at) if state.beat else state.since


def _expecting(state: Heartbeat) -> Heartbeat:
    """With the deadline of the next beat."""
    if state.declaration is None:
        return state
    due = state.declaration.due(_last(state))
    return _with(
        state, due=due, deadline=due + state.declaration.lateness, extensions=0, asking=False
    )


def _extended(state: Heartbeat, now: datetime) -> Heartbeat:
    """With a deadline that gives the next beat another chance."""
    assert state.declaration is not None  # noqa: S101  # what is due is declared
    due = now + min(state.declaration.period(now), LONGEST_EXTENSION)
    return _with(state, due=due, deadline=due + state.declaration.lateness)


def _failed(state: Heartbeat, now: datetime) -> Heartbeat:
    """Its last beat says that it failed."""
    if state.alarm:
        return _with(state, alarm=state.alarm.model_copy(update={"status": Status.FAILED}))
    how = how_it_ended(state.beat) if state.beat else ""
    return _alarmed(state, Status.FAILED, now, f"Heartbeat {state.name} failed: {how}")


def _missed(state: Heartbeat, now: datetime) -> Heartbeat:
    state = _with(_received(state, now), deadline=None)
    if state.alarm:
        return state
    how = "was missed" if state.beat else "was never heard"
    return _alarmed(state, Status.MISSED, state.due or now, f"Heartbeat {state.name} {how}")


def _alarmed(state: Heartbeat, status: Status, since: datetime, text: str) -> Heartbeat:
    # An alert that begins no later than the one that ended is a repetition of it.
    if state.ended_at:
        since = max(since, state.ended_at + _TICK)
    alarm = Alarm.model_validate({"status": status, "since": since, "text": text})
    last = state.notices[-1] if len(state.notices) > 1 else None
    if last and last.alarm and last.until:  # still to be said: it has not recovered
        kept = last.alarm.model_copy(update={"status": status})
        return _with(state, alarm=kept, notices=state.notices[:-1])
    return _with(_noticed(state, Notice(alarm=alarm, since=since)), alarm=alarm)


def _recovered(state: Heartbeat, now: datetime) -> Heartbeat:
    if state.alarm is None:
        return state
    until = max(now, state.alarm.since + _TICK)
    notice = Notice(alarm=state.alarm, since=state.alarm.since, until=until)
    return _with(_noticed(state, notice), alarm=None, ended_at=until)


def _received(state: Heartbeat, now: datetime) -> Heartbeat:
    """Beats are received, or nobody waits for one: the shared alert is over."""
    if state.outage is None:
        return state
    notice = Notice(alarm=None, since=state.outage.heard_at, until=now)
    return _with(_noticed(state, notice), outage=None)


def _noticed(state: Heartbeat, notice: Notice) -> Heartbeat:
    return _with(state, notices=(*state.notices, notice))


def _with(state: Heartbeat, **changes: object) -> Heartbeat:
    return state.model_copy(update=changes)
