from __future__ import annotations

from urllib.parse import quote

import pytest

from core.adapters.notifiers.redaction import redacted


@pytest.mark.parametrize("written", ["15557654321", "+1 (555) 765-4321", "1-555-765-4321"])
@pytest.mark.parametrize("quoted", ["15557654321", "+1 555 765 4321", "1-555-7654321"])
def test_no_failure_quotes_a_telephone_number(written: str, quoted: str) -> None:
    url = f"clicksend://user:apikey12345@host/{quote(written)}"
    assert redacted(f"Failed to send to {quoted}, error=500.", url) == (
        "Failed to send to ***, error=500."
    )


@pytest.mark.parametrize(
    ("url", "quoted", "shown"),
    [
        ("https://h.example/ana%40home", "https://h.example/ana%40home", "***"),
        ("https://h.example/ana%40home", "https://h.example/ana@home", "***"),
        ("https://h.example/hook?key=abc-canary", "abc-canary", "abc-***"),
        ("https://h.example/hook", "hunter2", "***"),
    ],
)
def test_no_failure_quotes_the_address_or_a_secret(url: str, quoted: str, shown: str) -> None:
    assert redacted(f"no such user: {quoted}", url, ["hunter2"]) == f"no such user: {shown}"


def test_a_reason_is_one_line_of_at_most_200_characters() -> None:
    assert redacted("one\n two\x1b[0m", "https://h.example/") == "one two [0m"
    assert len(redacted("x " * 500, "https://h.example/")) <= 200


def test_no_failure_quotes_the_token_of_a_link() -> None:
    token = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJpbmNpZGVudCJ9.{'x_-9' * 10}abc"
    said = f'cannot send {{"text": "I have it: https://app.example/i/{token}"}}'
    expected = 'cannot send {"text": "I have it: https://app.example/i/***"}'
    assert redacted(said, "json://h/") == expected
