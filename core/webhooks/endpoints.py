"""The webhooks' endpoints as data: which names there are, who may post to each, and what comes.

One mapping of names, `POST /hooks/<name>`. Checked when it is read, like the routing table.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from core.domain.durations import Duration
from core.domain.event import RESERVED
from core.formats.registry import FORMATS
from core.webhooks.verifiers.any_verifier import AnyVerifier

INTERNAL: Final = ("stored_event",)
"""Formats that are Tidegate's own, and that no stranger speaks."""
NEVER_KEPT: Final = frozenset(("authorization", "proxy-authorization", "cookie", "message-id"))
"""Headers that go no further than the door, whatever the scheme."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$", examples=["X-Request-Id"])]
AttributeName = Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}$", examples=["service", "team"])]
AttributeValue = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]


class Endpoint(BaseModel):
    """One way in: its sender's format, how the sender is known, and what it may send."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = Field(default="", description="For people; nothing reads it.")
    format: str = Field(
        description="How the sender writes: the name of a format.",
        json_schema_extra={"enum": [name for name in FORMATS if name not in INTERNAL]},
    )
    verify: AnyVerifier = Field(description="How the sender is known from a stranger.")
    max_bytes: int = Field(
        default=5_000_000,
        ge=1024,
        le=5_000_000,
        description=(
            "Largest body, in bytes, as sent and when unpacked. Lambda takes 6 MB, and the body as "
            "text in JSON."
        ),
    )
    answer_within: Duration = Field(
        default=timedelta(seconds=20),
        description="When the sender must have its answer. What is unfinished then is given back.",
    )
    repeat_window: Duration = Field(
        default=timedelta(minutes=5),
        description=(
            "For senders that repeat alerts while nothing changes: within such a period a repeat "
            "is known to be one, and starts nothing."
        ),
    )
    id_header: HeaderName | None = Field(
        default=None,
        description="The header in which the sender names the delivery, the same when it retries.",
    )
    attributes: dict[AttributeName, AttributeValue] = Field(
        default_factory=dict,
        max_length=10,
        description="Extension attributes of every event, e.g. `service` and `team`, for routing.",
    )
    origins: tuple[str, ...] = Field(
        default=(),
        description="Who is granted the CloudEvents handshake, e.g. `eventgrid.azure.net` or `*`.",
    )

    @field_validator("answer_within")
    @classmethod
    def _reachable(cls, within: timedelta) -> timedelta:
        if within < timedelta(seconds=1):
            raise ValueError("less than 1s is too short to start anything")
        return within

    @field_validator("attributes")
    @classmethod
    def _free(cls, attributes: dict[str, str]) -> dict[str, str]:
        if taken := sorted(set(attributes) & RESERVED):
            raise ValueError(f"{', '.join(taken)}: an event has its own")
        return attributes

    @model_validator(mode="after")
    def _not_a_secret(self) -> Self:
        if self.id_header and self.id_header.lower() in {*NEVER_KEPT, *self.verify.confidential}:
            raise ValueError(f"id_header {self.id_header} is no ID, but what proves the sender")
        return self

    @field_validator("format")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in FORMATS or name in INTERNAL:
            known = ", ".join(sorted(set(FORMATS) - set(INTERNAL)))
            raise ValueError(f"no format {name!r}; there are {known}")
        return name


class WebhookTable(BaseModel):
    """All endpoints by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = Field(description="Of this file's language.")
    hooks: dict[Name, Endpoint] = Field(description="`POST /hooks/<name>` for each name.")
