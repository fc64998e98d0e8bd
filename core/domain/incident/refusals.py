"""Why a command is refused, and what is possible instead."""

from __future__ import annotations

from enum import StrEnum

from core.domain.value import Value


class Deed(StrEnum):
    """What a command is about, as callers of the API read it: an update's name, or more than one
    field of it says."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    ESCALATE = "escalate"
    MITIGATE = "mitigate"
    RESOLVE = "resolve"
    FORCE = "resolve with `force`"
    REOPEN = "reopen"
    ASSIGN = "assign"
    TAKE_COMMAND = "take command (assign)"
    HAND_OVER = "pass on the command"
    SNOOZE = "snooze"
    COMMENT = "comment"
    SET_SEVERITY = "set_severity"
    CLOSE = "close"
    CLOSE_AS_RESOLVED = "close as resolved"
    CLOSE_OTHERWISE = "close as false_alarm, duplicate or cancelled"


class Refusal(Value):
    """What cannot be done and why; what is possible instead, or `advice` where no
    command is."""

    deed: Deed
    why: str
    possible: tuple[Deed, ...] = ()
    advice: str = ""

    def __str__(self) -> str:
        """The refusal in the words of the API."""
        instead = f"possible now: {', '.join(self.possible)}" if self.possible else self.advice
        return "; ".join(filter(None, (f"cannot {self.deed}: {self.why}", instead)))
