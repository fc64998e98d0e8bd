"""Effects: what the shell has to do because of a decision. They say what, never how."""

from __future__ import annotations

from pydantic import AwareDatetime

from core.domain.incident.model import Record
from core.domain.incident.severity import Severity

REPORT_KEY = "report"
"""Under this key the writing of the report can be called off; pages go by their own keys."""


class Page(Record):
    """Tell one target. `key` names the page and stays the same over its rounds."""

    key: str
    level: int
    target: str
    title: str
    body: str
    severity: Severity


class CallOff(Record):
    """Cancel what runs under these keys; what has ended, or cannot be stopped, still counts."""

    keys: tuple[str, ...]


class WriteReport(Record):
    """Write the post-incident report of the resolution at `resolved_at`."""

    resolved_at: AwareDatetime


Effect = Page | CallOff | WriteReport
