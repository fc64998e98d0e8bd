from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.event import DOCUMENT_CREATED, Event
from core.domain.validation import EventValidationService, is_within
from core.errors import DocumentRefused, InvalidEvent, SettingsError

SERVICE = EventValidationService(documents=["s3://docs", "file:///data/in/"], max_bytes=2000)


def event(uri: str | None = None, data: Any = None) -> Event:
    if uri is None:
        return Event(id="1", source="/a", type="t", key="k", data=data)
    data = {"document": {"uri": uri}}
    return Event(id="1", source="/a", type=DOCUMENT_CREATED, key="k", data=data)


@pytest.mark.parametrize(
    "uri",
    ["s3://docs/a", "s3://docs/a/b.json", "s3://docs/..a", "s3://docs/a//b", "file:///data/in/x"],
)
def test_a_document_under_a_root_is_within(uri: str) -> None:
    assert is_within(uri, ["s3://docs", "file:///data/in/"])


@pytest.mark.parametrize(
    "uri",
    [
        "s3://docs2/a",  # a bucket whose name begins like the root's
        "s3://docs",
        "s3://doc/a",
        "s3://docs/../secret/a",
        "s3://docs/a/../../secret",
        "s3://docs/./a",
        "s3://docs/a/..",
        "S3://docs/a",
        "file:///data/inbox/x",
        "file:///data/in/../out/x",
        "https://docs/a",
        "docs/a",
        "",
    ],
)
def test_anything_else_is_not(uri: str) -> None:
    assert not is_within(uri, ["s3://docs", "file:///data/in/"])


def test_nothing_is_within_no_roots() -> None:
    assert not is_within("s3://docs/a", [])


@given(st.text(st.characters(exclude_characters="/"), max_size=10), st.text(max_size=10))
def test_no_other_bucket_is_ever_within(bucket: str, rest: str) -> None:
    assert is_within(f"s3://{bucket}/{rest}", ["s3://docs"]) <= (bucket == "docs")


def test_an_event_about_a_configured_document_is_valid() -> None:
    valid = event("s3://docs/a.json")
    assert SERVICE.validate(valid) is valid


def test_an_event_without_a_document_is_valid() -> None:
    valid = event()
    assert SERVICE.validate(valid) is valid


def test_a_document_elsewhere_is_refused_naming_the_event_the_document_and_the_roots() -> None:
    with pytest.raises(DocumentRefused) as caught:
        SERVICE.validate(event("s3://docs2/a.json"))
    assert str(caught.value) == (
        "event 'k': 's3://docs2/a.json' is outside the configured documents "
        "(s3://docs, file:///data/in/) (add its bucket, container or folder to TIDEGATE_DOCUMENTS "
        "if it is to be read)"
    )


def test_without_configured_documents_the_settings_are_at_fault() -> None:
    service = EventValidationService(documents=[], max_bytes=2000)
    service.validate(event())
    with pytest.raises(SettingsError, match="TIDEGATE_DOCUMENTS is not set"):
        service.validate(event("s3://docs/a.json"))


def test_an_event_may_be_as_large_as_the_limit_and_no_larger() -> None:
    room = 2000 - event(data="").size
    SERVICE.validate(event(data="x" * room))
    with pytest.raises(InvalidEvent) as caught:
        SERVICE.validate(event(data="x" * (room + 1)))
    assert str(caught.value) == (
        "the event has 2,001 bytes, over the limit of 2,000 "
        "(send large content as a document, or raise TIDEGATE_MAX_EVENT_BYTES)"
    )


def test_a_wire_form_is_read_and_validated_together() -> None:
    assert SERVICE.read(event("s3://docs/a").to_wire()) == event("s3://docs/a")
    with pytest.raises(DocumentRefused):
        SERVICE.read(event("s3://docs2/a").to_wire())
    with pytest.raises(InvalidEvent):
        SERVICE.read(["no", "event"])


def test_a_document_event_without_its_document_is_invalid() -> None:
    broken = Event(id="1", source="/a", type=DOCUMENT_CREATED, key="k", data={})
    with pytest.raises(InvalidEvent, match=r"data\.document is not a JSON object"):
        SERVICE.validate(broken)
