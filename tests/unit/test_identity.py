from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.domain.event import Event
from core.domain.identity import (
    WORKFLOW_ID_BYTES,
    blob_change,
    blob_key,
    change_key,
    cloudevent_key,
    is_workflow_id,
    message_key,
    replay_key,
    s3_change,
    s3_key,
    scoped_key,
    unidentified_key,
    workflow_id,
)
from core.formats.registry import read
from core.formats.shared.delivery import way_headers
from tests.support.payloads import (
    delivery,
    eventbridge_put,
    new_key,
    put,
    recorded,
    recorded_json,
    sns,
)

NOTHING: dict[str, str | None] = dict.fromkeys(
    ("sequencer", "version", "request_id", "etag", "time")
)


def change(**known: str) -> str | None:
    return s3_change(**{**NOTHING, **known})


def only_event(body: object, format: str = "s3") -> Event:
    [arrival] = read(delivery(format, body))
    assert isinstance(arrival.item, Event), arrival.item
    return arrival.item


def test_the_same_upload_has_one_key_and_one_workflow_id_by_every_path() -> None:
    events = [
        only_event(recorded(name))
        for name in ("s3-put", "sns-s3-put", "lambda-sns-s3-put", "eventbridge-object-created")
    ]
    assert {event.key for event in events} == {
        "s3:example-documents/incidents/db-outage.json@0062E99A88DC407460"
    }
    assert {workflow_id(event.key) for event in events} == {
        "s3:example-documents/incidents/db-outage.json@0062E99A88DC407460"
    }


def test_the_same_upload_is_the_same_event_by_every_path_but_for_the_precision_of_its_time() -> (
    None
):
    direct, by_sns, bridged = (
        only_event(recorded(name))
        for name in ("s3-put", "sns-s3-put", "eventbridge-object-created")
    )
    assert direct == by_sns
    assert (direct.way, direct.scope) == ("bucket:example-documents", "bucket:example-documents")
    assert direct.to_wire() | {"time": None} == bridged.to_wire() | {"time": None}


@pytest.mark.parametrize(
    "way", ["queue:uploads", "queue:invoked/s3", "topic:event-grid", "command"]
)
def test_a_bucket_is_the_way_of_its_uploads_whichever_path_they_take(way: str) -> None:
    for name in ("s3-put", "sns-s3-put", "lambda-sns-s3-put", "eventbridge-object-created"):
        [arrival] = read(delivery("s3", recorded(name), **way_headers(way, scope="shared:x")))
        assert isinstance(arrival.item, Event)
        event = arrival.item
        assert (event.way, event.scope) == ("bucket:example-documents", "bucket:example-documents")
        assert event.key == "s3:example-documents/incidents/db-outage.json@0062E99A88DC407460"


def test_the_sender_of_a_webhook_cannot_speak_for_a_bucket() -> None:
    headers = way_headers("webhook:uploads", scope="shared:uploads")
    [arrival] = read(delivery("s3", recorded("s3-put"), **headers))
    assert isinstance(arrival.item, Event)
    event = arrival.item
    assert (event.way, event.scope) == ("webhook:uploads", "shared:uploads")
    assert event.key == (
        "shared:uploads/s3:example-documents/incidents/db-outage.json@0062E99A88DC407460"
    )


def test_the_same_removal_has_one_key_by_every_path() -> None:
    for notification, bridged in (
        ("s3-delete", "eventbridge-object-deleted"),
        ("s3-delete-marker", "eventbridge-delete-marker"),
    ):
        assert only_event(recorded(notification)).key == only_event(recorded(bridged)).key


def test_an_awkward_key_is_the_same_encoded_and_unencoded() -> None:
    notified = only_event(recorded("s3-put-awkward-key"))
    bridged = only_event(recorded("eventbridge-object-created-awkward-key"))
    assert notified.key == bridged.key
    assert notified.subject == "incidents/2025 März/C++ build (red) 100% 🔥.md"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_every_key_is_the_same_by_notification_sns_and_eventbridge(key: str) -> None:
    notification = put(key, "00AB")
    keys = {
        only_event(body).key
        for body in (notification, sns(notification), eventbridge_put(key, "00AB"))
    }
    assert keys == {f"s3:example-documents/{key}@00AB"}


def test_two_uploads_of_identical_bytes_to_the_same_key_are_two_events() -> None:
    key = new_key()
    assert (
        only_event(put(key, "0062E99A88DC407460")).key
        != only_event(put(key, "0062E99A88DC407461")).key
    )


def test_an_upload_and_a_removal_are_two_events_even_with_one_sequencer() -> None:
    removal = recorded_json("s3-delete")
    removal["Records"][0]["s3"]["object"]["sequencer"] = "0062E99A88DC407460"
    assert only_event(removal).key != only_event(recorded("s3-put")).key


def test_a_sequencer_counts_as_the_same_in_upper_and_lower_case() -> None:
    assert change(sequencer="00ab") == change(sequencer="00AB") == "00AB"


def test_without_a_sequencer_the_version_the_request_or_etag_and_time_tell_changes_apart() -> None:
    assert change(sequencer="00AB", version="v", request_id="r", etag="e", time="t") == "00AB"
    assert change(version="v", request_id="r", etag="e", time="t") == "v.v"
    assert change(version="null", request_id="r", etag="e", time="t") == "r.r"
    assert change(etag="e", time="t") == "t.e.t"


def test_a_sequencer_that_is_not_hexadecimal_is_passed_over() -> None:
    assert change(sequencer="not hex", version="v") == "v.v"


def test_a_change_that_nothing_tells_apart_has_no_recipe() -> None:
    assert change(etag="e") is change(time="t") is change() is None


def test_keys_read_as_what_they_name() -> None:
    assert s3_key("docs", "a b.json", "0062", created=True) == "s3:docs/a b.json@0062"
    assert (
        s3_key("docs", "a", "0062", created=False, kind="ObjectRemoved:Delete")
        == "s3:docs/a@ObjectRemoved:Delete:0062"
    )
    assert (
        blob_key("acme", "docs", "a/b.json", "00AB", created=True) == "blob:acme/docs/a/b.json@00AB"
    )
    assert cloudevent_key("queue:orders", "/checks", "1") == "queue:orders/ce:/checks#1"
    assert message_key("sqs:eu-west-1:1:orders", "5f2e") == "sqs:eu-west-1:1:orders#5f2e"
    assert (
        change_key("opsgenie:webhook:prod", "disk", "9:ack") == "opsgenie:webhook:prod#disk@9:ack"
    )
    assert scoped_key("webhook:prod", "s3:docs/a@00AB") == "webhook:prod/s3:docs/a@00AB"
    assert unidentified_key("orders", "u") == "unidentified:orders#u"
    assert replay_key("s3:docs/a@0062", "ab12") == "replay:ab12#s3:docs/a@0062"


SCOPES = ("webhook:prod", "queue:orders", "topic:a/b", "shared:eu", "command", "bucket:docs")

ANY_TEXT = st.text(st.characters())  # lone surrogates and control characters too
LONG_TEXT = st.builds(lambda text, times: text * times, ANY_TEXT, st.integers(1, 400))


PART = st.text(st.sampled_from("a%2350F4:/#@~.v") | st.characters(), max_size=6)
"""Arbitrary text, rich in separators and in what their escapes are made of."""


def injective(recipe: Callable[..., str | None], *parts: st.SearchStrategy[Any]) -> Any:
    """A recipe with a pair of different inputs at a time: half of all pairs differ in one part."""
    one = st.tuples(*parts)
    pairs = st.tuples(one, one) | _moved(one) | _respelled(one)
    return pytest.param(recipe, pairs, id=recipe.__name__)


def _respelled(inputs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Pairs of which the second has a character of one part percent-encoded."""

    def respell(values: tuple[Any, ...], place: int, character: str) -> tuple[Any, Any]:
        texts = [n for n, value in enumerate(values) if isinstance(value, str)]
        other = list(values)
        at = texts[place % len(texts)]
        one = [*values[:at], values[at] + character, *values[at + 1 :]]
        other[at] = f"{values[at]}%{ord(character):02X}"
        return tuple(one), tuple(other)

    return st.builds(respell, inputs, st.integers(0, 5), st.sampled_from(":/#@~.%"))


def _moved(inputs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Pairs of which the second has a boundary between two of its parts elsewhere."""

    def move(values: tuple[Any, ...], place: int, at: int) -> tuple[Any, Any]:
        texts = [n for n, value in enumerate(values) if isinstance(value, str)]
        if len(texts) < 2:
            return values, values
        left, right = texts[place % (len(texts) - 1) :][:2]
        joined, other = values[left] + values[right], list(values)
        other[left], other[right] = joined[:at], joined[at:]
        return values, tuple(other)

    return st.builds(move, inputs, st.integers(0, 5), st.integers(0, 8))


def s3(bucket: str, key: str, change: str, kind: str | None) -> str:
    return s3_key(bucket, key, change, created=kind is None, kind=kind or "")


def blob(account: str, container: str, path: str, change: str, kind: str | None) -> str:
    return blob_key(account, container, path, change, created=kind is None, kind=kind or "")


KIND = st.none() | PART
RECIPES = [
    injective(s3, PART, PART, PART, KIND),
    injective(blob, PART, PART, PART, PART, KIND),
    injective(scoped_key, PART, PART),
    injective(cloudevent_key, PART, PART, PART),
    injective(message_key, PART, PART),
    injective(change_key, PART, PART, PART),
    injective(unidentified_key, PART, PART),
    injective(replay_key, PART, PART),
]


@pytest.mark.parametrize(("recipe", "pairs"), RECIPES)
@given(data=st.data())
def test_two_events_share_a_key_only_if_all_their_parts_are_equal(
    recipe: Callable[..., str], pairs: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    one, other = data.draw(pairs)
    assert (recipe(*one) == recipe(*other)) == (one == other)


@pytest.mark.parametrize(
    ("recipe", "one", "other"),
    [
        (message_key, ("servicebus:ns/orders", "eu/7"), ("servicebus:ns/orders/eu", "7")),
        (message_key, ("a#b", "c"), ("a", "b#c")),
        (message_key, ("a%23b", "c"), ("a#b", "c")),
        (cloudevent_key, ("queue:a/ce:b", "c", "d"), ("queue:a", "b/ce:c", "d")),
        (change_key, ("a", "b@c", "d"), ("a", "b", "c@d")),
        (s3, ("a", "b@c", "d", None), ("a", "b", "c@d", None)),
        (s3, ("a", "b", "k:c", None), ("a", "b", "c", "k")),
        (blob, ("a/b", "c", "d", "e", None), ("a", "b/c", "d", "e", None)),
    ],
)
def test_a_separator_in_a_part_does_not_move_its_end(
    recipe: Callable[..., str], one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert recipe(*one) != recipe(*other)


CHANGE = st.none() | PART


@given(st.data())
def test_what_tells_changes_of_a_document_apart_is_never_the_same_for_two(
    data: st.DataObject,
) -> None:
    for recipe, names in ((s3_change, S3_PARTS), (blob_change, BLOB_PARTS)):
        one, other = ({name: data.draw(CHANGE) for name in names} for _ in range(2))
        key = recipe(**one)
        if key is not None and key == recipe(**other):
            assert _decisive(names, one) == _decisive(names, other)


def test_the_end_of_an_etag_is_not_mistaken_for_a_time() -> None:
    assert change(etag="a.b", time="c") != change(etag="a", time="b.c")


S3_PARTS = ("sequencer", "version", "request_id", "etag", "time")
BLOB_PARTS = ("sequencer", "etag", "request_id", "event_id")


def _decisive(names: Sequence[str], parts: Mapping[str, str | None]) -> object:
    """The first part that identifies a change, with its name."""
    for name in names:
        value = parts[name]
        if name == "sequencer" and value and re.fullmatch("[0-9A-Fa-f]+", value):
            return name, value.upper()
        if name == "etag" and "time" in names:
            return name, value, parts["time"]
        if name != "sequencer" and value and not (name == "version" and value == "null"):
            return name, value
    return None


@given(st.lists(PART, min_size=5, max_size=5), st.sampled_from(SCOPES), st.sampled_from(SCOPES))
def test_keys_of_different_recipes_are_never_the_same(
    parts: list[str], scope: str, other: str
) -> None:
    a, b, c, d, e = parts
    keys = [
        s3(a, b, c, d or None),
        blob(a, b, c, d, e or None),
        scoped_key(scope, s3(a, b, c, d or None)),
        scoped_key(scope, blob(a, b, c, d, e or None)),
        cloudevent_key(scope, a, b),
        scoped_key(scope, message_key(f"slack:{a}", b)),
        scoped_key(scope, change_key("cloudwatch", a, b)),
        message_key(other, a),
        message_key(f"grafana:{other}", a),
        change_key(f"opsgenie:{other}", a, f"{b}:{c}:{d}"),
        unidentified_key(other, a),
        replay_key(message_key(other, a), "ab12"),
    ]
    assert len(set(keys)) == len(keys)


@given(ANY_TEXT | LONG_TEXT)
@example("\x00\x1f\x7f")
@example("\ud800")
@example("ä" * 1000)
@example("%" * 1000)
def test_a_workflow_id_is_printable_utf8_within_its_bound(key: str) -> None:
    id = workflow_id(key)
    assert len(id.encode()) <= WORKFLOW_ID_BYTES
    assert not any(ord(character) < 0x20 or ord(character) == 0x7F for character in id)


@given(ANY_TEXT | LONG_TEXT, ANY_TEXT | LONG_TEXT)
@example("a%00", "a\x00")
@example("%", "%25")
@example("\ud800", "%ED%A0%80")
def test_two_keys_never_share_a_workflow_id(one: str, other: str) -> None:
    assert (workflow_id(one) == workflow_id(other)) == (one == other)


@given(ANY_TEXT | LONG_TEXT)
@example("\ud800")
def test_every_workflow_id_is_known_as_one(key: str) -> None:
    assert is_workflow_id(workflow_id(key)) == bool(key)


@pytest.mark.parametrize("text", ["", "a\nb", 'a"b', "a\\b", "\ud800", "x" * 256, "é" * 128])
def test_what_temporal_cannot_store_or_find_is_no_workflow_id(text: str) -> None:
    assert not is_workflow_id(text)


@given(LONG_TEXT)
@example("a" * 1001)
@example("ä" * 600)
@example("🔥" * 300)
def test_the_workflow_id_of_a_long_key_cannot_be_chosen_as_a_key_of_its_own(key: str) -> None:
    id = workflow_id(key)
    assert id == key or workflow_id(id) != id


def test_a_readable_key_is_its_own_workflow_id() -> None:
    assert workflow_id("s3:docs/a b/ü.json@0062") == "s3:docs/a b/ü.json@0062"


def test_a_long_key_keeps_its_head_and_ends_in_a_digest_of_the_whole() -> None:
    one, other = (workflow_id("s3:docs/" + "x" * 2000 + tail) for tail in ("1", "2"))
    assert one.startswith("s3:docs/xxx")
    assert one[:-40] == other[:-40]
    assert one != other
