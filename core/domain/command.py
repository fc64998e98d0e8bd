"""The base of all commands: what people ask of a workflow. Anybody may send one, so every field is
checked.

A command's `name` is the name of its Temporal update. Unknown fields are refused: whoever sends
`untill` means something by it.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, TypeVar

from pydantic import AfterValidator, ConfigDict, StringConstraints, ValidationError

from core.domain.problems import problems_of
from core.domain.value import ONE_LINE, Value

TIDEGATE: Final = "tidegate"
"""Who does what nobody did by hand."""

SOURCE_PREFIX: Final = "source:"
"""Actors that begin with this are monitoring systems, not people."""

LONGEST_NAME: Final = 200
"""In characters."""


class Proof(StrEnum):
    """How it is known that a command is its actor's."""

    API = "api"
    """A bearer token of the HTTP API, which names them."""
    COMMAND_LINE = "command_line"
    """Credentials of Temporal, and the name that the user of the command gave."""
    CONSOLE = "console"
    """A session of the console, which they began by signing in."""
    LINK = "link"
    """A signed link that was sent to them."""
    OPSGENIE = "opsgenie"
    """As for PagerDuty."""
    PAGERDUTY = "pagerduty"
    """A verified webhook, and who did it there."""
    SLACK = "slack"
    """A verified interaction, and the person to whom the user of Slack is mapped."""


_LABELS: Final[Mapping[str, str]] = {
    Proof.API: "API",
    Proof.COMMAND_LINE: "CLI",
    Proof.CONSOLE: "console",
    Proof.LINK: "link",
    Proof.OPSGENIE: "Opsgenie",
    Proof.PAGERDUTY: "PagerDuty",
    Proof.SLACK: "Slack",
}


def attested(actor: str, proof: str | None) -> str:
    """The actor, and how it is known that it was they, as people read it: `ana (PagerDuty)`; with a
    proof that this version does not know, as it is."""
    return f"{actor} ({_LABELS.get(proof, proof)})" if proof else actor


_UNSEEN: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that show nothing, besides controls and variation selectors."""


def _is_unseen(character: str) -> bool:
    is_selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return character in _UNSEEN or is_selector or unicodedata.category(character) in ("Cc", "Cf")


def derived_id(prefix: str, *parts: object) -> str:
    """The ID of a command that something stands for, such as one press of a button: the same for
    the same parts, so that it is one command however often it is sent."""
    digest = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()
    return f"{prefix}-{digest[:32]}"


def may_be_a_person(name: str) -> bool:
    """Whether somebody may call themselves so: neither as we nor as monitoring systems are called,
    in capitals or with characters that nobody sees, nor by these alone."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    seen = "".join(each for each in plain if not _is_unseen(each)).strip()
    return bool(seen) and seen != TIDEGATE and not seen.startswith(SOURCE_PREFIX)


def _not_ours(actor: str) -> str:
    if actor == TIDEGATE:
        raise ValueError(f"{TIDEGATE!r} is reserved for what nobody did by hand")
    return actor


Word = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME), ONE_LINE]
Actor = Annotated[Word, AfterValidator(_not_ours)]


class Command(Value):
    """The caller chooses `command_id` and keeps it over retries, which makes a command
    idempotent."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: ClassVar[str]

    command_id: Word
    actor: Actor


C = TypeVar("C", bound=Command)


def read_command(kind: type[C], envelope: Any) -> C:
    """The command that a caller sent. Raises ValueError naming every invalid or unknown field."""
    if not isinstance(envelope, dict):
        raise ValueError("a command is a JSON object with at least command_id and actor")
    try:
        return kind.model_validate(envelope)
    except ValidationError as error:
        raise ValueError("; ".join(problems_of(error))) from None
