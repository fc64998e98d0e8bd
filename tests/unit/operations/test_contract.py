"""The contract of events: what Tidegate makes is as it says, and what differs is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain import event as events
from core.domain.alert import Alert
from core.domain.event import KEY_ATTRIBUTE, OWN_TYPES, RESERVED, Event
from core.domain.incident.reports.incident_report import IncidentReport
from core.operations.contract.events import ATTRIBUTES, EVENTS, SHAPES
from core.operations.contract.json_schema import json_schema
from core.operations.contract.model import (
    EventType,
    Field,
    ListOf,
    MapOf,
    OneOf,
    Scalar,
    Shape,
    Type,
)
from tests.support.contract import WHOLE, faults, name_of, recorded
from tests.unit.test_event import EVENTS as OTHER_EVENTS
from tests.unit.test_event import EXTENSIONS, JSON_DATA, TEXT

PUBLISHED = Path(__file__).parents[3] / "docs" / "schemas" / "event.schema.json"
RECORDED = recorded()
BY_TYPE = {each.type: each for each in EVENTS}
SHAPE = {shape.name: shape for shape in SHAPES}


def fields_of(shape: str) -> set[str]:
    return {field.name for field in SHAPE[shape].fields}


# ------------------------------------------------------------------------------ what it covers


def test_the_published_schema_is_current_and_one_of_2020_12() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json_schema()
    WHOLE.check_schema(json_schema())


def test_it_has_every_type_of_ours_and_every_attribute() -> None:
    assert tuple(BY_TYPE) == OWN_TYPES
    assert {field.name for field in ATTRIBUTES.fields} == RESERVED - {"type", "data", "data_base64"}


def test_an_alert_has_the_fields_that_are_read_and_those_that_are_kept() -> None:
    read = set(Alert.model_fields) - {"remarks"}
    assert fields_of("AlertData") == read | {"version", "cut", "original"}


def test_a_report_has_the_fields_of_one_that_is_uploaded() -> None:
    assert fields_of("IncidentReportData") == set(IncidentReport.model_fields) - {"ignored"}


# ------------------------------------------------------------------------- what Tidegate makes


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_event_is_as_the_contract_says(name: str) -> None:
    wire = RECORDED[name]
    assert faults(wire) == []
    assert [error.message for error in WHOLE.iter_errors(wire)] == []


@pytest.mark.parametrize("event", EVENTS, ids=lambda each: each.name)
def test_every_type_and_every_field_of_it_is_recorded(event: EventType) -> None:
    """What no recorded event has, the other tests would not notice the loss of."""
    wires = [wire for wire in RECORDED.values() if wire["type"] == event.type]
    assert wires
    if isinstance(event.data, Shape):
        found = {name for wire in wires for name in wire["data"]}
        assert fields_of(event.data.name) - found == UNRECORDED.get(event.name, set())


UNRECORDED = {
    "DocumentRemoved": {"renamed_from"},
    "DocumentChanged": {"renamed_from"},
    "Alert": {"version"},  # of the alerts that heartbeats raise
    "IncidentReported": {"description", "started_at", "reporter"},
    "IncidentSuccessor": {"description", "started_at", "reporter"},
    "IncidentCommand": {"note"},
}


@given(OTHER_EVENTS)
def test_any_event_of_a_senders_own_type_is_as_the_contract_says(event: Event) -> None:
    assert [error.message for error in WHOLE.iter_errors(event.to_wire())] == []


# ---------------------------------------------------------------------- what the contract allows


def of(type: Type) -> st.SearchStrategy[Any]:
    """Whatever JSON is of this type."""
    match type:
        case Scalar.TEXT:
            return TEXT
        case Scalar.INTEGER:
            return st.integers(0)
        case Scalar.NUMBER:
            return st.floats(0, 1e9)
        case Scalar.BOOLEAN:
            return st.booleans()
        case Scalar.ANYTHING:
            return JSON_DATA
        case OneOf(words=words):
            return st.sampled_from(words)
        case MapOf(values=values):
            return st.dictionaries(TEXT, of(values), max_size=2)
        case ListOf(items=items):
            return st.lists(of(items), max_size=2)
        case Shape():
            return shaped(type)


def of_field(field: Field) -> st.SearchStrategy[Any]:
    if "pattern" in field.limits:
        return TEXT.map(lambda text: f"s3://docs/{text}")
    if field.name == "time":
        return st.just("2026-01-02T03:04:05Z")
    return st.just(field.limits["const"]) if "const" in field.limits else of(field.type)


def shaped(shape: Shape) -> st.SearchStrategy[dict[str, Any]]:
    required = {each.name: of_field(each) for each in shape.fields if each.required}
    optional = {each.name: of_field(each) for each in shape.fields if not each.required}
    return st.fixed_dictionaries(required, optional=optional)


@st.composite
def allowed(draw: st.DrawFn) -> dict[str, Any]:
    event = draw(st.sampled_from(EVENTS))
    data = {"data": draw(of(event.data))}
    return draw(EXTENSIONS) | draw(shaped(ATTRIBUTES)) | {"type": event.type} | data


@given(allowed())
def test_what_the_contract_allows_is_an_event_to_tidegate(wire: dict[str, Any]) -> None:
    assert faults(wire) == []
    wire.pop(events.TABLE_ATTRIBUTE, None)  # which only a workflow gets
    event = Event.from_wire(wire)
    assert event.to_wire() == wire
    assert (event.document is not None) == (event.type in events.DOCUMENT_TYPES)


# --------------------------------------------------------------------------- what it refuses

SAMPLES = {name_of(wire): wire for wire in RECORDED.values()}
WRONG: dict[Scalar, list[Any]] = {
    Scalar.TEXT: [7, None, [], {}],
    Scalar.INTEGER: ["7", 7.5, None, []],
    Scalar.NUMBER: ["7", None, []],
    Scalar.BOOLEAN: ["true", 1, None],
}


def parts(shape: Shape, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Field]]:
    """Every field of a shape and of the shapes within it, with where it is."""
    for field in shape.fields:
        yield (*at, field.name), field
        if isinstance(field.type, Shape):
            yield from parts(field.type, (*at, field.name))


def everywhere(event: EventType) -> Iterator[tuple[tuple[str, ...], Field]]:
    yield from parts(ATTRIBUTES)
    yield ("data",), Field("data", event.data, "", required=event.required)
    if isinstance(event.data, Shape):
        yield from parts(event.data, ("data",))


def changed(wire: dict[str, Any], path: tuple[str, ...], *value: Any) -> dict[str, Any]:
    """A copy with another value at the path, or with none there."""
    wire = copy.deepcopy(wire)
    place = wire
    for name in path[:-1]:
        place = place[name]
    place.pop(path[-1], None)
    if value:
        [place[path[-1]]] = value
    return wire


def wrong_of(type: Type) -> list[Any]:
    match type:
        case Scalar():
            return WRONG.get(type, [])
        case OneOf():
            return ["another", 7, None]
        case MapOf(values=values):
            return ["text", [], None, *({"name": value} for value in WRONG.get(values, []))]
        case ListOf(items=items):
            return ["text", {}, None, *([value] for value in WRONG.get(items, []))]
        case Shape():
            return ["text", [], None, {}]


@pytest.mark.parametrize("event", EVENTS, ids=lambda each: each.name)
def test_an_event_without_a_required_field_is_refused(event: EventType) -> None:
    required = [path for path, field in everywhere(event) if field.required]
    assert (KEY_ATTRIBUTE,) in required
    for path in required:
        wire = changed(SAMPLES[event.name], path)
        assert faults(wire), path
        assert not WHOLE.is_valid(wire), path


@pytest.mark.parametrize("event", EVENTS, ids=lambda each: each.name)
def test_a_field_of_another_type_is_refused(event: EventType) -> None:
    for path, field in everywhere(event):
        for value in wrong_of(field.type):
            wire = changed(SAMPLES[event.name], path, value)
            assert faults(wire), (path, value)
            assert not WHOLE.is_valid(wire), (path, value)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("specversion", "0.3"),
        ("id", ""),
        ("type", ""),
        ("type", 7),
        ("tidegatekey", ""),
        ("tidegateunidentified", False),
        ("traceparent", {"a": 1}),
        ("traceparent", 1.5),
        ("traceparent", None),
        ("trace-parent", "00-1"),
        ("traceParent", "00-1"),
    ],
)
@pytest.mark.parametrize("name", ["Alert", "OtherEvent"])
def test_what_is_no_attribute_of_an_event_is_refused(
    name: str, attribute: str, value: object
) -> None:
    assert WHOLE.is_valid(changed(SAMPLES[name], ("traceparent",), "00-1"))
    assert not WHOLE.is_valid(changed(SAMPLES[name], (attribute,), value))


@pytest.mark.parametrize("value", [None, 7, "text", [], {}])
def test_what_is_no_event_is_refused(value: object) -> None:
    assert not WHOLE.is_valid(value)


@pytest.mark.parametrize("value", ["docs/a", ""])
def test_a_document_without_an_address_is_refused(value: str) -> None:
    wire = changed(SAMPLES["DocumentCreated"], ("data", "document", "uri"), value)
    assert not WHOLE.is_valid(wire)


def test_more_fields_of_data_are_no_fault() -> None:
    """A newer Tidegate may say more."""
    wire = changed(SAMPLES["DocumentCreated"], ("data", "document", "checksum"), "0a1b")
    assert WHOLE.is_valid(wire)
