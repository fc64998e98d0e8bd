"""Who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, TypeAdapter, ValidationError

from core.domain.command import Actor, may_be_a_person

Reason = Literal["missing", "malformed", "unknown", "expired", "early", "claims", "role", "name"]
"""Why a token proves nothing; for the operator's log, never for whoever sent it.

    missing     there is no token
    malformed   it does not have the form of a token: another scheme or algorithm, sent twice, too
                long, cut short
    unknown     it is no service token, or no key of the issuer has signed it
    expired     it was valid once
    early       it is not valid yet, by more than clocks may differ
    claims      it is of another issuer, or for another audience, or does not say
    role        it gives none of our roles
    name        it does not name anybody who may act
"""


class Role(StrEnum):
    """What a caller may do: each role includes those before it."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        """Whether it may do what the other may."""
        return _RANKS[self] >= _RANKS[other]


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who has proven their name and their role."""

    name: str
    role: Role


class NotAuthenticated(Exception):
    """Nothing proves who asks."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def _person_or_program(name: str) -> str:
    if not may_be_a_person(name):
        raise ValueError("is a name of Tidegate's own, or of a monitoring system")
    return name


CallerName = Annotated[Actor, AfterValidator(_person_or_program)]
"""A name by which somebody may act: a program's, or a person's."""

_NAME: Final = TypeAdapter[str](CallerName)


def caller_named(name: object, role: Role) -> Caller:
    """The caller of that name. Raises `NotAuthenticated` for what cannot be one."""
    try:
        return Caller(_NAME.validate_python(name, strict=True), role)
    except ValidationError:
        raise NotAuthenticated("name") from None
