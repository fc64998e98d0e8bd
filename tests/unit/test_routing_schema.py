"""A route's `schema`: what an event's data must satisfy."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.event import Event
from core.domain.routing.file import RoutingFile
from core.domain.routing.schema import check_data
from core.domain.routing.table import RoutingTable, WorkflowRouter
from core.errors import InvalidData, InvalidEvent

EVENT = Event(id="1", source="/shop", type="com.example.ordered", key="ce:/shop#1")
ORDER = {
    "type": "object",
    "required": ["order"],
    "properties": {
        "order": {
            "type": "object",
            "required": ["id"],
            "properties": {"id": {"type": "integer"}, "lines": {"items": {"$ref": "#/$defs/line"}}},
        }
    },
    "$defs": {"line": {"type": "object", "required": ["sku"]}},
}


def table(schema: Any = ORDER, **fields: Any) -> RoutingTable:
    route = {
        "name": "orders",
        "match": {"prefix": {"type": "com."}},
        "workflow": "Order",
        "task_queue": "orders",
        "schema": schema,
        **fields,
    }
    return RoutingFile.model_validate({"version": 1, "routes": [route]}).compiled()


def refusal(data: Any, schema: Any = ORDER) -> str:
    with pytest.raises(InvalidData) as caught:
        WorkflowRouter(table(schema)).target(replace(EVENT, data=data))
    return caught.value.message


def accepts(data: Any, schema: Any) -> bool:
    try:
        check_data(replace(EVENT, data=data), "orders", json.dumps(schema))
    except InvalidData:
        return False
    return True


def test_data_that_satisfies_the_schema_is_routed() -> None:
    event = replace(EVENT, data={"order": {"id": 7, "lines": [{"sku": "a"}]}})
    assert WorkflowRouter(table()).target(event).workflow == "Order"


@pytest.mark.parametrize(
    ("data", "at"),
    [
        (None, "$: None is not of type 'object'"),
        ({}, "$: 'order' is a required property"),
        ({"order": {"id": "7"}}, "$.order.id: '7' is not of type 'integer'"),
        (
            {"order": {"id": 7, "lines": [{"sku": "a"}, {}]}},
            "$.order.lines[1]: 'sku' is a required property",
        ),
    ],
)
def test_data_that_does_not_is_refused_with_the_path_at_fault(data: Any, at: str) -> None:
    expected = "event ce:/shop#1: its data does not satisfy the schema of route orders: at "
    assert refusal(data) == expected + at


def test_the_schema_is_looked_at_before_all_else_of_the_route() -> None:
    router = WorkflowRouter(table(child_id="{data.nowhere}", input="data.nowhere"))
    with pytest.raises(InvalidData):
        router.target(EVENT)


def test_an_event_of_another_route_is_not_checked() -> None:
    routes = RoutingFile.model_validate(
        {
            "version": 1,
            "routes": [
                {
                    "name": name,
                    "match": {"exact": {"type": name}},
                    "workflow": "A",
                    "task_queue": "a",
                    **({"schema": {"type": "object"}} if name == "a" else {}),
                }
                for name in ("a", "b")
            ],
        }
    )
    router = WorkflowRouter(routes.compiled())
    assert router.target(replace(EVENT, type="b", data=7)).route == "b"
    with pytest.raises(InvalidData):
        router.target(replace(EVENT, type="a", data=7))


def test_a_refusal_is_short_however_large_the_data() -> None:
    large = {"order": {"id": "x" * 1_000_000}}
    assert len(refusal(large)) < 1_000
    many = {"order": {"id": 1, "lines": [7] * 100_000}}
    assert len(refusal(many)) < 1_000
    named = {"type": "object", "additionalProperties": {"type": "string"}}
    assert len(refusal({"n" * 100_000: 7}, named)) < 1_500


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}, list(range(400_000))),
        ({"items": {"items": {"items": {"items": {"type": "string"}}}}}, [[[[""] * 90] * 90] * 90]),
        ({"additionalProperties": {"enum": [1, 2]}}, {str(n): 1 for n in range(200_000)}),
    ],
)
def test_a_check_that_takes_too_long_refuses_the_event(schema: Any, data: Any) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidEvent, match="the schema of route orders takes too long"):
        check_data(replace(EVENT, data=data), "orders", json.dumps(schema))
    assert time.monotonic() - started < 10


def test_unique_items_are_compared_in_time_that_grows_with_their_number() -> None:
    data: list[Any] = [{"n": n} for n in range(40_000)]
    started = time.monotonic()
    assert accepts(data, {"uniqueItems": True})
    assert not accepts([*data, {"n": 7}], {"uniqueItems": True})
    assert time.monotonic() - started < 10


def test_data_that_nests_without_end_is_refused() -> None:
    nested: Any = []
    for _ in range(5_000):
        nested = [nested]
    with pytest.raises(InvalidData, match="cannot be checked"):
        check_data(replace(EVENT, data=nested), "orders", '{"items": {"$ref": "#"}}')


def test_numbers_that_no_float_holds_are_refused_and_nothing_else() -> None:
    assert not accepts(10**400, {"multipleOf": 0.1})


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 0.5, "", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        [{}, {"type": "string"}, {"type": "integer"}, {"minItems": 1}, {"required": ["a"]}]
    )
    | st.just({"uniqueItems": True})
    | st.builds(lambda value: {"const": value}, VALUES),
    lambda inner: (
        st.builds(lambda each: {"items": each}, inner)
        | st.builds(lambda each: {"properties": {"a": each}}, inner)
        | st.builds(lambda each: {"additionalProperties": each}, inner)
        | st.builds(lambda each: {"anyOf": each}, st.lists(inner, min_size=1, max_size=2))
        | st.builds(lambda each: {"not": each}, inner)
    ),
    max_leaves=4,
)


@given(SCHEMAS, VALUES)
def test_what_is_accepted_is_what_jsonschema_accepts(schema: Any, data: Any) -> None:
    assert accepts(data, schema) == jsonschema.Draft202012Validator(schema).is_valid(data)


@given(st.lists(VALUES, max_size=4))
def test_unique_items_are_what_jsonschema_says(data: list[Any]) -> None:
    schema = {"uniqueItems": True}
    assert accepts(data, schema) == jsonschema.Draft202012Validator(schema).is_valid(data)


def test_a_schema_has_the_dialect_that_it_names() -> None:
    tuples = {"items": [{"type": "string"}]}
    old = {"$schema": "http://json-schema.org/draft-07/schema#", **tuples}
    new = {"prefixItems": tuples["items"]}
    assert [accepts([7], schema) for schema in (old, new)] == [False, False]
    assert [accepts(["a", 7], schema) for schema in (old, new)] == [True, True]


def test_a_compiled_table_has_the_schema_and_its_digest_covers_it() -> None:
    compiled = table()
    assert RoutingTable.from_json(json.loads(json.dumps(compiled.to_json()))) == compiled
    assert compiled.digest != table({"type": "object"}).digest
    assert "schema" not in table(None).to_json()["routes"][0]


LOADED = """
import json, sys
from core.domain.event import Event
from core.domain.routing.table import RoutingTable, WorkflowRouter
router = WorkflowRouter(RoutingTable.from_json(json.loads(sys.argv[1])))
router.target(Event(id="1", source="/a", type="com.a", key="k", data={"order": {"id": 7}}))
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("schema", [None, ORDER])
def test_only_a_route_with_a_schema_loads_what_checks_it(schema: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(table(schema).to_json())],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    modules = set(json.loads(done.stdout))
    assert ("jsonschema" in modules) is (schema is not None)
    assert not {"yaml", "pydantic"} & modules
