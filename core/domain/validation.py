"""Which events may become workflows: checked before the start and again before routing."""

from __future__ import annotations

from collections.abc import Sequence

from core.domain.event import Event
from core.domain.store_uris import leads_elsewhere
from core.errors import DocumentRefused, InvalidEvent, SettingsError, quoted


def is_within(uri: str, roots: Sequence[str]) -> bool:
    """Whether a URI lies under a root. `s3://docs` covers the bucket `docs`, not `docs2`."""
    if leads_elsewhere(uri):
        return False
    return any(uri.startswith(root if root.endswith("/") else f"{root}/") for root in roots)


class EventValidationService:
    """Checks events against what the operator allows.

    `documents` are the URI prefixes that events may refer to, `quarantine` is one that they may
    not, `max_bytes` is the size of the largest event in JSON.
    """

    def __init__(
        self, *, documents: Sequence[str], max_bytes: int, quarantine: str | None = None
    ) -> None:
        self._documents = tuple(documents)
        self._max_bytes = max_bytes
        self._quarantine = quarantine

    def validate(self, event: Event) -> Event:
        """The same event. Raises `InvalidEvent` or `DocumentRefused`, or `SettingsError` for an
        event about a document while none are configured, which is not the event's fault."""
        if (size := event.size) > self._max_bytes:
            raise InvalidEvent(
                f"the event has {size:,} bytes, over the limit of {self._max_bytes:,}",
                fix="send large content as a document, or raise TIDEGATE_MAX_EVENT_BYTES",
            )
        self.validate_document(event)
        return event

    def validate_document(self, event: Event) -> None:
        """Raises `DocumentRefused` or `SettingsError` as `validate` does."""
        document = event.document
        if document and not self._documents:
            raise SettingsError(
                f"event {quoted(event.key)} is about a document, and TIDEGATE_DOCUMENTS is not set",
                fix="set it to the URI prefixes that events may refer to, e.g. s3://bucket/incidents/",
            )
        if document and self._quarantine and is_within(document.uri, (self._quarantine,)):
            raise DocumentRefused(
                f"event {quoted(event.key)}: {quoted(document.uri)} is a quarantine record",
                fix="let the bucket announce only the prefix that documents come to",
            )
        if document and leads_elsewhere(document.uri):
            raise DocumentRefused(
                f"event {quoted(event.key)}: {quoted(document.uri)} has a part `.` or `..`",
                fix="its name is at fault: let it be uploaded under one without such parts",
            )
        if document and not is_within(document.uri, self._documents):
            allowed = ", ".join(self._documents)
            raise DocumentRefused(
                f"event {quoted(event.key)}: {quoted(document.uri)} is outside the configured "
                f"documents ({allowed})"
            )

    def read(self, wire: object) -> Event:
        """A valid event from its wire form. Raises `InvalidEvent` or `DocumentRefused`."""
        return self.validate(Event.from_wire(wire))
