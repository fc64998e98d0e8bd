"""Routing: which workflow an event goes to, decided by a table of rules.

    RoutingTable          the rules, as data; checked when it is loaded
    EventRoutingService   event -> the first rule that matches
    WorkflowRouter        event -> the child to start: workflow, task queue, ID, timeouts

A rule matches by the filter dialects of the CloudEvents Subscriptions API (`exact`, `prefix`,
`suffix`, `all`, `any`, `not`) and one more, `jmespath`, an expression over the event's data.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import jmespath
from jmespath.functions import Functions
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from core.domain.durations import Duration
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.errors import InvalidChildId, NoRoute

_FROZEN = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _compiles(expression: str) -> str:
    try:
        parsed = jmespath.compile(expression).parsed
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a JMESPath expression: {' '.join(str(error).split())}") from error
    if unknown := sorted(_functions(parsed) - set(Functions.FUNCTION_TABLE)):
        raise ValueError(f"JMESPath has no function {unknown[0]}()")
    return expression


def _functions(parsed: Any) -> set[str]:
    """Names of the functions that an expression calls; JMESPath checks them only at run time."""
    if not isinstance(parsed, dict):
        return set()  # a slice's numbers
    own = {parsed["value"]} if parsed["type"] == "function_expression" else set()
    return own.union(*map(_functions, parsed["children"]))


Expression = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]
Attributes = Annotated[dict[str, str], Field(min_length=1)]


class Filter(BaseModel):
    """One condition on an event. It uses exactly one dialect; several go under `all` or `any`."""

    model_config = _FROZEN

    exact: Attributes | None = Field(None, description="Attributes that equal these values.")
    prefix: Attributes | None = Field(None, description="Attributes that start with these values.")
    suffix: Attributes | None = Field(None, description="Attributes that end with these values.")
    all: list[Filter] | None = Field(None, min_length=1, description="Every one of these filters.")
    any: list[Filter] | None = Field(None, min_length=1, description="At least one of these.")
    not_: Filter | None = Field(None, alias="not", description="The opposite of this filter.")
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

    def matches(self, event: Event) -> bool:
        """Whether the event meets the condition. An attribute that is missing matches nothing."""
        if self.exact:
            return _every(event, self.exact, str.__eq__)
        if self.prefix:
            return _every(event, self.prefix, str.startswith)
        if self.suffix:
            return _every(event, self.suffix, str.endswith)
        if self.all:
            return all(part.matches(event) for part in self.all)
        if self.any:
            return any(part.matches(event) for part in self.any)
        if self.not_:
            return not self.not_.matches(event)
        return _is_true(_search(self.jmespath or "", event.data))


def _every(event: Event, wanted: Mapping[str, str], test: Any) -> bool:
    wire = event.to_wire()
    return all(
        (value := wire.get(name)) is not None and name != "data" and test(_text(value), text)
        for name, text in wanted.items()
    )


def _text(value: object) -> str:
    """An attribute's canonical string, as CloudEvents defines it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _search(expression: str, value: object) -> Any:
    """What the expression yields: null if it cannot be evaluated over this value, because a
    function or a comparison meets another type; JMESPath then raises whatever Python does."""
    try:
        return jmespath.search(expression, value)
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        return None


def _is_true(value: object) -> bool:
    """JMESPath's truth: everything but null, false and what is empty. Zero is true."""
    return value is not None and value is not False and value not in ("", [], {})


def _template_fields(template: str) -> list[tuple[str, str | None]]:
    """A template's pieces: literal text, and the JMESPath expression that follows it."""
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"not a template: {error}") from error
    for _, name, spec, conversion in pieces:
        if name is not None and (not name or spec or conversion):
            raise ValueError(
                "each {...} holds a JMESPath expression over the event, e.g. {subject}"
            )
        if name is not None:
            _compiles(name)
    return [(text, name) for text, name, _, _ in pieces]


def _is_template(template: str) -> str:
    if not any(name for _, name in _template_fields(template)):
        raise ValueError("it names the same child for every event; put an {expression} into it")
    return template


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class WhenRunning(StrEnum):
    """What to do when the child is already running."""

    REJECT = "reject"
    SIGNAL = "signal"
    START_NEW = "start_new"


class Timeouts(BaseModel):
    """The child's timeouts; without one, Temporal's own default holds (none)."""

    model_config = _FROZEN

    execution: Duration | None = Field(None, description="For the workflow with all its runs.")
    run: Duration | None = Field(None, description="For one run of it.")
    task: Duration | None = Field(None, description="For one workflow task.")


class Route(BaseModel):
    """One rule: which events, and which workflow they go to."""

    model_config = _FROZEN

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    description: str = ""
    match: Annotated[
        list[Filter],
        Field(min_length=1, description="A filter, or a list of filters that must all match."),
        BeforeValidator(
            _as_list,
            json_schema_input_type=Filter | Annotated[list[Filter], Field(min_length=1)],
        ),
    ]
    workflow: Annotated[str, Field(min_length=1)] = Field(description="The workflow's type.")
    task_queue: Annotated[str, Field(min_length=1)] = Field(
        description="The task queue that the workflow's worker polls."
    )
    child_id: Annotated[str, AfterValidator(_is_template)] = Field(
        "{route}:{tidegatekey}",
        description=(
            "Template of the child's workflow ID. {...} is a JMESPath expression over the event "
            "(attributes, data) and `route`, the rule's name."
        ),
    )
    when_running: WhenRunning = Field(
        WhenRunning.REJECT,
        description="What to do when a child with that ID is already running.",
    )
    signal: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="The signal that carries the event, with `when_running: signal` only."
    )
    timeouts: Timeouts = Timeouts()

    @model_validator(mode="after")
    def _signal_has_a_name(self) -> Self:
        if (self.when_running is WhenRunning.SIGNAL) != (self.signal is not None):
            raise ValueError("`signal` names a signal with `when_running: signal`, and only then")
        return self

    def matches(self, event: Event) -> bool:
        """Whether every filter of the rule matches."""
        return all(part.matches(event) for part in self.match)


class RoutingTable(BaseModel):
    """The rules, in order: the first that matches an event takes it."""

    model_config = _FROZEN

    version: Literal[1]
    routes: Annotated[list[Route], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [route.name for route in self.routes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two routes are named {', '.join(twice)}")
        return self


class EventRoutingService:
    """Finds an event's route."""

    def __init__(self, table: RoutingTable) -> None:
        self.table = table

    def route(self, event: Event) -> Route:
        """The first route that matches. Raises `NoRoute`."""
        for route in self.table.routes:
            if route.matches(event):
                return route
        tried = ", ".join(route.name for route in self.table.routes)
        raise NoRoute(
            f"event {event.key}: no route matches type {event.type!r}, source {event.source!r}, "
            f"subject {event.subject!r} (tried {tried})"
        )


class Child(BaseModel):
    """The child workflow to start for an event. Times are in seconds.

    `next_id` is the ID to start under when `id` is already running and the rule says `start_new`;
    it is derived from the event, so that one event never starts two.
    """

    model_config = _FROZEN

    route: str
    workflow: str
    task_queue: str
    id: str
    next_id: str
    when_running: WhenRunning
    signal: str | None
    execution_timeout: float | None
    run_timeout: float | None
    task_timeout: float | None


class WorkflowRouter:
    """Turns an event into the child to start for it."""

    def __init__(self, table: RoutingTable) -> None:
        self.routing = EventRoutingService(table)

    def child(self, event: Event) -> Child:
        """The child. Raises `NoRoute` or `InvalidChildId`."""
        route = self.routing.route(event)
        id = self._child_id(route, event)
        own = hashlib.sha256(event.key.encode(errors="surrogatepass")).hexdigest()[:12]
        return Child(
            route=route.name,
            workflow=route.workflow,
            task_queue=route.task_queue,
            id=id,
            next_id=workflow_id(f"{id}~{own}"),
            when_running=route.when_running,
            signal=route.signal,
            execution_timeout=_as_seconds(route.timeouts.execution),
            run_timeout=_as_seconds(route.timeouts.run),
            task_timeout=_as_seconds(route.timeouts.task),
        )

    @staticmethod
    def _child_id(route: Route, event: Event) -> str:
        scope = {**event.to_wire(), "route": route.name}
        text = ""
        for literal, expression in _template_fields(route.child_id):
            text += literal
            if expression is None:
                continue
            value = _search(expression, scope)
            if not isinstance(value, str | int | float) or value == "":
                raise InvalidChildId(
                    f"event {event.key}: {{{expression}}} in the child_id of route {route.name} "
                    f"yields {value!r}, not text"
                )
            text += _text(value)
        id = workflow_id(text)
        if id == workflow_id(event.key):
            raise InvalidChildId(
                f"event {event.key}: the child_id of route {route.name} is the event's own "
                "workflow ID, which its orchestrator has"
            )
        return id


def _as_seconds(duration: timedelta | None) -> float | None:
    return duration.total_seconds() if duration else None
