"""What passes between the on-call workflow, its activities and its next run.

Deterministic: values only, used on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import AwareDatetime

from core.domain.oncall.handovers import Handover
from core.domain.oncall.state import OnCallState
from core.domain.oncall.turns import Turns
from core.domain.value import Value


class RunState(Value):
    """What one run of the workflow hands to the next: the input of continue-as-new.

    `done` has what the last commands answered, by their IDs. Incidents are told at each moment of
    `announcing`. Hand-overs before `since` are not announced any more.
    """

    state: OnCallState = OnCallState()
    turns: Turns = Turns()
    done: Mapping[str, dict[str, Any]] = {}
    announcing: tuple[AwareDatetime, ...] = ()
    since: AwareDatetime | None = None
    continue_as_new_after: int | None = None


class Upcoming(Value):
    """The next hand-overs, all at the same moment, and what is configured: a run whose history has
    more than `continue_as_new_after` events continues as new."""

    handovers: tuple[Handover, ...] = ()
    continue_as_new_after: int | None = None
