"""A page in the size that its channel takes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.adapters.notifiers.fitting import fitted

FACTS = "Severity: critical\nService: checkout\nIncident: incident:am:5f2e@1"
KEY = "Page: incident:am:5f2e@1/level-1/repeat-1/chat"
TEXT = "The checkout fails. " * 200
BODY = f"{TEXT}\n\n{FACTS}"


def fit(
    body: str = BODY,
    *,
    title: str = "[CRITICAL] Checkout",
    limit: int,
    title_limit: int = 250,
    together: bool = False,
) -> tuple[str, str]:
    return fitted(title, body, KEY, title_limit=title_limit, limit=limit, together=together)


def test_what_fits_is_sent_as_it_is() -> None:
    assert fit(limit=10_000) == ("[CRITICAL] Checkout", f"{BODY}\n\n{KEY}")


def test_the_text_is_cut_and_the_facts_and_the_key_are_kept() -> None:
    _, body = fit(limit=500)
    assert len(body) <= 500
    text, facts, key = body.rsplit("\n\n", 2)
    assert (facts, key) == (FACTS, KEY)
    assert TEXT.startswith(text.removesuffix("..."))
    assert len(text) > 300


def test_before_a_fact_is_cut_the_text_is_left_out_and_the_last_facts_go_first() -> None:
    _, body = fit(limit=len(KEY) + 2 + len("Severity: critical\nService: checkout"))
    assert body == f"Severity: critical\nService: checkout\n\n{KEY}"


def test_with_no_room_for_more_the_key_is_all() -> None:
    assert fit(limit=len(KEY) + 5) == ("[CRITICAL] Checkout", KEY)


def test_a_title_that_is_sent_in_the_body_counts_there() -> None:
    for title, body in (fit(limit=160, title_limit=0), fit(limit=160, together=True)):
        assert len(f"{title}\r\n{body}") <= 160
        assert title == "[CRITICAL] Checkout"
        assert body.endswith(KEY)


def test_a_long_title_leaves_room_for_the_key() -> None:
    title, body = fit(title="x" * 1000, limit=160, title_limit=0)
    assert len(f"{title}\r\n{body}") <= 160
    assert title.endswith("...")
    assert body.endswith(KEY)


ACTION = "Acknowledge: tidegate incident ack k7m2qx"
RUNBOOK = "Runbook: https://runbooks.example/checkout"
HANDLED = "Page: k7m2qx/level-1/repeat-1/chat"


@pytest.mark.parametrize(
    ("limit", "title_limit", "together", "kept"),
    [
        (160, 0, False, [ACTION]),
        (280, 0, False, [ACTION, RUNBOOK]),
        (1024, 250, False, [ACTION, RUNBOOK]),
        (2000, 256, True, [ACTION, RUNBOOK]),
    ],
)
def test_how_to_acknowledge_and_the_runbook_outlive_a_long_title_and_a_long_text(
    limit: int, title_limit: int, together: bool, kept: list[str]
) -> None:
    links = "\n".join(f"Link: https://logs.example/{'x' * 500}{number}" for number in range(8))
    body = f"{TEXT}\n\n{ACTION}\n{RUNBOOK}\nService: checkout\n{links}"
    title, cut = fitted(
        "T" * 400, body, HANDLED, title_limit=title_limit, limit=limit, together=together
    )
    assert [line for line in (ACTION, RUNBOOK) if line in cut.splitlines()] == kept
    assert title.startswith("TTT")


def test_a_fact_that_does_not_fit_makes_room_for_those_after_it() -> None:
    _, body = fit(f"{TEXT}\n\n{ACTION}\nRunbook: https://{'x' * 900}\nService: shop", limit=300)
    assert f"{ACTION}\nService: shop" in body
    assert "xxx" not in body


def test_a_body_of_one_long_line_is_cut_too() -> None:
    _, body = fit("x" * 5000, limit=1024)
    assert len(body) <= 1024
    assert body.startswith("xxx")
    assert body.endswith(KEY)


@given(
    st.text(max_size=300),
    st.text(st.sampled_from("ab\n "), max_size=500),
    st.text(min_size=1, max_size=300),
    st.integers(0, 250),
    st.integers(100, 2000),
    st.booleans(),
)
@example("t" * 300, "", "k" * 300, 0, 100, True)
def test_no_page_is_ever_longer_than_its_channel_takes(
    title: str, body: str, key: str, title_limit: int, limit: int, together: bool
) -> None:
    title, body = fitted(title, body, key, title_limit=title_limit, limit=limit, together=together)
    if together or not title_limit:
        assert len(f"{title}\r\n{body}") <= limit
    else:
        assert len(title) <= title_limit
        assert len(body) <= limit
    assert body


def test_of_the_first_facts_one_that_cannot_fit_costs_the_title_nothing() -> None:
    link = f"I have it: https://app.example/i/{'x' * 300}"
    title = "[CRITICAL] The checkout of the shop answers 500"
    body = f"Acknowledge: tidegate incident ack k7m2qx\n{link}\nService: checkout"
    first, rest = fit(body, title=title, limit=160, together=True)
    assert first == title
    kept = "Acknowledge: tidegate incident ack k7m2qx\nService: checkout"
    assert rest == f"{kept}\n\n{KEY}"
    longer = f"{title} in Lisbon"
    assert len(longer) > 160 // 3
    first, rest = fit(body, title=longer, limit=160, together=True)
    assert (first, rest) == (longer, f"Acknowledge: tidegate incident ack k7m2qx\n\n{KEY}")
    first, rest = fit(body, title="x" * 400, limit=700, title_limit=0)
    assert len(first) < 400
    assert rest.startswith(f"Acknowledge: tidegate incident ack k7m2qx\n{link}\n")
