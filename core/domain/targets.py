"""Targets: places to page. Addresses and secrets stay in the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final, Literal, get_args

from pydantic import Discriminator, Field, Tag, field_validator

from core.domain.durations import Duration
from core.domain.matching import Location, Name, Problem, Strict, repeated
from core.domain.value import Value

Variable = Annotated[
    str,
    Field(pattern=r"^[A-Z][A-Z0-9_]*$", description="The name of an environment variable."),
]


class News(StrEnum):
    """What targets hear about an incident besides pages."""

    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    ASSIGNED = "assigned"
    HANDED_OVER = "handed_over"


Change = Literal["acknowledged", "resolved"]


class Post(Value):
    """A message that a target has in a chat, and by which it can be edited."""

    channel: str
    ts: str


class Rate(Strict):
    """At most so many within so long."""

    count: int = Field(ge=1, le=10_000)
    within: Duration


class _TargetConfig(Strict):
    fallback: list[Name] = Field(
        default=[], max_length=10, description="Targets to try when this one cannot be reached."
    )
    at_most: Rate | None = Field(
        None, description="The rate limit of the target; more pages have to wait."
    )
    follow_up: list[Change] = Field(
        default=["acknowledged", "resolved"],
        description="What the target hears after it took a page: that somebody acknowledged it, "
        "that it is over.",
    )

    @field_validator("follow_up")
    @classmethod
    def _each_once(cls, changes: list[Change]) -> list[Change]:
        for _, change in repeated(changes):
            raise ValueError(f"{change} is there twice")
        return changes

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold its address and its secret."""
        fields = [name for name in type(self).model_fields if name.endswith("_env")]
        return tuple(value for name in fields if (value := getattr(self, name)))


class AppriseTarget(_TargetConfig):
    """One or more apprise URLs, separated by blanks: chat, mail, pagers."""

    kind: Literal["apprise"] = "apprise"
    url_env: Variable


class WebhookTarget(_TargetConfig):
    """A web address that takes pages signed according to Standard Webhooks."""

    kind: Literal["webhook"]
    url_env: Variable
    secret_env: Variable


class PagerDutyTarget(_TargetConfig):
    """A PagerDuty service, by the routing key of its Events API v2 integration."""

    kind: Literal["pagerduty"]
    routing_key_env: Variable
    url_env: Variable | None = Field(
        None,
        description="The name of an environment variable with another endpoint than PagerDuty's "
        "own, as accounts in its EU region have.",
    )


class OpsgenieTarget(_TargetConfig):
    """An Opsgenie team, by the key of its API integration."""

    kind: Literal["opsgenie"]
    api_key_env: Variable
    url_env: Variable | None = Field(
        None,
        description="The name of an environment variable with another address than Opsgenie's own "
        "API, as accounts in its EU region have.",
    )


class SlackTarget(_TargetConfig):
    """A channel of Slack, by the token of a bot: one message for each incident, with buttons, which
    shows how the incident stands."""

    kind: Literal["slack"]
    token_env: Variable
    channel: str = Field(
        pattern=r"^[CDGUW][A-Z0-9]{2,30}$",
        description="The ID of a channel, or of a person, who then gets direct messages.",
        examples=["C0123456789"],
    )
    url_env: Variable | None = Field(
        None,
        description="The name of an environment variable with another address than Slack's own "
        "API.",
    )
    follow_up: list[Change] = Field(
        default=[],
        max_length=0,
        description="Always empty: the message itself shows what becomes of the incident.",
    )


def _kind(value: object) -> object:
    fields = value if isinstance(value, Mapping) else vars(value) if value else {}
    return fields.get("kind", "apprise")


_Kinds = (
    Annotated[AppriseTarget, Tag("apprise")]
    | Annotated[WebhookTarget, Tag("webhook")]
    | Annotated[PagerDutyTarget, Tag("pagerduty")]
    | Annotated[OpsgenieTarget, Tag("opsgenie")]
    | Annotated[SlackTarget, Tag("slack")]
)

KINDS: Final[Mapping[str, type[_TargetConfig]]] = {
    tag.tag: kind for kind, tag in map(get_args, get_args(_Kinds))
}
"""The class of each kind. The channel that it needs is in core/adapters/notifiers/registry.py."""

TargetConfig = Annotated[
    _Kinds,
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message=f"kind is one of {', '.join(KINDS)}",
    ),
]


def unset(
    targets: Mapping[str, TargetConfig], environment: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The targets without an address, with the variables that are not set."""
    missing = {
        name: tuple(v for v in target.variables if not environment.get(v, "").strip())
        for name, target in targets.items()
    }
    return {name: variables for name, variables in missing.items() if variables}


def undefined(
    place: Location, names: Sequence[str], targets: Mapping[str, TargetConfig]
) -> Iterator[Problem]:
    for number, name in enumerate(names):
        if name not in targets:
            known = ", ".join(targets)
            yield ((*place, number), f"there is no target {name!r}; there are {known}")
