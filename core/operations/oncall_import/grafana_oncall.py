"""Exports of Grafana OnCall's HTTP API: users with their notification rules, teams, schedules of
shifts or calendars, escalation chains.

Of the shifts of a schedule those with the highest level are on call, all of them at the same time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core.domain.oncall.schedules import MAX_ROTATION
from core.operations.oncall_import.draft import (
    Draft,
    Kind,
    Layer,
    Level,
    Mode,
    Override,
    Policy,
    Rule,
    Unit,
    is_zone,
    last_day,
    local,
)
from core.operations.oncall_import.export import ExportProblem, Node
from core.operations.oncall_import.hours import DAY, WEEK_MINUTES, Window, daily, merged

_KINDS: Final[dict[str, tuple[str, Kind]]] = {
    "notify_by_email": ("mail", "mail"),
    "notify_by_sms": ("sms", "text message"),
    "notify_by_phone_call": ("call", "call"),
    "notify_by_mobile_app": ("push", "push"),
    "notify_by_mobile_app_critical": ("urgent-push", "push"),
    "notify_by_slack": ("slack", "chat"),
    "notify_by_telegram": ("telegram", "chat"),
    "notify_by_msteams": ("msteams", "chat"),
}
_IMPORTANT: Final = ("critical", "high")
"""The severities for which the rules apply that Grafana has for important steps."""
_UNITS: Final[dict[str, Unit]] = {"hourly": "hour", "daily": "day", "weekly": "week"}
_MINUTES: Final[dict[Unit, int]] = {"hour": 60, "day": DAY, "week": WEEK_MINUTES}
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_REPEATS: Final = 5
"""How often Grafana repeats a chain that has a step which repeats it."""


def is_export(export: Node) -> bool:
    """Whether it has sections that only Grafana OnCall has."""
    return "on_call_shifts" in export.value or "escalation_chains" in export.value


def translate(export: Node, draft: Draft) -> None:
    members = defaultdict[str, list[str]](list)
    for user in export.section("users", "results"):
        with draft.part():
            key = user.text("id")
            draft.add_person(key, user.text("username"), user.text("timezone"), user.place)
            for team in user.each("teams"):
                members[str(team.value)].append(draft.people[key].id)
    _rules(export.section("personal_notification_rules", "results"), draft)
    for team in export.section("teams", "results"):
        with draft.part():
            key = team.text("id")
            if not members[key]:
                raise ExportProblem(team.place, "none of the users is its member", "leave it out")
            draft.add_team(key, team.text("name"), members[key], team.place)
    shifts = {each.text("id"): each for each in export.section("on_call_shifts", "results")}
    for schedule in export.section("schedules", "results"):
        with draft.part():
            _schedule(schedule, shifts, draft)
    steps = defaultdict[str, list[Node]](list)
    for step in export.section("escalation_policies", "results"):
        steps[step.text("escalation_chain_id")].append(step)
    for chain in export.section("escalation_chains", "results"):
        with draft.part():
            draft.policies.append(_policy(chain, steps[chain.text("id")], draft))


def _rules(rules: Sequence[Node], draft: Draft) -> None:
    contacts: dict[tuple[str, str], str | None] = {}
    after = defaultdict[tuple[str, bool], int](int)
    steps = defaultdict[tuple[str, bool], list[tuple[str, int]]](list)
    for rule in sorted(rules, key=lambda rule: rule.number("position", 0)):
        with draft.part():
            user, important, kind = (
                rule.text("user_id"),
                rule.flag("important", False),
                rule.text("type"),
            )
            if user not in draft.people:
                raise ExportProblem(rule.place, "the export has no such user", "export the users")
            if kind == "wait":
                after[user, important] += rule.number("duration", 60)
                continue
            if kind not in _KINDS:
                raise ExportProblem(rule.place, "its type is unknown")
            if (user, kind) not in contacts:
                person = draft.people[user]
                contacts[user, kind] = draft.add_contact(person, *_KINDS[kind], rule.place)
            if contact := contacts[user, kind]:
                steps[user, important].append((contact, after[user, important]))
    for key, person in draft.people.items():
        for important, severities in ((True, _IMPORTANT), (False, ())):
            if some := steps[key, important]:
                with draft.part():
                    chain = Rule(tuple(some), severities)
                    draft.add_rule(person, chain, "personal_notification_rules")


def _schedule(schedule: Node, shifts: dict[str, Node], draft: Draft) -> None:
    key, zone = schedule.key("id"), schedule.text("time_zone") or "UTC"
    mine = []
    for each in schedule.each("shifts"):
        with draft.part():
            if str(each.value) not in shifts:
                raise ExportProblem(each.place, "the export has no such shift", "export the shifts")
            mine.append(shifts[str(each.value)])
    zones = {shift.text("time_zone") or zone for shift in mine}
    if len(zones) == 1:
        [zone] = zones
    elif len(zones) > 1:
        draft.remark(
            schedule.place,
            f"its shifts have several time zones, ours only {zone}",
            "check the hand-overs after the next daylight-saving change",
        )
    if not is_zone(zone):
        raise ExportProblem(schedule.place, "its time zone is unknown")
    levels = defaultdict[int, list[Layer]](list)
    for shift in mine:
        with draft.part():
            levels[shift.number("level", 0)] += _shift(shift, key, zone, draft)
    ordered = [levels[level] for level in sorted(levels)]
    for name in ("ical_url_primary", "ical_url_overrides"):
        if calendar := schedule.get(name):
            layer = _calendar(schedule, name.removeprefix("ical_url_"), calendar.place, draft)
            ordered.append([layer])
    draft.add_schedule(key, schedule, zone, ordered)


def _calendar(schedule: Node, name: str, place: str, draft: Draft) -> Layer:
    variable = draft.variable(schedule.text("name"), name, "calendar")
    draft.calendars[variable] = schedule.text("name")
    draft.remark(
        place,
        f"its address may be a secret: it is read from {variable}",
        "set the variable; add what the calendar calls people to their `known_as`, and give events "
        "with a level like [L1] a calendar of their own",
    )
    return Layer(name=name, calendar=variable, place=place)


def _shift(shift: Node, key: str, zone: str, draft: Draft) -> Iterator[Layer]:
    own = shift.text("time_zone") or zone
    start, kind = shift.local("start"), shift.text("type")
    if start is None or not is_zone(own):
        raise ExportProblem(shift.place, "it has no start, or an unknown time zone")
    first = start.replace(tzinfo=ZoneInfo(own)).astimezone(UTC)
    if kind in ("single_event", "override"):
        end = first + timedelta(seconds=shift.number("duration"))
        groups = shift.each("rolling_users") or [shift.need("users")]
        people = dict.fromkeys(each for group in groups for each in _people(group, draft))
        draft.overrides.append(Override(key, tuple(people), first, end, shift.place))
        if kind == "single_event":
            draft.remark(
                shift.place,
                "it is a single event; it became an override, which wins over every layer",
                "check who is on call meanwhile",
            )
        return
    until = shift.local("until")
    ends = until.replace(tzinfo=ZoneInfo(own)).astimezone(UTC) if until else None
    if ends and ends <= draft.now:
        draft.remark(shift.place, "it has ended", "")
        return
    begins = shift.local("rotation_start")
    layer = _turns(shift, _groups(shift, kind, draft), local(first, zone), last_day(ends, zone))
    at = begins.replace(tzinfo=ZoneInfo(own)).astimezone(UTC) if begins else first
    yield draft.begun(layer, local(at, zone), zone)


def _people(group: Node, draft: Draft) -> tuple[str, ...]:
    """The people of a list of users' IDs."""
    return tuple(draft.person(str(each.value), "", each.place) for each in group.entries())


def _groups(shift: Node, kind: str, draft: Draft) -> list[tuple[str, ...]]:
    if kind == "recurrent_event":
        return [_people(shift.need("users"), draft)]
    if kind != "rolling_users":
        raise ExportProblem(shift.place, "its type is unknown")
    groups = [_people(group, draft) for group in shift.each("rolling_users")]
    index = shift.number("start_rotation_from_user_index", 0) % max(1, len(groups))
    return groups[index:] + groups[:index]


def _turns(
    shift: Node, groups: list[tuple[str, ...]], start: datetime, until: date | None
) -> Layer:
    """The layer of a shift that recurs: a turn for each group of users.

    A turn is an interval, of which the shift may cover a part: some hours of each day, some days of
    each week. Where an interval has several days or weeks, and the shift is in the first of them
    only, nobody has the others.
    """
    frequency, days = shift.text("frequency"), [_day(each) for each in shift.each("by_day")]
    if frequency not in _UNITS or shift.get("by_month") or shift.get("by_monthday"):
        raise _no_rotation(shift)
    unit, interval = _UNITS[frequency], shift.number("interval", 1) or 1
    minutes, whole = shift.number("duration") // 60, _MINUTES[unit]
    clock = start.hour * 60 + start.minute
    windows: tuple[Window, ...] = ()
    if days:
        by_week = unit == "week" or (unit == "day" and len(groups) == interval == 1)
        if not by_week or minutes > DAY:
            raise _no_rotation(shift)
        windows = merged(daily(clock, minutes, days))
        if unit == "week":  # the groups take turns with the week, which has its own first day
            first_day = _day(shift.get("week_start") or Node(shift.place, "SU"))
            start -= timedelta(days=(start.weekday() - first_day) % 7)
    elif minutes < whole and unit != "hour":
        begins = start.weekday() * DAY + clock
        windows = merged(daily(clock, minutes) if unit == "day" else [(begins, begins + minutes)])
    elif minutes not in (whole, interval * whole):
        raise _no_rotation(shift)
    all_of_it = not windows and minutes == interval * whole
    idle = 0 if all_of_it else interval - 1
    if idle > MAX_ROTATION:
        raise _no_rotation(shift)
    return Layer(
        name=shift.text("name") or shift.text("id"),
        slots=tuple(turn for group in groups for turn in (group, *[()] * idle)),
        count=interval if all_of_it else 1,
        unit=unit,
        start=start,
        windows=windows,
        until=until,
        place=shift.place,
        key=shift.text("id"),
    )


def _no_rotation(shift: Node) -> ExportProblem:
    return ExportProblem(
        shift.place,
        "its rule of recurrence has no counterpart in a rotation",
        "make it a calendar, and its layer an `ical`",
    )


def _day(node: Node) -> int:
    if node.value not in _DAYS:
        raise ExportProblem(node.place, "it is not a weekday like MO")
    return _DAYS.index(node.value)


def _policy(chain: Node, steps: Sequence[Node], draft: Draft) -> Policy:
    name, levels = chain.text("name"), list[Level]()
    after = waited = repeats = 0
    for step in sorted(steps, key=lambda step: step.number("position", 0)):
        with draft.part():
            match step.text("type"):
                case "wait":
                    waited = step.number("duration", 60)
                    after += waited
                case "repeat_escalation":
                    repeats = _REPEATS
                case _:
                    levels.append(_level(step, after, name, draft))
    last = max((level.after for level in levels), default=0)
    return draft.policy(
        chain, name, levels, repeats=repeats, repeat_after=after - last or waited or 60
    )


def _level(step: Node, after: int, name: str, draft: Draft) -> Level:
    match step.text("type"):
        case "notify_persons":
            return Level(after, people=_people(step.need("persons_to_notify"), draft))
        case "notify_person_next_each_time":
            people = _people(step.need("persons_to_notify_next_each_time"), draft)
            mode: Mode = "round_robin"
            return Level(
                after, teams=((draft.group(f"{name} {after // 60}", people, step.place), mode),)
            )
        case "notify_on_call_from_schedule":
            schedule = step.need("notify_on_call_from_schedule")
            return Level(after, schedules=draft.schedule_ids(str(schedule.value), schedule.place))
        case "notify_team_members":
            team = step.need("team_to_notify")
            return Level(after, teams=((draft.team(str(team.value), team.place)[0], "all"),))
        case other:
            raise ExportProblem(
                step.place, f"{other} has no counterpart", "do it with a target, or leave it out"
            )
