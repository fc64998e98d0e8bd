"""What an export becomes: our people, teams, schedules and policies, and what is left to do.

Each importer fills a `Draft`. IDs are slugs of names in the order of the export, so that the same
export always gives the same files. Addresses are never read into it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Final, Literal, TypeVar
from zoneinfo import ZoneInfo

from core.domain.oncall.people import MAX_CONTACTS
from core.domain.oncall.schedules import MAX_LAYERS, MAX_ROTATION
from core.domain.severity import Severity
from core.domain.text import shortened
from core.operations.oncall_import.export import ExportProblem, Node
from core.operations.oncall_import.hours import Window, overlap

Unit = Literal["hour", "day", "week"]
Kind = Literal["mail", "text message", "call", "push", "chat"]
Mode = Literal["all", "round_robin"]

_Each = TypeVar("_Each")

_ID_CHARS: Final = 40
_BY_HAND: Final = "add it by hand"
ALWAYS: Final = datetime.combine(date(2001, 1, 1), time())
"""The local time at which a layer begins that has no beginning; a Monday."""
LONGEST_TURN: Final = timedelta(days=366)
MOST_RULES: Final = 10
MOST_STEPS: Final = 20
MOST_MEMBERS: Final = 100
MOST_LEVELS: Final = 20
MOST_RECIPIENTS: Final = 20
MOST_REPEATS: Final = 100
URGENT: Final = ("critical", "high", "medium")
NOT_URGENT: Final = ("low", "info")
"""The severities that a product with two urgencies means by each of them."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What could not be translated, where it is in the export, and what to do, if anything."""

    place: str
    what: str
    todo: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact method: its name, and the environment variable that is to hold its address."""

    name: str
    kind: Kind
    variable: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Contacts with the seconds after which each is used, for some severities or for all."""

    steps: tuple[tuple[str, int], ...]
    severities: tuple[str, ...] = ()


@dataclass(slots=True)
class Person:
    id: str
    name: str
    time_zone: str
    contacts: list[Contact] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Layer:
    """A rotation: `slots` have the people of each turn, none for a turn of nobody. `start` is the
    local time at which the first turn begins; without `windows` the layer is not restricted. A
    layer with a `calendar` has the variable of its URL instead."""

    name: str
    slots: tuple[tuple[str, ...], ...] = ()
    count: int = 1
    unit: Unit = "week"
    start: datetime = ALWAYS
    windows: tuple[Window, ...] = ()
    until: date | None = None
    calendar: str | None = None
    place: str = ""
    key: str = ""
    """The product's own ID of it."""

    def __post_init__(self) -> None:
        if len(self.slots) > MAX_ROTATION:
            raise ExportProblem(self.place, f"it has more than {MAX_ROTATION} turns", _BY_HAND)
        if timedelta(**{f"{self.unit}s": self.count}) > LONGEST_TURN:
            raise ExportProblem(self.place, "its turns last longer than a year", _BY_HAND)


@dataclass(frozen=True, slots=True)
class Schedule:
    id: str
    time_zone: str
    description: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """People instead of whom the schedule has, by the product's ID; becomes commands. It may be for
    some layers only, or instead of one person."""

    schedule: str
    people: tuple[str, ...]
    start: datetime
    end: datetime
    place: str
    layers: frozenset[str] = frozenset()
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """Whom the product itself says is on call for a schedule."""

    people: tuple[str, ...]
    start: datetime
    end: datetime
    place: str


@dataclass(frozen=True, slots=True)
class Level:
    """Whom a policy pages after so many seconds."""

    after: int
    schedules: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    teams: tuple[tuple[str, Mode], ...] = ()

    @property
    def size(self) -> int:
        """The most that it has of schedules, of people or of teams."""
        return max(len(self.schedules), len(self.people), len(self.teams))

    def __bool__(self) -> bool:
        return self.size > 0

    def __add__(self, other: Level) -> Level:
        return Level(
            self.after,
            _unique(self.schedules + other.schedules),
            _unique(self.people + other.people),
            _unique(self.teams + other.teams),
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """An escalation; `services` are those that it is for, as far as the export says."""

    name: str
    title: str
    levels: tuple[Level, ...]
    services: tuple[str, ...] = ()
    repeats: int = 0
    repeat_after: int = 0


@dataclass(slots=True)
class Draft:
    """What has been translated so far. `now` decides what is over and left out."""

    now: datetime
    people: dict[str, Person] = field(default_factory=dict)
    """By the product's own ID, as are teams and schedules."""
    teams: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    schedules: dict[str, tuple[Schedule, ...]] = field(default_factory=dict)
    """A schedule in which several are on call becomes several, which are paged together."""
    policies: list[Policy] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)
    expected: dict[str, list[Expected]] = field(default_factory=dict)
    """What the export says of who is on call, by the product's ID of the schedule."""
    calendars: dict[str, str] = field(default_factory=dict)
    """Variables of calendars' addresses, each with the schedule that it is for."""
    remarks: list[Remark] = field(default_factory=list)
    _taken: set[tuple[str, str]] = field(default_factory=set)

    def remark(self, place: str, what: str, todo: str = _BY_HAND) -> None:
        self.remarks.append(Remark(place, what, todo))

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of the export: what is wrong with it becomes a remark, and the others go on."""
        try:
            yield
        except ExportProblem as problem:
            todo = _BY_HAND if problem.todo is None else problem.todo
            self.remark(problem.place, problem.what, todo)

    def id(self, kind: str, name: str) -> str:
        """A slug of a name that nothing else of its kind has."""
        slug = slug_of(name) or kind.split(maxsplit=1)[0]
        number, id = 1, slug
        while (kind, id) in self._taken:
            number += 1
            id = f"{slug}-{number}"
        self._taken.add((kind, id))
        return id

    def variable(self, *parts: str) -> str:
        """The name of an environment variable that nothing else has."""
        slugs = (slug_of(part) or "schedule" for part in ("oncall", *parts))
        name = "_".join(slugs).replace("-", "_").upper()
        number, variable = 1, name
        while ("variable", variable) in self._taken:
            number += 1
            variable = f"{name}_{number}"
        self._taken.add(("variable", variable))
        return variable

    def add_person(self, key: str, name: str, zone: str, place: str) -> Person:
        """A person by the product's ID; a zone that is unknown becomes UTC, with a remark."""
        name = shortened(name.partition("@")[0].strip() or "person", 100)
        if not is_zone(zone):
            if zone:
                self.remark(place, "its time zone is unknown; it is UTC now", "correct `time_zone`")
            zone = "UTC"
        person = Person(self.id("person", name), name, zone)
        self.people[key] = person
        return person

    def add_contact(self, person: Person, name: str, kind: Kind, place: str) -> str | None:
        """The name of a new contact method; None, with a remark, if the person has too many."""
        if len(person.contacts) == MAX_CONTACTS:
            self.remark(
                place, f"{person.id} has more than {MAX_CONTACTS} contact methods", "choose"
            )
            return None
        contact = self.id(f"contact of {person.id}", name)
        person.contacts.append(Contact(contact, kind, self.variable(person.id, contact)))
        return contact

    def add_rule(self, person: Person, rule: Rule, place: str) -> None:
        """A rule of the person, unless those before it have all of its severities."""
        taken = {severity for each in person.rules for severity in each.severities or Severity}
        if set(rule.severities or Severity) <= taken:
            raise ExportProblem(place, "the rules before it have all of its severities", "")
        if len(person.rules) == MOST_RULES or len(rule.steps) > MOST_STEPS:
            raise ExportProblem(
                place, f"more than {MOST_RULES} rules, or {MOST_STEPS} steps of one"
            )
        person.rules.append(rule)

    def add_team(self, key: str, name: str, people: Sequence[str], place: str) -> str:
        """The ID of a new team of these people."""
        members = _unique(people)
        if not 1 <= len(members) <= MOST_MEMBERS:
            raise ExportProblem(place, f"it has not 1 to {MOST_MEMBERS} members that were imported")
        id = self.id("team", name)
        self.teams[key] = (id, members)
        return id

    def person(self, key: str, name: str, place: str) -> str:
        """The ID of the person by the product's ID. Whoever is only referred to is added."""
        if key not in self.people:
            self.add_person(key, name, "", place)
            self.remark(
                place, "the export has no such user", "add the person's contact methods by hand"
            )
        return self.people[key].id

    def add_schedule(
        self, key: str, node: Node, zone: str, levels: Sequence[Sequence[Layer]]
    ) -> None:
        """A schedule whose layers of a later level win over those of earlier ones, and in which
        all layers of one level are on call at the same time."""
        parts = spread([list(filter(self._has_anybody, level)) for level in levels])
        if not parts:
            raise ExportProblem(node.place, "nobody is on call in it", "leave it out")
        if len(parts[0]) > MAX_LAYERS:
            raise ExportProblem(node.place, f"it has more than {MAX_LAYERS} layers")
        name = node.text("name")
        id = self.id("schedule", name)
        ids = [id, *(self.id("schedule", id) for _ in parts[1:])]
        description = shortened(node.text("description") or name, 200)
        self.schedules[key] = tuple(
            Schedule(id, zone, description, _named(layers))
            for id, layers in zip(ids, parts, strict=True)
        )
        if len(parts) > 1:
            self.remark(
                node.place,
                f"several layers of it are on call at the same time; it became {', '.join(ids)}",
                "page all of them, as the imported policies do",
            )

    def _has_anybody(self, layer: Layer) -> bool:
        if layer.calendar:
            return True
        if not any(layer.slots):
            self.remark(layer.place, "nobody takes turns in it", "leave it out")
        elif layer.until and layer.until < layer.start.date():
            self.remark(layer.place, "it ends before it begins", "leave it out")
        else:
            return True
        return False

    def schedule_ids(self, key: str, place: str) -> tuple[str, ...]:
        """The schedules that a schedule of the export became."""
        if parts := self.schedules.get(key):
            return tuple(schedule.id for schedule in parts)
        raise ExportProblem(place, "its schedule was not imported")

    def team(self, key: str, place: str) -> tuple[str, tuple[str, ...]]:
        """The ID of a team and its members."""
        if team := self.teams.get(key):
            return team
        raise ExportProblem(place, "its team was not imported")

    def begun(self, layer: Layer, begins: datetime | None, zone: str) -> Layer:
        """The layer, which applies only from a local time on, if that is still to come. It begins
        with a whole turn; what is left of one before is a remark."""
        now = local(self.now, zone)
        if begins is None or begins <= max(now, layer.start):
            return layer
        length = timedelta(**{f"{layer.unit}s": layer.count})
        turns = -((layer.start - begins) // length)
        first = layer.start + turns * length
        if first != begins:
            self.remark(
                layer.place,
                f"it begins at {begins:%Y-%m-%d %H:%M}, within a turn; ours begins with the next "
                f"one, at {first:%Y-%m-%d %H:%M}",
                "add an override for the time between",
            )
        first_turn = turns % len(layer.slots) if layer.slots else 0
        slots = layer.slots[first_turn:] + layer.slots[:first_turn]
        return replace(layer, start=first, slots=slots)

    def group(self, name: str, people: Sequence[str], place: str) -> str:
        """The ID of a new team of people whom the export has no team for."""
        return self.add_team(f"group {len(self.teams)}", name, people, place)

    def policy(
        self,
        node: Node,
        name: str,
        levels: Sequence[Level],
        *,
        services: Sequence[str] = (),
        repeats: int = 0,
        repeat_after: int = 0,
    ) -> Policy:
        """A policy with these levels, of which those of one moment become one. Raises
        `ExportProblem` if it pages nobody."""
        at: dict[int, Level] = {}
        for level in levels:
            if level:
                at[level.after] = at[level.after] + level if level.after in at else level
        if not at:
            raise ExportProblem(node.place, "it pages nobody that was imported", "leave it out")
        if any(level.size > MOST_RECIPIENTS for level in at.values()):
            raise ExportProblem(node.place, f"a level pages more than {MOST_RECIPIENTS}")
        if len(at) > MOST_LEVELS or repeats > MOST_REPEATS:
            raise ExportProblem(
                node.place, f"it has more than {MOST_LEVELS} levels or {MOST_REPEATS} repeats"
            )
        ordered = tuple(at[after] for after in sorted(at))
        named = tuple(service for service in _unique(services) if service)
        times = repeats if repeat_after else 0
        return Policy(self.id("policy", name), name, ordered, named, times, repeat_after)


def spread(levels: Sequence[Sequence[Layer]]) -> list[list[Layer]]:
    """Lists of layers, one for each schedule, of which a later layer wins: together they have on
    call whoever is on call when all layers of a level are, and no lower one.

    Each list has all layers, so that somebody is on call in each whenever somebody is in any. They
    differ in which of the layers that overlap is the last of its level.
    """
    grouped = [_disjoint(level) for level in levels if level]
    return [
        [
            layer
            for groups in grouped
            for group in _last(groups, number % len(groups))
            for layer in group
        ]
        for number in range(max(map(len, grouped), default=0))
    ]


def _last(groups: Sequence[list[Layer]], number: int) -> list[list[Layer]]:
    return [*groups[:number], *groups[number + 1 :], groups[number]]


def _disjoint(layers: Sequence[Layer]) -> list[list[Layer]]:
    """The layers in groups within which no two are on call at the same time."""
    groups: list[list[Layer]] = []
    for layer in layers:
        for group in groups:
            if not any(_meet(layer, other) for other in group):
                group.append(layer)
                break
        else:
            groups.append([layer])
    return groups


def _meet(one: Layer, other: Layer) -> bool:
    if one.calendar or other.calendar:
        return True
    apart = (one.until and one.until < other.start.date()) or (
        other.until and other.until < one.start.date()
    )
    return not apart and overlap(one.windows, other.windows)


def _named(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers with names that are unique within the schedule."""
    taken: set[str] = set()
    named = []
    for layer in layers:
        slug = slug_of(layer.name) or "layer"
        number, name = 1, slug
        while name in taken:
            number += 1
            name = f"{slug}-{number}"
        taken.add(name)
        named.append(replace(layer, name=name))
    return tuple(named)


def slug_of(name: str) -> str:
    """A name as an ID: lower-case letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_ID_CHARS].strip("-")


def is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # what zoneinfo raises for names it does not have
        return False
    return bool(name)


def last_day(end: datetime | None, zone: str) -> date | None:
    """The last day of what ends at a moment; that day is included whole."""
    return None if end is None else (local(end, zone) - timedelta(microseconds=1)).date()


def local(moment: datetime, zone: str) -> datetime:
    """The moment on the clocks of the zone, without its offset; what has none is local already."""
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _unique(values: Sequence[_Each]) -> tuple[_Each, ...]:
    return tuple(dict.fromkeys(values))
