"""The on-call file as data: people, teams, schedules and heartbeats.

    people        how each person is reached
    teams         people by the name of their team
    schedules     who is on call when
    heartbeats    what is expected to be heard every so often

Everything is checked when the file is loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from core.domain.command import TIDEGATE
from core.domain.heartbeat.declaration import HeartbeatRule
from core.domain.matching import Name, Problem, Strict, repeated
from core.domain.oncall.people import Person, targets_of
from core.domain.oncall.schedules import Schedule
from core.domain.targets import TargetConfig


class Team(Strict):
    """People who are paged together, or in turns."""

    members: list[Name] = Field(max_length=100)

    @field_validator("members")
    @classmethod
    def _anybody(cls, members: list[str]) -> list[str]:
        if not members:
            raise ValueError("the team has no members")
        return members


class OnCallFile(Strict):
    """The whole file."""

    version: Literal[1]
    people: dict[Name, Person] = Field(default={}, max_length=2_000)
    teams: dict[Name, Team] = Field(default={}, max_length=500)
    schedules: dict[Name, Schedule] = Field(default={}, max_length=500)
    heartbeats: dict[Name, HeartbeatRule] = Field(default={}, max_length=10_000)

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        problems = [
            InitErrorDetails(
                type=PydanticCustomError("oncall", "{what}", {"what": what}), loc=place, input=None
            )
            for place, what in self._problems()
        ]
        if problems:
            raise ValidationError.from_exception_data(type(self).__name__, problems)
        return self

    def _problems(self) -> Iterator[Problem]:
        taken = {id: id for id in self.people}
        for id, person in self.people.items():
            if id == TIDEGATE:
                yield ("people", id), f"{id!r} is reserved for what nobody did by hand"
            for place, what in person.problems():
                yield ("people", id, *place), what
            for number, alias in enumerate(map(_plain, person.known_as)):
                other = taken.setdefault(alias, id)
                if other != id:
                    yield ("people", id, "known_as", number), f"it already means {other}"
        users: dict[str, str] = {}
        for id, person in self.people.items():
            other = users.setdefault(person.slack, id) if person.slack else id
            if other != id:
                yield ("people", id, "slack"), f"it already means {other}"
        for name, team in self.teams.items():
            for number, member in enumerate(team.members):
                if member not in self.people:
                    yield ("teams", name, "members", number), f"there is no person {member!r}"
            for number, member in repeated(team.members):
                yield ("teams", name, "members", number), f"{member} is there twice"
        for name, schedule in self.schedules.items():
            for place, what in schedule.problems(self.people):
                yield ("schedules", name, *place), what

    @property
    def targets(self) -> Mapping[str, TargetConfig]:
        """The targets of all contact methods, by their names."""
        return targets_of(self.people)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The IDs of people by what calendars call them: ID, name, and what else they are known as.
        A name that several have means none of them."""
        count = Counter(_plain(person.name) for person in self.people.values())
        names = {
            _plain(person.name): id
            for id, person in self.people.items()
            if count[_plain(person.name)] == 1
        }
        names |= {_plain(alias): id for id, each in self.people.items() for alias in each.known_as}
        return names | {id: id for id in self.people}

    @cached_property
    def slack_users(self) -> Mapping[str, str]:
        """The IDs of people by those of their users in Slack."""
        return {person.slack: id for id, person in self.people.items() if person.slack}

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables that hold addresses of people and of calendars."""
        layers = (layer for each in self.schedules.values() for layer in each.layers)
        calendars = (each for layer in layers for each in layer.calendars)
        return frozenset(
            [
                *(name for target in self.targets.values() for name in target.variables),
                *(each.url_env for each in calendars if each.url_env),
            ]
        )


def _plain(name: str) -> str:
    return " ".join(name.split()).lower()


NOBODY: Final = OnCallFile(version=1)
"""The file of an installation that has none."""

ONCALL: Final = "oncall"
"""Key of the validation context under which a file that names people, teams or schedules is checked
against an `OnCallFile`."""
