"""Exports of PagerDuty's REST API v2: users with contact methods and notification rules, schedules
with layers and overrides, escalation policies.

The API gives the layers of a schedule in the opposite order of the web page, on which a lower layer
wins over those above it: so the first one of the export wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from core.operations.oncall_import.draft import (
    NOT_URGENT,
    URGENT,
    Draft,
    Expected,
    Kind,
    Layer,
    Level,
    Override,
    Policy,
    Rule,
    Unit,
    is_zone,
    last_day,
    local,
)
from core.operations.oncall_import.export import ExportProblem, Node
from core.operations.oncall_import.hours import DAY, Window, daily, merged

_KINDS: Final[dict[str, tuple[str, Kind]]] = {
    "email_contact_method": ("mail", "mail"),
    "sms_contact_method": ("sms", "text message"),
    "phone_contact_method": ("call", "call"),
    "push_notification_contact_method": ("push", "push"),
    "whatsapp_contact_method": ("whatsapp", "chat"),
}
_URGENCIES: Final = {"high": URGENT, "low": NOT_URGENT}
_UNITS: Final[tuple[tuple[int, Unit], ...]] = ((604_800, "week"), (86_400, "day"), (3_600, "hour"))


def is_export(export: Node) -> bool:
    """Whether a schedule or an escalation is as PagerDuty has it."""
    return any(
        "schedule_layers" in each.value
        for each in export.section("schedules", "schedules", "schedule")
    ) or ("escalation_policies" in export.value and "escalation_chains" not in export.value)


def translate(export: Node, draft: Draft) -> None:
    members: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for user in export.section("users", "users", "user"):
        with draft.part():
            _user(user, draft)
            for team in user.each("teams"):
                members.setdefault(team.text("id"), []).append(user.text("id"))
                names[team.text("id")] = team.text("summary") or team.text("name")
    for key, people in members.items():
        with draft.part():
            ids = [draft.people[each].id for each in people]
            draft.add_team(key, names[key], ids, "users")
    for schedule in export.section("schedules", "schedules", "schedule"):
        with draft.part():
            _schedule(schedule, draft)
    for policy in export.section("escalation_policies", "escalation_policies", "escalation_policy"):
        with draft.part():
            draft.policies.append(_policy(policy, draft))


def _user(user: Node, draft: Draft) -> None:
    place = user.place
    person = draft.add_person(
        user.key("id"),
        user.text("name") or user.text("summary"),
        user.text("time_zone"),
        place,
    )
    contacts: dict[str, str] = {}
    for method in user.each("contact_methods"):
        with draft.part():
            kind = _KINDS.get(method.text("type").removesuffix("_reference"))
            if kind is None:
                raise ExportProblem(method.place, f"its type {method.text('type')} is unknown")
            if contact := draft.add_contact(person, *kind, method.place):
                contacts[method.text("id")] = contact
    steps: dict[str, list[tuple[str, int]]] = {}
    for rule in user.each("notification_rules"):
        with draft.part():
            contact = contacts.get(rule.need("contact_method").text("id"), "")
            if not contact:
                raise ExportProblem(rule.place, "its contact method was not imported")
            urgency = rule.text("urgency") or "high"
            if urgency not in _URGENCIES:
                raise ExportProblem(rule.place, "its urgency is neither high nor low")
            delay = rule.number("start_delay_in_minutes", 0) * 60
            steps.setdefault(urgency, []).append((contact, delay))
    for each in _rules(steps):
        with draft.part():
            draft.add_rule(person, each, place)


def _rules(steps: dict[str, list[tuple[str, int]]]) -> list[Rule]:
    ordered = {
        urgency: tuple(sorted(some, key=lambda step: step[1])) for urgency, some in steps.items()
    }
    if len(ordered) == 2 and ordered["high"] == ordered["low"]:
        return [Rule(ordered["high"])]
    return [
        Rule(ordered[urgency], severities)
        for urgency, severities in _URGENCIES.items()
        if urgency in ordered
    ]


def _schedule(schedule: Node, draft: Draft) -> None:
    zone = schedule.text("time_zone")
    if not is_zone(zone):
        raise ExportProblem(schedule.place, "its time zone is unknown")
    layers: list[Layer] = []
    for layer in reversed(schedule.each("schedule_layers")):
        with draft.part():
            layers += _layer(layer, zone, draft)
    key = schedule.key("id")
    draft.add_schedule(key, schedule, zone, [[layer] for layer in layers])
    for entry, person, start, end in _entries(schedule, "overrides_subschedule", draft):
        draft.overrides.append(Override(key, (person,), start, end, entry.place))
    final = [
        Expected((person,), start, end, f"{schedule.place}.final_schedule")
        for _, person, start, end in _entries(schedule, "final_schedule", draft)
    ]
    if final:
        draft.expected[key] = final


def _entries(
    schedule: Node, name: str, draft: Draft
) -> Iterator[tuple[Node, str, datetime, datetime]]:
    """Who is on call from when to when, as one of the schedule's timelines has it."""
    timeline = schedule.get(name)
    for entry in timeline.each("rendered_schedule_entries") if timeline else []:
        with draft.part():
            start, end = entry.moment("start"), entry.moment("end")
            if start is None or end is None:
                raise ExportProblem(entry.place, "it has no start or no end")
            yield entry, _person(entry.need("user"), draft), start, end


def _person(user: Node, draft: Draft) -> str:
    return draft.person(user.text("id"), user.text("summary") or user.text("name"), user.place)


def _layer(layer: Node, zone: str, draft: Draft) -> Iterator[Layer]:
    begins, ends = layer.moment("start"), layer.moment("end")
    if ends and ends <= draft.now:
        return  # PagerDuty keeps layers that have ended
    first = layer.moment("rotation_virtual_start") or begins
    if first is None:
        raise ExportProblem(layer.place, "it has no rotation_virtual_start")
    seconds = layer.number("rotation_turn_length_seconds")
    length, unit = next(
        (each for each in _UNITS if seconds and seconds % each[0] == 0), (0, "hour")
    )
    if not length:
        raise ExportProblem(layer.place, "its turns do not last whole hours")
    yield draft.begun(
        Layer(
            name=layer.text("name") or layer.text("id"),
            slots=tuple((_person(each.need("user"), draft),) for each in layer.each("users")),
            count=seconds // length,
            unit=unit,
            start=local(first, zone),
            windows=merged(w for each in layer.each("restrictions") for w in _windows(each)),
            until=last_day(ends, zone),
            place=layer.place,
            key=layer.text("id"),
        ),
        local(begins, zone) if begins else None,
        zone,
    )


def _windows(restriction: Node) -> list[Window]:
    hour, minute, *_ = _clock(restriction)
    minutes = restriction.number("duration_seconds") // 60
    match restriction.text("type"):
        case "daily_restriction":
            return daily(hour * 60 + minute, minutes)
        case "weekly_restriction":
            day = restriction.number("start_day_of_week")
            if not 1 <= day <= 7:
                raise ExportProblem(restriction.place, "its start_day_of_week is not 1 to 7")
            start = (day - 1) * DAY + hour * 60 + minute
            return [(start, start + minutes)]
        case _:
            raise ExportProblem(restriction.place, "its type is unknown")


def _clock(restriction: Node) -> list[int]:
    text = restriction.text("start_time_of_day")
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(part.isdecimal() for part in parts):
        raise ExportProblem(restriction.place, "its start_time_of_day is not a time of day")
    numbers = [int(part) for part in parts]
    if numbers[0] > 23 or numbers[1] > 59:
        raise ExportProblem(restriction.place, "its start_time_of_day is not a time of day")
    return numbers


def _policy(policy: Node, draft: Draft) -> Policy:
    name = policy.text("name")
    levels, after, delay = [], timedelta(), timedelta()
    for number, rule in enumerate(policy.each("escalation_rules"), start=1):
        after += delay
        delay = timedelta(minutes=rule.number("escalation_delay_in_minutes", 30))
        with draft.part():
            levels.append(_level(rule, int(after.total_seconds()), f"{name} {number}", draft))
    loops = policy.number("num_loops", 0)
    services = [service.text("summary") for service in policy.each("services")]
    return draft.policy(
        policy,
        name,
        levels,
        services=services,
        repeats=loops,
        repeat_after=int(delay.total_seconds()),
    )


def _level(rule: Node, after: int, name: str, draft: Draft) -> Level:
    schedules: list[str] = []
    people: list[str] = []
    for target in rule.each("targets"):
        with draft.part():
            match target.text("type"):
                case "schedule_reference" | "schedule":
                    schedules += draft.schedule_ids(target.text("id"), target.place)
                case "user_reference" | "user":
                    people.append(_person(target, draft))
                case _:
                    raise ExportProblem(target.place, "it is neither a schedule nor a user")
    strategy = rule.get("escalation_rule_assignment_strategy")
    kind = strategy.text("type") if strategy and isinstance(strategy.value, dict) else ""
    if "round_robin" in (kind, rule.value.get("escalation_rule_assignment_strategy")):
        if schedules:
            draft.remark(
                rule.place, "its schedules take turns, and all are paged now", "choose one"
            )
        if people:
            return Level(
                after,
                tuple(schedules),
                teams=((draft.group(name, people, rule.place), "round_robin"),),
            )
    return Level(after, tuple(schedules), tuple(people))
