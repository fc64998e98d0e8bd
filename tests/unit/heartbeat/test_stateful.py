"""A heartbeat and two witnesses over hours of beats, failures, outages and late timers, held
against a model that knows the truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.domain.alert import read_alert
from core.domain.heartbeat import decisions
from core.domain.heartbeat.alerts import alert_event
from core.domain.heartbeat.beats import Beat
from core.domain.heartbeat.declaration import HeartbeatRule
from core.domain.heartbeat.model import Heartbeat, Pause, Status
from core.domain.heartbeat.witnesses import Sighting, sighting_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = {
    name: HeartbeatRule.model_validate(rule).declared(name)
    for name, rule in {
        "job": {"every": "10m", "grace": "2m"},
        "one": {"every": "1m", "grace": "1m"},
        "two": {"every": "1m", "grace": "1m"},
        "three": {"every": "2m", "grace": "1m"},
    }.items()
}
WITNESSES = ("one", "two", "three")
LONGEST_SILENCE = timedelta(minutes=40)
"""By then a job that is not heard alarms, or an outage is known: the period and its grace, two
timers that fired late, and what is waited for witnesses. An outage starts it afresh."""


class Hearts(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.states = {
            name: decisions.declared(Heartbeat(name=name, since=START), declaration, START)
            for name, declaration in RULES.items()
        }
        self.fires: dict[str, bool] = {}
        self.started: dict[str, datetime] = {}
        self.resolved: dict[str, datetime] = {}
        self.ids: set[str] = set()
        self.door, self.jobs = True, set(RULES)
        self.count = 0
        self.quiet_since: dict[str, datetime] = dict.fromkeys(RULES, START)
        self.spoken_for: dict[str, datetime] = dict.fromkeys(RULES, START)

    def _sightings(self, name: str) -> tuple[Sighting, ...]:
        others = (self.states[each] for each in WITNESSES if each != name)
        return tuple(each for other in others if (each := sighting_of(other)))

    def _settle(self) -> None:
        """What the workflows do: accept, ask, wake; each until nothing is left."""
        for name in RULES:
            for _ in range(20):
                state = self.states[name]
                if state.notices:
                    self._accept(name, state)
                    state = decisions.accepted(state)
                elif state.asking:
                    state = decisions.answered(state, self._sightings(name), self.now)
                elif state.deadline and state.deadline <= self.now:
                    state = decisions.woken(state, self.now)
                else:
                    break
                self.states[name] = Heartbeat.model_validate_json(state.model_dump_json())
                if state.outage:
                    self.spoken_for[name] = self.now
            else:
                raise AssertionError(f"{name} is never done: {self.states[name]}")

    def _accept(self, name: str, state: Heartbeat) -> None:
        event = alert_event(state, state.notices[0])
        alert = read_alert(event)
        assert alert.starts_at
        key, firing = alert.key, alert.status == "firing"
        if key != "heartbeats":
            assert event.id not in self.ids, "an alert is repeated"
            self.ids.add(event.id)
            assert firing is not self.fires.get(key, False)
            if firing and key in self.resolved:
                assert alert.starts_at > self.resolved[key], "it would be stale"
            if not firing:
                assert alert.starts_at == self.started[key]
        if firing:
            self.started[key] = alert.starts_at
        else:
            assert alert.ends_at
            assert alert.ends_at > alert.starts_at
            self.resolved[key] = alert.ends_at
        self.fires[key] = firing

    def _beat(self, name: str, **fields: Any) -> None:
        if not self.door:
            return
        self.count += 1
        beat = Beat(at=self.now, key=f"k{self.count}", **fields)
        self.states[name] = decisions.heard(self.states[name], beat, self.now)
        self.quiet_since[name] = self.now

    def _pass(self, minutes: int, *, working: bool) -> None:
        for _ in range(6 * minutes):
            self.now += timedelta(seconds=10)
            for name, declaration in RULES.items():
                period = declaration.period(self.now)
                if name in self.jobs and (self.now - START) % period < timedelta(seconds=10):
                    self._beat(name)
            if working:
                self._settle()

    @rule(minutes=st.integers(1, 30))
    def time_passes(self, minutes: int) -> None:
        self._pass(minutes, working=True)

    @rule(minutes=st.integers(1, 60))
    def workers_are_down(self, minutes: int) -> None:
        """Beats wait for them, timers do not fire: then all is handled together."""
        self._pass(minutes, working=False)
        self._settle()
        for name, heard in self.quiet_since.items():
            if self.now - heard < RULES[name].period(self.now):
                assert not self.fires.get(f"heartbeat:{name}", False) or self.failing(name)

    def failing(self, name: str) -> bool:
        beat = self.states[name].beat
        return bool(beat and beat.failed)

    @rule(name=st.sampled_from(sorted(RULES)))
    def a_job_stops(self, name: str) -> None:
        self.jobs.discard(name)

    @rule(name=st.sampled_from(sorted(RULES)))
    def a_job_runs_again(self, name: str) -> None:
        self.jobs.add(name)

    @rule(name=st.sampled_from(sorted(RULES)))
    def a_job_fails(self, name: str) -> None:
        self._beat(name, failed=True, exit_code=1)
        self._settle()
        if self.door and not self.states[name].pause:
            assert self.states[name].status is Status.FAILED

    @rule()
    def the_front_door_closes(self) -> None:
        self.door = False

    @rule()
    def the_front_door_opens(self) -> None:
        self.door = True

    @precondition(lambda self: not self.states["job"].pause)
    @rule()
    def somebody_pauses_it(self) -> None:
        pause = Pause(by="ana", at=self.now)
        self.states["job"] = decisions.paused(self.states["job"], pause)
        self._settle()

    @precondition(lambda self: self.states["job"].pause)
    @rule()
    def somebody_resumes_it(self) -> None:
        self.states["job"] = decisions.resumed(self.states["job"], self.now)
        self.quiet_since["job"] = self.now

    @invariant()
    def what_is_not_heard_is_known(self) -> None:
        """No miss is missed: it alarms itself, or the shared alert does."""
        for name, state in self.states.items():
            told = max(self.quiet_since[name], self.spoken_for[name])
            if state.pause or self.now - told < LONGEST_SILENCE:
                continue
            if self.now - max(self.states[each].since for each in RULES) < LONGEST_SILENCE:
                continue
            late = state.deadline and state.deadline > self.now and state.extensions
            assert state.alarm or state.outage or late, f"{name} is silent: {state}"

    @invariant()
    def what_fires_is_what_stands(self) -> None:
        for name, state in self.states.items():
            if not state.notices:
                assert self.fires.get(f"heartbeat:{name}", False) is (state.alarm is not None)

    @invariant()
    def it_stays_small(self) -> None:
        assert all(len(state.notices) <= 6 for state in self.states.values())


TestHearts = Hearts.TestCase
TestHearts.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
