"""Whether a body that came without its webhook looks like the body of one: by which formats it
would be read, and which of the configured webhooks take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import ALERT, Event
from core.errors import InvalidEvent
from core.formats.registry import EXTERNAL, MAPPED, USERS_OWN, read
from core.formats.shared.delivery import Arrival, Delivery
from core.formats.shared.json_body import load_json
from core.webhooks.decode import Decoded, Refused, decode
from core.webhooks.endpoints import Endpoint
from core.webhooks.request import post_to

_BY_FIELDS: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "github": (
        frozenset(("sender", "repository")),
        frozenset(("sender", "organization")),
        frozenset(("zen", "hook_id")),
    ),
    "sentry": (frozenset(("action", "data", "installation")),),
    "slack": (frozenset(("type", "api_app_id")),),
}
"""Senders whose bodies are known by their fields alone: a body has all of one set."""
_ANY_EVENT: Final = ("event_grid", "pagerduty_webhook", "cloudwatch", "opsgenie")
"""Senders whose bodies are recognised although they bring no alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The formats that read a body as their own, and the webhooks that would take it."""

    formats: tuple[str, ...]
    hooks: tuple[str, ...]


def formats_of(delivery: Delivery) -> tuple[str, ...]:
    """The monitoring systems' formats in which the body is an alert."""
    return tuple(name for name in _others() if _is_alert(read(replace(delivery, format=name))))


def shape_of(delivery: Delivery, settings: Settings) -> Shape | None:
    """What the body looks like; None if like no webhook's. Raises `ConfigFileError`."""
    formats = formats_of(delivery) or _by_fields(delivery) or _by_events(delivery)
    hooks: list[str] = []
    if settings.webhooks is not None:
        table = bootstrap.webhook_table(settings)
        hooks = [
            name
            for name, endpoint in table.hooks.items()
            if endpoint.format in formats or _maps_alert(delivery, name, endpoint)
        ]
    return Shape(formats=formats, hooks=tuple(hooks)) if formats or hooks else None


def _others() -> tuple[str, ...]:
    return tuple(name for name in EXTERNAL if name not in (USERS_OWN, MAPPED, "s3"))


def _is_alert(arrivals: list[Arrival]) -> bool:
    items = [arrival.item for arrival in arrivals]
    return any(isinstance(item, Event) and item.type == ALERT for item in items)


def _by_fields(delivery: Delivery) -> tuple[str, ...]:
    value = _object(delivery)
    return tuple(
        name
        for name, shapes in _BY_FIELDS.items()
        if any(fields <= value.keys() for fields in shapes)
    )


def _by_events(delivery: Delivery) -> tuple[str, ...]:
    """By what brings no alert. A CloudEvent may be anybody's."""
    if "specversion" in _object(delivery):
        return ()
    return tuple(name for name in _ANY_EVENT if _all_read(read(replace(delivery, format=name))))


def _all_read(arrivals: list[Arrival]) -> bool:
    return bool(arrivals) and all(isinstance(arrival.item, Event) for arrival in arrivals)


def _object(delivery: Delivery) -> dict[str, Any]:
    try:
        value = load_json(delivery.body)
    except InvalidEvent:
        return {}
    return value if isinstance(value, dict) else {}


def _maps_alert(delivery: Delivery, name: str, endpoint: Endpoint) -> bool:
    """Whether the mapping of a webhook finds an alert in the body."""
    if endpoint.compiled_mapping is None:
        return False
    headers = {"content-type": "application/json"}
    request = post_to(name, delivery.body, headers)
    try:
        decoded = decode(request, name, endpoint, datetime.now(UTC))
    except Refused:
        return False
    return isinstance(decoded, Decoded) and _is_alert(decoded.arrivals)
