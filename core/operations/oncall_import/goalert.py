"""Exports of GoAlert's GraphQL API: users with notification rules, rotations, schedules with their
targets and rules, overrides, escalation policies.

All targets of a schedule whose rules apply are on call at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, NamedTuple

from core.operations.oncall_import.draft import (
    Draft,
    Kind,
    Layer,
    Level,
    Override,
    Policy,
    Rule,
    Unit,
    is_zone,
    local,
)
from core.operations.oncall_import.export import ExportProblem, Node
from core.operations.oncall_import.hours import DAY, Window, daily, merged

_KINDS: Final[dict[str, tuple[str, Kind]]] = {
    "EMAIL": ("mail", "mail"),
    "SMS": ("sms", "text message"),
    "VOICE": ("call", "call"),
    "SLACK_DM": ("slack", "chat"),
    "WEBHOOK": ("webhook", "chat"),
    "builtin-smtp-email": ("mail", "mail"),
    "builtin-twilio-sms": ("sms", "text message"),
    "builtin-twilio-voice": ("call", "call"),
    "builtin-slack-dm": ("slack", "chat"),
    "builtin-webhook": ("webhook", "chat"),
}
_UNITS: Final[dict[str, Unit]] = {"hourly": "hour", "daily": "day", "weekly": "week"}


class _Target(NamedTuple):
    """What a rule or a step is for; older and newer versions of the API write it differently."""

    kind: str
    id: str
    name: str
    place: str


def is_export(export: Node) -> bool:
    """Whether it is an answer of GraphQL."""
    data = export.value.get("data")
    return isinstance(data, dict) and bool({"schedules", "rotations", "users"} & set(data))


def translate(export: Node, draft: Draft) -> None:
    data = export.need("data")
    for user in _nodes(data, "users", draft):
        with draft.part():
            _user(user, draft)
    rotations = {each.text("id"): each for each in _nodes(data, "rotations", draft)}
    for schedule in _nodes(data, "schedules", draft):
        with draft.part():
            _schedule(schedule, rotations, draft)
    for override in _nodes(data, "userOverrides", draft):
        with draft.part():
            _override(override, draft)
    for policy in _nodes(data, "escalationPolicies", draft):
        with draft.part():
            draft.policies.append(_policy(policy, rotations, draft))


def _nodes(data: Node, name: str, draft: Draft) -> Iterator[Node]:
    connection = data.get(name)
    if connection is None:
        return
    page = connection.get("pageInfo")
    if page and page.flag("hasNextPage", False):
        draft.remark(
            connection.place, "there are more than this page has", "ask for more with `first`"
        )
    yield from connection.each("nodes")


def _user(user: Node, draft: Draft) -> None:
    person = draft.add_person(user.key("id"), user.text("name"), "UTC", user.place)
    contacts: dict[str, str] = {}
    for method in user.each("contactMethods"):
        with draft.part():
            destination = method.get("dest")
            kind = destination.text("type") if destination else method.text("type")
            if kind not in _KINDS:
                raise ExportProblem(method.place, "its type is unknown")
            if method.flag("disabled", False):
                continue
            if contact := draft.add_contact(person, *_KINDS[kind], method.place):
                contacts[method.text("id")] = contact
    steps = []
    for rule in user.each("notificationRules"):
        with draft.part():
            key = rule.text("contactMethodID")
            if key not in contacts:
                raise ExportProblem(rule.place, "its contact method was not imported")
            steps.append((contacts[key], rule.number("delayMinutes", 0) * 60))
    if steps:
        ordered = tuple(sorted(steps, key=lambda step: step[1]))
        draft.add_rule(person, Rule(ordered), user.place)


def _schedule(schedule: Node, rotations: dict[str, Node], draft: Draft) -> None:
    zone = schedule.text("timeZone")
    if not is_zone(zone):
        raise ExportProblem(schedule.place, "its time zone is unknown")
    key = schedule.key("id")
    layers: list[Layer] = []
    for each in schedule.each("targets"):
        with draft.part():
            windows = [w for rule in each.each("rules") for w in _windows(rule)]
            if windows:
                target = _target(each.need("target"))
                layers.append(_layer(target, merged(windows), zone, rotations, draft))
    draft.add_schedule(key, schedule, zone, [layers])
    for temporary in schedule.each("temporarySchedules"):
        draft.remark(
            temporary.place,
            "of a temporary schedule, its shifts became overrides; between them the layers apply",
            "check who is on call meanwhile",
        )
        for shift in temporary.each("shifts"):
            with draft.part():
                user = draft.person(shift.text("userID"), "", shift.place)
                _add(key, user, shift, draft)


def _add(key: str, person: str, node: Node, draft: Draft, instead_of: str | None = None) -> None:
    start, end = node.moment("start"), node.moment("end")
    if start is None or end is None:
        raise ExportProblem(node.place, "it has no start or no end")
    draft.overrides.append(Override(key, (person,), start, end, node.place, instead_of=instead_of))


def _windows(rule: Node) -> list[Window]:
    days = [each.value for each in rule.each("weekdayFilter")]
    if len(days) != 7 or not all(isinstance(day, bool) for day in days):
        raise ExportProblem(rule.place, "its weekdayFilter has not seven days")
    start, end = _minute(rule, "start"), _minute(rule, "end")
    # The filter begins with Sunday.
    return daily(start, (end - start) % DAY or DAY, [(n - 1) % 7 for n in range(7) if days[n]])


def _minute(rule: Node, edge: str) -> int:
    hour, _, minute = rule.text(edge).partition(":")
    if not (hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60):
        raise ExportProblem(rule.place, f"its {edge} is not a time of day")
    return int(hour) * 60 + int(minute)


def _target(node: Node) -> _Target:
    kind = node.text("type").removeprefix("builtin-")
    arguments = node.get("args")
    id = arguments.text(f"{kind}_id") if arguments else node.text("id")
    return _Target(kind, id, node.text("name"), node.place)


def _layer(
    target: _Target,
    windows: tuple[Window, ...],
    zone: str,
    rotations: dict[str, Node],
    draft: Draft,
) -> Layer:
    match target.kind:
        case "user":
            person = draft.person(target.id, target.name, target.place)
            return Layer(
                name=person, slots=((person,),), windows=windows, place=target.place, key=target.id
            )
        case "rotation":
            if target.id in rotations:
                return _rotation(rotations[target.id], windows, zone, draft)
            raise ExportProblem(target.place, "the export has no such rotation")
        case _:
            raise ExportProblem(target.place, "it is neither a user nor a rotation")


def _rotation(rotation: Node, windows: tuple[Window, ...], zone: str, draft: Draft) -> Layer:
    """The layer of a rotation. Its `activeUserIndex` says who is on call when it is exported, until
    the next hand-over; its `start` says when hand-overs are, and not whose turn began then."""
    kind, length = rotation.text("type"), rotation.number("shiftLength", 1) or 1
    if kind not in _UNITS:
        raise ExportProblem(rotation.place, "its type is neither hourly, daily nor weekly")
    if rotation.text("timeZone") != zone:
        draft.remark(
            rotation.place,
            f"its time zone is another than its schedule's; its hand-overs are on the clocks of "
            f"{zone} now",
            "check them after the next daylight-saving change",
        )
    users = rotation.each("userIDs")
    slots = tuple((draft.person(str(each.value), "", each.place),) for each in users)
    handovers = [
        Node(each.place, {"at": each.value}).moment("at")
        for each in rotation.each("nextHandoffTimes")
    ]
    if handovers and (next_one := handovers[0]) and slots:
        active = rotation.number("activeUserIndex", 0) % len(slots)
        slots = slots[active:] + slots[:active]
        start = local(next_one, zone) - timedelta(**{f"{_UNITS[kind]}s": length})
    else:
        first = rotation.moment("start")
        if first is None:
            raise ExportProblem(rotation.place, "it has neither nextHandoffTimes nor a start")
        start = local(first, zone)
        draft.remark(
            rotation.place,
            "without nextHandoffTimes it is not known whose turn it is",
            "ask for `nextHandoffTimes(num: 1)`, or put `people` in order",
        )
    return Layer(
        name=rotation.text("name"),
        slots=slots,
        count=length,
        unit=_UNITS[kind],
        start=start,
        windows=windows,
        place=rotation.place,
        key=rotation.text("id"),
    )


def _override(override: Node, draft: Draft) -> None:
    schedule = override.need("target").text("id")
    added, removed = override.text("addUserID"), override.text("removeUserID")
    if added and removed:
        person = draft.person(added, "", override.place)
        replaced = draft.person(removed, "", override.place)
        _add(schedule, person, override, draft, instead_of=replaced)
    elif added:
        raise ExportProblem(
            override.place,
            "it adds somebody to whoever is on call",
            "add an override for both, or page the person in a level of the policy",
        )
    else:
        raise ExportProblem(
            override.place, "it removes somebody", "add an override for whoever is to be on call"
        )


def _policy(policy: Node, rotations: dict[str, Node], draft: Draft) -> Policy:
    name, levels, after, delay = policy.text("name"), [], 0, 0
    for step in policy.each("steps"):
        after += delay
        delay = step.number("delayMinutes", 1) * 60
        level = Level(after)
        for node in step.each("targets") or step.each("actions"):
            with draft.part():
                level += _level(_target(node), after, rotations, draft)
        levels.append(level)
    services = [
        each.text("name") for each in policy.each("assignedTo") if each.text("type") == "service"
    ]
    repeats = policy.number("repeat", 0)
    return draft.policy(
        policy, name, levels, services=services, repeats=repeats, repeat_after=delay
    )


def _level(target: _Target, after: int, rotations: dict[str, Node], draft: Draft) -> Level:
    match target.kind:
        case "user":
            return Level(after, people=(draft.person(target.id, target.name, target.place),))
        case "schedule":
            return Level(after, schedules=draft.schedule_ids(target.id, target.place))
        case "rotation":
            key = f"rotation {target.id}"
            if key not in draft.schedules:
                node = rotations.get(target.id)
                if node is None:
                    raise ExportProblem(target.place, "the export has no such rotation")
                zone = node.text("timeZone")
                if not is_zone(zone):
                    raise ExportProblem(node.place, "its time zone is unknown")
                draft.add_schedule(key, node, zone, [[_rotation(node, (), zone, draft)]])
            return Level(after, schedules=draft.schedule_ids(key, target.place))
        case other:
            raise ExportProblem(
                target.place, f"a {other} has no counterpart", "page a target instead"
            )
