"""The on-call file as data: people, teams, schedules and heartbeats.

    people        how each person is reached
    teams         people by the name of their team
    schedules     who is on call when
    heartbeats    what is expected to be heard every so often

Everything is checked when the file is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from core.domain.matching import Name, Strict
from core.domain.oncall.people import Person, targets_of
from core.domain.oncall.schedules import Schedule
from core.domain.targets import TargetConfig


class Team(Strict):
    """People who are paged together, or in turns."""

    members: list[Name] = Field(min_length=1, max_length=100)


class OnCallFile(Strict):
    """The whole file."""

    version: Literal[1]
    people: dict[Name, Person] = Field(default={}, max_length=2_000)
    teams: dict[Name, Team] = Field(default={}, max_length=500)
    schedules: dict[Name, Schedule] = Field(default={}, max_length=500)

    @property
    def targets(self) -> Mapping[str, TargetConfig]:
        """The targets of all contact methods, by their names."""
        return targets_of(self.people)


NOBODY = OnCallFile(version=1)
"""The file of an installation that has none."""
