"""Severity: five levels, and which of them each source's own words mean.

A report or alert with an unknown severity must still wake somebody, so it is not refused: it gets
the configured default, and the timeline says that this was assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
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

_P: Final = {f"p{n}": severity for n, severity in enumerate(Severity, start=1)}

WORDS: Final[Mapping[str, Mapping[str, Severity]]] = {
    "azure-monitor": {f"sev{n}": severity for n, severity in enumerate(Severity)},
    "datadog": {str(n): severity for n, severity in enumerate(Severity, start=1)},
    "zabbix": {
        "1": Severity.INFO,
        "2": Severity.MEDIUM,
        "3": Severity.MEDIUM,
        "4": Severity.HIGH,
        "5": Severity.CRITICAL,
    },
}
"""Words that mean something else from this source than from others, and numbers, which mean
something only where a source says what. Azure counts from `Sev0`, everybody else from `Sev1`."""

ANYBODYS_WORDS: Final[Mapping[str, Severity]] = {
    **_P,
    **{word.replace("p", letter): each for word, each in _P.items() for letter in ("s", "sev")},
    **dict.fromkeys(("p0", "s0", "sev0"), Severity.CRITICAL),
    **dict.fromkeys(("alert", "crit", "emerg", "emergency", "panic"), Severity.CRITICAL),
    **dict.fromkeys(
        ("blocker", "disaster", "fatal", "highest", "page", "urgent"), Severity.CRITICAL
    ),
    **dict.fromkeys(("err", "error", "important", "major", "serious", "severe"), Severity.HIGH),
    **dict.fromkeys(("average", "minor", "moderate", "warn", "warning"), Severity.MEDIUM),
    **dict.fromkeys(("notice", "trivial"), Severity.LOW),
    **dict.fromkeys(
        ("debug", "information", "informational", "lowest", "none", "trace", "verbose"),
        Severity.INFO,
    ),
}
"""What a word means from any source that has no other meaning for it."""

_CODE: Final = r"(?P<family>p|priority|s|sev|severity)[ _:#-]{0,2}(?P<number>\d)"
_NAMED: Final = re.compile(
    rf"(\d{{1,2}} ?[-:.)] ?)?({_CODE}(?!\w).*|(?P<word>[a-z]+)( ?[-:(\[/,].*)?)", re.DOTALL
)
"""A code or a word, with what people add: `P1 - Critical`, `1 - Critical`, `Critical (P1)`."""
_FAMILIES: Final = {"priority": "p", "severity": "sev"}


def severity_of(text: str | None, source: str | None = None) -> Severity | None:
    """The severity that a text means, in any case and with blanks around it; None if unknown.

    Our own five words mean the same from every source. Any other word means what it means to the
    `source`, else what it means to everybody: so an Alertmanager's label may say `P1` or `SEV-1`.
    A name beside it changes nothing: `P1 - Critical`, `1 - Critical`, `Critical (P1)`.
    """
    word = (text or "").strip().lower()
    if named := _NAMED.fullmatch(word):
        family, number = named["family"], named["number"]
        word = named["word"] or f"{_FAMILIES.get(family, family)}{number}"
    try:
        return Severity(word)
    except ValueError:
        return WORDS.get(source or "", {}).get(word) or ANYBODYS_WORDS.get(word)
