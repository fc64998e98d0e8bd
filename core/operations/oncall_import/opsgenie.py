"""Exports of Opsgenie's API v2: users with contacts and notification rules, teams, schedules with
rotations, overrides, escalations.

All rotations of a schedule are on call at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core.domain.severity import Severity, severity_of
from core.operations.oncall_import.draft import (
    Draft,
    Kind,
    Layer,
    Level,
    Override,
    Person,
    Policy,
    Rule,
    Unit,
    is_zone,
    last_day,
    local,
)
from core.operations.oncall_import.export import MOST, ExportProblem, Node
from core.operations.oncall_import.hours import DAY, WEEK_MINUTES, Window, daily, merged

_KINDS: Final[dict[str, tuple[str, Kind]]] = {
    "email": ("mail", "mail"),
    "sms": ("sms", "text message"),
    "voice": ("call", "call"),
    "mobile": ("push", "push"),
}
_UNITS: Final[dict[str, Unit]] = {"hourly": "hour", "daily": "day", "weekly": "week"}
_SECONDS: Final = {"": 60, "minutes": 60, "hours": 3_600, "days": 86_400}
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def is_export(export: Node) -> bool:
    """Whether a schedule or an escalation is as Opsgenie has it."""
    return (
        any("rotations" in each.value for each in export.section("schedules", "data"))
        or "escalations" in export.value
    )


def translate(export: Node, draft: Draft) -> None:
    for user in export.section("users", "data"):
        with draft.part():
            _user(user, draft)
    for team in export.section("teams", "data"):
        with draft.part():
            people = [_person(each.need("user"), draft) for each in team.each("members")]
            if not people:
                raise ExportProblem(
                    team.place,
                    "it has no members",
                    "export each team by itself, as the guide to importing has it",
                )
            draft.add_team(team.text("id"), team.text("name"), people, team.place)
    for schedule in export.section("schedules", "data"):
        with draft.part():
            _schedule(schedule, draft)
    for override in export.section("overrides", "data"):
        with draft.part():
            _override(override, draft)
    for escalation in export.section("escalations", "data"):
        with draft.part():
            draft.policies.append(_policy(escalation, draft))


def _user(user: Node, draft: Draft) -> None:
    if user.flag("blocked", False):
        draft.remark(
            user.place, "the user is blocked", "add the person by hand if that is a mistake"
        )
        return
    name = user.text("fullName") or user.text("username")
    person = draft.add_person(user.key("id"), name, user.text("timeZone"), user.place)
    contacts: dict[tuple[str, str], str] = {}
    for each in user.each("userContacts"):
        with draft.part():
            method = each.text("contactMethod")
            if method not in _KINDS:
                raise ExportProblem(each.place, "its contactMethod is unknown")
            if each.flag("enabled", True) and (
                contact := draft.add_contact(person, *_KINDS[method], each.place)
            ):
                contacts[method, each.text("to")] = contact
    for rule in user.each("notificationRules"):
        with draft.part():
            if rule.text("actionType") == "create-alert" and rule.flag("enabled", True):
                _rule(rule, person, contacts, draft)


def _rule(rule: Node, person: Person, contacts: dict[tuple[str, str], str], draft: Draft) -> None:
    if rule.get("timeRestriction"):
        raise ExportProblem(
            rule.place, "it is for some hours only", "give the person `quiet_hours`, or a rule"
        )
    severities = _severities(rule)
    steps = []
    for step in rule.each("steps"):
        if not step.flag("enabled", True):
            continue
        to = step.need("contact")
        method = to.text("method") or to.text("contactMethod")
        contact = contacts.get((method, to.text("to")))
        if contact is None:
            draft.remark(step.place, "its contact is not one of the user's", "add the step by hand")
            continue
        after = step.get("sendAfter")
        steps.append((contact, _seconds(after) if after else 0))
    if steps:
        ordered = tuple(sorted(steps, key=lambda step: step[1]))
        draft.add_rule(person, Rule(ordered, tuple(severities)), rule.place)


def _severities(rule: Node) -> list[Severity]:
    """Which severities a rule is for; none if it is for all."""
    criteria = rule.get("criteria")
    if criteria is None or criteria.text("type") in ("", "match-all"):
        return []
    severities = []
    for condition in criteria.each("conditions"):
        severity = severity_of(condition.text("expectedValue"))
        if (
            condition.text("field") != "priority"
            or condition.text("operation") != "equals"
            or condition.flag("not", False)
            or severity is None
        ):
            raise ExportProblem(criteria.place, "it asks for more than the alert's priority")
        severities.append(severity)
    if not severities:
        raise ExportProblem(criteria.place, "it has no conditions")
    if len(severities) > 1 and criteria.text("type") != "match-any-condition":
        raise ExportProblem(criteria.place, "it asks for several priorities of one alert")
    return severities


def _seconds(delay: Node) -> int:
    unit = delay.text("timeUnit")
    if unit not in _SECONDS:
        raise ExportProblem(delay.place, "its timeUnit is unknown")
    seconds = delay.number("timeAmount") * _SECONDS[unit]
    if seconds > MOST:
        raise ExportProblem(delay.place, "it is too long")
    return seconds


def _person(user: Node, draft: Draft) -> str:
    return draft.person(user.text("id"), user.text("username"), user.place)


def _schedule(schedule: Node, draft: Draft) -> None:
    if not schedule.flag("enabled", True):
        raise ExportProblem(schedule.place, "it is disabled", "add it by hand if it is needed")
    zone = schedule.text("timezone")
    if not is_zone(zone):
        raise ExportProblem(schedule.place, "its time zone is unknown")
    layers: list[Layer] = []
    for rotation in schedule.each("rotations"):
        with draft.part():
            layers += _layer(rotation, zone, draft)
    draft.add_schedule(schedule.key("id"), schedule, zone, [layers])


def _layer(rotation: Node, zone: str, draft: Draft) -> Iterator[Layer]:
    start, end = rotation.moment("startDate"), rotation.moment("endDate")
    if end and end <= draft.now:
        draft.remark(rotation.place, "it has ended", "")
        return
    if start is None:
        raise ExportProblem(rotation.place, "it has no startDate")
    if (kind := rotation.text("type")) not in _UNITS:
        raise ExportProblem(rotation.place, "its type is neither hourly, daily nor weekly")
    restriction = rotation.get("timeRestriction")
    yield Layer(
        name=rotation.text("name") or rotation.text("id"),
        slots=tuple(_slot(each, draft) for each in rotation.each("participants")),
        count=rotation.number("length", 1) or 1,
        unit=_UNITS[kind],
        start=local(start, zone),
        windows=merged(_windows(restriction)) if restriction else (),
        until=last_day(end, zone),
        place=rotation.place,
        key=rotation.text("id"),
    )


def _slot(participant: Node, draft: Draft) -> tuple[str, ...]:
    match participant.text("type"):
        case "user":
            return (_person(participant, draft),)
        case "team":
            _, people = draft.team(participant.text("id"), participant.place)
            return people
        case "none" | "noone":
            return ()
        case _:
            draft.remark(participant.place, "it is no user or team; nobody has this turn now")
            return ()


def _windows(restriction: Node) -> Iterator[Window]:
    match restriction.text("type"):
        case "time-of-day":
            each = restriction.need("restriction")
            start, end = _minute(each, "start"), _minute(each, "end")
            yield from daily(start, (end - start) % DAY or DAY)
        case "weekday-and-time-of-day":
            for each in restriction.each("restrictions"):
                start = _day(each, "startDay") * DAY + _minute(each, "start")
                end = _day(each, "endDay") * DAY + _minute(each, "end")
                yield start, start + ((end - start) % WEEK_MINUTES or WEEK_MINUTES)
        case _:
            raise ExportProblem(restriction.place, "its type is unknown")


def _minute(restriction: Node, edge: str) -> int:
    hour, minute = restriction.number(f"{edge}Hour", 0), restriction.number(f"{edge}Min", 0)
    if hour > 24 or minute > 59:
        raise ExportProblem(restriction.place, f"its {edge} is not a time of day")
    return hour * 60 + minute


def _day(restriction: Node, name: str) -> int:
    day = restriction.text(name).lower()
    if day not in _DAYS:
        raise ExportProblem(restriction.place, f"its {name} is not a weekday")
    return _DAYS.index(day)


def _override(override: Node, draft: Draft) -> None:
    parent, start, end = (
        override.need("_parent"),
        override.moment("startDate"),
        override.moment("endDate"),
    )
    if start is None or end is None:
        raise ExportProblem(override.place, "it has no startDate or no endDate")
    user = override.need("user")
    if user.text("type") not in ("", "user"):
        raise ExportProblem(user.place, "it is not a user")
    draft.overrides.append(
        Override(
            parent.text("id"),
            (_person(user, draft),),
            start,
            end,
            override.place,
            layers=frozenset(each.text("id") for each in override.each("rotations")),
        )
    )


def _policy(escalation: Node, draft: Draft) -> Policy:
    levels = []
    for rule in escalation.each("rules"):
        with draft.part():
            levels.append(_level(rule, draft))
    repeat = escalation.get("repeat")
    repeats = repeat.number("count", 0) if repeat else 0
    wait = repeat.number("waitInterval", 0) * 60 if repeat else 0
    if repeat and repeat.flag("closeAlertAfterAll", False):
        draft.remark(
            repeat.place, "it closes the alert in the end", "set `maximum_age` if that is wanted"
        )
    return draft.policy(
        escalation,
        escalation.text("name"),
        levels,
        repeats=repeats if wait else 0,
        repeat_after=wait,
    )


def _level(rule: Node, draft: Draft) -> Level:
    after, recipient = _seconds(rule.need("delay")), rule.need("recipient")
    if rule.text("condition") == "if-not-closed":
        draft.remark(
            rule.place,
            "it pages although somebody has acknowledged; ours pages only while nobody has",
            "set `acknowledgement_timeout` if that is wanted",
        )
    how = rule.text("notifyType") or "default"
    match recipient.text("type"):
        case "user":
            return Level(after, people=(_person(recipient, draft),))
        case "schedule":
            if how != "default":
                what = f"it pages {how} of the schedule; ours pages who is on call"
                draft.remark(rule.place, what, "name a person instead, or leave it")
            return Level(after, schedules=draft.schedule_ids(recipient.text("id"), recipient.place))
        case "team":
            team, _ = draft.team(recipient.text("id"), recipient.place)
            if how not in ("all", "random"):
                what = f"it pages {how} of the team, ours all members"
                draft.remark(rule.place, what, "name a schedule instead, or leave it")
            return Level(after, teams=((team, "round_robin" if how == "random" else "all"),))
        case _:
            raise ExportProblem(recipient.place, "it is neither a user, a schedule nor a team")
