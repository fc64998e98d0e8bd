"""What passes between the on-call workflow, its activities and its next run.

Deterministic: values only, used on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import AwareDatetime

from core.domain.oncall.handovers import Handover
from core.domain.oncall.state import OnCallState
from core.domain.oncall.turns import Turns
from core.domain.value import Value

REMEMBERED_COMMANDS: Final = 200
"""How many commands are remembered, to deduplicate retries."""
REMEMBERED_BYTES: Final = 500_000
"""Of their answers: Temporal's limit for the input of a run is 2 MB."""

Done = Mapping[str, dict[str, Any]]
"""What commands answered, by their IDs."""


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


def remembered(done: Done, command_id: str, facts: dict[str, Any]) -> Done:
    """What the last commands answered, this one included, as far as a next run can take it."""
    kept, size = dict[str, dict[str, Any]](), 0
    for id, answer in reversed([*done.items(), (command_id, facts)]):
        size += len(json.dumps(answer))
        if kept and (size > REMEMBERED_BYTES or len(kept) == REMEMBERED_COMMANDS):
            break
        kept[id] = answer
    return dict(reversed(kept.items()))
