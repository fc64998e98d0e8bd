from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.alert import _OVER, AlertStatus, event_of, read_alert
from core.domain.event import ALERT, Event
from core.errors import InvalidEvent

WHOLE = {
    "version": 1,
    "key": "5f2e",
    "status": "firing",
    "severity": "page",
    "title": "Disk is full",
    "service": "storage",
    "summary": "97 % of /var is used.",
    "starts_at": "2026-01-02T04:00:00+01:00",
    "ends_at": "0001-01-01T00:00:00Z",
    "links": {"runbook": "https://runbooks.example/disk", "source": "https://prometheus.example/g"},
    "labels": {"cluster": "eu", "shard": 7},
    "source": "alertmanager",
    "truncated": 2,
}


def event(data: Any = WHOLE, type: str = ALERT) -> Event:
    return Event(id="1", source="/hooks/am", type=type, key="ce:/hooks/am#1", data=data)


def test_every_field_is_read() -> None:
    alert = read_alert(event())
    assert alert.model_dump() == {
        "key": "5f2e",
        "status": AlertStatus.FIRING,
        "severity": "page",
        "title": "Disk is full",
        "service": "storage",
        "summary": "97 % of /var is used.",
        "starts_at": datetime(2026, 1, 2, 3, tzinfo=UTC),
        "ends_at": None,
        "links": {
            "runbook": "https://runbooks.example/disk",
            "source": "https://prometheus.example/g",
        },
        "labels": {"cluster": "eu", "shard": "7"},
        "source": "alertmanager",
        "truncated": 2,
        "replicated": False,
        "remarks": (),
    }


def test_fields_of_a_later_version_are_ignored() -> None:
    alert = read_alert(event({**WHOLE, "version": 2, "mood": "bad"}))
    assert alert.title == "Disk is full"
    assert alert.remarks == ("its version is 2, read as 1",)


def test_a_key_is_enough() -> None:
    alert = read_alert(event({"key": 7}))
    assert (alert.key, alert.title, alert.source) == ("7", "7", "/hooks/am")
    assert alert.status is AlertStatus.FIRING
    assert alert.remarks == (
        "it has no title",
        "it does not say when it began",
        "it has no status, taken as firing",
    )


@pytest.mark.parametrize(
    ("field", "value", "read", "remark"),
    [
        ("status", "broken", AlertStatus.FIRING, "its status is 'broken', taken as firing"),
        ("status", " RESOLVED ", AlertStatus.RESOLVED, None),
        ("starts_at", "yesterday", None, "starts_at cannot be read: 'yesterday'"),
        ("starts_at", "2026-01-02T03:04:05", None, "starts_at cannot be read: '2026-01-02T03"),
        ("starts_at", -1767323045, None, "starts_at cannot be read: -1767323045"),
        ("starts_at", True, None, "starts_at cannot be read: True"),
        ("starts_at", {"a": 1}, None, "starts_at cannot be read: {'a': 1}"),
        ("starts_at", 0, None, "it does not say when it began"),
        ("starts_at", "0001-01-01T00:00:00Z", None, "it does not say when it began"),
        ("starts_at", None, None, "it does not say when it began"),
        ("ends_at", "0001-01-01T00:00:00Z", None, None),
        ("links", "https://x.example", {}, "its links are not an object"),
        (
            "links",
            {"runbook": "javascript:alert(1)", "panel": "https://x.example/p"},
            {"panel": "https://x.example/p"},
            "its runbook link is not an http or https address",
        ),
        ("links", {"source": "https://x.example/a b"}, {}, "its source link is too long or has"),
        ("links", {"source": f"https://x/{'a' * 3000}"}, {}, "its source link is too long or has"),
        ("links", {"source": "", "panel": None}, {}, None),
        ("replicated", True, True, None),
        ("replicated", "yes", False, None),
        ("cut", ["labels", "links"], None, "cut to fit into a signal: labels, links"),
        ("labels", ["a"], {}, "its labels are not an object"),
        ("labels", {"a": {"b": 1}, "c": 1}, {"c": "1"}, "1 of its labels were left out"),
        (
            "labels",
            {"a": True, "b": False, "c": 1.5},
            {"a": "true", "b": "false", "c": "1.5"},
            None,
        ),
        ("title", {"a": 1}, "5f2e", "title is not text"),
        ("title", "a\x1b[2Jb\nc", "a[2Jb c", None),
        ("service", ["a"], None, "service is not text"),
        ("severity", 2, "2", None),
        ("severity", True, "true", None),
        ("truncated", "many", 1, "truncated is not a number: 'many'"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_noted(
    field: str, value: Any, read: Any, remark: str | None
) -> None:
    alert = read_alert(event({**WHOLE, field: value}))
    assert getattr(alert, field, None) == read
    if remark is None:
        assert alert.remarks == ()
    else:
        assert any(text.startswith(remark) for text in alert.remarks)


@pytest.mark.parametrize(
    "value",
    [
        1767323045,
        "1767323045",
        1767323045.0,
        1767323045000,
        "1767323045000",
        1767323045000000,
        1767323045000000000,
        "2026-01-02T03:04:05Z",
        "2026-01-02t03:04:05z",
        "2026-01-02T04:04:05+01:00",
    ],
)
@pytest.mark.parametrize("name", ["starts_at", "ends_at"])
def test_a_time_may_be_rfc_3339_or_a_number_since_1970_in_any_unit(name: str, value: Any) -> None:
    alert = read_alert(event({**WHOLE, name: value}))
    assert getattr(alert, name) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert alert.remarks == ()


@pytest.mark.parametrize(
    "word",
    [*sorted(_OVER), "CLOSED", "Ok", "RECOVERED", "Clear", "RESOLVE", " up "],
)
def test_a_word_that_means_resolved_is_taken_so_with_a_remark(word: str) -> None:
    alert = read_alert(event({**WHOLE, "status": word}))
    assert alert.status is AlertStatus.RESOLVED
    assert alert.remarks == (f"its status is {word.strip()!r}, taken as resolved",)


@pytest.mark.parametrize(
    "word",
    ["ACKNOWLEDGED", "open", "down", "alerting", "not ok", "unclosed", "expired", "unhealthy"],
)
def test_any_other_word_is_taken_as_firing(word: str) -> None:
    alert = read_alert(event({**WHOLE, "status": word}))
    assert alert.status is AlertStatus.FIRING
    assert alert.remarks == (f"its status is {word!r}, taken as firing",)


@pytest.mark.parametrize("key", [None, "", "   ", "\x00", [], {}, True, 1.5])
def test_an_alert_without_a_key_is_refused(key: Any) -> None:
    with pytest.raises(InvalidEvent, match="the alert has no key"):
        read_alert(event({**WHOLE, "key": key}))


@pytest.mark.parametrize("data", [None, [], "alert", 7])
def test_an_alert_that_is_not_an_object_is_refused(data: Any) -> None:
    with pytest.raises(InvalidEvent, match="not a JSON object"):
        read_alert(event(data))


def test_an_event_of_another_type_is_refused() -> None:
    with pytest.raises(InvalidEvent, match=r"its type is 'tidegate.message'"):
        read_alert(event(type="tidegate.message"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def test_links_are_bounded() -> None:
    links = {f"link {number}{'x' * 100}": "https://x.example" for number in range(20)}
    read = read_alert(event({**WHOLE, "links": links})).links
    assert len(read) == 8
    assert all(len(name) <= 40 for name in read)


@given(st.dictionaries(st.sampled_from(sorted(WHOLE)), JSON))
def test_whatever_an_alert_holds_it_is_read_or_refused(data: dict[str, Any]) -> None:
    try:
        alert = read_alert(event(data))
    except InvalidEvent:
        return
    assert alert.key
    assert alert.title
    assert alert.source
    assert type(alert).model_validate_json(alert.model_dump_json()) == alert
    again = read_alert(Event.from_wire(event_of(alert, key="again").to_wire()))
    assert again.model_copy(update={"remarks": ()}) == alert.model_copy(update={"remarks": ()})


@pytest.mark.parametrize(
    "zero", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000+00:00"]
)
def test_a_zero_is_no_time(zero: str) -> None:
    alert = read_alert(event({**WHOLE, "starts_at": zero, "ends_at": zero}))
    assert (alert.starts_at, alert.ends_at) == (None, None)
    assert alert.remarks == ("it does not say when it began",)
