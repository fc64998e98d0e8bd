"""The contract: events as workflows get them. Everything else here is made out of this.

Tests hold it true of what Tidegate makes. What a sender that is trusted with one of these types
sends as a CloudEvent has the data that it was given there.
"""

from __future__ import annotations

from typing import Final

from core.domain import event as events
from core.domain.heartbeat.names import STATUSES
from core.operations.contract.model import EventType, Field, ListOf, MapOf, OneOf, Scalar, Shape

_NOT_EMPTY: Final = {"minLength": 1}
_NOT_NEGATIVE: Final = {"minimum": 0}

ATTRIBUTES: Final = Shape(
    "EventAttributes",
    "The attributes of CloudEvents 1.0, and Tidegate's own. Whatever else an event has is an "
    "extension: its name has lower-case letters and digits, its value is text, an integer or a "
    "boolean.",
    (
        Field("specversion", OneOf(("1.0",)), "The version of CloudEvents.", required=True),
        Field("id", Scalar.TEXT, "The source's name of the event.", True, _NOT_EMPTY),
        Field("source", Scalar.TEXT, "Where it happened.", True, _NOT_EMPTY),
        Field(
            "subject", Scalar.TEXT, "What it is about: a document's name, a key.", False, _NOT_EMPTY
        ),
        Field("time", Scalar.TEXT, "When it happened: RFC 3339.", False, _NOT_EMPTY),
        Field("datacontenttype", Scalar.TEXT, "The media type of the data.", False, _NOT_EMPTY),
        Field("dataschema", Scalar.TEXT, "The address of the data's schema.", False, _NOT_EMPTY),
        Field(
            events.KEY_ATTRIBUTE,
            Scalar.TEXT,
            "The event's identity: another delivery with this key is the same event.",
            True,
            _NOT_EMPTY,
        ),
        Field(
            events.WAY_ATTRIBUTE,
            Scalar.TEXT,
            "Which way it came: `bucket:docs`, `queue:orders`, `webhook:prod`.",
            False,
            _NOT_EMPTY,
        ),
        Field(
            events.SCOPE_ATTRIBUTE,
            Scalar.TEXT,
            "Within which its keys are one sender's: the way, or a name that several ways share.",
            False,
            _NOT_EMPTY,
        ),
        Field(
            events.UNIDENTIFIED_ATTRIBUTE,
            Scalar.BOOLEAN,
            "True where the source gave it no identity: a redelivery has another key.",
            False,
            {"const": True},
        ),
        Field(
            events.TABLE_ATTRIBUTE,
            Scalar.TEXT,
            "The digest of the routing table by which a listener chose the workflow; of the events "
            "of one signal the first has it.",
            False,
            _NOT_EMPTY,
        ),
    ),
)

BINARY: Final = Shape(
    "BinaryData",
    "The data of a CloudEvent that is neither JSON nor text.",
    (Field("base64", Scalar.TEXT, "Its bytes.", True, {"contentEncoding": "base64"}),),
)

_DOCUMENT: Final = Shape(
    "DocumentReference",
    "A document by reference; its content stays in its store.",
    (
        Field(
            "uri",
            Scalar.TEXT,
            "`s3://BUCKET/KEY` or `azure://ACCOUNT/CONTAINER/BLOB`, with the name unencoded.",
            True,
            {"pattern": "://"},
        ),
        Field("size", Scalar.INTEGER, "In bytes.", False, _NOT_NEGATIVE),
        Field("etag", Scalar.TEXT, "Without quotes."),
        Field("version", Scalar.TEXT, "Where the store keeps versions."),
    ),
)

_DOCUMENT_DATA: Final = Shape(
    "DocumentData",
    "What happened to a document.",
    (
        Field("document", _DOCUMENT, "The document.", required=True),
        Field(
            "change",
            Scalar.TEXT,
            "The store's own name of the change: `ObjectCreated`, `BlobDeleted`.",
            required=True,
        ),
        Field("renamed_from", Scalar.TEXT, "The URI that a renamed blob had."),
    ),
)

_ALERT_DATA: Final = Shape(
    "AlertData",
    "An alert in the words of the monitoring system. In a signal it is cut to fit, and without "
    "`original`.",
    (
        Field("key", Scalar.TEXT, "What stays the same from firing to resolved.", True, _NOT_EMPTY),
        Field("source", Scalar.TEXT, "Which monitoring system: `alertmanager`, `grafana`.", True),
        Field("status", Scalar.TEXT, "`firing` or `resolved`; another word counts as firing."),
        Field("title", Scalar.TEXT, "What is wrong, in one line."),
        Field("summary", Scalar.TEXT, "The same in more lines."),
        Field("severity", Scalar.TEXT, "In the source's own words: `page`, `P1`."),
        Field("service", Scalar.TEXT, "What is affected."),
        Field("starts_at", Scalar.TEXT, "When it began: RFC 3339, or a number since 1970."),
        Field("ends_at", Scalar.TEXT, "When it ended, in the same forms. A zero is none."),
        Field("labels", MapOf(Scalar.ANYTHING), "As the source has them: nearly always text."),
        Field("links", MapOf(Scalar.TEXT), "Addresses by name: `runbook`, `dashboard`, `source`."),
        Field(
            "truncated", Scalar.INTEGER, "How many alerts the source left out of the same delivery."
        ),
        Field("replicated", Scalar.BOOLEAN, "Whether the source may be replicas that disagree."),
        Field("version", Scalar.INTEGER, "Of this shape."),
        Field("cut", ListOf(Scalar.TEXT), "What was cut to fit into a signal."),
        Field("original", MapOf(Scalar.ANYTHING), "What the source sent, whole."),
    ),
)

_HEARTBEAT_DATA: Final = Shape(
    "HeartbeatData",
    "How the command ended that reports in time.",
    (
        Field("status", OneOf(STATUSES), "Whether it succeeded.", required=True),
        Field("exit_code", Scalar.INTEGER, "Its exit code."),
        Field("duration", Scalar.NUMBER, "How long it took, in seconds.", False, _NOT_NEGATIVE),
        Field("output", Scalar.TEXT, "The end of its output."),
    ),
)

_REPORT_DATA: Final = Shape(
    "IncidentReportData",
    "An incident as a person reports it.",
    (
        Field("title", Scalar.TEXT, "What is wrong, in one line.", True, _NOT_EMPTY),
        Field(
            "severity",
            Scalar.TEXT,
            "`critical`, `high`, `medium`, `low`, `info`, or a word like them.",
        ),
        Field("service", Scalar.TEXT, "What is affected."),
        Field("summary", Scalar.TEXT, "A paragraph for whoever is paged."),
        Field("description", Scalar.TEXT, "Everything known."),
        Field("started_at", Scalar.TEXT, "When it began: RFC 3339."),
        Field("reporter", Scalar.TEXT, "Who reports it."),
        Field("labels", MapOf(Scalar.TEXT), "Anything else, by name."),
        Field("links", ListOf(Scalar.TEXT), "Dashboards, logs, runbooks."),
        Field("named_links", MapOf(Scalar.TEXT), "The same by name."),
        Field("follows", Scalar.TEXT, "The ID of the incident that this one follows."),
    ),
)

_COMMAND_DATA: Final = Shape(
    "IncidentCommandData",
    "What a person did about an incident in the system that paged them.",
    (
        Field(
            "name",
            Scalar.TEXT,
            "The command: `acknowledge`, `assign`, `resolve`.",
            True,
            _NOT_EMPTY,
        ),
        Field("command_id", Scalar.TEXT, "The same for each redelivery.", True, _NOT_EMPTY),
        Field("incident_id", Scalar.TEXT, "The incident's own ID.", True, _NOT_EMPTY),
        Field("actor", Scalar.TEXT, "Who did it.", True, _NOT_EMPTY),
        Field(
            "proof",
            Scalar.TEXT,
            "The system that says so: `pagerduty` or `opsgenie`. What is done in Slack, in the "
            "console, by a link or by the API is no event.",
            True,
            _NOT_EMPTY,
        ),
        Field("given_at", Scalar.TEXT, "When they did it there: RFC 3339."),
        Field("assignee", Scalar.TEXT, "Of `assign`: to whom."),
        Field("note", Scalar.TEXT, "Of `comment`: the text."),
        Field("force", Scalar.BOOLEAN, "Of `resolve`: although alerts still fire."),
    ),
)

EVENTS: Final = (
    EventType(
        "DocumentCreated",
        events.DOCUMENT_CREATED,
        "A document was uploaded, or has a new name.",
        _DOCUMENT_DATA,
    ),
    EventType(
        "DocumentRemoved", events.DOCUMENT_REMOVED, "A document was deleted.", _DOCUMENT_DATA
    ),
    EventType(
        "DocumentChanged",
        events.DOCUMENT_CHANGED,
        "Something about a document changed, and not its content: tags, its tier.",
        _DOCUMENT_DATA,
    ),
    EventType(
        "Message",
        events.MESSAGE,
        "A message of a queue, or a request, that is JSON and no CloudEvent. Without data it was "
        "`null`.",
        Scalar.ANYTHING,
        required=False,
    ),
    EventType("Alert", events.ALERT, "An alert fires, or is resolved.", _ALERT_DATA),
    EventType(
        "Heartbeat",
        events.HEARTBEAT,
        "A beat of the heartbeat that is the subject.",
        _HEARTBEAT_DATA,
    ),
    EventType(
        "IncidentReported",
        events.INCIDENT_REPORTED,
        "`tidegate incident open` opens an incident.",
        _REPORT_DATA,
    ),
    EventType(
        "IncidentSuccessor",
        events.INCIDENT_SUCCESSOR,
        "The same for an incident that follows a closed one.",
        _REPORT_DATA,
    ),
    EventType(
        "IncidentCommand",
        events.INCIDENT_COMMAND,
        "A person acted in the system that paged them. The subject is the incident's workflow ID "
        "without `incident:`.",
        _COMMAND_DATA,
    ),
)
"""Every type that Tidegate itself makes, and a workflow can get."""

OTHER_NAME: Final = "OtherEvent"
OTHER_ABOUT: Final = (
    "An event of any other type: a CloudEvent, an event of EventBridge or Event Grid, what a "
    "sender reports besides alerts. Its data is its sender's: any JSON, BinaryData, or none."
)

SHAPES: Final = (
    BINARY,
    _DOCUMENT,
    _DOCUMENT_DATA,
    _ALERT_DATA,
    _HEARTBEAT_DATA,
    _REPORT_DATA,
    _COMMAND_DATA,
)
"""Every shape of data, each after those that it has parts of."""
