"""What each field of a mapping finds in a body, and what is refused with which words."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from core.domain.event import ALERT, Event
from core.formats.shared.bounds import MAX_EVENTS
from tests.unit.formats.mapping.reading import alert, alerts, items, refusal

FIRES: dict[str, Any] = {"id": "a1", "state": "firing"}


def test_a_key_and_a_status_are_an_alert() -> None:
    [item] = items({}, FIRES)
    assert isinstance(item, Event)
    assert (item.type, item.subject, item.way) == (ALERT, "a1", "webhook:plant")
    assert item.data == {
        "source": "mapped",
        "key": "a1",
        "status": "firing",
        "original": FIRES,
    }


# ------------------------------------------------------------------------------------- the body


def test_a_form_is_read_by_its_content_type() -> None:
    form = "application/x-www-form-urlencoded; charset=utf-8"
    body = urlencode({"id": "ä", "state": "firing"}).encode()
    assert alert({}, body, content_type=form).key == "ä"


def test_a_form_that_is_declared_as_something_else_is_read_where_the_mapping_says_form() -> None:
    body = urlencode(FIRES).encode()
    assert alert({"body": "form"}, body, content_type="text/plain").key == "a1"


def test_the_text_fields_of_a_multipart_form_are_read_and_its_files_left_out() -> None:
    parts = (
        b'--b\r\nContent-Disposition: form-data; name="id"\r\n\r\na1\r\n'
        b'--b\r\nContent-Disposition: form-data; name="log"; filename="a"\r\n\r\n\xff\r\n'
        b'--b\r\ncontent-disposition: form-data; name="state"\r\n\r\nfiring\r\n--b--\r\n'
    )
    found = items({}, parts, content_type='multipart/form-data; boundary="b"')
    assert isinstance(found[0], Event)
    assert found[0].data["original"] == FIRES


def test_json_within_a_field_is_read() -> None:
    body = urlencode({"payload": '{"id": 7, "state": "firing"}'}).encode()
    mapping = {"json": "payload", "key": "payload.id", "status": "payload.state"}
    assert alert(mapping, body, content_type="application/x-www-form-urlencoded").key == "7"


def test_a_field_that_should_hold_json_and_does_not_is_refused() -> None:
    said_of = refusal({"json": ["a.b"]}, {"a": {"b": "{oops"}})
    assert said_of.startswith("the field a.b should hold JSON: it is not JSON")


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"{", "application/json", "the body is not JSON"),
        (b"a=%ff", "application/x-www-form-urlencoded", "the body is not a form"),
        (b"a", "multipart/form-data", "its content type has no boundary"),
        (b"a", "multipart/form-data; boundary=b", "not a multipart form with the boundary"),
        (b"&".join([b"a=1"] * 201), "application/x-www-form-urlencoded", "not a form"),
        (b"a=" + b"[]," * 900_000, "application/x-www-form-urlencoded", "too many small values"),
    ],
)
def test_a_body_that_is_not_what_it_should_be_is_refused(
    body: bytes, content_type: str, words: str
) -> None:
    assert words in refusal({}, body, content_type=content_type)


# ---------------------------------------------------------------------------------- many alerts


def test_each_item_is_an_alert_and_the_whole_body_is_the_root() -> None:
    mapping = {"each": "events", "key": ["$.site", "id"], "title": "name || $.site"}
    body = {"site": "HH", "events": [FIRES, {"id": "a2", "state": "resolved", "name": "two"}]}
    assert [(a.key, a.status.value, a.title) for a in alerts(mapping, body)] == [
        ("HH:a1", "firing", "HH"),
        ("HH:a2", "resolved", "two"),
    ]


def test_an_empty_list_has_no_events() -> None:
    assert items({"each": "events"}, {"events": []}) == []


def test_one_that_cannot_be_read_is_named_and_the_others_go_on() -> None:
    found = items({"each": "@"}, [{"state": "firing"}, FIRES])
    assert [isinstance(item, Event) for item in found] == [False, True]
    assert "@[0]: the mapping's `key` (id) finds nothing" in str(found[0])


@pytest.mark.parametrize(
    ("events", "finds"), [(None, "nothing"), ({"a": 1}, "an object"), ("x", "the text 'x'")]
)
def test_anything_but_a_list_of_alerts_is_refused(events: object, finds: str) -> None:
    expected = f"the mapping's `each` (events) finds {finds}, not a list of alerts"
    assert refusal({"each": "events"}, {"events": events}) == expected


def test_alerts_are_counted_before_any_is_built() -> None:
    body = {"events": [1] * (MAX_EVENTS + 1)}
    expected = "the mapping's `each` (events) finds 10,001 alerts; one delivery may hold 10,000"
    assert refusal({"each": "events"}, body) == expected


# ------------------------------------------------------------------------------------------ key


@pytest.mark.parametrize(
    ("key", "body", "expected"),
    [
        ("id", {"id": 7}, "7"),
        ("id", {"id": True}, "true"),
        (["a", "b"], {"a": "x:y", "b": "z"}, "x%3Ay:z"),
        ({"from": "id"}, {"id": "7"}, "7"),
    ],
)
def test_a_key_is_one_value_or_several_together(key: Any, body: Any, expected: str) -> None:
    assert alert({"key": key}, {"state": "firing", **body}).key == expected


def test_a_key_of_labels_is_the_same_for_the_same_labels_alone() -> None:
    mapping = {"key": {"labels": "all"}, "labels": "labels"}
    one, same, other = (
        alert(mapping, {"state": "firing", "labels": labels}).key
        for labels in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, {"a": "1", "b": "3"})
    )
    assert one == same != other


def test_a_key_of_some_labels_takes_no_others() -> None:
    mapping = {"key": {"labels": ["a"]}, "labels": "labels"}
    keys = {
        alert(mapping, {"state": "firing", "labels": {"a": "1", "b": b}}).key for b in ("2", "3")
    }
    assert len(keys) == 1


@pytest.mark.parametrize("id", [None, "", "  "])
def test_a_key_that_finds_nothing_is_refused(id: object) -> None:
    expected = "the mapping's `key` (id) finds nothing, so nobody can say which alert it is"
    assert refusal({}, {**FIRES, "id": id}) == expected


def test_a_key_of_labels_that_are_not_there_is_refused() -> None:
    mapping = {"key": {"labels": ["a"]}, "labels": "labels"}
    said_of = refusal(mapping, {"state": "firing", "labels": {"b": "1"}})
    assert "made of labels (a), and the alert has none of them" in said_of


# --------------------------------------------------------------------------------------- status


WORDS: dict[str, Any] = {
    "from": "state",
    "firing": ["PROBLEM", 1],
    "resolved": ["OK", "0", "false"],
    "acknowledged": ["ACK"],
    "ignored": ["TEST"],
}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("PROBLEM", ["firing"]),
        (" problem ", ["firing"]),
        (1, ["firing"]),
        ("ok", ["resolved"]),
        (0, ["resolved"]),
        (False, ["resolved"]),
        ("ACK", []),
        ("test", []),
    ],
)
def test_a_status_is_read_by_its_words(state: object, expected: list[str]) -> None:
    found = alerts({"status": WORDS}, {**FIRES, "state": state})
    assert [a.status.value for a in found] == expected


def test_a_status_of_no_words_is_refused_with_the_words_there_are() -> None:
    assert refusal({"status": WORDS}, {**FIRES, "state": "FLAPPING"}) == (
        "the mapping's `status` (state) finds 'FLAPPING', and its words are "
        "firing: problem, 1; resolved: ok, 0, false; ignored: test; acknowledged: ack"
    )
    assert "`status` (state) finds nothing" in refusal({"status": WORDS}, {"id": "a1"})


@pytest.mark.parametrize("state", ["FLAPPING", None])
def test_any_other_word_means_what_otherwise_says(state: object) -> None:
    status = {**WORDS, "otherwise": "firing"}
    assert alert({"status": status}, {**FIRES, "state": state}).status.value == "firing"


@pytest.mark.parametrize(
    ("end", "status", "ends_at"),
    [
        ("2026-03-01T12:30:01Z", "firing", None),
        ("2026-03-01T12:29:59Z", "resolved", "2026-03-01T12:29:59+00:00"),
        ("0001-01-01T00:00:00Z", "firing", None),
        (None, "firing", None),
    ],
)
def test_without_a_status_an_alert_fires_until_its_end(
    end: str | None, status: str, ends_at: str | None
) -> None:
    mapping = {"status": {"by_end": True}, "ends_at": "end"}
    found = alert(mapping, {"id": "a1", "end": end})
    assert found.status.value == status
    assert (found.ends_at and found.ends_at.isoformat()) == ends_at


@pytest.mark.parametrize(
    ("muted", "ignored"), [(True, True), ("yes", True), (0, True), (False, False), (None, False)]
)
def test_what_meets_the_condition_is_ignored(muted: object, ignored: bool) -> None:
    assert (alerts({"ignored_when": "muted"}, {**FIRES, "muted": muted}) == []) is ignored


# --------------------------------------------------------------------------- what else there is


@pytest.mark.parametrize(
    ("prio", "severity"),
    [("Disaster", "critical"), (" average ", "medium"), (3, "low"), ("P1", "P1")],
)
def test_a_severity_is_read_by_its_words_and_left_as_it_is_otherwise(
    prio: object, severity: str
) -> None:
    words = {"Disaster": "critical", "Average": "medium", 3: "low"}
    mapping = {"severity": {"from": "prio", "words": words}}
    assert alert(mapping, {**FIRES, "prio": prio}).severity == severity


@pytest.mark.parametrize(
    ("description", "time", "expected"),
    [
        ("at", "2026-03-01T13:00:05+01:00", "2026-03-01T12:00:05+00:00"),
        ("at", "2026-03-01 12:00:05 UTC", "2026-03-01T12:00:05+00:00"),
        ("at", "2026-03-01 12:00:05 GMT", "2026-03-01T12:00:05+00:00"),
        ("at", 1772366405, "2026-03-01T12:00:05+00:00"),
        ("at", "1772366405250", "2026-03-01T12:00:05.250000+00:00"),
        ({"as": "epoch"}, 1772366405.25, "2026-03-01T12:00:05.250000+00:00"),
        ({"as": "epoch-s"}, "1772366405.25", "2026-03-01T12:00:05.250000+00:00"),
        ({"as": "epoch-ms"}, 5250, "1970-01-01T00:00:05.250000+00:00"),
        ({"as": "epoch-us"}, 5_250_000, "1970-01-01T00:00:05.250000+00:00"),
        ({"as": "epoch-ns"}, 5_250_000_000, "1970-01-01T00:00:05.250000+00:00"),
        (
            {"pattern": "%Y.%m.%d %H:%M:%S", "zone": "Europe/Berlin"},
            "2026.07.01 14:00:05",
            "2026-07-01T12:00:05+00:00",
        ),
        ({"pattern": "%d/%b/%Y %H:%M %z"}, "01/Mar/2026 13:00 +0100", "2026-03-01T12:00:00+00:00"),
    ],
)
def test_a_time_is_read_as_its_sender_writes_it(
    description: Any, time: object, expected: str
) -> None:
    if isinstance(description, dict):
        description = {"from": "at", **description}
    found = alert({"title": "id", "starts_at": description}, {**FIRES, "at": time})
    assert found.starts_at is not None
    assert found.starts_at.isoformat() == expected
    assert found.remarks == ()


@pytest.mark.parametrize("unit", ["rfc3339", "epoch", "epoch-s", "epoch-ns", "auto"])
@pytest.mark.parametrize("time", ["soon", "NaN", "1e999999999", -1e300, True, "9" * 200, "٣"])
def test_a_time_that_cannot_be_read_is_left_out_with_a_remark(unit: str, time: object) -> None:
    found = alert({"starts_at": {"from": "at", "as": unit}}, {**FIRES, "at": time})
    assert found.starts_at is None
    assert found.remarks[-1].startswith("starts_at cannot be read")


@pytest.mark.parametrize(
    ("description", "value", "labels"),
    [
        ("it", {"a": "1", "n": 2, "none": None}, {"a": "1", "n": "2"}),
        ("it", '{"a": "1"}', {"a": "1"}),
        ("it", None, {}),
        ("it", "", {}),
        ("{site: $.id}", None, {"site": "a1"}),
        ({"shape": "pairs"}, [{"name": "a", "value": "1"}], {"a": "1"}),
        (
            {"shape": "pairs", "name": "tag", "value": "v"},
            '[{"tag": "a", "v": "1"}, {"tag": "a", "v": "2"}, {"tag": "b"}]',
            {"a": "1,2"},
        ),
        ({"shape": "tags"}, ["a:1", "b", "a:2"], {"a": "1,2", "b": ""}),
        ({"shape": "tags"}, "a:1, b", {"a": "1", "b": ""}),
        ({"shape": "tags"}, '["a:1"]', {"a": "1"}),
        ({"shape": "tags", "separator": "="}, "a=1:2", {"a": "1:2"}),
    ],
)
def test_labels_are_read_in_each_shape(
    description: Any, value: object, labels: dict[str, str]
) -> None:
    if isinstance(description, dict):
        description = {"from": "it", **description}
    assert alert({"labels": description}, {**FIRES, "it": value}).labels == labels


def test_later_labels_replace_earlier_ones() -> None:
    mapping = {"labels": ["one", "two"]}
    found = alert(mapping, {**FIRES, "one": {"a": "1", "b": "1"}, "two": {"b": "2"}})
    assert found.labels == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("shape", "value", "words"),
    [
        ("object", [1], "are not an object"),
        ("object", "text", "are not an object"),
        ("object", "{oops", "are not JSON"),
        ("pairs", {"a": 1}, "are not a list of objects"),
        ("pairs", [{"key": "a"}], "are pairs, of which one has no name in `name`"),
        ("tags", 7, "are not a list or a text of tags"),
    ],
)
def test_labels_of_another_shape_are_refused(shape: str, value: object, words: str) -> None:
    mapping = {"labels": {"from": "it", "shape": shape}}
    assert refusal(mapping, {**FIRES, "it": value}) == f"the mapping's `labels` (it) {words}"


def test_the_other_fields_are_found() -> None:
    mapping = {
        "source": "plant",
        "title": "t",
        "summary": "s",
        "service": "v",
        "links": {"runbook": "wiki", "panel": "nowhere"},
        "replicated": True,
    }
    body = {**FIRES, "t": "T", "s": "S", "v": 5, "wiki": "https://wiki.example"}
    found = alert(mapping, body)
    assert (found.source, found.title, found.summary, found.service) == ("plant", "T", "S", "5")
    assert found.links == {"runbook": "https://wiki.example"}
    assert found.replicated


@pytest.mark.parametrize(
    "field", ["key", "status", "severity", "title", "summary", "service", "starts_at", "ends_at"]
)
@pytest.mark.parametrize(("value", "finds"), [(["a", "b"], "a list of 2"), ({}, "an object")])
def test_what_is_not_one_value_is_refused_with_field_and_expression(
    field: str, value: object, finds: str
) -> None:
    expected = f"the mapping's `{field}` (odd.one) finds {finds}, where one value is wanted"
    assert refusal({field: "odd.one"}, {**FIRES, "odd": {"one": value}}) == expected


def test_a_function_over_a_type_that_it_does_not_take_finds_nothing() -> None:
    assert alert({"title": "join(', ', id) || 'none'"}, FIRES).title == "a1"
    assert alert({"title": "length(nowhere)"}, FIRES).title == "a1"
