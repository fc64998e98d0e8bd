"""Whom an incident pages when its levels name schedules, people and teams, and what a change of who
is on call does to it, on Temporal's time-skipping server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from core.contracts import QUERY_TIMELINE
from core.domain.incident import commands
from core.domain.matching import Match
from core.domain.oncall.rota import shift_at
from core.ports.notifier import NotificationKind
from tests.support.incidents import ON_CALL, alert, check_histories, command, says, timeline, until
from tests.support.on_call_people import (
    PEOPLE,
    OnCallHarness,
    addresses_of,
    always,
    change,
    handing_over,
    override,
    person,
    silence,
)
from tests.support.oncall_example import BERLIN, CALENDARS, FILE, FOLDER, POLICIES, SCHEDULE

MINUTE = 60
CALLS = ["ana/push", "ana/sms", "ana/call"]


@pytest.fixture
async def harness(
    server: WorkflowEnvironment, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[OnCallHarness]:
    harness = OnCallHarness(server.client, tmp_path, server=server)
    yield harness
    await check_histories(harness, request.node.get_closest_marker("recorded"))


@asynccontextmanager
async def opened(
    harness: OnCallHarness, *levels: dict[str, Any], **policy: Any
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """An incident of an alert by these levels; without any, of the schedule `web`. It is resolved
    in the end."""
    harness.policy = {"levels": levels or [{"after": "0s", "schedule": "web"}], **policy}
    async with harness.working():
        handle = await harness.start(alert())
        yield handle
        await harness.end(handle)


async def hands_over(harness: OnCallHarness, minutes: int, leaves: str, comes: str) -> datetime:
    """Has one person hand the schedule `web` over to another in some minutes; returns when."""
    end = await harness.minutes_ahead(minutes)
    harness.on_call = {"people": PEOPLE, "schedules": {"web": handing_over(end, leaves, comes)}}
    return end


# ------------------------------------------------------------------------------- contact rules


async def test_a_person_is_paged_by_their_rules_step_by_step(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    async with opened(harness, {"after": "0s", "person": "ana"}):
        await harness.pages("ana/push")
        await server.sleep(2 * MINUTE - 5)
        await harness.pages("ana/push")
        await server.sleep(10)
        await harness.pages("ana/push", "ana/sms")
        await server.sleep(3 * MINUTE)
        await harness.pages(*CALLS)
        await server.sleep(24 * 60 * MINUTE)
        await harness.pages(*CALLS)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (commands.Acknowledge.name, {}),
        (commands.Mitigate.name, {}),
        (commands.Snooze.name, {"for": 7200}),
        (commands.Resolve.name, {"force": True}),
    ],
)
async def test_the_steps_end_when_somebody_has_the_incident(
    harness: OnCallHarness, server: WorkflowEnvironment, name: str, fields: dict[str, Any]
) -> None:
    level = {"after": "0s", "person": "ana"}
    async with opened(harness, level) as handle:
        await harness.pages("ana/push")
        await server.sleep(2 * MINUTE + 5)
        await harness.pages("ana/push", "ana/sms")
        await command(handle, name, "c1", **fields)
        await server.sleep(60 * MINUTE)
        await harness.pages("ana/push", "ana/sms")


async def test_quiet_hours_delay_the_persons_steps_and_not_the_level(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    quiet_from = await harness.minutes_ahead(-30)
    quiet_until = quiet_from + timedelta(minutes=60)
    hours = [{"from": f"{quiet_from:%H:%M}", "to": f"{quiet_until:%H:%M}"}]
    people = {**PEOPLE, "ana": {**PEOPLE["ana"], "quiet_hours": {"hours": hours}}}
    harness.on_call = {"people": people}
    levels = ({"after": "0s", "person": ["ana", "ben"]}, {"after": "10m", "person": "carla"})
    async with opened(harness, *levels) as handle:
        await harness.pages("ben/push")
        await until(says(handle, "their quiet hours"))
        await server.sleep(10 * MINUTE + 5)
        await harness.pages("ben/push", "carla/push")
        await harness.pass_until(quiet_until)
        await harness.pages("ben/push", "carla/push", "ana/push")
        await server.sleep(2 * MINUTE)
        await harness.pages("ben/push", "carla/push", "ana/push", "ana/sms")


# ------------------------------------------------------------------------------- several recipients


async def test_a_level_pages_targets_schedules_people_and_teams_and_each_person_once(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    harness.on_call = {
        "people": PEOPLE,
        "teams": {"web": {"members": ["ben", "carla"]}},
        "schedules": {"web": always("ben")},
    }
    level = {
        "after": "0s",
        "targets": [ON_CALL],
        "schedule": "web",
        "person": ["ana", "ben"],
        "team": "web",
    }
    async with opened(harness, level) as handle:
        await until(lambda: len(harness.paged) == 4)
        await server.sleep(MINUTE)
        assert sorted(harness.paged) == ["ana/push", "ben/push", "carla/push", ON_CALL]
        keys = {
            page.key.removeprefix(handle.id).split("/", 1)[1] for page, _ in harness.pager.delivered
        }
        assert "level-1/repeat-1/ana/push" in keys


async def test_the_timeline_says_who_is_paged_why_and_until_when(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    end = await hands_over(harness, 30, "ben", "carla")
    async with opened(harness) as handle:
        await harness.pages("ben/push")
        entries = await timeline(handle)
        [said] = [entry for entry in entries if entry.startswith("Ben is paged as")]
        assert "on call for schedule web (layer turns" in said
        assert f"until {end:%Y-%m-%d %H:%M}" in said


async def test_a_level_with_nobody_on_call_goes_on_to_the_next(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    later = await harness.minutes_ahead(60)
    schedule = handing_over(later, "ana")
    schedule["layers"][0]["rotation"] |= {"start": (later + timedelta(days=2)).date().isoformat()}
    harness.on_call = {"people": PEOPLE, "schedules": {"web": schedule}}
    levels = ({"after": "0s", "schedule": "web"}, {"after": "15m", "person": "carla"})
    async with opened(harness, *levels) as handle:
        await harness.pages("carla/push")
        await until(says(handle, "nobody is on call for schedule web"))


# ------------------------------------------------------------------------------- hand-overs


def heard(harness: OnCallHarness) -> list[str]:
    """The targets that heard of a hand-over."""
    return [
        name
        for kind, names in harness.pager.followed_up
        if kind is NotificationKind.HANDED_OVER
        for name in names
    ]


@pytest.mark.recorded("handed-over")
async def test_a_hand_over_pages_who_comes_and_tells_who_leaves(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    end = await hands_over(harness, 3, "ana", "ben")
    async with opened(harness) as handle:
        await harness.pages("ana/push")
        await server.sleep(2 * MINUTE + 5)
        await harness.pages("ana/push", "ana/sms")
        await harness.pass_until(end)
        await harness.pages("ana/push", "ana/sms", "ben/push")
        await until(says(handle, "Ana hands over to Ben"))
        await until(lambda: len(heard(harness)) == 2)
        assert sorted(heard(harness)) == ["ana/push", "ana/sms"]
        await server.sleep(10 * MINUTE)
        await harness.pages("ana/push", "ana/sms", "ben/push")


async def test_an_acknowledged_incident_stays_with_whoever_has_it(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    end = await hands_over(harness, 3, "ana", "ben")
    async with opened(harness) as handle:
        await harness.pages("ana/push")
        await command(handle, commands.Acknowledge.name, "c1")
        await harness.pass_until(end)
        await server.sleep(10 * MINUTE)
        await harness.pages("ana/push")
        assert heard(harness) == []


# ------------------------------------------------------------------------------- overrides


async def test_an_override_begins_and_ends_during_an_incident(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    start = await harness.minutes_ahead(5)
    end = start + timedelta(minutes=10)
    harness.on_call = {"people": PEOPLE, "schedules": {"web": always("ben")}}
    harness.added = harness.added.model_copy(update={"overrides": (override(start, end, "carla"),)})
    async with opened(harness) as handle:
        await harness.pages("ben/push")
        await harness.pass_until(start)
        await harness.pages("ben/push", "carla/push")
        await until(lambda: heard(harness) == ["ben/push"])
        await harness.pass_until(end)
        await harness.pages("ben/push", "carla/push", "ben/push")
        await until(lambda: heard(harness) == ["ben/push", "carla/push"])
        entries = await timeline(handle)
        assert any("an override by carla" in entry for entry in entries), entries


async def test_an_override_that_is_added_and_ended_holds_immediately(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    harness.on_call = {"people": PEOPLE, "schedules": {"web": always("ben")}}
    now = await harness.now()
    async with opened(harness) as handle:
        await harness.pages("ben/push")
        await change(harness, handle, overrides=(override(now, now + timedelta(days=1), "carla"),))
        await harness.pages("ben/push", "carla/push")
        await change(harness, handle, overrides=())
        await harness.pages("ben/push", "carla/push", "ben/push")


# ------------------------------------------------------------------------------- silences

WAYS = ["file", "command"]


def silenced(harness: OnCallHarness, way: str, start: Any, end: Any, **match: Any) -> None:
    """A silence of the policies file, or the same one added by a command."""
    if way == "file":
        times = {"from": start.isoformat(), "until": end.isoformat()}
        harness.silences = [{"name": "the-move", "match": match, **times}]
    else:
        added = silence(start, end, match=Match.model_validate(match))
        harness.added = harness.added.model_copy(update={"silences": (added,)})


@pytest.mark.parametrize(
    "level", [{"targets": [ON_CALL]}, {"person": "ben"}], ids=["target", "person"]
)
@pytest.mark.parametrize("way", WAYS)
async def test_a_silence_holds_the_pages_until_it_ends(
    harness: OnCallHarness, server: WorkflowEnvironment, way: str, level: dict[str, Any]
) -> None:
    now = await harness.now()
    end = await harness.minutes_ahead(20)
    silenced(harness, way, now - timedelta(minutes=5), end, service="check*")
    [expected] = [
        target for each in level.values() for target in ("ben/push" if each == "ben" else ON_CALL,)
    ]
    async with opened(harness, {"after": "0s", **level}) as handle:
        await until(says(handle, "Nobody is paged until"))
        await server.sleep(10 * MINUTE)
        assert harness.paged == []
        await harness.pass_until(end)
        await harness.pages(expected)


@pytest.mark.parametrize("way", WAYS)
async def test_a_silence_that_begins_during_an_incident_stops_the_steps(
    harness: OnCallHarness, server: WorkflowEnvironment, way: str
) -> None:
    start = await harness.minutes_ahead(2)
    end = start + timedelta(minutes=30)
    silenced(harness, way, start, end, service="checkout")
    async with opened(harness, {"after": "0s", "person": "ana"}):
        await harness.pages("ana/push")
        await server.sleep(2 * MINUTE + 5)
        paged_before = harness.paged
        await harness.pass_until(start)
        await server.sleep(20 * MINUTE)
        assert harness.paged == paged_before
        assert "ana/call" not in harness.paged
        await harness.pass_until(end)
        await until(lambda: len(harness.paged) > len(paged_before))
        await server.sleep(6 * MINUTE)
        await until(lambda: harness.paged[len(paged_before) :] == CALLS)


@pytest.mark.parametrize("way", WAYS)
async def test_a_silence_of_other_incidents_holds_nothing(
    harness: OnCallHarness, server: WorkflowEnvironment, way: str
) -> None:
    now = await harness.now()
    silenced(harness, way, now - timedelta(minutes=5), now + timedelta(days=1), service="search")
    async with opened(harness, {"after": "0s", "person": "ben"}):
        await harness.pages("ben/push")


async def test_a_silence_that_is_added_and_ended_by_a_command_holds_immediately(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    now = await harness.now()
    async with opened(harness, {"after": "0s", "person": "ana"}) as handle:
        await harness.pages("ana/push")
        added = silence(now, now + timedelta(days=1), incident=handle.id)
        await change(harness, handle, silences=(added,))
        await server.sleep(60 * MINUTE)
        await harness.pages("ana/push")
        await until(says(handle, "Nobody is paged until"))
        await change(harness, handle, silences=())
        await harness.pages("ana/push", "ana/push")


# ------------------------------------------------------------------------------- who left


async def test_a_person_who_left_while_being_paged_gives_way(
    temporal_client: Client, tmp_path: Path
) -> None:
    """On the development server, where the tasks of a worker that ended go to the next without a
    delay."""
    harness = OnCallHarness(temporal_client, tmp_path)
    steps = [{"contact": "push"}, {"contact": "sms", "after": "3s"}]
    people = {**PEOPLE, "dan": person("dan", "push", "sms", rules=[{"steps": steps}])}
    harness.on_call = {"people": people, "schedules": {"web": always("dan")}}
    harness.addresses |= addresses_of(people)
    harness.policy = {"levels": [{"after": "0s", "schedule": "web"}]}
    async with harness.working():
        handle = await harness.start(alert())
        await harness.pages("dan/push")
    harness.on_call = {"people": PEOPLE, "schedules": {"web": always("ben")}}
    async with harness.working():
        await harness.pages("dan/push", "ben/push")
        assert any("hands over to Ben" in entry for entry in await timeline(handle))
        await harness.end(handle)
    await check_histories(harness, None)


# ------------------------------------------------------------------------------- the guide


NAMES = ("oncall.yaml", "policies.yaml")


def night_of_the_guide() -> list[str]:
    """What the guide says of the night, without dates."""
    [night] = re.findall(r"```text\n(.*?)```", (FOLDER.parent / "oncall.md").read_text(), re.S)
    return [undated(line) for line in night.splitlines()]


def undated(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)


def sunday_of_ana(now: datetime) -> datetime:
    """A Sunday in winter, 03:04:05 in Berlin, on which Ana is on call."""
    day = now.astimezone(BERLIN).date()
    while True:
        day += timedelta(days=1)
        moment = datetime.combine(day, time(3, 4, 5), BERLIN)
        winter = moment.utcoffset() == timedelta(hours=1)
        shift = shift_at(SCHEDULE, moment, (), CALENDARS)
        if day.weekday() == 6 and winter and shift and shift.people == ("ana",):
            return moment


async def test_the_night_of_the_guide_is_what_happens(
    harness: OnCallHarness, server: WorkflowEnvironment
) -> None:
    oncall, policies = (yaml.safe_load((FOLDER / name).read_text()) for name in NAMES)
    harness.on_call = {name: part for name, part in oncall.items() if name != "version"}
    harness.addresses |= {
        variable: f"json://{name.replace('/', '-')}.example/"
        for name, target in {**FILE.targets, **POLICIES.targets}.items()
        for variable in target.variables
    }
    harness.targets = policies["targets"]
    rule = policies["policies"][0]
    harness.policy = {name: rule[name] for name in rule.keys() - {"name", "match"}}
    opening = sunday_of_ana(await harness.now())
    await server.sleep(opening - await harness.now())
    async with harness.working():
        handle = await harness.start(alert(title="Checkout p99 above 8 s"))
        await harness.pages("ana/push")
        await server.sleep(2 * MINUTE + 2)
        await harness.pages("ana/push", "ana/sms")
        await server.sleep(3 * MINUTE)
        await harness.pages("ana/push", "ana/sms", "ana/phone")
        await server.sleep(MINUTE)
        await command(handle, commands.Acknowledge.name, "c1")
        entries = await handle.query(QUERY_TIMELINE)
        await harness.end(handle)
    lines = [f"{each['at'][11:16]} {undated(each['text'])}" for each in entries]
    shown = [line for line in lines if not re.search("What was known|Alert fires", line)]
    assert shown == night_of_the_guide()
