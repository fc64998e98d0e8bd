"""A route's `input`: the arguments that it makes of an event."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jmespath import search as jmespath_search

from core.domain.event import Event
from core.domain.expressions.expression import Budget, compiled
from core.domain.routing.arguments import ARGUMENTS_BYTES
from core.domain.routing.file import RoutingFile
from core.domain.routing.table import RoutingTable, WorkflowRouter
from core.errors import InvalidEvent, InvalidInput

EVENT = Event(
    id="1",
    source="/shop",
    type="com.example.ordered",
    subject="orders/7",
    key="ce:/shop#1",
    way="queue:orders",
    data={"order": {"id": 7, "lines": [{"sku": "a"}, {"sku": "b"}]}, "none": None, "zero": 0},
)


def table(**fields: Any) -> RoutingTable:
    route = {
        "name": "orders",
        "match": {"prefix": {"type": "com."}},
        "workflow": "Order",
        "task_queue": "orders",
        **fields,
    }
    return RoutingFile.model_validate({"version": 1, "routes": [route]}).compiled()


def arguments(input: Any, event: Event = EVENT) -> list[Any] | None:
    return WorkflowRouter(table(input=input)).target(event).input


def test_without_an_input_the_workflow_gets_the_event() -> None:
    assert WorkflowRouter(table()).target(EVENT).input is None
    assert WorkflowRouter(table(input=None)).target(EVENT).input is None


@pytest.mark.parametrize(
    ("input", "expected"),
    [
        ("data.order", [EVENT.data["order"]]),
        (["data.order.id"], [7]),
        (["subject", "data.order.lines[].sku"], ["orders/7", ["a", "b"]]),
        ("{id: data.order.id, way: tidegateway}", [{"id": 7, "way": "queue:orders"}]),
        ("{id: data.nowhere}", [{"id": None}]),
        ("data.none || ''", [""]),
        ("`[null]`", [[None]]),
        ("data.zero", [0]),
        ("@", [EVENT.to_wire()]),
        ("$.id", ["1"]),
    ],
)
def test_each_expression_is_an_argument(input: Any, expected: list[Any]) -> None:
    assert arguments(input) == expected


@pytest.mark.parametrize(
    "outside", ["route", "tidegatetable", "env", "$.route", "data.order.__class__", "data.keys"]
)
def test_an_expression_sees_the_event_and_nothing_else(outside: str) -> None:
    with pytest.raises(InvalidInput, match="yields nothing"):
        arguments(outside)


def test_an_expression_that_yields_nothing_is_named_with_what_it_saw() -> None:
    with pytest.raises(InvalidInput) as caught:
        arguments(["subject", "data.order.total"])
    assert caught.value.message == (
        "event ce:/shop#1: input 'data.order.total' of route orders yields nothing; the event has "
        "specversion, id, source, type, subject, tidegatekey, tidegateway, and its data is "
        "{'order': {'id': 7, 'lines': [{'sku': 'a'}, {'sku': 'b'}]}, 'none': None, 'zero': 0}"
    )
    assert "tidegate explain" in caught.value.fix


def test_an_expression_that_cannot_be_evaluated_says_why() -> None:
    with pytest.raises(InvalidInput) as caught:
        arguments("keys(data.order.id)")
    assert "cannot be evaluated: keys() takes object, and finds number" in caught.value.message


def test_what_an_error_quotes_of_an_event_is_bounded() -> None:
    with pytest.raises(InvalidInput) as caught:
        arguments("data.nowhere", replace(EVENT, data={"a": "x" * 1_000_000}))
    assert len(str(caught.value)) < 1_000


def test_all_expressions_of_a_route_share_one_budget() -> None:
    event = replace(EVENT, data=[f"{n:0100}" for n in range(350)])
    slow = "data[?contains($.data, @)] | [-1]"  # about half of what one event may take
    assert arguments(slow, event) == [event.data[-1]]
    with pytest.raises(InvalidEvent, match="takes too long over this event"):
        arguments([slow, slow, slow], event)


def test_arguments_have_a_bound_of_their_own() -> None:
    event = replace(EVENT, data="x" * (ARGUMENTS_BYTES // 2))
    assert arguments("data", event) is not None
    with pytest.raises(InvalidInput, match=r"1,048,585 bytes, over the limit of 1,048,576"):
        arguments("[data, data]", event)


def test_arguments_that_have_no_json_form_are_refused() -> None:
    with pytest.raises(InvalidEvent, match="cannot be written as JSON"):
        arguments("data", replace(EVENT, data="\ud800"))


def test_a_compiled_table_has_the_input_and_its_digest_covers_it() -> None:
    compiled_table = table(input=["data", "{id: id}"])
    assert RoutingTable.from_json(json.loads(json.dumps(compiled_table.to_json()))) == (
        compiled_table
    )
    assert compiled_table.digest not in (table().digest, table(input="data").digest)


def test_a_table_without_the_field_is_what_it_was() -> None:
    assert "input" not in table().to_json()["routes"][0]


NAMES = st.sampled_from(["a", "b", "_c1", "Data"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
BLANKS = st.sampled_from(["", " ", "\n  "])


@given(st.lists(st.tuples(NAMES, BLANKS, PATHS, BLANKS), min_size=1, max_size=4), VALUES)
def test_an_object_of_plain_names_is_what_jmespath_makes_of_it(
    entries: list[tuple[str, str, str, str]], value: Any
) -> None:
    text = ",".join(f"{b}{name}{a}:{b}{path}{a}" for name, b, path, a in entries)
    text = f"{{{text}}}"
    assert compiled(text).search(value, value, Budget()) == jmespath_search(text, value)


PLAIN = """
import json, sys
from core.domain.event import Event
from core.domain.routing.table import RoutingTable, WorkflowRouter
router = WorkflowRouter(RoutingTable.from_json(json.loads(sys.argv[1])))
event = Event(id="1", source="/a", type="com.a", key="k", data={"id": 7})
print(json.dumps([router.target(event).input, sorted(sys.modules)]))
"""


@pytest.mark.parametrize(
    ("input", "loads"), [(["id", "{id: data.id, at: time}"], False), (["[id]"], True)]
)
def test_an_input_of_plain_names_loads_no_jmespath(input: list[str], loads: bool) -> None:
    compiled_table = json.dumps(table(input=input, child_id="{tidegatekey}:x").to_json())
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, compiled_table],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found, modules = json.loads(done.stdout)
    assert found == ([["1"]] if loads else ["1", {"id": 7, "at": None}])
    assert ("jmespath" in modules) is loads
    assert not {"yaml", "pydantic"} & set(modules)
