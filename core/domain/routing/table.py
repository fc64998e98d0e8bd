"""The routing table as it is evaluated: which workflow an event goes to, how, and under which ID.

    RoutingTable          the rules in order, compiled out of the YAML file (see `file`)
    EventRoutingService   event -> the first rule that matches
    WorkflowRouter        event -> the target: delivery, workflow, task queue, ID, arguments

Plain values only: a listener evaluates the table at its cold start, without pydantic and YAML.

Each value in a template is escaped, so that two different events never make one ID: `%`, what
cannot be shown or searched for, and in every value but the last the character that follows it in
the template. The values of `tidegatescope` and `tidegateway` are ours and have the shape
`kind:name`: the kind with its colon stays readable, and in the name `/` is escaped as well, because
a scope in an event's key ends there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import UnionType
from typing import Any, Final, NamedTuple

from core.domain.event import (
    INCIDENT_COMMAND,
    INCIDENT_SUCCESSOR,
    SCOPE_ATTRIBUTE,
    WAY_ATTRIBUTE,
    Event,
    parse_time,
)
from core.domain.expressions.expression import is_true
from core.domain.identity import (
    OCCURRENCE,
    bounded_id,
    escaped,
    is_workflow_id,
    workflow_id,
)
from core.domain.routing.expressions import search
from core.errors import InvalidChildId, NoRoute, Unwanted, quoted

_OWN_SHAPES: Final = (SCOPE_ATTRIBUTE, WAY_ATTRIBUTE)
_OF_AN_ID: Final = ((INCIDENT_SUCCESSOR, "subject"), (INCIDENT_COMMAND, "subject"))
"""The subjects of these are a part of the ID of an incident, so they are not escaped again."""
_OCCURRENCE: Final = re.compile(f"@(?={OCCURRENCE[1:]}$)")


ATTRIBUTE_TYPES: Final = {
    "keyword": "Keyword",
    "keyword_list": "KeywordList",
    "text": "Text",
    "int": "Int",
    "double": "Double",
    "bool": "Bool",
    "datetime": "Datetime",
}
"""The types of search attributes, with Temporal's names of them."""


class Deliver(StrEnum):
    """How an event reaches its workflow, in one call."""

    ORCHESTRATE = "orchestrate"
    """The root orchestrator is started under the event's own ID, and starts the child."""
    START = "start"
    """The workflow itself is started, under an ID that contains the event's identity."""
    SIGNAL = "signal"
    """The workflow that its key names is signalled, and started if it does not run."""


class WhenRunning(StrEnum):
    """What the root orchestrator does when the child is already running."""

    REJECT = "reject"
    SIGNAL = "signal"
    START_NEW = "start_new"
    TERMINATE_EXISTING = "terminate_existing"
    """The running child is terminated, and another starts under its ID."""
    IGNORE = "ignore"
    """The event changes nothing: the running child is for it, too."""


class WhenMissing(StrEnum):
    """What becomes of an event whose workflow is to be signalled, and does not run."""

    START = "start"
    """It starts the workflow."""
    QUARANTINE = "quarantine"
    """It means something to a workflow that runs, and starts none."""


class Otherwise(StrEnum):
    """What becomes of an event that no rule takes."""

    QUARANTINE = "quarantine"
    """It is quarantined, as `NoRoute`."""
    DROP = "drop"
    """It is counted, and forgotten."""


class Dialect(StrEnum):
    """How a filter tests an event: the dialects of the CloudEvents Subscriptions API, and JMESPath
    over the event's data."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    ALL = "all"
    ANY = "any"
    NOT = "not"
    JMESPATH = "jmespath"


class Filter(NamedTuple):
    """One condition on an event: `attributes` for exact, prefix and suffix, `parts` for all, any
    and not, `expression` for jmespath."""

    dialect: Dialect
    attributes: Mapping[str, str] | None = None
    parts: tuple[Filter, ...] = ()
    expression: str = ""

    def matches(self, wire: Mapping[str, Any]) -> bool:
        """Whether an event, in its wire form, meets the condition. An attribute that is missing
        matches nothing."""
        match self.dialect:
            case Dialect.EXACT:
                return self._every(wire, str.__eq__)
            case Dialect.PREFIX:
                return self._every(wire, str.startswith)
            case Dialect.SUFFIX:
                return self._every(wire, str.endswith)
            case Dialect.ALL:
                return all(part.matches(wire) for part in self.parts)
            case Dialect.ANY:
                return any(part.matches(wire) for part in self.parts)
            case Dialect.NOT:
                return not any(part.matches(wire) for part in self.parts)
            case Dialect.JMESPATH:
                return is_true(search(self.expression, wire.get("data")))

    def _every(self, wire: Mapping[str, Any], test: Any) -> bool:
        return all(
            (value := wire.get(name)) is not None and name != "data" and test(_text(value), text)
            for name, text in (self.attributes or {}).items()
        )

    def to_json(self) -> dict[str, Any]:
        if self.attributes is not None:
            return {self.dialect.value: dict(self.attributes)}
        if self.dialect is Dialect.JMESPATH:
            return {self.dialect.value: self.expression}
        return {self.dialect.value: [part.to_json() for part in self.parts]}

    @classmethod
    def from_json(cls, value: object) -> Filter:
        [(name, content)] = _checked(value, dict).items()
        match dialect := Dialect(name):
            case Dialect.EXACT | Dialect.PREFIX | Dialect.SUFFIX:
                attributes = _nonempty(content, dict)
                for text in attributes.values():
                    _checked(text, str)
                return cls(dialect=dialect, attributes=attributes)
            case Dialect.ALL | Dialect.ANY | Dialect.NOT:
                parts = tuple(map(cls.from_json, _nonempty(content, list)))
                return cls(dialect=dialect, parts=parts)
            case Dialect.JMESPATH:
                return cls(dialect=dialect, expression=_nonempty(content, str))


class Route(NamedTuple):
    """One rule. `child_id` is the template in pieces: literal text, and the expression after it.
    `input` are the expressions of the workflow's arguments, None for the event itself. `schema` is
    a JSON Schema, as JSON. `options` are what `core.domain.routing.options` reads. Time-outs are in
    seconds."""

    name: str
    match: tuple[Filter, ...]
    deliver: Deliver
    workflow: str
    task_queue: str
    child_id: tuple[tuple[str, str | None], ...]
    when_running: WhenRunning = WhenRunning.REJECT
    when_missing: WhenMissing = WhenMissing.START
    signal: str | None = None
    execution_timeout: float | None = None
    run_timeout: float | None = None
    task_timeout: float | None = None
    input: tuple[str, ...] | None = None
    schema: str | None = None
    options: Mapping[str, Any] | None = None

    def matches(self, wire: Mapping[str, Any]) -> bool:
        """Whether every filter of the rule matches an event in its wire form."""
        return all(part.matches(wire) for part in self.match)


class RoutingTable(NamedTuple):
    """The rules, in order: the first that matches an event takes it. `digest` tells one table from
    another: listeners and workers must have been given the same. It is short, to be compared by
    people, and identifies nothing: operators write tables, and nobody else."""

    routes: tuple[Route, ...]
    digest: str
    otherwise: Otherwise = Otherwise.QUARANTINE

    def to_json(self) -> dict[str, Any]:
        """The table as `from_json` reads it."""
        return {
            "digest": self.digest,
            "routes": [_route_to_json(route) for route in self.routes],
            **({"otherwise": self.otherwise} if self.otherwise is Otherwise.DROP else {}),
        }

    @classmethod
    def of(
        cls, routes: tuple[Route, ...], otherwise: Otherwise = Otherwise.QUARANTINE
    ) -> RoutingTable:
        """The table of these rules, with its digest."""
        rules: list[Any] = [_route_to_json(route) for route in routes]
        if otherwise is Otherwise.DROP:
            rules.append(otherwise)
        text = json.dumps(rules, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return cls(routes=routes, digest=digest, otherwise=otherwise)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RoutingTable:
        """The inverse of `to_json`. Raises `ValueError`, `TypeError` or `KeyError` for what that
        has not written: the rules themselves were checked when the table was compiled."""
        otherwise = Otherwise(value.get("otherwise", Otherwise.QUARANTINE))
        table = cls.of(tuple(map(_route_from_json, _nonempty(value["routes"], list))), otherwise)
        if value["digest"] != table.digest:
            raise ValueError(
                f"it has the digest {table.digest} and says {quoted(value['digest'])}, so it was "
                "edited after it was compiled, or compiled by another version"
            )
        return table


def _route_to_json(route: Route) -> dict[str, Any]:
    fields = route._asdict()
    fields["match"] = [part.to_json() for part in route.match]
    fields["child_id"] = [list(piece) for piece in route.child_id]
    return {name: value for name, value in fields.items() if value is not None}


def _route_from_json(value: object) -> Route:
    fields = _checked(value, dict)
    for name in ("name", "workflow", "task_queue"):
        _nonempty(fields[name], str)
    for name in ("execution_timeout", "run_timeout", "task_timeout"):
        _checked(fields.get(name), float | None)
    return Route(
        **{
            **fields,
            "match": tuple(map(Filter.from_json, _nonempty(fields["match"], list))),
            "deliver": Deliver(fields["deliver"]),
            "child_id": _pieces(fields["child_id"]),
            "when_running": WhenRunning(fields["when_running"]),
            "when_missing": WhenMissing(fields["when_missing"]),
            "signal": _checked(fields.get("signal"), str | None),
            "input": _texts(fields["input"]) if "input" in fields else None,
            "schema": _nonempty(fields["schema"], str) if "schema" in fields else None,
            "options": _options(fields["options"]) if "options" in fields else None,
        }
    )


def _checked(value: Any, kind: type | UnionType) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{quoted(value)} is not of the type {getattr(kind, '__name__', kind)}")
    return value


def _options(value: Any) -> Mapping[str, Any]:
    for name, content in _nonempty(value, dict).items():
        match name:
            case "search_attributes":
                for rule in _nonempty(content, dict).values():
                    [(kind, expression)] = _checked(rule, dict).items()
                    _nonempty(expression, str)
                    if kind not in ATTRIBUTE_TYPES:
                        raise ValueError(f"there is no type {quoted(kind)}")
            case "memo":
                _texts([*_nonempty(content, dict).values()])
            case "static_summary":
                _pieces(content)
            case "priority" | "fairness_weight":
                _nonempty(content, int | float | str)
            case "fairness_key":
                _nonempty(content, str)
            case "retry":
                _nonempty(content, dict)
            case "start_delay":
                if not isinstance(content, float):
                    _pieces(content)
            case _:
                raise ValueError(f"there is no option {quoted(name)}")
    found: Mapping[str, Any] = value
    return found


def _pieces(value: Any) -> tuple[tuple[str, str | None], ...]:
    return tuple(
        (_checked(literal, str), _checked(expression, str | None))
        for literal, expression in _nonempty(value, list)
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_nonempty(text, str) for text in _nonempty(value, list))


def _nonempty(value: Any, kind: type | UnionType) -> Any:
    if not _checked(value, kind):
        raise ValueError(f"{quoted(value)} is empty")
    return value


class EventRoutingService:
    """Finds an event's route."""

    def __init__(self, table: RoutingTable) -> None:
        self.table = table

    def route(self, event: Event) -> Route:
        """The first route that matches. Raises `NoRoute`, or `Unwanted` where the table drops what
        no route takes, or `InvalidEvent` as `search` does."""
        wire = event.to_wire()
        for route in self.table.routes:
            if route.matches(wire):
                return route
        tried = ", ".join(route.name for route in self.table.routes)
        subject = f"subject {quoted(event.subject)}" if event.subject else "no subject"
        what = (
            f"event {event.key}: no route matches type {quoted(event.type)}, source "
            f"{quoted(event.source)}, {subject}, way {quoted(event.way)} (tried {tried})"
        )
        raise Unwanted(what) if self.table.otherwise is Otherwise.DROP else NoRoute(what)


@dataclass(frozen=True)
class StartOptions:
    """What a workflow is started with besides its arguments: `search_attributes` are values by
    type, by name; it starts after `start_delay` seconds or at `start_time`, which is RFC 3339."""

    search_attributes: dict[str, dict[str, Any]] | None = None
    memo: dict[str, Any] | None = None
    static_summary: str | None = None
    priority: int | None = None
    fairness_key: str | None = None
    fairness_weight: float | None = None
    retry: dict[str, Any] | None = None
    start_delay: float | None = None
    start_time: str | None = None

    def delay(self, now: datetime) -> float:
        """Seconds until it starts; 0 where that is now, or in the past."""
        if self.start_time is not None:
            return max((parse_time(self.start_time) - now).total_seconds(), 0.0)
        return self.start_delay or 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an event goes: the workflow, its ID, and how it gets there. Times are in seconds.

    `next_id` is the ID to start under when `id` runs already and the rule says `start_new`; it is
    the event's own, so that the same event never starts two. `input` are the arguments that the
    rule makes of the event; None for the event itself, as its delivery gives it.
    """

    route: str
    deliver: Deliver
    workflow: str
    task_queue: str
    id: str
    next_id: str
    when_running: WhenRunning
    when_missing: WhenMissing = WhenMissing.START
    signal: str | None = None
    execution_timeout: float | None = None
    run_timeout: float | None = None
    task_timeout: float | None = None
    input: list[Any] | None = None
    options: StartOptions | None = None


class WorkflowRouter:
    """Turns an event into the workflow to reach with it."""

    def __init__(self, table: RoutingTable) -> None:
        self.routing = EventRoutingService(table)

    @property
    def digest(self) -> str:
        """The digest of the table."""
        return self.routing.table.digest

    def target(self, event: Event) -> Target:
        """The target. Raises `NoRoute`, `Unwanted`, `InvalidData`, `InvalidChildId`,
        `InvalidInput`, `InvalidOption`, or `InvalidEvent` as `search` does."""
        route = self.routing.route(event)
        if route.schema is not None:
            from core.domain.routing.schema import check_data

            check_data(event, route.name, route.schema)
        id = _target_id(route, event)
        own = hashlib.sha256(event.key.encode(errors="surrogatepass")).hexdigest()[:24]
        return Target(
            route=route.name,
            deliver=route.deliver,
            workflow=route.workflow,
            task_queue=route.task_queue,
            id=id,
            next_id=bounded_id(f"{id}~{own}"),
            when_running=route.when_running,
            when_missing=route.when_missing,
            signal=route.signal,
            execution_timeout=route.execution_timeout,
            run_timeout=route.run_timeout,
            task_timeout=route.task_timeout,
            input=_arguments(event, route),
            options=_start_options(event, route),
        )


def _arguments(event: Event, route: Route) -> list[Any] | None:
    if route.input is None:
        return None
    from core.domain.routing.arguments import arguments

    return arguments(event, route.name, route.input)


def _start_options(event: Event, route: Route) -> StartOptions | None:
    if route.options is None:
        return None
    from core.domain.routing.options import options

    return options(event, route)


def _target_id(route: Route, event: Event) -> str:
    values = {**event.to_wire(), "route": route.name}
    text, literally = "", False
    pieces = route.child_id
    for place, (literal, expression) in enumerate(pieces):
        text += escaped(literal)
        if expression is None:
            continue
        value = search(expression, values)
        if not isinstance(value, str | int | float) or value == "":
            raise InvalidChildId(
                f"event {event.key}: {{{expression}}} in the child_id of route "
                f"{route.name} yields {quoted(value)}, not text"
            )
        # The literal that follows; what follows the last value cannot be mistaken for a part of it.
        following = pieces[place + 1] if place + 1 < len(pieces) else ("", None)
        separator = following[0][:1] if following[1] is not None else ""
        if (event.type, expression) in _OF_AN_ID:
            text, literally = f"{text}{value}", True
        elif expression in _OWN_SHAPES:
            text += _own_shape(_text(value), separator)
        else:
            text += escaped(_text(value), separator)
    if literally and not is_workflow_id(text):
        raise InvalidChildId(
            f"event {event.key}: its subject {quoted(event.subject)} is not a part of a workflow ID"
        )
    id = text if literally else bounded_id(_OCCURRENCE.sub("%40", text))
    if route.deliver is Deliver.ORCHESTRATE and id == workflow_id(event.key):
        raise InvalidChildId(
            f"event {event.key}: the child_id of route {route.name} is the event's own "
            "workflow ID, which its orchestrator has"
        )
    return id


def _own_shape(text: str, separator: str) -> str:
    kind, colon, name = text.partition(":")
    return f"{escaped(kind, separator)}{colon}{escaped(name, f'/{separator}')}"


def _text(value: object) -> str:
    """An attribute's canonical string, as CloudEvents defines it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
