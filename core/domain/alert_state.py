"""The state of one alert: what a source's words about it add up to, in whatever order they arrive.

Firing and resolved are two states of one thing. Each word carries the source's own times, so the
state is made of the latest of them and not of the order in which a network delivered them:

    fired_at        the latest start of a firing that was heard
    recovered       the latest recovery that was heard: its start and its end

The alert fires while its latest firing began after the latest recovery. Both are maxima, so words
may be repeated and reordered without a difference. Two things the maxima cannot tell, and the
caller says them: that a source's replicas may disagree (`settle`), and that a person ended the
incident while the alert fires on (`dismiss`).

    known       arrives                                 becomes
    nothing     firing                                  firing
    nothing     resolved                                recovered
    nothing     resolved, without an end                recovered
    firing      firing                                  firing
    firing      firing, without a start                 firing
    firing      resolved                                recovered
    firing      resolved, of an earlier firing          firing
    firing      resolved, without an end                recovered
    recovered   firing, started later                   firing
    recovered   firing, started earlier                 recovered
    recovered   firing, without a start                 firing
    recovered   the same firing, overtaken              recovered
    recovered   the same firing, again                  recovered
    recovered   the same firing, again, replicated      held
    recovered   resolved                                recovered
    recovered   resolved, of an earlier firing          recovered
    recovered   resolved, without an end                recovered
    held        the same firing, again                  held
    held        the same firing, again, replicated      held
    held        firing, started later                   firing
    held        firing, started earlier                 held
    held        firing, without a start                 held
    held        resolved                                recovered
    held        resolved, of an earlier firing          held
    held        resolved, without an end                recovered
    held        the settling time is over               firing
    dismissed   the same firing, again                  dismissed
    dismissed   the same firing, again, replicated      held
    dismissed   firing, started later                   firing
    dismissed   firing, started earlier                 dismissed
    dismissed   firing, without a start                 firing
    dismissed   resolved                                recovered
    dismissed   resolved, of an earlier firing          dismissed
    dismissed   resolved, without an end                recovered

A firing is "the same" when it has the start of the one that recovered, "overtaken" when this is the
first word about it, and "replicated" when it is of a source whose replicas may disagree. One that
began later, but within what recovered, counts as the same firing again.

A start or an end that is missing, or lies further in the future than clocks are apart, counts as
the moment of arrival: a recovery dated 2099 must not mute its alert. A recovery without an end ends
what is known by then, and no firing that began later, whatever the source's clock says.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime

from core.domain.alert import Alert, AlertStatus
from core.domain.value import Value

CLOCKS_APART: Final = timedelta(minutes=5)
"""How far a source's clock may be ahead of ours before its times are not believed."""


class Heard(StrEnum):
    """What a word about an alert means."""

    FIRED = "fired"
    REPEATED = "repeated"
    HELD = "held"
    RECOVERED = "recovered"
    REMEMBERED = "remembered"
    STALE = "stale"


class AlertState(Value):
    """What is known of one alert. A new one knows nothing."""

    fired_at: AwareDatetime | None = None
    recovered_from: AwareDatetime | None = None
    """The latest start among the recoveries."""
    recovered_at: AwareDatetime | None = None
    """The latest end among the recoveries."""
    held_until: AwareDatetime | None = None
    """When a firing that a replica may have said late counts as true."""
    dismissed: bool = False
    """Whether a person ended the incident while this alert fired."""

    @property
    def firing(self) -> bool:
        """Whether the source says that it fires, as far as can be known by now."""
        return self.fired_at is not None and not self._covers(self.fired_at)

    def _covers(self, start: datetime) -> bool:
        """Whether the recoveries that are known ended a firing that began at `start`."""
        return (self.recovered_from is not None and start <= self.recovered_from) or (
            self.recovered_at is not None and start < self.recovered_at
        )

    def _disputed(self, start: datetime) -> bool:
        """Whether a firing that began at `start` is the one that recovered, and was heard of before
        its recovery; or began within what recovered. A firing of which nothing was heard but its
        recovery has merely been overtaken by it."""
        if self.fired_at is None or self.recovered_from is None:
            return False
        if start >= self.recovered_from:
            return start > self.recovered_from or start <= self.fired_at
        # A recovery that names its end as its start, as Grafana's do, is about any earlier firing.
        return start == self.fired_at and self.recovered_from == self.recovered_at


def hear(
    state: AlertState, alert: Alert, now: datetime, *, settle: timedelta | None = None
) -> tuple[AlertState, Heard]:
    """The state after one word of the source, and what the word means.

    `settle` is how long a firing with the start of a recovered one is held, for sources whose
    replicas may disagree; None for all others, where it is a redelivery.
    """
    if alert.status is AlertStatus.FIRING:
        return _fires(state, _plausible(alert.starts_at, now), now, settle)
    return _recovers(state, _plausible(alert.starts_at, now), _plausible(alert.ends_at, now), now)


def settled(state: AlertState, now: datetime) -> AlertState | None:
    """The state in which a held firing counts as true, from `held_until` on; None before that."""
    if state.held_until is None or now < state.held_until:
        return None
    return believed(state)


def believed(state: AlertState) -> AlertState:
    """The state in which the latest firing counts as true, whatever was said of its end."""
    # What recovered is what the replicas disagreed on; the recovery counts when it is said again.
    return AlertState(fired_at=state.fired_at)


def dismiss(state: AlertState) -> AlertState:
    """The state after a person ended the incident, whatever the source says."""
    return state.model_copy(update={"dismissed": state.firing, "held_until": None})


def _fires(
    state: AlertState, start: datetime | None, now: datetime, settle: timedelta | None
) -> tuple[AlertState, Heard]:
    if start is None:
        if (state.firing or state.held_until) and not state.dismissed:
            return state, Heard.REPEATED
        start = _after(now, state.fired_at, state.recovered_from, state.recovered_at)
    latest = max(start, state.fired_at or start)
    after = state.model_copy(update={"fired_at": latest})
    if state.fired_at is None and not state._covers(start):
        return after, Heard.FIRED
    if not after.firing:
        if settle is not None and state._disputed(start):
            return _hold(after, now, settle)
        return after, Heard.STALE
    if not state.firing:
        return after.model_copy(update={"held_until": None, "dismissed": False}), Heard.FIRED
    if not state.dismissed:
        return after, Heard.REPEATED
    if state.fired_at is not None and start > state.fired_at:
        return after.model_copy(update={"held_until": None, "dismissed": False}), Heard.FIRED
    if start == state.fired_at and settle is not None:
        return _hold(after, now, settle)
    return after, Heard.REPEATED


def _hold(state: AlertState, now: datetime, settle: timedelta) -> tuple[AlertState, Heard]:
    if state.held_until is not None:
        return state, Heard.REPEATED
    return state.model_copy(update={"held_until": now + settle}), Heard.HELD


def _recovers(
    state: AlertState, start: datetime | None, end: datetime | None, now: datetime
) -> tuple[AlertState, Heard]:
    covered = _covered(state, start, end, now)
    after = state.model_copy(
        update={
            "recovered_from": max(covered, state.recovered_from or covered),
            "recovered_at": max(filter(None, (end, state.recovered_at)), default=None),
        }
    )
    if state.fired_at is None:
        return after, Heard.REMEMBERED
    if after.firing:
        return after, Heard.STALE
    ends_latest = covered >= state.fired_at or (end is not None and end > state.fired_at)
    if state.firing or (state.held_until is not None and ends_latest):
        return after.model_copy(update={"held_until": None, "dismissed": False}), Heard.RECOVERED
    return after, Heard.REPEATED


def _covered(
    state: AlertState, start: datetime | None, end: datetime | None, now: datetime
) -> datetime:
    """The latest start of a firing that a recovery ends, besides those before its end. Without an
    end it counts as of its arrival, and ends what is known: the source's clock and ours are never
    compared, unless nothing else is known."""
    if end is not None:
        return start or end
    return max(filter(None, (start, state.fired_at)), default=now)


def _after(now: datetime, *known: datetime | None) -> datetime:
    """A moment that is later than all that is known, for a word without a time: `now`, unless much
    arrives in one moment."""
    latest = max((moment for moment in known if moment), default=None)
    return now if latest is None or now > latest else latest + timedelta(microseconds=1)


def _plausible(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment is not None and moment <= now + CLOCKS_APART else None
