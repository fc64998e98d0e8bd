"""What a check is, and the registry of all kinds of them: a program that reads `tidegate doctor
--json` knows a check by its code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from core.errors import SettingsError, TidegateError, TransientError

Outcome = Literal["ok", "skipped", "warning", "failed"]


class Code(StrEnum):
    """Every kind of check. `about` says what is checked, `made` when."""

    about: str
    made: str

    def __new__(cls, code: str, about: str, made: str) -> Code:
        self = str.__new__(cls, code)
        self._value_, self.about, self.made = code, about, made
        return self

    SETTINGS = "settings", "Every variable that is set is valid", "always"
    QUEUE_FORMATS = (
        "queue-formats",
        "Which formats queues were given",
        "with `TIDEGATE_QUEUE_FORMATS`",
    )
    ROUTES = "routes", "The routing table is valid", "always"
    WORKER = (
        "worker",
        "No route leads to the worker, so what it needs is not checked",
        "for such a worker",
    )
    DOCUMENTS = (
        "documents",
        "Each prefix of `TIDEGATE_DOCUMENTS` can be listed",
        "where it is set, or a route takes documents",
    )
    ANNOUNCED_DOCUMENTS = (
        "announced-documents",
        "Nobody may announce documents that cannot be read",
        "without `TIDEGATE_DOCUMENTS`, where somebody is trusted with them",
    )
    REPORTS = (
        "reports",
        "`TIDEGATE_REPORTS` can be listed and written",
        "where a route leads to the incident worker",
    )
    QUARANTINE = "quarantine", "`TIDEGATE_QUARANTINE` can be listed and written", "always"
    ONCALL = (
        "on-call",
        "The on-call file is valid",
        "where there is one and a route leads to the incident worker",
    )
    CONTACTS = (
        "contacts",
        "Everybody who may be on call can be reached: contact methods have valid addresses",
        "where the on-call file is checked and valid",
    )
    CALENDARS = (
        "calendars",
        "The calendars of schedules can be read",
        "where the on-call file is checked and valid, and has some",
    )
    SCHEDULES = (
        "schedules",
        "Somebody is on call at any time, and can be reached",
        "where the on-call file is checked and valid",
    )
    POLICIES = (
        "policies",
        "The policies are valid",
        "where a route leads to the incident worker",
    )
    PAGES = (
        "pages",
        "Targets have valid addresses, and every policy pages somebody at level 1",
        "where the policies are checked and valid",
    )
    LINKS = (
        "links",
        "The keys of the links in pages can be fetched, and are long enough",
        "where a route leads to the incident worker",
    )
    WEBHOOKS = "webhooks", "The webhooks' endpoints are valid", "always"
    WEBHOOK = (
        "webhook",
        "It verifies its senders, its secrets can be fetched, and a recorded request expires",
        "for each webhook",
    )
    TEMPORAL = "temporal", "Temporal answers, and has the namespace", "always"
    SEARCH_ATTRIBUTES = (
        "search-attributes",
        "The namespace has the search attributes of the workers",
        "where a route leads to a worker that has some",
    )
    ROUTE_ATTRIBUTES = (
        "route-attributes",
        "The namespace has the search attributes that routes set, with their types",
        "where a route sets some",
    )
    ONCALL_STATE = (
        "on-call-state",
        "Overrides and silences that were added at run time can be read",
        "where a route leads to the incident worker",
    )
    HEARTBEATS = (
        "heartbeats",
        "The heartbeats that the on-call file declares are expected",
        "where the on-call file is valid and declares some",
    )
    TASK_QUEUE = (
        "task-queue",
        "A worker polls it, or Temporal wakes one",
        "for each task queue that a route leads to, and the root worker's",
    )
    BUILD = (
        "build",
        "New work on the task queue goes to a build whose worker polls it or is woken",
        "for each task queue with a build ID",
    )
    FUNCTION = (
        "function",
        "The build that gets new work has a function, which Temporal can reach",
        "where a build of the serverless workers has one",
    )
    ROUTING_TABLES = (
        "routing-tables",
        "The workers have the same routing table as this command",
        "where workers of Tidegate's poll",
    )


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its kind, what it was made of, how that is, and the next step if something is
    wrong. `unset` says that a variable has no value here."""

    code: Code
    name: str
    outcome: Outcome
    detail: str
    fix: str = ""
    unset: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code.value,
            "name": self.name,
            "outcome": self.outcome,
            "detail": self.detail,
            "fix": self.fix,
        }


def failed(code: Code, name: str, error: TidegateError, *, fix: str = "") -> Check:
    """`fix` stands in for the error class's own, which mostly says to run this very command."""
    own = error.fix != type(error).fix or not isinstance(error, TransientError)
    unset = isinstance(error, SettingsError) and error.unset
    return Check(code, name, "failed", error.message, error.fix if own else fix, unset)
