"""What a route says of its workflow besides target and arguments, for one event."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest

from core.domain.event import Event
from core.domain.routing.file import RoutingFile
from core.domain.routing.options import MEMO_BYTES
from core.domain.routing.table import RoutingTable, WorkflowRouter
from core.errors import InvalidEvent, InvalidOption

EVENT = Event(
    id="1",
    source="/shop",
    type="com.example.ordered",
    subject="orders/7",
    key="ce:/shop#1",
    data={
        "id": 7,
        "total": 12.5,
        "name": "Ann",
        "paid": True,
        "tags": ["new", 7],
        "due": "2026-03-04T05:06:07+01:00",
        "deep": {"a": 1},
        "empty": "",
        "none": None,
        "no": [],
        "lines": "a\nb",
    },
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


def options(event: Event = EVENT, **fields: Any) -> dict[str, Any]:
    """What of it the workflow is started with."""
    found = WorkflowRouter(table(**fields)).target(event).options
    assert found is not None
    return {name: value for name, value in asdict(found).items() if value is not None}


def refusal(event: Event = EVENT, **fields: Any) -> str:
    with pytest.raises(InvalidOption) as caught:
        WorkflowRouter(table(**fields)).target(event)
    return caught.value.message


def test_a_route_that_says_nothing_has_no_options() -> None:
    assert WorkflowRouter(table()).target(EVENT).options is None
    assert "options" not in table().to_json()["routes"][0]


# ------------------------------------------------------------------------- search attributes


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"keyword": "data.name"}, "Ann"),
        ({"keyword": "data.id"}, "7"),
        ({"keyword": "data.paid"}, "true"),
        ({"keyword": "join('/', [route, subject])"}, "orders/orders/7"),
        ({"keyword_list": "data.tags"}, ["new", "7"]),
        ({"text": "data.name"}, "Ann"),
        ({"int": "data.id"}, 7),
        ({"int": "to_number('8')"}, 8),
        ({"double": "data.total"}, 12.5),
        ({"double": "data.id"}, 7.0),
        ({"bool": "data.paid"}, True),
        ({"bool": "data.id > `8`"}, False),
        ({"datetime": "data.due"}, "2026-03-04T05:06:07+01:00"),
    ],
)
def test_a_search_attribute_has_its_type(rule: dict[str, str], value: Any) -> None:
    [kind] = rule
    found = options(search_attributes={"A": rule})["search_attributes"]["A"][kind]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"keyword": "data.deep"}, "yields {'a': 1}, and not text, a number or a boolean"),
        ({"keyword": "data.tags"}, "yields ['new', 7], and not text, a number or a boolean"),
        ({"keyword_list": "data.name"}, "yields 'Ann', and not a list"),
        ({"keyword_list": "[data.deep]"}, "and not text, a number or a boolean"),
        ({"text": "data.deep"}, "and not text, a number or a boolean"),
        ({"int": "data.name"}, "yields 'Ann', and not an integer of 64 bits"),
        ({"int": "data.total"}, "yields 12.5, and not an integer of 64 bits"),
        ({"int": "data.paid"}, "yields True, and not an integer of 64 bits"),
        ({"int": "`9223372036854775808`"}, "and not an integer of 64 bits"),
        ({"double": "data.paid"}, "yields True, and not a number"),
        ({"double": "data.name"}, "yields 'Ann', and not a number"),
        ({"bool": "data.id"}, "yields 7, and not a boolean"),
        ({"bool": "data.name"}, "yields 'Ann', and not a boolean"),
        ({"datetime": "data.name"}, "and not a time of RFC 3339 with its zone"),
        ({"datetime": "data.id"}, "and not a time of RFC 3339 with its zone"),
        ({"datetime": "'2026-03-04T05:06:07'"}, "and not a time of RFC 3339 with its zone"),
        ({"keyword": "keys(data.id)"}, "cannot be evaluated: keys() takes object, and finds"),
    ],
)
def test_a_value_of_another_type_is_refused(rule: dict[str, str], reason: str) -> None:
    [expression] = rule.values()
    message = refusal(search_attributes={"Customer": rule})
    assert message.startswith(
        f"event ce:/shop#1: search attribute Customer of route orders: {expression!r}"
        if "'" not in expression
        else "event ce:/shop#1: search attribute Customer of route orders: "
    )
    assert reason in message


@pytest.mark.parametrize("nothing", ["data.none", "data.nowhere", "data.empty", "data.no"])
def test_a_search_attribute_without_a_value_is_not_set(nothing: str) -> None:
    both = {"A": {"keyword": nothing}, "B": {"int": "data.id"}}
    assert options(search_attributes=both)["search_attributes"] == {"B": {"int": 7}}
    assert options(search_attributes={"A": {"keyword_list": nothing}}) == {}


def test_zero_and_false_are_values() -> None:
    both = {"A": {"int": "`0`"}, "B": {"bool": "`false`"}}
    found = options(search_attributes=both)["search_attributes"]
    assert found == {"A": {"int": 0}, "B": {"bool": False}}


def test_a_long_keyword_is_cut_to_what_every_store_can_hold() -> None:
    keywords = [
        options(replace(EVENT, data="x" * 300 + end), search_attributes={"A": {"keyword": "data"}})
        for end in "ab"
    ]
    texts = [found["search_attributes"]["A"]["keyword"] for found in keywords]
    assert [len(text) for text in texts] == [255, 255]
    assert texts[0] != texts[1]


@pytest.mark.parametrize("kind", ["text", "keyword_list"])
def test_a_value_over_temporals_limit_is_refused(kind: str) -> None:
    data: Any = "x" * 2_100 if kind == "text" else [f"{n:0200}" for n in range(20)]
    message = refusal(replace(EVENT, data=data), search_attributes={"A": {kind: "data"}})
    assert "over the limit of 2,048" in message
    assert len(message) < 1_000


def test_a_value_that_has_no_bytes_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="cannot be written as JSON"):
        options(replace(EVENT, data="\ud800"), search_attributes={"A": {"keyword": "data"}})


# ------------------------------------------------------------------------- memo and summary


def test_a_memo_has_any_json() -> None:
    found = options(memo={"deep": "data.deep", "id": "data.id", "gone": "data.none", "r": "route"})
    assert found == {"memo": {"deep": {"a": 1}, "id": 7, "r": "orders"}}


def test_a_memo_has_a_bound() -> None:
    event = replace(EVENT, data="x" * (MEMO_BYTES // 2))
    assert options(event, memo={"a": "data"})
    message = refusal(event, memo={"a": "data", "b": "data"})
    assert message == (
        "event ce:/shop#1: the memo of route orders has 32,783 bytes, over the limit of 32,768"
    )


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Order {data.id} of {data.name}", "Order 7 of Ann"),
        ("{data.id}{data.name}", "7Ann"),
        ("a constant", "a constant"),
        ("{{{data.id}}} {data.paid} {data.deep}", '{7} true {"a": 1}'),
        ("{data.nowhere || 'nobody'}: {data.none}", "nobody:"),
        ("{data.lines}", "a b"),
        ("{route}", "orders"),
    ],
)
def test_a_summary_is_one_line_by_its_template(template: str, text: str) -> None:
    assert options(static_summary=template) == {"static_summary": text}


def test_a_summary_in_which_nothing_is_left_is_the_default() -> None:
    assert options(static_summary="{data.none} {data.nowhere}") == {}


def test_a_summary_is_cut() -> None:
    found = options(replace(EVENT, data="x" * 1_000), static_summary="{data}")
    assert found["static_summary"] == "x" * 197 + "..."


# ----------------------------------------------------------------------------------- all of it


def test_all_expressions_share_one_budget() -> None:
    event = replace(EVENT, data=[f"{n:0100}" for n in range(350)])
    slow = "data[?contains($.data, @)] | [-1]"
    assert options(event, memo={"a": slow})
    with pytest.raises(InvalidEvent, match="takes too long over this event"):
        options(event, memo={"a": slow, "b": slow}, static_summary=f"{{{slow}}}")


SAID: dict[str, Any] = {
    "search_attributes": {"A": {"int": "data.id"}},
    "memo": {"a": "data"},
    "static_summary": "Order {data.id}",
}


@pytest.mark.parametrize("field", SAID)
def test_a_compiled_table_has_it_and_its_digest_covers_it(field: str) -> None:
    compiled = table(**{field: SAID[field]})
    assert RoutingTable.from_json(json.loads(json.dumps(compiled.to_json()))) == compiled
    assert compiled.digest != table().digest


LOADED = """
import json, sys
from core.domain.event import Event
from core.domain.routing.table import RoutingTable, WorkflowRouter
router = WorkflowRouter(RoutingTable.from_json(json.loads(sys.argv[1])))
router.target(Event(id="1", source="/a", type="com.a", key="k", data={"id": 7}))
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("fields", [{}, SAID])
def test_a_listener_loads_it_where_a_route_says_it_and_then_little(fields: dict[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(table(**fields).to_json())],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    modules = set(json.loads(done.stdout))
    assert ("core.domain.routing.options" in modules) is bool(fields)
    assert not {"yaml", "pydantic", "jmespath"} & modules
