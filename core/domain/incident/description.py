"""What an incident is about: the fields that its opening sets and that the incident keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import AwareDatetime, Field

from core.domain.incident.policies.policy import Policy
from core.domain.severity import Severity
from core.domain.value import Value


class Description(Value):
    """`previous` is the ID of the incident that this one follows, `document` the URI of the report
    that opened it, `started_at` when the trouble began, as the report or the alert says. `links`
    are those of a report, `named_links` those that have a name."""

    title: str
    severity: Severity
    service: str | None = None
    summary: str | None = None
    reporter: str | None = None
    source: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    links: tuple[str, ...] = ()
    named_links: Mapping[str, str] = Field(default_factory=dict)
    document: str | None = None
    previous: str | None = None
    policy: Policy
    started_at: AwareDatetime | None = None


def description_of(described: Description) -> dict[str, Any]:
    """The fields of the description alone, of an event or an incident that has more."""
    return {name: getattr(described, name) for name in Description.model_fields}
