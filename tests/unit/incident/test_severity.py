from __future__ import annotations

import pytest

from core.domain.incident.severity import Severity, severity_of

# fmt: off
TABLE = {
    #          alertmanager, grafana    pagerduty             priority  azure   sentry
    "critical": (("critical", "page"),  ("critical", "P1"),   ("P1",),  ("Sev0",), ("fatal",)),
    "high":     (("error", "high"),     ("error", "P2"),      ("P2",),  ("Sev1",), ("error",)),
    "medium":   (("warning", "medium"), ("warning", "P3"),    ("P3",),  ("Sev2",), ("warning",)),
    "low":      (("low",),              ("P4",),              ("P4",),  ("Sev3",), ()),
    "info":     (("info", "none"),      ("info", "P5"),       ("P5",),  ("Sev4",), ("info",)),
}
# fmt: on
COLUMNS = (
    ("alertmanager", "grafana"),
    ("pagerduty",),
    ("opsgenie", "datadog"),
    ("azure-monitor",),
    ("sentry",),
)
CELLS = [
    (source, word, ours)
    for ours, cells in TABLE.items()
    for sources, words in zip(COLUMNS, cells, strict=True)
    for source in sources
    for word in words
] + [("sentry", "debug", "info")]


@pytest.mark.parametrize(("source", "word", "ours"), CELLS)
def test_every_source_has_its_own_words(source: str, word: str, ours: str) -> None:
    assert severity_of(word, source) == ours
    assert severity_of(f" {word.upper()} ", source) == ours


@pytest.mark.parametrize("source", ["alertmanager", "sentry", "cloudwatch", "of our own", None])
@pytest.mark.parametrize("ours", list(Severity))
def test_our_own_words_count_for_every_source(source: str | None, ours: Severity) -> None:
    assert severity_of(ours.value, source) is ours


@pytest.mark.parametrize(
    ("word", "source"),
    [
        (None, "alertmanager"),
        ("", "alertmanager"),
        ("catastrophic", "alertmanager"),
        ("P1", "alertmanager"),
        ("fatal", "azure-monitor"),
        ("Sev5", "azure-monitor"),
        ("warning", None),
    ],
)
def test_a_word_that_is_not_the_sources_own_means_nothing(
    word: str | None, source: str | None
) -> None:
    assert severity_of(word, source) is None


def test_an_unknown_source_may_use_any_known_word() -> None:
    assert [severity_of(word, "x") for word in ("page", "P2", "Sev2", "debug", "loud")] == [
        "critical",
        "high",
        "medium",
        "info",
        None,
    ]


def test_no_two_sources_mean_different_things_by_one_word() -> None:
    meanings: dict[str, set[str]] = {}
    for _, word, ours in CELLS:
        meanings.setdefault(word.lower(), set()).add(ours)
    assert {word for word, found in meanings.items() if len(found) > 1} == set()
