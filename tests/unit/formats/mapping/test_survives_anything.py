"""Any body through any mapping becomes events or `Malformed`, in bounded time and memory."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.alert import read_alert
from core.domain.event import Event, encode
from core.domain.expressions.expression import Budget, OverBudget, Unevaluable, compiled
from core.domain.expressions.jmespath_search import FUNCTIONS
from core.domain.identity import WORKFLOW_ID_BYTES, workflow_id
from core.errors import InvalidEvent
from core.formats.mapping.description import Description
from core.formats.mapping.mapping import AlertMapping, Finding
from core.formats.registry import read
from core.formats.shared.delivery import RECEIVED_HEADER, Delivery, Malformed, way_headers
from core.formats.shared.json_body import load_json
from core.webhooks import presets
from tests.support.mangled import ANY_BODIES, JSON_VALUES, as_bytes, mangled
from tests.support.payloads import EVENTS

RECORDED = [path.read_bytes() for path in sorted(EVENTS.glob("webhooks/**/*.json"))]
FIELDS = ["alerts", "labels", "id", "state", "event", "data", "startsAt", "msg", "tags", "status"]
CONTENT_TYPES = st.sampled_from(
    [
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "multipart/form-data",
    ]
)
REAL_BODIES = st.sampled_from(RECORDED) | mangled(st.sampled_from(RECORDED).map(load_json)).map(
    as_bytes
)
BODIES = (
    ANY_BODIES
    | REAL_BODIES
    | JSON_VALUES.map(as_bytes)
    | st.binary(max_size=40).map(
        lambda noise: b'--b\r\nContent-Disposition: form-data; name="id"\r\n\r\n' + noise + b"--b--"
    )
)


def expressions() -> st.SearchStrategy[str]:
    """Expressions of the whole grammar, with more sense than noise."""
    leaves = st.sampled_from(
        [*FIELDS, "@", "$", "*", "[]", "[0]", "[::-1]", "'x'", "`1`", "`null`", '"a-b"', "$.alerts"]
    )

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        two = st.tuples(inner, inner)
        function = st.sampled_from(sorted(FUNCTIONS))
        call = st.tuples(function, inner, inner)
        return st.one_of(
            two.map(lambda pair: f"{pair[0]}.{pair[1]}"),
            two.map(lambda pair: f"{pair[0]} | {pair[1]}"),
            two.map(lambda pair: f"({pair[0]} || {pair[1]})"),
            two.map(lambda pair: f"{pair[0]} && {pair[1]}"),
            two.map(lambda pair: f"{pair[0]} == {pair[1]}"),
            two.map(lambda pair: f"{pair[0]} < {pair[1]}"),
            two.map(lambda pair: f"{pair[0]}[?{pair[1]}]"),
            two.map(lambda pair: f"[{pair[0]}, {pair[1]}]"),
            two.map(lambda pair: f"{{a: {pair[0]}, b: {pair[1]}}}"),
            inner.map(lambda one: f"!{one}"),
            inner.map(lambda one: f"{one}[*]"),
            inner.map(lambda one: f"{one}[]"),
            inner.map(lambda one: f"&{one}"),
            call.map(lambda parts: f"{parts[0]}({parts[1]})"),
            call.map(lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"),
            call.map(lambda parts: f"{parts[0]}(&{parts[1]}, {parts[2]})"),
            call.map(lambda parts: f"{parts[0]}({parts[1]}, &{parts[2]})"),
        )

    return st.recursive(leaves, grow, max_leaves=8) | st.text(max_size=12)


def that_compiles(text: str) -> str:
    """The expression, or a plain name in place of one that is refused."""
    try:
        compiled(text)
    except ValueError:
        return "id"
    return text


VALID = expressions().map(that_compiles)
FOUND = st.sampled_from(["to_string(@)", "type(@)", "'x'"])
"""Expressions that find a value in whatever is there, so that alerts come of it."""


@st.composite
def mappings(draw: st.DrawFn) -> AlertMapping | None:
    """A mapping; None where what was drawn is refused, which is one of the outcomes."""
    maybe = st.booleans()
    described: dict[str, Any] = {
        "key": draw(FOUND | VALID | st.just({"labels": "all"}) | st.lists(VALID, max_size=3)),
        "status": draw(
            st.just({"by_end": True})
            | st.fixed_dictionaries(
                {
                    "from": FOUND | VALID,
                    "resolved": st.lists(st.text(min_size=1, max_size=4), max_size=2),
                    "otherwise": st.just("firing"),
                }
            )
        ),
        "ends_at": draw(FOUND | VALID),
        "labels": draw(st.just([]))
        if draw(maybe)
        else draw(
            st.lists(
                st.fixed_dictionaries(
                    {"from": VALID, "shape": st.sampled_from(["object", "pairs", "tags"])}
                ),
                max_size=2,
            )
        ),
    }
    for name in ("ignored_when", "title", "summary", "service", "severity"):
        if draw(st.integers(0, 3)) == 0:
            described[name] = draw(FOUND | VALID)
    if draw(maybe):
        described["each"] = draw(st.sampled_from(["[@]", "to_array(@)", "alerts", "*"]) | VALID)
    if draw(maybe):
        described["links"] = {"source": draw(VALID)}
    if draw(maybe):
        units = st.sampled_from(["auto", "epoch", "epoch-s", "epoch-ns", "rfc3339"])
        described["starts_at"] = {"from": draw(VALID), "as": draw(units)}
    if draw(maybe):
        described["body"] = draw(st.sampled_from(["json", "form"]))
    if draw(maybe):
        described["json"] = draw(st.sampled_from(FIELDS))
    try:
        return Description.model_validate(described).compiled()
    except ValueError:
        return None


def check(mapping: AlertMapping, body: bytes, content_type: str) -> None:
    headers: Mapping[str, str] = {
        "content-type": content_type,
        RECEIVED_HEADER: "2026-03-01T12:30:00Z",
        **way_headers("webhook:plant"),
    }
    delivery = Delivery(format="mapped", body=body, headers=headers, unique="u", mapping=mapping)
    started = time.monotonic()
    items = [arrival.item for arrival in read(delivery)]
    assert time.monotonic() - started < 10  # a slow machine's, of about one
    for item in items:
        if isinstance(item, Malformed):
            assert isinstance(item.error, InvalidEvent)
            assert item.error.message
            continue
        assert Event.from_wire(load_json(encode(item.to_wire()))) == item
        assert 0 < len(workflow_id(item.key).encode()) <= WORKFLOW_ID_BYTES
        assert read_alert(item).key
    trace: list[Finding] = []
    try:
        mapping.read(delivery, trace)
    except InvalidEvent:
        return
    assert trace or not items


@pytest.mark.parametrize("name", presets.names())
@given(body=BODIES, content_type=CONTENT_TYPES)
def test_any_body_through_every_preset(name: str, body: bytes, content_type: str) -> None:
    check(presets.preset(name).mapping.compiled(), body, content_type)


@given(mapping=mappings(), body=REAL_BODIES)
def test_real_bodies_through_any_mapping(mapping: AlertMapping | None, body: bytes) -> None:
    if mapping is not None:
        check(mapping, body, "application/json")


@given(text=st.text(st.characters(), max_size=40) | expressions(), value=JSON_VALUES)
def test_any_expression_over_any_value(text: str, value: Any) -> None:
    try:
        expression = compiled(text)
    except ValueError:
        return
    try:
        expression.search(value, value, Budget(10_000))
    except (Unevaluable, OverBudget):
        return


GROWING = {
    "lists that double, as text": "[@, @]" + " | [@, @]" * 35 + " | to_string(@)",
    "lists that double, as a result": "[@, @]" + " | [@, @]" * 35,
    "lists that double, compared": "([@, @]" + " | [@, @]" * 30 + ") == ([@, @]" + " | [@, @]" * 30
    + ")",
    "lists that double, flattened": "[@, @][]" + " | [@, @][]" * 18,
    "objects that double": "{a: @, b: @}" + " | {a: @, b: @}" * 30 + " | to_string(@)",
    "text that doubles": "to_string([@])" + " | to_string([@])" * 30,
    "text that is joined": "'ab'" + " | join(@, [@, @, @])" * 30,
    "lists that double, on the right": "@ == ([@, @]" + " | [@, @]" * 30 + ")",
    "long text between many": "join(to_string($.items), $.items)",
    "all in all": "$.items[*].[$.items[*].[$.items[*].[$.items]]]",
    "the whole for each": "$.items[*].[$]",
    "each contained in all": "$.items[?contains($.items, @)]",
    "all within each": "unnest($.items, &$.items)",
    "pairs that double": "[@, @]" + " | unnest(@, &[@, @])" * 30,
    "an object's items for each": "$.items[*].items($.object)",
}  # fmt: skip


@pytest.mark.parametrize("text", GROWING.values(), ids=GROWING)
def test_an_expression_that_grows_is_stopped(text: str) -> None:
    items = [f"{n:0100}" for n in range(2000)]
    value = {"items": items, "object": dict.fromkeys(items)}
    expression = compiled(text)
    started = time.monotonic()
    with pytest.raises(OverBudget):
        expression.search(value, value, Budget())
    assert time.monotonic() - started < 10
    tracemalloc.start()
    try:
        with pytest.raises(OverBudget):
            expression.search(value, value, Budget(100_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * 2**20


def test_what_takes_too_long_is_refused_with_field_and_expression() -> None:
    mapping = Description.model_validate(
        {"key": "id", "status": "s", "title": GROWING["objects that double"]}
    ).compiled()
    body = b'{"id": 1, "s": "firing"}'
    delivery = Delivery(format="mapped", body=body, headers={}, unique="u", mapping=mapping)
    [arrival] = read(delivery)
    assert isinstance(arrival.item, Malformed)
    assert "the mapping's `title` ({a: @, b: @} | " in arrival.item.error.message
    assert "takes too long over this body" in arrival.item.error.message


EACH: dict[str, Any] = {"each": "a", "key": "@", "status": {"from": "'x'", "otherwise": "firing"}}
SMALL: list[int] = list(range(10_000))
LONG = "x" * 4_000_000
NAMED = {f"name-{number}": number for number in range(5_000)}
FORM = "application/x-www-form-urlencoded"
COPIES: dict[str, tuple[dict[str, Any], object]] = {
    "a long status for each": (
        {"status": {"from": "$.b", "otherwise": "firing"}},
        {"a": SMALL, "b": LONG},
    ),
    "a long part of the key for each": ({"key": ["$.b", "@"]}, {"a": SMALL, "b": LONG}),
    "a long severity for each": ({"severity": "$.b"}, {"a": SMALL, "b": LONG}),
    "JSON text of labels for each": ({"labels": "$.b"}, {"a": SMALL, "b": json.dumps(NAMED)}),
    "an object of labels for each": ({"labels": "$.b"}, {"a": SMALL, "b": NAMED}),
    "a list of tags for each": (
        {"labels": {"from": "$.b", "shape": "tags"}},
        {"a": SMALL, "b": [f"{name}:v" for name in NAMED]},
    ),
    "a text of tags for each": (
        {"labels": {"from": "$.b", "shape": "tags"}},
        {"a": SMALL, "b": ",".join(f"{name}:v" for name in NAMED)},
    ),
    "pairs for each": (
        {"labels": {"from": "$.b", "shape": "pairs"}},
        {"a": SMALL, "b": [{"name": name, "value": 1} for name in NAMED]},
    ),
    "a function of another type for each": (
        {"title": "keys($.b)"},
        {"a": SMALL, "b": [["x" * 100_000] * 40]},
    ),
    "a text of a million tags": (
        {"each": "[@]", "key": "'k'", "labels": {"from": "a", "shape": "tags"}},
        {"a": ",".join(f"a{number}:b" for number in range(400_000))},
    ),
}


def bounded(description: dict[str, Any], body: bytes, content_type: str) -> None:
    mapping = Description.model_validate({**EACH, **description}).compiled()
    headers = {"content-type": content_type, **way_headers("webhook:plant")}
    delivery = Delivery(format="mapped", body=body, headers=headers, unique="u", mapping=mapping)
    started = time.monotonic()
    assert read(delivery)
    assert time.monotonic() - started < 10  # a slow machine's, of less than one
    tracemalloc.start()
    try:
        read(delivery)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 48 * 2**20


@pytest.mark.parametrize(("description", "body"), COPIES.values(), ids=COPIES)
def test_what_is_copied_for_each_of_many_alerts_is_paid_for(
    description: dict[str, Any], body: object
) -> None:
    bounded(description, json.dumps(body).encode(), "application/json")


@pytest.mark.parametrize(
    "body",
    [
        b"a=" + b"%41" * 1_600_000,
        b"a=" + b"%F0%9F%98%80" * 400_000,
        b"a=" + b"%5B%5D%2C" * 550_000,
        b"&".join(b"f%d=1" % number for number in range(100_000)),
        b"&" * 5_000_000,
    ],
    ids=["escapes", "emoji", "arrays", "fields", "separators"],
)
def test_a_form_is_read_in_bounded_time_and_memory(body: bytes) -> None:
    bounded({"each": "[@]", "key": "'k'", "json": "a"}, body, FORM)


@pytest.mark.parametrize("boundary", ["\ud800", "\xe9", "x" * 100_000, 'boundary="' * 20_000, '""'])
def test_a_multipart_form_with_an_odd_boundary_is_refused(boundary: str) -> None:
    mapping = Description.model_validate(EACH).compiled()
    delivery = Delivery(
        format="mapped",
        body=b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--',
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        unique="u",
        mapping=mapping,
    )
    [arrival] = read(delivery)
    assert isinstance(arrival.item, Malformed)


def test_json_within_json_nests_no_deeper_than_a_body() -> None:
    inner = "[" * 60 + "]" * 60
    body: dict[str, Any] = {"a": 1, "b": inner}
    for _ in range(50):
        body = {"c": body}
    path = ".".join(["c"] * 50 + ["b"])
    mapping = Description.model_validate({**EACH, "each": "[@]", "json": path}).compiled()
    delivery = Delivery(
        format="mapped", body=json.dumps(body).encode(), headers={}, unique="u", mapping=mapping
    )
    [arrival] = read(delivery)
    assert isinstance(arrival.item, Malformed)
    assert "nests deeper than 100 levels" in arrival.item.error.message
