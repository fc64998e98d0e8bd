"""What an import makes of a draft: the text of the files, the variables to set, and the commands to
run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import yaml
from pydantic import ValidationError

from core.domain.incident.policies.file import Policies
from core.domain.oncall.file import ONCALL, OnCallFile
from core.domain.oncall.periods import Claim, overlay
from core.domain.oncall.rota import shifts
from core.domain.problems import problems_of
from core.domain.text import counted
from core.errors import ConfigurationError
from core.operations.oncall_import.comparison import differences
from core.operations.oncall_import.draft import (
    Draft,
    Kind,
    Layer,
    Level,
    Override,
    Person,
    Policy,
    Remark,
    Schedule,
)
from core.operations.oncall_import.hours import hours

MOST_COMMANDS: Final = 500
_ADDRESSES: Final[Mapping[Kind, str]] = {
    "mail": "sends mail, like mailto://",
    "text message": "sends text messages",
    "call": "calls",
    "push": "sends push messages, like ntfy:// or pover://",
    "chat": "writes to a chat",
}


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable to set, and what it is for."""

    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The files that an export became, and what is left to do. `policies` is empty if the export
    has no escalations."""

    oncall: str
    policies: str
    people: int
    teams: int
    schedules: int
    escalations: int
    variables: tuple[Variable, ...]
    commands: tuple[str, ...]
    remarks: tuple[Remark, ...]

    def __bool__(self) -> bool:
        """Whether anything could be imported."""
        return bool(self.people or self.schedules or self.escalations)

    @property
    def environment(self) -> str:
        """A template of an environment file: every variable, with no value."""
        return "".join(f"# {each.what}\n{each.name}=\n" for each in self.variables)


def written(draft: Draft, title: str) -> Imported:
    """The files of a draft. Raises `ConfigurationError` if they are not valid, which only happens
    with more people or schedules than a file may have."""
    data = _oncall(draft)
    policies = _policies(draft)
    try:
        file = OnCallFile.model_validate(data)
        if policies:
            Policies.model_validate(policies, context={ONCALL: file})
    except ValidationError as error:
        raise ConfigurationError(
            f"the export cannot become one file: {'; '.join(problems_of(error))}",
            fix="export fewer schedules, and the people in them",
        ) from None
    commands = tuple(_commands(draft, file))
    draft.remarks += differences(draft, file)
    return Imported(
        oncall=_yaml(f"Who is on call, imported from {title}.", data),
        policies=_yaml(f"Who is paged, imported from {title}.", policies) if policies else "",
        people=len(draft.people),
        teams=len(draft.teams),
        schedules=sum(map(len, draft.schedules.values())),
        escalations=len(draft.policies),
        variables=tuple(_variables(draft)),
        commands=commands,
        remarks=tuple(draft.remarks),
    )


class _Dumper(yaml.SafeDumper):
    """Writes a list of plain values in one line."""

    def represent_list(self, data: Iterable[Any]) -> yaml.SequenceNode:
        plain = not any(isinstance(each, list | dict) and each for each in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=plain)


_Dumper.add_representer(list, _Dumper.represent_list)


def _yaml(title: str, data: object) -> str:
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return f"# {title}\n{text}"


def _oncall(draft: Draft) -> dict[str, Any]:
    people = {person.id: _person(person) for person in draft.people.values()}
    teams = {id: {"members": list(members)} for id, members in draft.teams.values()}
    schedules = {each.id: _schedule(each) for parts in draft.schedules.values() for each in parts}
    sections = {"people": people, "teams": teams, "schedules": schedules}
    return {"version": 1, **{name: section for name, section in sections.items() if section}}


def _person(person: Person) -> dict[str, Any]:
    written: dict[str, Any] = {"name": person.name, "time_zone": person.time_zone}
    if person.contacts:
        written["contacts"] = {
            each.name: {"kind": "apprise", "url_env": each.variable} for each in person.contacts
        }
    if person.rules:
        written["rules"] = [
            {
                **(
                    {"severity": [str(each) for each in rule.severities]} if rule.severities else {}
                ),
                "steps": [
                    {"contact": contact, **({"after": _duration(after)} if after else {})}
                    for contact, after in rule.steps
                ],
            }
            for rule in person.rules
        ]
    return written


def _schedule(schedule: Schedule) -> dict[str, Any]:
    return {
        "time_zone": schedule.time_zone,
        **({"description": schedule.description} if schedule.description else {}),
        "layers": [_layer(layer) for layer in schedule.layers],
    }


def _layer(layer: Layer) -> dict[str, Any]:
    written: dict[str, Any] = {"name": layer.name}
    if layer.calendar:
        written["ical"] = {"url_env": layer.calendar}
    else:
        written["rotation"] = {
            "people": [turn[0] if len(turn) == 1 else list(turn) for turn in layer.slots],
            "every": layer.unit if layer.count == 1 else f"{layer.count} {layer.unit}s",
            "start": layer.start.date(),
            "at": f"{layer.start:%H:%M}",
        }
    if layer.windows:
        written["hours"] = hours(layer.windows)
    if layer.until:
        written["until"] = layer.until
    return written


def _duration(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _policies(draft: Draft) -> dict[str, Any] | None:
    """The policies file. The last policy of a file is for all other incidents: the only one, or a
    copy of the first."""
    if not draft.policies:
        return None
    first, *others = draft.policies
    rules = [_policy(first)]
    if others:
        rules = [_policy(each, _match(each)) for each in draft.policies]
        draft.remark(
            "", f"incidents that no policy is for page as {first.name} does", "correct `default`"
        )
        rules.append({**_policy(first), "name": draft.id("policy", "default")})
    return {"version": 1, "policies": rules}


def _match(policy: Policy) -> dict[str, Any]:
    if policy.services:
        return {"service": list(policy.services)}
    return {"labels": {"escalation": [policy.name]}}


def _policy(policy: Policy, match: Mapping[str, Any] | None = None) -> dict[str, Any]:
    written: dict[str, Any] = {"name": policy.name, "description": policy.title}
    if match:
        written["match"] = match
    written["levels"] = [_level(level) for level in policy.levels]
    if policy.repeats:
        written |= {"repeats": policy.repeats, "repeat_after": _duration(policy.repeat_after)}
    return written


def _level(level: Level) -> dict[str, Any]:
    written: dict[str, Any] = {"after": _duration(level.after)}
    teams = [name if mode == "all" else {"name": name, "mode": mode} for name, mode in level.teams]
    for field, names in (("schedule", level.schedules), ("person", level.people), ("team", teams)):
        if names:
            written[field] = names[0] if len(names) == 1 else list(names)
    return written


def _variables(draft: Draft) -> Iterator[Variable]:
    for person in draft.people.values():
        for contact in person.contacts:
            what = f"{person.name}, {contact.name}: an apprise URL that {_ADDRESSES[contact.kind]}"
            yield Variable(contact.variable, what)
    for variable, schedule in draft.calendars.items():
        yield Variable(variable, f"the address of a calendar of {schedule}: https://")


def _commands(draft: Draft, file: OnCallFile) -> Iterator[str]:
    """The overrides that are not over yet, as commands; at most so many. Overrides of one schedule
    do not overlap: a later one of the export wins."""
    over = 0
    claims: dict[str, list[Claim[tuple[str, ...]]]] = {}
    for override in draft.overrides:
        if override.end <= max(draft.now, override.start):
            over += 1
            continue
        parts = draft.schedules.get(override.schedule)
        if parts is None:
            draft.remark(override.place, "its schedule was not imported", "")
            continue
        for part in parts:
            claims.setdefault(part.id, []).extend(_claims(override, part, file, draft.now))
    commands = []
    for schedule, claimed in claims.items():
        cut = list(overlay(enumerate(claimed)))
        if cut != sorted(claimed, key=lambda claim: claim.start):
            draft.remark(
                "", f"overrides of {schedule} overlap; the later one of the export wins", ""
            )
        commands += [_command(schedule, claim, draft.now) for claim in cut]
    if over:
        draft.remark("", f"left out, as it is over: {counted(over, 'override')}", "")
    if (more := len(commands) - MOST_COMMANDS) > 0:
        draft.remark(
            "", f"left out, as more than {MOST_COMMANDS}: {counted(more, 'override')}", "add them"
        )
    yield from commands[:MOST_COMMANDS]


def _claims(
    override: Override, part: Schedule, file: OnCallFile, now: datetime
) -> Iterator[Claim[tuple[str, ...]]]:
    """When an override applies to a schedule, and who is on call then. One for some layers or for
    one person applies only while these are on call."""
    if not override.layers and override.instead_of is None:
        yield Claim(override.start, override.end, override.people)
        return
    layers = {layer.name for layer in part.layers if layer.key in override.layers}
    for shift in shifts(file.schedules[part.id], max(override.start, now), override.end):
        since, until = max(shift.start, override.start), min(shift.end, override.end)
        if override.instead_of in shift.people:
            rest = (person for person in shift.people if person != override.instead_of)
            yield Claim(since, until, tuple(dict.fromkeys((*override.people, *rest))))
        elif shift.layer in layers:
            yield Claim(since, until, override.people)


def _command(schedule: str, claim: Claim[tuple[str, ...]], now: datetime) -> str:
    words = ["tidegate", "oncall", "override", schedule]
    words += [word for person in claim.holder for word in ("--person", person)]
    if claim.start > now:
        words += ["--from", _moment(claim.start)]
    words += ["--until", _moment(claim.end), "--why", "imported"]
    return shlex.join(words)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
