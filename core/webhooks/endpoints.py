"""The webhooks' endpoints as data: for each `POST /hooks/<name>` its format, its verification and
its limits. Checked when it is read, like the routing table.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from core.domain.durations import Duration
from core.domain.event import OWN_TYPES, RESERVED
from core.domain.names import NAME_PATTERN
from core.domain.problems import ProblemAt
from core.errors import SettingsError
from core.formats.registry import EXTERNAL, HEARTBEAT, MAPPED, format_of
from core.formats.shared.format import Format
from core.webhooks.verifiers.any_verifier import AnyVerifier

if TYPE_CHECKING:
    from core.formats.mapping.description import Description
    from core.formats.mapping.mapping import AlertMapping

NEVER_KEPT: Final = frozenset(("authorization", "proxy-authorization", "cookie", "message-id"))
"""Headers that no delivery keeps, whatever the scheme."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$", examples=["X-Request-Id"])]
AttributeName = Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}$", examples=["service", "team"])]
AttributeValue = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]


class _Described:
    """A field that is a `Description`, whose model is built when the first endpoint has one: that
    takes a third of a cold start's time, and most listeners need none."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_description)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        from core.formats.mapping.description import Description

        described = core_schema.nullable_schema(Description.__pydantic_core_schema__)
        return handler(described)


def _description(value: object) -> Description | None:
    from core.formats.mapping.description import Description

    return None if value is None else Description.model_validate(value)


def _preset_of(name: str) -> Description:
    from core.webhooks.presets import preset  # reads YAML

    return preset(name).mapping


def _own_type(type: str) -> str:
    if type not in OWN_TYPES:
        raise ValueError(f"{type!r} is not one of Tidegate's own types: {', '.join(OWN_TYPES)}")
    return type


OwnType = Annotated[
    str, AfterValidator(_own_type), Field(json_schema_extra={"enum": list(OWN_TYPES)})
]


class Endpoint(BaseModel):
    """One endpoint: its sender's format, how the sender is verified, and what it may send."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = Field(default="", description="For people; the code ignores it.")
    format: str = Field(
        description="The name of the sender's format.",
        json_schema_extra={"enum": list(EXTERNAL)},
    )
    preset: str | None = Field(
        default=None, description="The shipped mapping of this sender, with `format: mapped`."
    )
    mapping: Annotated[Any, _Described] = Field(
        default=None,
        description=(
            "How the sender's bodies become alerts, with `format: mapped`. With a preset, each "
            "field here takes the place of the preset's own."
        ),
    )
    heartbeat: Annotated[str, Field(pattern=NAME_PATTERN)] | None = Field(
        default=None,
        description=(
            "The heartbeat that everything received here is a beat of, with `format: heartbeat`. "
            "Without it, each body names its own."
        ),
    )
    verify: AnyVerifier = Field(description="How requests are proven to be the sender's.")
    max_bytes: int = Field(
        default=5_000_000,
        ge=1024,
        le=5_000_000,
        description=(
            "Largest body in bytes, as sent and decompressed. Lambda's limit is 6 MB, and the body "
            "is text in JSON there."
        ),
    )
    answer_within: Duration = Field(
        default=timedelta(seconds=20),
        description="Time until the answer; what is unfinished then must be sent again.",
    )
    scope: Name | None = Field(
        default=None,
        description=(
            "The name of a scope that this webhook shares with others: what has the same key in it "
            "is the same alert, or the same event, whichever way it came. Default: its own."
        ),
    )
    trusted_types: tuple[OwnType, ...] = Field(
        default=(),
        description=(
            "Types of Tidegate's own that the sender's CloudEvents may have. They are acted on: "
            "`tidegate.alert` opens and resolves incidents."
        ),
    )
    id_header: HeaderName | None = Field(
        default=None,
        description="The header with the delivery's ID: a retry keeps it, others have their own.",
    )
    attributes: dict[AttributeName, AttributeValue] = Field(
        default_factory=dict,
        max_length=10,
        description="Extension attributes for every event, e.g. `service` and `team`, to route by.",
    )
    origins: tuple[str, ...] = Field(
        default=(),
        description="Origins granted the CloudEvents handshake, e.g. `eventgrid.azure.net` or `*`.",
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
        if reserved := sorted(set(attributes) & RESERVED):
            raise ValueError(f"{', '.join(reserved)}: reserved, every event has its own")
        return attributes

    @model_validator(mode="after")
    def _not_a_secret(self) -> Self:
        if self.id_header and self.id_header.lower() in {*NEVER_KEPT, *self.verify.confidential}:
            raise ValueError(f"id_header {self.id_header} is not an ID but a credential")
        return self

    @field_validator("format")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in EXTERNAL:
            raise ValueError(f"no format {name!r}; there are {', '.join(sorted(EXTERNAL))}")
        return name

    @field_validator("preset")
    @classmethod
    def _shipped(cls, name: str | None) -> str | None:
        if name is not None:
            _preset_of(name)
        return name

    @model_validator(mode="after")
    def _mapped(self) -> Self:
        described = self.preset is not None or self.mapping is not None
        if described and self.format != MAPPED:
            raise ValueError(f"`preset` and `mapping` have no meaning without `format: {MAPPED}`")
        if self.format == MAPPED:
            if not described:
                raise ValueError(f"`format: {MAPPED}` needs a `preset`, a `mapping`, or both")
            _ = self.compiled_mapping
        return self

    @model_validator(mode="after")
    def _beats(self) -> Self:
        if self.heartbeat is not None and self.format != HEARTBEAT:
            raise ValueError(f"`heartbeat` has no meaning without `format: {HEARTBEAT}`")
        return self

    @cached_property
    def description_of_mapping(self) -> Description | None:
        """The whole description: the preset's, changed by the endpoint's own."""
        if self.preset is None:
            mapping: Description | None = self.mapping
            return mapping
        return _preset_of(self.preset).changed_by(self.mapping)

    @cached_property
    def compiled_mapping(self) -> AlertMapping | None:
        """The mapping, where the format is `mapped`. Raises `ValueError` if it is incomplete."""
        described = self.description_of_mapping
        return described.compiled() if described else None

    @cached_property
    def sender(self) -> Format:
        """The format, with what the mapping says of its sender."""
        format, described = format_of(self.format), self.description_of_mapping
        if described is None:
            return format
        within = described.answer_within
        return replace(
            format,
            retries=described.retries is not False,
            answer_within=within.total_seconds() if within else None,
        )

    @property
    def path(self) -> str:
        """What the sender appends to the webhook's address."""
        described = self.description_of_mapping
        return (described.path if described else None) or ""


class WebhookTable(BaseModel):
    """All endpoints by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = Field(description="Version of this file's schema.")
    hooks: dict[Name, Endpoint] = Field(description="`POST /hooks/<name>` for each name.")

    @model_validator(mode="after")
    def _one_format_per_scope(self) -> Self:
        first: dict[str, tuple[str, Endpoint]] = {}
        for name, endpoint in self.hooks.items():
            if endpoint.scope is None:
                continue
            other, shared = first.setdefault(endpoint.scope, (name, endpoint))
            if shared.format != endpoint.format:
                raise ProblemAt(
                    f"{other} and {name} share the scope {endpoint.scope!r}, but {other} is in "
                    f"the format {shared.format} and {name} in {endpoint.format}, whose keys mean "
                    "other things",
                    *("hooks", name, "scope"),
                )
            if shared.format == MAPPED and _key_of(shared) != _key_of(endpoint):
                raise ProblemAt(
                    f"{other} and {name} share the scope {endpoint.scope!r}, and their mappings "
                    "have different keys",
                    *("hooks", name, "scope"),
                )
        return self

    def endpoint(self, hook: str) -> Endpoint:
        """The endpoint of this name. Raises `SettingsError` where there is none."""
        if hook not in self.hooks:
            names = ", ".join(self.hooks) or "none"
            raise SettingsError(f"there is no webhook {hook!r}", fix=f"there are: {names}")
        return self.hooks[hook]


def _key_of(endpoint: Endpoint) -> object:
    mapping = endpoint.compiled_mapping
    return mapping and (mapping.source, mapping.key)
