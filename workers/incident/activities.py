"""Activities of the incident: thin adapters between the workflow and the ports.

Each failure carries the code of its error as its type. Targets are known to workflows by name only,
because their URLs hold secrets and everything a workflow sees is recorded.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from core.domain.event import DocumentRef, Event
from core.domain.incident import postmortem, postmortem_text
from core.domain.incident.effects import Page
from core.domain.incident.intake_report import IncidentReport, report_of
from core.domain.incident.model import Incident, compact_time, folder_name
from core.domain.incident.policy import Level, Policy, Target
from core.domain.incident.reading import parse_report
from core.domain.incident.record import Record
from core.domain.incident.timeline import TimelineEvent
from core.errors import DocumentExists, DocumentTooLarge, named
from core.ports.documents import DocumentStore
from core.ports.notifier import Notification, Notifier
from core.quarantine import Quarantine
from workers.errors import typed_failures

_MARKDOWN: Final = "text/markdown; charset=utf-8"
_JSON: Final = "application/json"


class Loaded(Record):
    """What an event brings: its report, its identity, and its document's URI, if it has one."""

    report: IncidentReport
    event_key: str
    document: str | None = None


class Ending(Record):
    """All that a post-incident report is made of."""

    incident: Incident
    timeline: tuple[TimelineEvent, ...]


class IncidentActivities:
    """Bound to the ports and settings of one worker process.

    `targets` are apprise URLs by level; `ack_timeout` is in seconds; `reports` is the URI prefix
    for post-incident reports, None for none.
    """

    def __init__(
        self,
        *,
        documents: DocumentStore,
        notifier: Notifier,
        quarantine: Quarantine,
        targets: Mapping[int, Sequence[str]],
        ack_timeout: float,
        reports: str | None,
        max_report_bytes: int,
    ) -> None:
        self._documents = documents
        self._notifier = notifier
        self._quarantine = quarantine
        self._urls = {
            level: {target_name(url): url for url in urls} for level, urls in targets.items()
        }
        self._ack_timeout = ack_timeout
        self._reports = reports
        self._max_report_bytes = max_report_bytes

    @activity.defn
    async def load_policy(self) -> Policy:
        """What holds for an incident that opens now."""
        delays = {1: 0.0, 2: self._ack_timeout}
        return Policy(
            levels=tuple(
                Level(
                    after=delay,
                    targets=tuple(Target(name=name) for name in self._urls.get(level, {})),
                )
                for level, delay in delays.items()
            ),
            maximum_age=None,
        )

    @activity.defn
    async def load_report(self, wire: Any) -> Loaded:
        """The report that an event refers to or, without a document, is.

        Fails, not to be retried, as `InvalidEvent`, `InvalidReport`, `DocumentNotFound`,
        `DocumentChanged`, `DocumentRefused` or `DocumentTooLarge`.
        """
        with typed_failures():
            event = Event.from_wire(wire)
            document = event.document
            if document is None:
                report = report_of(event.data, where=f"event {event.key}")
                return Loaded(report=report.brief(), event_key=event.key)
            body = await self._read(document)
            # Up to half a second of parsing: not on the loop that polls Temporal.
            report = await asyncio.to_thread(parse_report, body, uri=document.uri)
            return Loaded(report=report.brief(), event_key=event.key, document=document.uri)

    @activity.defn
    async def page(self, page: Page) -> None:
        """Deliver one page to one target, in the time that the notifier allows itself."""
        url = self._urls.get(page.level, {}).get(page.target)
        if url is None:
            raise ApplicationError(
                f"{page.target} is not among the targets of level {page.level} any more",
                type="TargetRemoved",
                non_retryable=True,
            )
        message = Notification(
            key=page.key, title=page.title, body=page.body, severity=page.severity.value
        )
        with typed_failures():
            await self._notifier.notify(message, [url])

    @activity.defn
    async def write_report(self, ending: Ending) -> list[str]:
        """Write the post-incident report, Markdown and JSON; returns their URIs.

        A report that is there already with the same content counts as written. One with another
        content belongs to an earlier incident of the same ID: it stays, and the new one is named
        after its resolution.
        """
        if self._reports is None:
            raise ApplicationError(
                "TIDEGATE_REPORTS is not set", type="ReportsNotSet", non_retryable=True
            )
        incident, timeline = ending.incident, ending.timeline
        contents = {
            "md": (postmortem_text.as_markdown(incident, timeline), _MARKDOWN),
            "json": (postmortem.as_json(incident, timeline), _JSON),
        }
        names = ["report"]
        if incident.resolved_at:
            names.append(f"report-{compact_time(incident.resolved_at)}")
        folder = f"{self._reports.rstrip('/')}/{folder_name(incident.id)}"
        with typed_failures():
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

    @activity.defn
    async def keep_failed(self, wire: Any, code: str, reason: str) -> str:
        """Quarantine the event that was to open the incident; returns the record's URI."""
        event = wire if isinstance(wire, dict) else {"data": wire}
        with typed_failures():
            return await self._quarantine.keep_event(event, named(code, reason))

    async def _read(self, document: DocumentRef) -> bytes:
        """The whole document, never holding more of it than the limit and one chunk."""
        limit = self._max_report_bytes
        if document.size is not None and document.size > limit:
            raise _too_large(document, document.size, limit)
        body = bytearray()
        async for chunk in self._documents.read(document):
            body += chunk
            if len(body) > limit:
                raise _too_large(document, document.size, limit)
        return bytes(body)

    async def _write_once(self, uri: str, content: bytes, content_type: str) -> bool:
        """Whether the document is there now with this content, by this write or another."""
        try:
            await self._documents.write(
                uri, _chunks(content), content_type=content_type, if_absent=True
            )
        except DocumentExists:
            return await self._holds(uri, content)
        return True

    async def _holds(self, uri: str, content: bytes) -> bool:
        found = bytearray()
        async for chunk in self._documents.read(DocumentRef(uri=uri)):
            found += chunk
            if len(found) > len(content):
                return False
        return found == content


def target_name(url: str) -> str:
    """A target's name: its scheme and a digest that tells it from others, e.g. `slack#1f3a9c2e`."""
    digest = hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()[:8]
    scheme, separator, _ = url.partition("://")
    return f"{scheme if separator else 'target'}#{digest}"


def _too_large(document: DocumentRef, size: int | None, limit: int) -> DocumentTooLarge:
    has = f"has {size:,} bytes" if size is not None else "is longer"
    return DocumentTooLarge(f"{document.uri} {has}, over the limit of {limit:,}")


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
