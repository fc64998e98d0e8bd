"""What was added at run time: overrides of schedules, silences and maintenance windows.

The `OnCall` workflow keeps it, and publishes it as a memo.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from core.domain.oncall.overrides import Override
from core.domain.oncall.silencing import AddedSilence
from core.domain.value import Value

MAX_BYTES: Final = 60_000
"""Temporal on MySQL stores all memos of a workflow in 65,535 bytes."""


class OnCallState(Value):
    """Everything that was added and has not ended, in the order in which it was added."""

    overrides: tuple[Override, ...] = ()
    silences: tuple[AddedSilence, ...] = ()

    def at(self, now: datetime) -> OnCallState:
        """What of it has not ended."""
        return OnCallState(
            overrides=tuple(each for each in self.overrides if each.end > now),
            silences=tuple(each for each in self.silences if each.end > now),
        )

    def to_json(self) -> dict[str, Any]:
        """It as JSON, without what is empty."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def size(self) -> int:
        """Bytes of its JSON."""
        text = json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))
        return len(text.encode())
