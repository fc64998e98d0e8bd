from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from core.domain.event import Event
from core.domain.identity import (
    WORKFLOW_ID_BYTES,
    cloudevent_key,
    message_key,
    replay_key,
    s3_change,
    s3_key,
    unidentified_key,
    workflow_id,
)
from core.formats.registry import read
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
    assert direct.to_wire() | {"time": None} == bridged.to_wire() | {"time": None}


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
    assert cloudevent_key("/checks", "1") == "ce:/checks#1"
    assert message_key("sqs:eu-west-1:1:orders", "5f2e") == "sqs:eu-west-1:1:orders/5f2e"
    assert unidentified_key("orders", "u") == "unidentified:orders#u"
    assert replay_key("s3:docs/a@0062", "ab12") == "s3:docs/a@0062~replay-ab12"


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
@example(("a#b", "c"), ("a", "b#c"))
@example(("a%23b", "c"), ("a#b", "c"))
def test_two_cloudevents_share_a_key_only_if_source_and_id_are_equal(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert (cloudevent_key(*one) == cloudevent_key(*other)) == (one == other)


ANY_TEXT = st.text(st.characters())  # lone surrogates and control characters too
LONG_TEXT = st.builds(lambda text, times: text * times, ANY_TEXT, st.integers(1, 400))


@given(ANY_TEXT | LONG_TEXT)
@example("\x00\x1f\x7f")
@example("\ud800")
@example("ä" * 1000)
@example("%" * 1000)
def test_a_workflow_id_is_printable_utf8_of_at_most_1000_bytes(key: str) -> None:
    id = workflow_id(key)
    assert len(id.encode()) <= WORKFLOW_ID_BYTES
    assert not any(ord(character) < 0x20 or ord(character) == 0x7F for character in id)


@given(ANY_TEXT | LONG_TEXT, ANY_TEXT | LONG_TEXT)
@example("a%00", "a\x00")
@example("%", "%25")
@example("\ud800", "%ED%A0%80")
def test_two_keys_never_share_a_workflow_id(one: str, other: str) -> None:
    assert (workflow_id(one) == workflow_id(other)) == (one == other)


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
