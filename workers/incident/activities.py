"""Activities of the incident: thin adapters between the workflow and the ports. They may do I/O.

What only reports need is imported with the first of them: the first page does not wait for it.

Each failure has the code of its error as its type. Workflows know targets by name only, because
addresses are secrets and everything that a workflow sees is recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from core.adapters.notifiers.addresses import Addresses
from core.adapters.temporal.previous_run import last_result
from core.contracts import QUARANTINE_ACTIVITY
from core.domain.alert_state import AlertState
from core.domain.event import DocumentRef, Event
from core.domain.handles import handle_of
from core.domain.identity import workflow_id
from core.domain.incident.alert_counts import from_memory
from core.domain.incident.effects import FollowUp, Message, Page, UpdatePost
from core.domain.incident.ids import compact_time
from core.domain.incident.model import folder_name
from core.domain.incident.policies.file import Facts, Policies
from core.domain.incident.reports.incident_report import parse_fields
from core.domain.incident.timeline import TIMELINE, Noted, TimelineEvent
from core.domain.link_template import filled
from core.domain.oncall.answer import Answer, Question
from core.domain.targets import Post, TargetConfig
from core.domain.text import shortened
from core.errors import (
    ConfigurationError,
    DocumentExists,
    DocumentNotFound,
    DocumentTooLarge,
    PermanentError,
)
from core.intake.quarantine import Quarantine
from core.ports.documents import DocumentStore
from core.ports.notifier import Notifier
from workers.incident.paging.pager import Pager
from workers.incident.payloads import (
    URI_CHARS,
    Delivered,
    LoadedReport,
    OpeningRules,
    ReportInput,
    Segment,
    Told,
)
from workers.runtime import routing_tables
from workers.runtime.activity_errors import typed_failures
from workers.runtime.heartbeats import heartbeating

if TYPE_CHECKING:
    from core.links import PageLinks

M = TypeVar("M", bound=Message)

_MARKDOWN: Final = "text/markdown; charset=utf-8"
_JSON: Final = "application/json"


class FindOnCall(Protocol):
    """Who is on call for the recipients of a question, and what is silenced."""

    def __call__(self, question: Question, *, client: Client) -> Awaitable[Answer]: ...


class IncidentActivities:
    """Bound to the ports and settings of one worker process.

    `targets` are the policies' own and people's contact methods, `addresses` theirs; `find_on_call`
    answers who is on call; `ack_timeout` is in seconds; `incident_url` is the template of an
    incident's address in a web application (core.domain.link_template), None for none; `links` are
    those of pages by which people act, None for none; `reports` is
    the URI prefix for post-incident reports, None for none; `table` is the digest of the routing
    table.
    """

    def __init__(
        self,
        *,
        documents: DocumentStore,
        notifier: Notifier,
        quarantine: Quarantine,
        policies: Policies,
        targets: Mapping[str, TargetConfig],
        addresses: Addresses,
        find_on_call: FindOnCall,
        ack_timeout: float,
        incident_url: str | None = None,
        links: PageLinks | None = None,
        reports: str | None,
        max_report_bytes: int,
        continue_as_new_after: int | None = None,
        table: str,
    ) -> None:
        self._documents = documents
        self._quarantine = quarantine
        self._policies = policies
        self._names = {name: [each.name for each in some] for name, some in addresses.items()}
        self._of_policies = {name: self._names.get(name, []) for name in policies.targets}
        self._find_on_call = find_on_call
        self._pager = Pager(notifier, addresses, targets, links)
        self._ack_timeout = ack_timeout
        self._incident_url = incident_url
        self._reports = reports
        self._max_report_bytes = max_report_bytes
        self._continue_as_new_after = continue_as_new_after
        self._table = table

    @property
    def all(self) -> list[Any]:
        """Every activity, for a worker."""
        return [
            self.load_policy,
            self.recall,
            self.load_report,
            self.find_on_call,
            self.page,
            self.follow_up,
            self.update_post,
            self.save_timeline,
            self.write_report,
            self.quarantine,
        ]

    @activity.defn
    async def load_policy(self, facts: Facts, table: str | None = None) -> OpeningRules:
        """What is configured for an incident with these facts, which came from a listener with the
        routing table of that digest."""
        routing_tables.compare(table, self._table)
        policy = self._policies.choose(facts, ack_timeout=self._ack_timeout)
        return OpeningRules(
            policy=policy.addressed(self._of_policies),
            continue_as_new_after=self._continue_as_new_after,
        )

    @activity.defn
    async def recall(self) -> dict[str, AlertState]:
        """What the last run of the same workflow ID that completed knew of alerts, by fingerprint;
        nothing where there was none.

        Fails permanently where this worker may not read what has completed.
        """
        info = activity.info()
        with typed_failures():
            try:
                result = await last_result(
                    activity.client(), info.workflow_id or "", info.workflow_run_id
                )
            except ConfigurationError as error:
                raise ApplicationError(str(error), type=error.code, non_retryable=True) from error
        return from_memory(result.get("alerts")) if isinstance(result, dict) else {}

    @activity.defn
    async def load_report(self, wire: Any) -> LoadedReport:
        """The report that an event refers to or, without a document, contains.

        Fails permanently as `InvalidEvent`, `InvalidReport`, `DocumentNotFound`,
        `DocumentChanged`, `DocumentRefused` or `DocumentTooLarge`.
        """
        with typed_failures():
            event = Event.from_wire(wire)
            document, key = event.document, workflow_id(event.key)
            if document is None:
                report = parse_fields(event.data, where=f"event {event.key}")
                return LoadedReport(report=report.brief(), event_key=key)
            from core.domain.incident.reports.parser import parse_report

            body = await self._read(document)
            # Parsing takes up to half a second: not on the event loop, which polls Temporal.
            report = await asyncio.to_thread(parse_report, body, uri=document.uri)
            uri = shortened(document.uri, URI_CHARS)
            return LoadedReport(report=report.brief(), event_key=key, document=uri)

    @activity.defn
    async def find_on_call(self, question: Question) -> Answer:
        """Who is on call now, each with the names of the addresses to page, and which silences
        that were added at run time match the incident."""
        with typed_failures():
            answer = await self._find_on_call(question, client=activity.client())
        return answer.addressed(self._names)

    @activity.defn
    async def page(self, page: Page) -> Delivered:
        """Deliver one page to its target or, if that fails, to the first of its fallbacks that
        takes it; returns the name of the one that did."""
        with typed_failures():
            async with heartbeating():
                return await self._pager.deliver(_attempted(page), self._url_of(page))

    @activity.defn
    async def follow_up(self, follow_up: FollowUp) -> Told:
        """Tell targets what became of the incident, or of an assignment; those that are no longer
        configured, or are not to hear it, are skipped."""
        with typed_failures():
            async with heartbeating():
                url = self._url_of(follow_up)
                return Told(posts=await self._pager.follow_up(_attempted(follow_up), url))

    @activity.defn
    async def update_post(self, update: UpdatePost) -> Post:
        """Have a target's message show how the incident stands, and tell what has happened under
        it; returns the message, which is another if that one was gone."""
        with typed_failures():
            async with heartbeating():
                return await self._pager.update(_attempted(update), self._url_of(update))

    @activity.defn
    async def save_timeline(self, segment: Segment) -> None:
        """Save a part of a timeline, replacing what was saved under its number: a part that is
        saved again has more in it. Fails as `ReportsNotSet` without TIDEGATE_REPORTS."""
        uri = _segment_uri(self._folder(segment.incident_id), segment.number)
        content = TIMELINE.dump_json(segment.timeline)
        with typed_failures():
            async with heartbeating():
                await self._documents.write(uri, _chunks(content), content_type=_JSON)

    @activity.defn
    async def write_report(self, report_input: ReportInput) -> list[str]:
        """Write the post-incident report, Markdown and JSON; returns their URIs.

        Idempotent: a report that exists with the same content counts as written. One with other
        content belongs to an earlier resolution; it stays, and the new one has the time of its own
        resolution in its name.
        """
        from core.domain.incident.reports import markdown, post_incident

        incident = report_input.incident
        folder = self._folder(incident.id)
        names = ["report"]
        if moment := incident.report_wanted or incident.resolved_at:
            names.append(f"report-{compact_time(moment)}")
        with typed_failures():
            async with heartbeating():
                timeline = (*await self._saved(folder, report_input), *report_input.timeline)
                contents = {
                    "md": (markdown.as_markdown(incident, timeline), _MARKDOWN),
                    "json": (post_incident.as_json(incident, timeline), _JSON),
                }
                for name in names:
                    uris = [
                        f"{folder}/{name}.{suffix}"
                        for suffix, (content, kind) in contents.items()
                        if await self._write_once(f"{folder}/{name}.{suffix}", content, kind)
                    ]
                    if len(uris) == len(contents):
                        return uris
        raise ApplicationError(
            f"{folder} holds other reports under the names {' and '.join(names)}",
            type=DocumentExists.__name__,
            non_retryable=True,
        )

    @activity.defn(name=QUARANTINE_ACTIVITY)
    async def quarantine(self, wire: Any, code: str, reason: str) -> str:
        """Quarantine an event that was to open an incident; returns the record's URI."""
        event = wire if isinstance(wire, dict) else {"data": wire}
        with typed_failures():
            return await self._quarantine.keep_event(event, PermanentError.from_code(code, reason))

    def _url_of(self, message: Message) -> str | None:
        """The incident's address in a web application."""
        if self._incident_url is None:
            return None
        info, id = activity.info(), message.dedup_key
        return filled(
            self._incident_url,
            id=id,
            handle=handle_of(id),
            workflow_id=info.workflow_id or "",
            run_id=info.workflow_run_id or "",
        )

    def _folder(self, incident_id: str) -> str:
        if self._reports is None:
            raise ApplicationError(
                "TIDEGATE_REPORTS is not set", type="ReportsNotSet", non_retryable=True
            )
        return f"{self._reports.rstrip('/')}/{folder_name(incident_id)}"

    async def _saved(self, folder: str, report_input: ReportInput) -> Sequence[TimelineEvent]:
        """The beginning of the timeline, from the document store."""
        saved: list[TimelineEvent] = []
        for number in range(1, report_input.segments + 1):
            document = DocumentRef(uri=_segment_uri(folder, number))
            try:
                content = b"".join([chunk async for chunk in self._documents.read(document)])
            except DocumentNotFound:
                neighbour = next(iter(report_input.timeline), saved[-1] if saved else None)
                if neighbour:
                    text = f"Entries are missing here: {document.uri}"
                    saved.append(Noted(at=neighbour.at, text=text))
            else:
                saved += TIMELINE.validate_json(content)
        return saved

    async def _read(self, document: DocumentRef) -> bytes:
        """The whole document; reads at most one chunk beyond the limit."""
        limit = self._max_report_bytes
        if document.size is not None and document.size > limit:
            raise _too_large(document, document.size, limit)
        body = bytearray()
        async with aclosing(self._documents.read(document)) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    raise _too_large(document, document.size, limit)
        return bytes(body)

    async def _write_once(self, uri: str, content: bytes, content_type: str) -> bool:
        """Whether the document now has this content, from this write or an earlier one."""
        try:
            await self._documents.write(
                uri, _chunks(content), content_type=content_type, if_absent=True
            )
        except DocumentExists:
            return await self._holds(uri, content)
        return True

    async def _holds(self, uri: str, content: bytes) -> bool:
        body = bytearray()
        async with aclosing(self._documents.read(DocumentRef(uri=uri))) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > len(content):
                    return False
        return body == content


def _attempted(message: M) -> M:
    """The message, which an attempt before may have sent."""
    if activity.info().attempt == 1:
        return message
    return message.model_copy(update={"again": True})


def _segment_uri(folder: str, number: int) -> str:
    return f"{folder}/timeline-{number:06}.json"


def _too_large(document: DocumentRef, size: int | None, limit: int) -> DocumentTooLarge:
    has = f"has {size:,} bytes" if size is not None else "is longer"
    return DocumentTooLarge(f"{document.uri} {has}, over the limit of {limit:,}")


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
