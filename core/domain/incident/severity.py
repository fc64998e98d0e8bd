"""Severity: five levels, and which of them each source's own words mean.

A report or alert with an unknown severity must still wake somebody, so it is not refused: it gets
the configured default, and the timeline says that this was assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import chain
from typing import Final


class Severity(StrEnum):
    """How bad it is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _ORDER.index(self)

    def is_worse_than(self, other: Severity) -> bool:
        return self.rank < other.rank


_ORDER: Final = tuple(Severity)
DEFAULT: Final = Severity.MEDIUM

_PROMETHEUS: Final = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "error": Severity.HIGH,
    "high": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "info": Severity.INFO,
    "none": Severity.INFO,
}
_PRIORITIES: Final = {f"p{n}": severity for n, severity in enumerate(Severity, start=1)}
_PAGERDUTY: Final = {
    "critical": Severity.CRITICAL,
    "error": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "info": Severity.INFO,
    **_PRIORITIES,  # a webhook carries the incident's priority instead
}
_AZURE: Final = {f"sev{n}": severity for n, severity in enumerate(Severity)}
_SENTRY: Final = {
    "fatal": Severity.CRITICAL,
    "error": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "info": Severity.INFO,
    "debug": Severity.INFO,
}

WORDS: Final[Mapping[str, Mapping[str, Severity]]] = {
    "alertmanager": _PROMETHEUS,
    "grafana": _PROMETHEUS,
    "pagerduty": _PAGERDUTY,
    "opsgenie": _PRIORITIES,
    "datadog": _PRIORITIES,
    "azure-monitor": _AZURE,
    "sentry": _SENTRY,
}
"""What each source's words mean. No two sources mean different things by one word, so the words of
any other source are looked up in all of them."""

_ALL_WORDS: Final = dict(chain.from_iterable(words.items() for words in WORDS.values()))


def severity_of(text: str | None, source: str | None = None) -> Severity | None:
    """The severity that a text means, in any case and with blanks around it; None if unknown.

    Our own five words always count. Besides, those of the `source` do if it is in `WORDS`, and all
    known words if it is another source.
    """
    word = (text or "").strip().lower()
    try:
        return Severity(word)
    except ValueError:
        return WORDS.get(source, _ALL_WORDS).get(word) if source is not None else None
