"""The routing table's file: the YAML model, what makes it valid, and what it compiles to.

A rule matches by the filter dialects of the CloudEvents Subscriptions API (`exact`, `prefix`,
`suffix`, `all`, `any`, `not`) and one more, `jmespath`, an expression over the event's data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationInfo,
    model_validator,
)

from core.domain.durations import Duration
from core.domain.event import KEY_ATTRIBUTE
from core.domain.identity import is_separator
from core.domain.names import NAME_PATTERN
from core.domain.problems import ProblemAt
from core.domain.routing.arguments import MAX_ARGUMENTS
from core.domain.routing.fields import FROZEN, Expression, Piece, template_pieces
from core.domain.routing.options_file import OptionRules
from core.domain.routing.table import (
    Deliver,
    Dialect,
    Filter,
    Otherwise,
    Route,
    RoutingTable,
    WhenMissing,
    WhenRunning,
)

BESIDE: Final = "beside"
"""Name in the validation's context: what reads a file by its name beside this one. It raises
`ValueError`."""
SERVED: Final = "served"
"""Name in the validation's context: `Served` by workflow type, of the workers that we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where a workflow type is served, the signals by which it takes events, and whether it routes
    events itself, so that no route may lead to it."""

    task_queue: str
    signals: Sequence[str]
    routes: bool = False


Attributes = Annotated[dict[str, str], Field(min_length=1)]


class FilterRule(BaseModel):
    """One condition on an event. It uses exactly one dialect; several go under `all` or `any`."""

    model_config = FROZEN

    exact: Attributes | None = Field(None, description="Attributes that equal these values.")
    prefix: Attributes | None = Field(None, description="Attributes that start with these values.")
    suffix: Attributes | None = Field(None, description="Attributes that end with these values.")
    all: list[FilterRule] | None = Field(
        None, min_length=1, description="Every one of these filters."
    )
    any: list[FilterRule] | None = Field(None, min_length=1, description="At least one of these.")
    not_: FilterRule | None = Field(None, alias="not", description="The opposite of this filter.")
    jmespath: Expression | None = Field(
        None, description="A JMESPath expression over the event's data that yields something true."
    )

    @model_validator(mode="after")
    def _one_dialect(self) -> Self:
        used = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(used) != 1:
            raise ValueError(
                "a filter uses exactly one of exact, prefix, suffix, all, any, not, jmespath; "
                "to combine several, list them under all or any"
            )
        return self

    def compiled(self) -> Filter:
        """The condition as it is evaluated."""
        for dialect in (Dialect.EXACT, Dialect.PREFIX, Dialect.SUFFIX):
            if attributes := getattr(self, dialect.value):
                return Filter(dialect=dialect, attributes=attributes)
        for dialect, parts in (
            (Dialect.ALL, self.all),
            (Dialect.ANY, self.any),
            (Dialect.NOT, self.not_ and [self.not_]),
        ):
            if parts:
                return Filter(dialect=dialect, parts=tuple(part.compiled() for part in parts))
        return Filter(dialect=Dialect.JMESPATH, expression=self.jmespath or "")


def _id_pieces(template: str) -> list[Piece]:
    """The parts of a workflow ID's template, in which values can be told apart."""
    pieces = template_pieces(template)
    values = [text for text, name in pieces if name is not None]
    for literal in values[1:]:
        if not literal or not is_separator(literal[0]):
            raise ValueError(
                "between two {...} there must be a separator such as ':', by which their values "
                "can be told apart: no letter, digit, percent sign, double quote, backslash or "
                "control character"
            )
    return pieces


def _is_template(template: str) -> str:
    if not any(name for _, name in _id_pieces(template)):
        raise ValueError("it names the same workflow for every event; put an {expression} into it")
    return template


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict | str) else value


class Timeouts(BaseModel):
    """The child's time-outs; what is not set is Temporal's own (none)."""

    model_config = FROZEN

    execution: Duration | None = Field(None, description="For the workflow with all its runs.")
    run: Duration | None = Field(None, description="For one run of it.")
    task: Duration | None = Field(None, description="For one workflow task.")


def _schema(value: object, info: ValidationInfo) -> object:
    """The schema itself, where it is a file beside the table."""
    if not isinstance(value, str):
        return value
    from core.domain.routing.schema_file import parse_schema

    read: Callable[[str], str] | None = (info.context or {}).get(BESIDE)
    if read is None:
        raise ValueError("a schema in a file is for a table in a file")
    text = read(value)
    try:
        return parse_schema(text)
    except ValueError as error:
        raise ValueError(f"{value}: {error}") from None


def _is_schema(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    from core.domain.routing.schema_file import check_schema

    return check_schema(value)


class RouteRule(OptionRules):
    """One rule: which events, and which workflow they go to."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    description: str = ""
    match: Annotated[
        list[FilterRule],
        Field(min_length=1, description="A filter, or a list of filters that must all match."),
        BeforeValidator(
            _as_list,
            json_schema_input_type=FilterRule | Annotated[list[FilterRule], Field(min_length=1)],
        ),
    ]
    deliver: Deliver = Field(
        Deliver.ORCHESTRATE,
        description=(
            "How the event reaches the workflow: by the root orchestrator, by a start of its own, "
            "or by a signal to the workflow of its key."
        ),
    )
    workflow: Annotated[str, Field(min_length=1)] = Field(description="The workflow's type.")
    task_queue: Annotated[str, Field(min_length=1)] = Field(
        description="The task queue that the workflow's worker polls."
    )
    child_id: Annotated[str, AfterValidator(_is_template)] = Field(
        "{route}:{tidegatekey}",
        description=(
            "Template of the workflow's ID. {...} is a JMESPath expression over the event "
            "(attributes, data) and `route`, the rule's name."
        ),
    )
    when_running: WhenRunning = Field(
        WhenRunning.REJECT,
        description=(
            "What to do when a child with that ID is already running; with `orchestrate` only."
        ),
    )
    when_missing: WhenMissing = Field(
        WhenMissing.START,
        description=(
            "What to do when no workflow with that ID is running; with `deliver: signal` only."
        ),
    )
    signal: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description=(
            "The signal that carries the event, with `deliver: signal` or `when_running: signal`."
        ),
    )
    timeouts: Timeouts = Timeouts()
    input: Annotated[
        list[Expression] | None,
        Field(
            min_length=1,
            max_length=MAX_ARGUMENTS,
            description=(
                "A JMESPath expression over the event, or a list of them: the workflow's "
                "arguments. Default: the event itself."
            ),
        ),
        BeforeValidator(
            _as_list,
            json_schema_input_type=Expression
            | Annotated[list[Expression], Field(min_length=1, max_length=MAX_ARGUMENTS)]
            | None,
        ),
    ] = None
    schema_: Annotated[
        dict[str, Any] | None,
        AfterValidator(_is_schema),
        BeforeValidator(_schema, json_schema_input_type=dict[str, Any] | str | None),
    ] = Field(
        None,
        alias="schema",
        description=(
            "A JSON Schema that the event's data must satisfy, or the file with it, named from "
            "the folder of this one."
        ),
    )

    @model_validator(mode="after")
    def _fits_its_delivery(self) -> Self:
        if self.deliver is not Deliver.ORCHESTRATE and "when_running" in self.model_fields_set:
            raise ValueError(f"`when_running` has no meaning with `deliver: {self.deliver}`")
        if self.deliver is not Deliver.SIGNAL and "when_missing" in self.model_fields_set:
            raise ValueError(f"`when_missing` has no meaning with `deliver: {self.deliver}`")
        signals = self.deliver is Deliver.SIGNAL or self.when_running is WhenRunning.SIGNAL
        if signals != (self.signal is not None):
            raise ValueError(
                "`signal` names a signal with `deliver: signal` or `when_running: signal`, "
                "and only then"
            )
        if self.retry and signals:
            raise ValueError(
                "`retry` has no meaning where the workflow is signalled: a run that is retried has "
                "none of the signals of the one before"
            )
        if self.start_delay is not None and self.deliver is Deliver.ORCHESTRATE:
            raise ValueError(
                "`start_delay` has no meaning with `deliver: orchestrate`: Temporal starts a child "
                "immediately"
            )
        if self.when_missing is WhenMissing.QUARANTINE and (options := self.options()):
            raise ValueError(
                f"{', '.join(f'`{name}`' for name in options)}: nothing of it has a meaning with "
                "`when_missing: quarantine`, which starts no workflow"
            )
        names = [name for _, name in _id_pieces(self.child_id)]
        if self.deliver is Deliver.START and KEY_ATTRIBUTE not in names:
            raise ValueError(
                f"`deliver: start` needs a child_id with {{{KEY_ATTRIBUTE}}} in it: it is what "
                "makes a redelivery the same workflow"
            )
        return self

    @model_validator(mode="after")
    def _is_served(self, info: ValidationInfo) -> Self:
        known: Mapping[str, Served] = (info.context or {}).get(SERVED, {})
        served = known.get(self.workflow)
        if served is None:  # a workflow that we do not know, so its worker is not one of ours
            ours = [name for name, each in known.items() if each.task_queue == self.task_queue]
            if ours:
                raise ValueError(
                    f"task queue {self.task_queue} is our worker's, which serves "
                    f"{', '.join(ours)} and no {self.workflow}"
                )
            return self
        if served.routes:
            raise ValueError(
                f"{self.workflow} routes events itself; `deliver: orchestrate` sends them there"
            )
        if self.input is not None:
            raise ValueError(f"{self.workflow} takes events as they are, and no `input`")
        if self.when_running is WhenRunning.TERMINATE_EXISTING:
            raise ValueError(
                f"`when_running: terminate_existing` would end the {self.workflow} with all that "
                "it knows"
            )
        if self.task_queue != served.task_queue:
            raise ValueError(f"{self.workflow} is served on task queue {served.task_queue}")
        if self.signal is not None and self.signal not in served.signals:
            raise ValueError(
                f"{self.workflow} takes no events by signal {self.signal!r} "
                f"(it has: {', '.join(served.signals)})"
            )
        return self

    def compiled(self) -> Route:
        """The rule as it is evaluated."""
        return Route(
            name=self.name,
            match=tuple(part.compiled() for part in self.match),
            deliver=self.deliver,
            workflow=self.workflow,
            task_queue=self.task_queue,
            child_id=tuple(_id_pieces(self.child_id)),
            when_running=self.when_running,
            when_missing=self.when_missing,
            signal=self.signal,
            execution_timeout=_as_seconds(self.timeouts.execution),
            run_timeout=_as_seconds(self.timeouts.run),
            task_timeout=_as_seconds(self.timeouts.task),
            input=tuple(self.input) if self.input else None,
            schema=None if self.schema_ is None else json.dumps(self.schema_),
            options=self.options(),
        )


class RoutingFile(BaseModel):
    """The rules, in order: the first that matches an event takes it."""

    model_config = FROZEN

    version: Literal[1]
    routes: Annotated[list[RouteRule], Field(min_length=1)]
    otherwise: Otherwise = Field(
        Otherwise.QUARANTINE,
        description="What becomes of an event that no route takes: it is quarantined, or dropped.",
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        seen: set[str] = set()
        for place, route in enumerate(self.routes):
            if route.name in seen:
                raise ProblemAt(f"two routes are named {route.name}", "routes", place, "name")
            seen.add(route.name)
        return self

    @model_validator(mode="after")
    def _attributes_have_one_type(self) -> Self:
        types: dict[str, tuple[str, str]] = {}
        for place, route in enumerate(self.routes):
            for name, rule in route.search_attributes.items():
                [kind] = rule.compiled()
                other, first = types.setdefault(name, (kind, route.name))
                if kind != other:
                    raise ProblemAt(
                        f"{name} has the type {other} in route {first}",
                        *("routes", place, "search_attributes", name),
                    )
        return self

    def compiled(self) -> RoutingTable:
        """The table as it is evaluated."""
        return RoutingTable.of(tuple(route.compiled() for route in self.routes), self.otherwise)


def _as_seconds(duration: timedelta | None) -> float | None:
    return duration.total_seconds() if duration else None
