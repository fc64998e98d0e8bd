"""What a starter and a worker share: the names they must both spell the same way.

Strings only. A starter must be able to import this without importing any worker code.
"""

from __future__ import annotations

from typing import Final

ROOT_WORKFLOW: Final = "RootOrchestrator"
ROOT_TASK_QUEUE: Final = "tidegate-root"

INCIDENT_WORKFLOW: Final = "Incident"
INCIDENT_TASK_QUEUE: Final = "tidegate-incident"

SIGNAL_EVENT: Final = "event"
"""Signal that carries one event, in its wire form, to a workflow that already runs."""

UPDATE_ACKNOWLEDGE: Final = "acknowledge"
UPDATE_UNACKNOWLEDGE: Final = "unacknowledge"
UPDATE_MITIGATE: Final = "mitigate"
UPDATE_RESOLVE: Final = "resolve"
UPDATE_REOPEN: Final = "reopen"
UPDATE_ASSIGN: Final = "assign"
UPDATE_SNOOZE: Final = "snooze"
UPDATE_COMMENT: Final = "comment"
UPDATE_SET_SEVERITY: Final = "set_severity"
UPDATE_CLOSE: Final = "close"
QUERY_INCIDENT: Final = "incident"
QUERY_TIMELINE: Final = "timeline"

TITLE_MEMO: Final = "TidegateTitle"
"""Memo field with an incident's title: lists show it, and nobody searches by it."""

SEARCH_ATTRIBUTES: Final = (
    "TidegateIncidentId",
    "TidegateStatus",
    "TidegateSeverity",
    "TidegateService",
    "TidegateAssignee",
)
"""Keyword search attributes that the incident workflow sets; `tidegate setup` registers them."""
(
    INCIDENT_ID_ATTRIBUTE,
    STATUS_ATTRIBUTE,
    SEVERITY_ATTRIBUTE,
    SERVICE_ATTRIBUTE,
    ASSIGNEE_ATTRIBUTE,
) = SEARCH_ATTRIBUTES
