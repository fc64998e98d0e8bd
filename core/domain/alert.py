"""Alerts: what monitoring systems send, in one shape, read from events of type `tidegate.alert`.

An alert with details that are missing or unreadable is still an alert: they are left out and named
in `remarks`, for the timeline. Only an alert without a key is invalid, because nothing says which
incident it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import AwareDatetime, Field

from core.domain.alert_key import keyless, readable_key
from core.domain.event import ALERT, Event, parse_time
from core.domain.text import one_line, shortened, spelt
from core.domain.times import epoch_moment
from core.domain.value import Value
from core.errors import InvalidEvent

VERSION: Final = 1
_LABELS, _LABEL_CHARS, _VALUE_CHARS = 50, 63, 1000
_LINE_CHARS = 200
_UNIX_ZERO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LINKS, _LINK_NAME_CHARS, _LINK_CHARS = 8, 40, 2048


class AlertStatus(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(Value):
    """One alert of one source at one moment.

    `key` is the source's fingerprint of the alert, `severity` is in the source's own words,
    `links` are addresses by name (runbook, dashboard, panel, silence, source), and `truncated`
    counts the alerts that the source left out of the same delivery. `replicated` says that the
    source may be several replicas, which may disagree.
    """

    key: str
    status: AlertStatus
    title: str
    source: str
    severity: str | None = None
    service: str | None = None
    summary: str | None = None
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    links: Mapping[str, str] = Field(default_factory=dict)
    labels: Mapping[str, str] = Field(default_factory=dict)
    truncated: int = 0
    replicated: bool = False
    remarks: tuple[str, ...] = ()


_OVER: Final = frozenset(
    (
        *("clear", "cleared", "close", "closed", "ended", "fixed", "healthy", "inactive"),
        *("normal", "ok", "recovered", "recovery", "resolve", "solved", "up"),
    )
)
"""What sources say instead of `resolved`."""


def read_alert(event: Event) -> Alert:
    """The alert in an event. Unknown fields of the event's data are ignored.

    Raises `InvalidEvent` for an event of another type, without an object as data, or without a key.
    """
    if event.type != ALERT:
        raise InvalidEvent(f"event {event.key}: its type is {event.type!r}, not {ALERT!r}")
    if not isinstance(event.data, Mapping):
        raise InvalidEvent(f"event {event.key}: its data is not a JSON object with an alert")
    data = event.data
    key = readable_key(data.get("key"))
    if key is None:
        raise keyless(event.key)
    remarks: list[str] = []
    version = data.get("version", VERSION)
    if version != VERSION:
        remarks.append(f"its version is {_quoted(version)}, read as {VERSION}")
    title = _text(data, "title", _LINE_CHARS, remarks)
    if title is None:
        remarks.append("it has no title")
    cut = data.get("cut")
    if isinstance(cut, list) and cut:
        remarks.append(_line(f"cut to fit into a signal: {', '.join(map(str, cut))}", _LINE_CHARS))
    starts_at = _moment(data, "starts_at", remarks)
    if starts_at is None and not any(remark.startswith("starts_at") for remark in remarks):
        remarks.append("it does not say when it began")
    return Alert(
        key=key,
        status=_status(data, remarks),
        title=title or shortened(key, _LINE_CHARS),
        source=_text(data, "source", _LINE_CHARS, remarks) or shortened(event.source, _LINE_CHARS),
        severity=_text(data, "severity", _LINE_CHARS, remarks),
        service=_text(data, "service", _LINE_CHARS, remarks),
        summary=_text(data, "summary", 2000, remarks),
        starts_at=starts_at,
        ends_at=_moment(data, "ends_at", remarks),
        links=_links(data, remarks),
        labels=_labels(data, remarks),
        truncated=_count(data, remarks),
        replicated=data.get("replicated") is True,
        remarks=tuple(remarks),
    )


def event_of(alert: Alert, *, key: str) -> Event:
    """An event that carries the alert: what `read_alert` reads back."""
    data = alert.model_dump(mode="json", exclude={"remarks"}, exclude_none=True)
    return Event(
        id=key, source=alert.source, type=ALERT, key=key, data={"version": VERSION, **data}
    )


def _status(data: Mapping[str, Any], remarks: list[str]) -> AlertStatus:
    status = data.get("status")
    word = str(status).strip().lower()
    try:
        return AlertStatus(word)
    except ValueError:
        if word in _OVER:
            remarks.append(f"its status is {_quoted(status)}, taken as resolved")
            return AlertStatus.RESOLVED
        # No outage may go unnoticed because of one word.
        what = "it has no status" if status is None else f"its status is {_quoted(status)}"
        remarks.append(f"{what}, taken as firing")
        return AlertStatus.FIRING


def _text(data: Mapping[str, Any], name: str, limit: int, remarks: list[str]) -> str | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        remarks.append(f"{name} is not text")
        return None
    return _line(spelt(value), limit) or None


def _moment(data: Mapping[str, Any], name: str, remarks: list[str]) -> datetime | None:
    """A moment in UTC, from RFC 3339 or a number since 1970. A zero means none: that number, that
    moment, or Go's `0001-01-01T00:00:00Z`."""
    value = data.get(name)
    if value is None or value == "":
        return None
    if (moment := epoch_moment(value)) is not None:
        return moment if moment.timestamp() else None
    try:
        moment = parse_time(str(value)).astimezone(UTC)
    except (ValueError, OverflowError):
        if not str(value).startswith("0001-01-01"):
            remarks.append(f"{name} cannot be read: {_quoted(value)}")
        return None
    return moment if moment > _UNIX_ZERO else None


def _links(data: Mapping[str, Any], remarks: list[str]) -> dict[str, str]:
    links = data.get("links")
    if links is None:
        return {}
    if not isinstance(links, Mapping):
        remarks.append("its links are not an object")
        return {}
    found: dict[str, str] = {}
    for key, address in links.items():
        name = _line(str(key), _LINK_NAME_CHARS)
        if address is None or address == "" or not name:
            continue
        if problem := _problem_of(address):
            remarks.append(f"its {name} link {problem}")
        elif len(found) < _LINKS:
            found[name] = str(one_line(address))
    return found


def _problem_of(address: object) -> str | None:
    """Why an address is not shown to anybody."""
    if not isinstance(address, str) or not address.lower().startswith(("http://", "https://")):
        return "is not an http or https address"
    if len(address) > _LINK_CHARS or len(address.split()) > 1:
        return "is too long or has blanks in it"
    return None


def _labels(data: Mapping[str, Any], remarks: list[str]) -> dict[str, str]:
    labels = data.get("labels")
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        remarks.append("its labels are not an object")
        return {}
    kept = {
        _line(str(name), _LABEL_CHARS): _line(spelt(value), _VALUE_CHARS)
        for name, value in list(labels.items())[:_LABELS]
        if isinstance(value, str | int | float) and str(name).strip()
    }
    if len(kept) < len(labels):
        remarks.append(f"{len(labels) - len(kept):,} of its labels were left out")
    return kept


def _count(data: Mapping[str, Any], remarks: list[str]) -> int:
    value = data.get("truncated")
    if value is None or (isinstance(value, int) and value >= 0):
        return int(value or 0)
    remarks.append(f"truncated is not a number: {_quoted(value)}")
    return 1  # the source left alerts out, however many


def _line(text: str, limit: int) -> str:
    return shortened(str(one_line(text)), limit)


def _quoted(value: object) -> str:
    return shortened(repr(one_line(value)), 60)
