"""Where commands are possible: the states of an incident in which each has an effect.

It is all that somebody must know who offers commands and does not handle them, such as a page with
a button; the decisions themselves take longer to load.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.domain.incident.commands import (
    Acknowledge,
    Assign,
    Close,
    Comment,
    Escalate,
    Mitigate,
    Reopen,
    Resolve,
    SetSeverity,
    Snooze,
    Unacknowledge,
)
from core.domain.incident.status import UNRESOLVED, Status

_NOT_CLOSED: Final = (Status.PENDING, *UNRESOLVED, Status.RESOLVED)

EFFECTIVE_IN: Final[Mapping[str, tuple[Status, ...]]] = {
    Acknowledge.name: (Status.OPEN, Status.ACKNOWLEDGED),
    Unacknowledge.name: (Status.ACKNOWLEDGED,),
    Escalate.name: (Status.OPEN, Status.ACKNOWLEDGED),
    Mitigate.name: (Status.OPEN, Status.ACKNOWLEDGED),
    Resolve.name: UNRESOLVED,
    Reopen.name: (Status.MITIGATED, Status.RESOLVED),
    Assign.name: (Status.PENDING, *UNRESOLVED),
    Snooze.name: UNRESOLVED,
    Comment.name: _NOT_CLOSED,
    SetSeverity.name: _NOT_CLOSED,
    Close.name: _NOT_CLOSED,
}
"""The states in which a command has an effect."""

NO_OP_IN: Final[Mapping[str, tuple[Status, ...]]] = {
    Acknowledge.name: (Status.MITIGATED,),
    Unacknowledge.name: (Status.OPEN, Status.MITIGATED),
    Mitigate.name: (Status.MITIGATED,),
    Resolve.name: (Status.RESOLVED, Status.CLOSED),
    Reopen.name: (Status.OPEN, Status.ACKNOWLEDGED),
    Close.name: (Status.CLOSED,),
}
"""The states in which it is accepted and changes nothing, because things are already as it wants
them, or better. In all other states it is refused."""
