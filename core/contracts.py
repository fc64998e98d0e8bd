"""The names that starters, workers and whatever deploys them must spell the same way.

Strings only: a starter imports this without importing any worker code. The names of an incident's
updates are those of its commands (core.domain.incident.commands).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

ROOT_WORKFLOW: Final = "RootOrchestrator"
ROOT_TASK_QUEUE: Final = "tidegate-root"

INCIDENT_WORKFLOW: Final = "Incident"
INCIDENT_TASK_QUEUE: Final = "tidegate-incident"

ON_CALL_WORKFLOW: Final = "OnCall"
ON_CALL_ID: Final = "oncall"
"""The workflow ID of the only `OnCall` workflow of a namespace."""
ON_CALL_MEMO: Final = "TidegateOnCall"
"""Memo field of that workflow with what was added to on-call at run time, as JSON."""
UPDATE_TAKE_TURN: Final = "take_turn"
"""Update of that workflow by which an incident takes a turn of a team: `{team, incident_id}`. The
names of its other updates are those of its commands (core.domain.oncall.commands)."""
SIGNAL_FILE_CHANGED: Final = "file_changed"
"""Signal to that workflow: the on-call file may have changed."""

HEARTBEAT_WORKFLOW: Final = "Heartbeat"

SIGNAL_EVENT: Final = "event"
"""Signal that carries an event, or a list of events, in their wire form."""
SIGNAL_COMMAND: Final = "command"
"""Signal that carries a command to an incident, `{name, command_id, actor, ...}`: for whoever does
not wait for an answer, which takes a worker. The timeline says if it is refused."""
SIGNAL_ON_CALL_CHANGED: Final = "on_call_changed"
"""Signal without arguments: an incident is to ask again who is on call."""
QUERY_INCIDENT: Final = "incident"
QUERY_TIMELINE: Final = "timeline"

SIGNAL_SYNC: Final = "sync"
"""Signal by which a heartbeat reads its declaration again."""
QUERY_HEARTBEAT: Final = "heartbeat"
UPDATE_PAUSE: Final = "pause"
UPDATE_RESUME: Final = "resume"

QUARANTINE_ACTIVITY: Final = "quarantine"
"""Activity by which a workflow of ours quarantines an event: `(wire, code, reason)`, with the
record's URI as its result."""

ROUTES_IDENTITY: Final = "routes="
"""In the identity of a worker of ours, before the digest of its routing table."""

TITLE_MEMO: Final = "TidegateTitle"
"""Memo field with an incident's title, which is listed but not searched."""
ACKNOWLEDGED_MEMO: Final = "TidegateAcknowledgedBy"
"""Memo field with who acknowledged the incident last."""

INCIDENT_ID_ATTRIBUTE: Final = "TidegateIncidentId"
STATUS_ATTRIBUTE: Final = "TidegateStatus"
SEVERITY_ATTRIBUTE: Final = "TidegateSeverity"
SERVICE_ATTRIBUTE: Final = "TidegateService"
ASSIGNEE_ATTRIBUTE: Final = "TidegateAssignee"
HANDLE_ATTRIBUTE: Final = "TidegateHandle"
"""The handle of the incident's own ID (core.domain.handles)."""
ACKNOWLEDGED_AT_ATTRIBUTE: Final = "TidegateAcknowledgedAt"
"""When an incident that is resolved was acknowledged first, as its ID writes moments. It changes
together with the status, so that it takes no Action of its own."""
RESOLVED_AT_ATTRIBUTE: Final = "TidegateResolvedAt"
"""When it was resolved, likewise."""


class WorkerSpec(NamedTuple):
    """One kind of worker process: what it serves and what it needs.

    `name` is the name of its process, container and service; `package` is the package under
    `workers`, and `parts` are others there whose workflows it serves, too. `workflows` are its
    workflow types, each with the signals that carry events to it. `search_attributes` are the
    keyword attributes that its workflows upsert. `settings` are the variables that it reads besides
    `WORKER_SETTINGS`; one that `pages` also reads the variables that its policies and its on-call
    file name.
    """

    name: str
    package: str
    task_queue: str
    workflows: Mapping[str, tuple[str, ...]]
    settings: tuple[str, ...]
    search_attributes: tuple[str, ...] = ()
    pages: bool = False
    parts: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return f"workers.{self.package}.run_worker"


ROOT_WORKER: Final = WorkerSpec(
    name="root-worker",
    package="root_orchestrator",
    task_queue=ROOT_TASK_QUEUE,
    workflows={ROOT_WORKFLOW: ()},
    settings=(
        "TIDEGATE_ROUTES",
        "TIDEGATE_DOCUMENTS",
        "TIDEGATE_QUARANTINE",
        "TIDEGATE_MAX_EVENT_BYTES",
    ),
)

INCIDENT_WORKER: Final = WorkerSpec(
    name="incident-worker",
    package="incident",
    task_queue=INCIDENT_TASK_QUEUE,
    workflows={
        INCIDENT_WORKFLOW: (SIGNAL_EVENT,),
        ON_CALL_WORKFLOW: (),
        HEARTBEAT_WORKFLOW: (SIGNAL_EVENT,),
    },
    search_attributes=(
        INCIDENT_ID_ATTRIBUTE,
        STATUS_ATTRIBUTE,
        SEVERITY_ATTRIBUTE,
        SERVICE_ATTRIBUTE,
        ASSIGNEE_ATTRIBUTE,
        HANDLE_ATTRIBUTE,
        ACKNOWLEDGED_AT_ATTRIBUTE,
        RESOLVED_AT_ATTRIBUTE,
    ),
    settings=(
        "TIDEGATE_ROUTES",
        "TIDEGATE_POLICIES",
        "TIDEGATE_ONCALL",
        "TIDEGATE_TARGET_VARIABLES",
        "TIDEGATE_DOCUMENTS",
        "TIDEGATE_REPORTS",
        "TIDEGATE_QUARANTINE",
        "TIDEGATE_ACK_TIMEOUT",
        "TIDEGATE_INCIDENT_URL",
        "TIDEGATE_APP_URL",
        "TIDEGATE_LINK_KEYS",
        "TIDEGATE_SECRETS_TTL",
        "TIDEGATE_MAX_REPORT_BYTES",
        "TIDEGATE_CONTINUE_AS_NEW_AFTER",
    ),
    pages=True,
    parts=("oncall", "heartbeat"),
)

WORKERS: Final = (ROOT_WORKER, INCIDENT_WORKER)
"""Every worker there is. The local stack, the images, the templates, `tidegate setup` and
`tidegate doctor` are made from these or tested against them."""

WORKER_SETTINGS: Final = (
    "TIDEGATE_START_TIMEOUT",
    "TIDEGATE_HEALTH_ADDRESS",
    "TIDEGATE_METRICS_ADDRESS",
    "TIDEGATE_DRAIN_TIMEOUT",
    "TIDEGATE_BUILD_ID",
    "TIDEGATE_LOG_LEVEL",
)
"""Variables that every worker process reads (workers.runtime.process)."""

SERVERLESS_DEPLOYMENT: Final = "tidegate"
"""The Temporal worker deployment of the workers that run as one function, for all the task queues
that it serves. A worker in a container has a deployment named after its task queue."""

SERVERLESS_RESERVE: Final = 2.0
"""Seconds before the deadline of that function at which its last activity is cut off, so that its
outcome and the log still get out."""

SERVERLESS_SETTINGS: Final = (
    "TIDEGATE_SERVED_WORKERS",
    "TIDEGATE_START_TIMEOUT",
    "TIDEGATE_IDLE_TIMEOUT",
    "TIDEGATE_FIRST_TASK_TIMEOUT",
    "TIDEGATE_DRAIN_TIMEOUT",
    "TIDEGATE_BUILD_ID",
    "TIDEGATE_LOG_LEVEL",
)
"""Variables that the function of serverless workers reads (workers.serverless.handler)."""

SEARCH_ATTRIBUTES: Final = tuple(
    dict.fromkeys(name for worker in WORKERS for name in worker.search_attributes)
)
"""All keyword search attributes that the namespace must have; `tidegate setup` registers them."""
