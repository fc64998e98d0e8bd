"""Turns: who of a team that is paged in turns has an incident."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from pydantic import Field

from core.domain.matching import Name
from core.domain.value import Value

REMEMBERED: Final = 1_000
"""How many incidents keep their turn; an older one that is paged again takes another."""
MAX_TEAMS: Final = 500
"""As many as the on-call file has at most."""


class Turns(Value):
    """Which turn each team has next, and which each incident has taken of a team."""

    next: Mapping[str, int] = {}
    taken: Mapping[str, int] = {}

    def take(self, team: str, incident: str) -> tuple[Turns, int]:
        """The turns after an incident takes one of a team, and its number, from 0. An incident
        that has taken one keeps it."""
        key = hashlib.sha256(f"{team}\0{incident}".encode(errors="surrogatepass")).hexdigest()[:24]
        if key in self.taken:
            return self, self.taken[key]
        number = self.next.get(team, 0)
        others = {name: turn for name, turn in self.next.items() if name != team}
        return (
            Turns(
                next=dict([*others.items(), (team, number + 1)][-MAX_TEAMS:]),
                taken=dict([*self.taken.items(), (key, number)][-REMEMBERED:]),
            ),
            number,
        )


class TakeTurn(Value):
    """What an incident sends to take a turn of a team."""

    team: Name
    incident_id: str = Field(min_length=1, max_length=500)
