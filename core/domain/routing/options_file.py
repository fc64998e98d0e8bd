"""What a route of the table's file may say of its workflow besides target and arguments."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, Field, PlainValidator, StringConstraints, model_validator

from core.domain.duration_text import duration_seconds
from core.domain.durations import Duration
from core.domain.expressions.expression import compiled
from core.domain.routing.fields import FROZEN, Expression, Template, template_pieces
from core.domain.routing.options import LEAST_WEIGHT, MOST_WEIGHT, PRIORITIES

_SECOND: Final = timedelta(seconds=1)

MOST: Final = 50
"""Most search attributes, and most fields of a memo, of one route."""

AttributeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
MemoName = Annotated[str, Field(min_length=1, max_length=64)]


class AttributeRule(BaseModel):
    """A search attribute: its type, and the JMESPath expression that yields its value."""

    model_config = FROZEN

    keyword: Expression | None = Field(None, description="Text, a number or a boolean, as text.")
    keyword_list: Expression | None = Field(None, description="A list of such.")
    text: Expression | None = Field(None, description="Text that is searched by its words.")
    int: Expression | None = Field(None, description="An integer of 64 bits.")
    double: Expression | None = Field(None, description="A number.")
    bool: Expression | None = Field(None, description="True or false.")
    datetime: Expression | None = Field(None, description="A time of RFC 3339 with its zone.")

    @model_validator(mode="after")
    def _one_type(self) -> Self:
        if len(self.compiled()) != 1:
            kinds = ", ".join(type(self).model_fields)
            raise ValueError(f"a search attribute has exactly one type of {kinds}")
        return self

    def compiled(self) -> dict[str, str]:
        """The expression by the attribute's type."""
        return self.model_dump(exclude_none=True)


def _number(least: float, most: float, *, whole: bool = False) -> PlainValidator:
    """Reads a number within bounds, or an expression that yields one."""
    kind = int if whole else int | float

    def read(value: object) -> object:
        if isinstance(value, str) and value:
            compiled(value)
            return value
        if isinstance(value, kind) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise ValueError(
            f"not a number from {least:g} to {most:g}, nor a JMESPath expression that yields one"
        )

    number: Any = int if whole else float
    bounded = Annotated[number, Field(ge=least, le=most)]
    return PlainValidator(
        read, json_schema_input_type=bounded | Annotated[str, Field(min_length=1)]
    )


def _start_delay(value: object) -> float | str:
    if isinstance(value, str):
        if (seconds := duration_seconds(value)) is not None:
            return seconds
        if any(name for _, name in template_pieces(value)):
            return value
    raise ValueError(
        "neither a duration like 30s, 5m, 12h or 90d nor a template with an {expression} that "
        "yields one, or a time"
    )


Priority = Annotated[int | str, _number(PRIORITIES[0], PRIORITIES[-1], whole=True)]


class FairnessRule(BaseModel):
    """Whose share of the task queue the workflow's tasks count to."""

    model_config = FROZEN

    key: Expression = Field(description="A JMESPath expression that yields the key, as a tenant's.")
    weight: Annotated[int | float | str, _number(LEAST_WEIGHT, MOST_WEIGHT)] | None = Field(
        None, description="The key's share beside the others', 0.001 to 1000. Default: 1."
    )


class RetryRule(BaseModel):
    """How the workflow is retried after it has failed."""

    model_config = FROZEN

    initial_interval: Duration | None = Field(
        None, description="Before the first retry. Default: 1s."
    )
    backoff: Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False)] = Field(
        2.0, description="By what each interval is longer than the one before."
    )
    maximum_interval: Duration | None = Field(
        None, description="The longest interval. Default: 100 times the first."
    )
    maximum_attempts: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="How often it runs at most, the first time included. Default: no limit."
    )
    non_retryable: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=MOST)] = (
        Field([], description="Types of failures after which it is not retried.")
    )

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.maximum_interval and self.maximum_interval < (self.initial_interval or _SECOND):
            raise ValueError("`maximum_interval` is shorter than `initial_interval`")
        return self

    def compiled(self) -> dict[str, Any]:
        """The rule in plain values; intervals are in seconds."""
        longest = self.maximum_interval
        return {
            "initial_interval": (self.initial_interval or _SECOND).total_seconds(),
            "backoff": self.backoff,
            "maximum_interval": longest.total_seconds() if longest else None,
            "maximum_attempts": self.maximum_attempts or 0,
            "non_retryable": list(self.non_retryable),
        }


class OptionRules(BaseModel):
    """The fields of a route that say how its workflow is started."""

    model_config = FROZEN

    search_attributes: Annotated[
        dict[AttributeName, AttributeRule],
        Field(
            max_length=MOST,
            json_schema_extra={"additionalProperties": False},
            description="Search attributes of the workflow, which the namespace must have.",
        ),
    ] = {}
    memo: Annotated[
        dict[MemoName, Expression],
        Field(
            max_length=MOST,
            description="What lists of workflows show beside it: JMESPath expressions by name.",
        ),
    ] = {}
    static_summary: Template | None = Field(
        None,
        description=(
            "Template of the workflow's line in Temporal's UI. Default: the event's type and "
            "subject."
        ),
    )

    priority: (
        Annotated[int | str, _number(PRIORITIES.start, PRIORITIES.stop - 1, whole=True)] | None
    ) = Field(
        None,
        description=(
            "Whose tasks go first on its task queue: 1 to 5, 1 first, or a JMESPath expression "
            "that yields it."
        ),
    )
    fairness: FairnessRule | None = Field(
        None, description="How its task queue is shared among keys, such as tenants."
    )
    retry: RetryRule | None = Field(
        None, description="Retries the workflow after it has failed; with no signals."
    )
    start_delay: (
        Annotated[float | str, PlainValidator(_start_delay, json_schema_input_type=str)] | None
    ) = Field(
        None,
        description=(
            "After how long the workflow starts, as 30s, 5m, 12h or 90d; or a template that "
            "yields that or the time of its start. Not with `orchestrate`."
        ),
        examples=["10m", "{data.due}"],
    )

    def options(self) -> dict[str, Any] | None:
        """What of it the route says, as `core.domain.routing.options` reads it."""
        found: dict[str, Any] = {}
        if self.search_attributes:
            found["search_attributes"] = {
                name: rule.compiled() for name, rule in self.search_attributes.items()
            }
        if self.memo:
            found["memo"] = dict(self.memo)
        if self.static_summary:
            found["static_summary"] = [
                list(piece) for piece in template_pieces(self.static_summary)
            ]
        if self.priority is not None:
            found["priority"] = self.priority
        if self.fairness:
            found["fairness_key"] = self.fairness.key
            if self.fairness.weight is not None:
                found["fairness_weight"] = self.fairness.weight
        if self.retry:
            found["retry"] = self.retry.compiled()
        if self.start_delay is not None:
            found["start_delay"] = (
                [list(piece) for piece in template_pieces(self.start_delay)]
                if isinstance(self.start_delay, str)
                else self.start_delay
            )
        return found or None
