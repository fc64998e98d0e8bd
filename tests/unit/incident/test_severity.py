from __future__ import annotations

import pytest

from core.domain.severity import ANYBODYS_WORDS, WORDS, Severity, severity_of

SOURCES = (
    "alertmanager",
    "azure-monitor",
    "cloudwatch",
    "datadog",
    "grafana",
    "opsgenie",
    "pagerduty",
    "sentry",
    "zabbix",
    "of our own",
    None,
)

# fmt: off
TABLE = {
    "critical": ("page", "P0", "P1", "S0", "S1", "Sev0", "Sev1", "fatal", "crit", "emergency",
                 "emerg", "panic", "alert", "disaster", "urgent", "blocker", "highest"),
    "high":     ("error", "err", "P2", "S2", "Sev2", "major", "severe", "serious", "important"),
    "medium":   ("warning", "warn", "P3", "S3", "Sev3", "minor", "average", "moderate"),
    "low":      ("P4", "S4", "Sev4", "notice", "trivial"),
    "info":     ("P5", "S5", "Sev5", "none", "debug", "trace", "verbose", "information",
                 "informational", "lowest"),
}
"""What words mean from every source that has no other meaning for them."""

OWN = {
    "azure-monitor": {"Sev0": "critical", "Sev1": "high", "Sev2": "medium", "Sev3": "low",
                      "Sev4": "info"},
    "datadog": {"1": "critical", "2": "high", "3": "medium", "4": "low", "5": "info"},
    "zabbix": {"1": "info", "2": "medium", "3": "medium", "4": "high", "5": "critical"},
}
# fmt: on
CELLS = [(word, ours) for ours, words in TABLE.items() for word in words]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("word", "ours"), CELLS)
def test_a_word_means_the_same_from_every_source_that_has_no_other_meaning_for_it(
    source: str | None, word: str, ours: str
) -> None:
    if word not in OWN.get(source or "", {}):
        assert severity_of(word, source) == ours
        assert severity_of(f" {word.upper()} ", source) == ours


@pytest.mark.parametrize(
    ("source", "word", "ours"),
    [(source, word, ours) for source, words in OWN.items() for word, ours in words.items()],
)
def test_a_source_s_own_meaning_of_a_word_comes_first(source: str, word: str, ours: str) -> None:
    assert severity_of(word, source) == ours


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("ours", list(Severity))
def test_our_own_words_count_for_every_source(source: str | None, ours: Severity) -> None:
    assert severity_of(ours.value, source) is ours


@pytest.mark.parametrize(
    "word",
    ["SEV1", "Sev-1", "sev_1", "SEV 1", "Severity 1", "severity-1", "p1", "P-1", "Priority 1"],
)
def test_a_numbered_word_may_be_spelt_in_any_way(word: str) -> None:
    assert severity_of(word, "pagerduty") == "critical"
    assert severity_of(word.replace("1", "2"), "alertmanager") == "high"


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("P1 - Critical", "critical"),
        ("P2 (urgent)", "high"),
        ("SEV-2: degraded", "high"),
        ("Priority: 4", "low"),
        ("p3 ticket", "medium"),
        ("1 - Critical", "critical"),
        ("2-High", "high"),
        ("3 - Moderate", "medium"),
        ("4. Low", "low"),
        ("Critical (P1)", "critical"),
        ("High - P2", "high"),
        ("warning/3", "medium"),
    ],
)
def test_a_name_beside_it_changes_nothing(text: str, ours: str) -> None:
    assert severity_of(text, "pagerduty") == ours
    assert severity_of(text.upper(), "alertmanager") == ours


def test_azure_s_own_numbers_count_however_they_are_spelt() -> None:
    assert [severity_of(word, "azure-monitor") for word in ("sev1", "Sev-1")] == ["high"] * 2


@pytest.mark.parametrize(
    ("word", "source"),
    [
        (None, "alertmanager"),
        ("", "alertmanager"),
        ("catastrophic", "alertmanager"),
        ("Sev9", "azure-monitor"),
        ("P6", "opsgenie"),
        ("warnings", None),
        ("not critical", None),
        ("non-critical", None),
        ("5 - Planning", "alertmanager"),
        ("P95 latency", "alertmanager"),
        ("P12", "opsgenie"),
        ("1 - 2", None),
        ("not classified", "zabbix"),  # as Zabbix says that nobody has decided
        ("0", "zabbix"),
        *((number, source) for number in "123456" for source in ("alertmanager", "sentry", None)),
    ],
)
def test_any_other_word_is_unknown_and_a_bare_number_means_nothing_by_itself(
    word: str | None, source: str | None
) -> None:
    assert severity_of(word, source) is None


def test_every_word_is_in_a_table_above() -> None:
    assert {word.lower() for word, _ in CELLS} == set(ANYBODYS_WORDS)
    assert {source: {word.lower() for word in words} for source, words in OWN.items()} == {
        source: set(words) for source, words in WORDS.items()
    }
