"""What a route says of its workflow besides target and arguments, for one event."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.event import Event, encode
from core.domain.routing.file import RoutingFile
from core.domain.routing.options import MEMO_BYTES
from core.domain.routing.table import ATTRIBUTE_TYPES, RoutingTable, WorkflowRouter
from core.errors import InvalidEvent, InvalidOption, PermanentError

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
        ({"datetime": "data.due"}, "2026-03-04T04:06:07+00:00"),
        ({"datetime": "'2026-03-04T05:06:07.25+01:00:30'"}, "2026-03-04T04:05:37.250000+00:00"),
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
        ({"datetime": "'0001-01-01T00:00:00+23:59'"}, "and not a time of RFC 3339"),
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


@pytest.mark.parametrize("kind", ["keyword", "text"])
def test_what_a_store_cannot_hold_is_left_out_of_a_value(kind: str) -> None:
    event = replace(EVENT, data="a\x00b\ud800c\u202ed\n")
    found = options(event, search_attributes={"A": {kind: "data"}}, fairness={"key": "data"})
    assert found["search_attributes"]["A"][kind] == found["fairness_key"] == "abcd\n"


def test_search_attributes_have_a_bound_all_together() -> None:
    event = replace(EVENT, data="x" * 2_000)
    rules = {f"A{n}": {"text": "data"} for n in range(17)}
    assert "search attributes of route orders have 34," in refusal(event, search_attributes=rules)
    del rules["A16"]
    assert len(options(event, search_attributes=rules)["search_attributes"]) == 16


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
        ("{{{data.id}}} {data.paid} {data.deep}", '{7} true {"a":1}'),
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


# ------------------------------------------------------------------------ priority and fairness


@pytest.mark.parametrize(
    ("rule", "priority"),
    [(1, 1), (5, 5), ("data.paid && `2` || `4`", 2), ("data.none || `4`", 4), ("`3.0`", 3)],
)
def test_a_priority_is_a_number_or_an_expression(rule: int | str, priority: int) -> None:
    assert options(priority=rule) == {"priority": priority}


def test_a_priority_that_yields_nothing_is_temporals_own() -> None:
    assert options(priority="data.none") == {}


@pytest.mark.parametrize("rule", ["`0`", "`6`", "`2.5`", "data.paid", "data.name", "data.tags"])
def test_a_priority_out_of_its_range_is_refused(rule: str) -> None:
    assert "and not a whole number from 1 to 5" in refusal(priority=rule)


@pytest.mark.parametrize(
    ("rule", "key", "weight"),
    [
        ({"key": "data.name"}, "Ann", None),
        ({"key": "data.id", "weight": 2}, "7", 2.0),
        ({"key": "data.name", "weight": "data.paid && `3` || `1`"}, "Ann", 3.0),
        ({"key": "data.name", "weight": "data.none"}, "Ann", None),
        ({"key": "data.none", "weight": 3}, None, 3.0),
    ],
)
def test_fairness_has_a_key_and_a_weight(rule: Any, key: str | None, weight: float | None) -> None:
    found = options(fairness=rule)
    assert (found.get("fairness_key"), found.get("fairness_weight")) == (key, weight)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"key": "data.tags"}, "fairness key of route orders"),
        ({"key": "id", "weight": "`0`"}, "yields 0, and not a number from 0.001 to 1000"),
        ({"key": "id", "weight": "`1001`"}, "and not a number from 0.001 to 1000"),
        ({"key": "id", "weight": "data.paid"}, "yields True, and not a number"),
        ({"key": "id", "weight": "data.name"}, "yields 'Ann', and not a number"),
    ],
)
def test_fairness_of_another_type_is_refused(rule: Any, reason: str) -> None:
    assert reason in refusal(fairness=rule)


def test_a_long_fairness_key_is_its_digest() -> None:
    keys = [
        options(replace(EVENT, data=text), fairness={"key": "data"})["fairness_key"]
        for text in ("é" * 32, "é" * 33, "é" * 33 + "a")
    ]
    assert keys[0] == "é" * 32
    assert [len(key.encode()) for key in keys] == [64, 64, 64]
    assert len(set(keys)) == 3


# ------------------------------------------------------------------------- retries and delay


def test_retries_have_temporals_defaults() -> None:
    assert options(retry={})["retry"] == {
        "initial_interval": 1.0,
        "backoff": 2.0,
        "maximum_interval": None,
        "maximum_attempts": 0,
        "non_retryable": [],
    }


def test_retries_are_as_the_route_says() -> None:
    rule = {
        "initial_interval": "10s",
        "backoff": 1.5,
        "maximum_interval": "1h",
        "maximum_attempts": 5,
        "non_retryable": ["OrderInvalid"],
    }
    assert options(retry=rule)["retry"] == {
        **rule,
        "initial_interval": 10.0,
        "maximum_interval": 3600.0,
    }


NOW = datetime(2026, 3, 4, 4, 0, 0, tzinfo=UTC)
START = {"deliver": "start", "child_id": "o:{tidegatekey}"}


def delay(text: str, event: Event = EVENT) -> float:
    found = WorkflowRouter(table(**START, start_delay=text)).target(event).options
    assert found is not None
    return found.delay(NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600),
        ("0s", 0),
        ("{data.id}m", 420),
        ("{data.none}", 0),
        ("{data.due}", 6 * 60 + 7),
        ("{data.due || '1h'}", 6 * 60 + 7),
        ("{data.none || '1h'}", 3600),
        ("2026-03-04T04:0{data.id}:00.5Z{data.none}", 420.5),
    ],
)
def test_a_delay_is_a_duration_or_the_time_until_a_moment(text: str, seconds: float) -> None:
    assert delay(text) == seconds


@pytest.mark.parametrize("moment", ["2026-03-04T03:59:59Z", "1999-01-01T00:00:00+01:00"])
def test_a_moment_that_has_passed_is_now(moment: str) -> None:
    assert delay("{data}", replace(EVENT, data=moment)) == 0


@pytest.mark.parametrize("data", ["soon", "2026-03-04", "7", 7, "-5m", "999999999d", ["1h"], "s"])
def test_what_is_neither_is_refused(data: Any) -> None:
    with pytest.raises(InvalidOption, match="neither a duration like 30s"):
        delay("{data}", replace(EVENT, data=data))


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
    "priority": 2,
    "fairness": {"key": "data.id", "weight": 2},
    "retry": {"initial_interval": "1s"},
    "start_delay": "10m",
}


@pytest.mark.parametrize("field", SAID)
def test_a_compiled_table_has_it_and_its_digest_covers_it(field: str) -> None:
    compiled = table(**START, **{field: SAID[field]})
    assert RoutingTable.from_json(json.loads(json.dumps(compiled.to_json()))) == compiled
    assert compiled.digest != table(**START).digest


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters() | st.just("\ud800"), max_size=80)
    | st.sampled_from(["5m", "2026-03-04T05:06:07Z", "0001-01-01T00:00:00+23:59"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ALL: dict[str, Any] = {
    **START,
    "input": ["data || `0`", "type"],
    "search_attributes": {
        kind.title().replace("_", ""): {kind: f"data.{kind}"} for kind in ATTRIBUTE_TYPES
    },
    "memo": {"a": "data"},
    "static_summary": "{data.text} of {data}",
    "priority": "data.int",
    "fairness": {"key": "data.keyword", "weight": "data.double"},
    "start_delay": "{data.datetime}",
}


@given(JSON | st.dictionaries(st.sampled_from([*ATTRIBUTE_TYPES]), JSON))
def test_whatever_the_data_an_event_has_a_target_or_a_permanent_error(data: Any) -> None:
    """And a target has JSON in it, with no value over its bound."""
    try:
        target = WorkflowRouter(EVERYTHING).target(replace(EVENT, data=data))
    except PermanentError:
        return
    encode(asdict(target))
    assert target.options is not None
    assert target.options.delay(NOW) >= 0


EVERYTHING = table(**ALL)

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
        [sys.executable, "-c", LOADED, json.dumps(table(**START, **fields).to_json())],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    modules = set(json.loads(done.stdout))
    assert ("core.domain.routing.options" in modules) is bool(fields)
    assert not {"yaml", "pydantic", "jmespath"} & modules
