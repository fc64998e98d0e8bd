"""What counts as JSON, for every format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidEvent
from core.formats.shared.json_body import MAX_DEPTH, load_json


def nest(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"{", "the body is not JSON: Expecting property name"),
        (b"{} {}", "the body is not JSON: Extra data"),
        (b"{'a': 1}", "the body is not JSON: Expecting property name"),
        (b"NaN", "the body is not JSON: NaN is not a JSON number"),
        (b'{"a": -Infinity}', "the body is not JSON: -Infinity is not a JSON number"),
        (b'{"a": 1e999}', "the event cannot be written as JSON"),
        (b'{"a": -1E999}', "the event cannot be written as JSON"),
        (rb'{"a": "\ud800"}', "the event cannot be written as JSON"),
        (rb'{"\udfff": 1}', "the event cannot be written as JSON"),
        (b"1" * 5000, "the body is not JSON: Exceeds the limit"),
        (b'"\xff"', "the body is not UTF-8"),
        (b'"\xed\xa0\x80"', "the body is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "the body is not UTF-8"),
        (nest(MAX_DEPTH + 1), f"the body nests deeper than {MAX_DEPTH} levels"),
        (b"[" * 100_000, "the body is not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "the body is not JSON"),
    ],
)
def test_what_is_not_json_is_refused_with_the_reason(body: bytes, message: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        load_json(body)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),  # a byte-order mark is tolerated
        (rb'"\ud83d\ude00"', "😀"),  # a pair of surrogates is one character
        (b"1e400".replace(b"400", b"300"), 1e300),
        (b"9" * 1000, int("9" * 1000)),
        (b'"[[[["', "[[[["),
        (json.dumps("{" * 1000).encode(), "{" * 1000),
        (b"[" + b"{}," * 1000 + b"1]", [*[{}] * 1000, 1]),
    ],
)
def test_unusual_json_is_read(body: bytes, value: Any) -> None:
    assert load_json(body) == value


def test_json_may_nest_to_the_limit() -> None:
    assert load_json(nest(MAX_DEPTH))


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read_or_refused_and_what_is_read_can_be_written_again(body: bytes) -> None:
    try:
        value = load_json(body)
    except InvalidEvent:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
