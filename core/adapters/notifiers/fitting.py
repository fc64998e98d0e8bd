"""A page in no more characters than its channel takes: what a service refuses as too long wakes
nobody, however often it is tried.

The key is kept, then as many of the facts as fit, the first ones before the whole of a title that
counts as text, then the beginning of the text before them.
"""

from __future__ import annotations

from typing import Final

from core.domain.text import shortened

_GAP: Final = "\n\n"
_UNDER_TITLE: Final = len("\r\n")
_FIRST_FACTS: Final = 2
"""How many facts are worth more than the end of a title: how to acknowledge, and the runbook or a
link that acknowledges, as far as they fit."""
_LEAST: Final = 40
"""Fewest characters of text that are worth a cut: less says nothing."""


def fitted(
    title: str, body: str, key: str, *, title_limit: int, limit: int, together: bool
) -> tuple[str, str]:
    """Title and body of at most so many characters. With `together`, or a `title_limit` of 0, the
    title is sent on the first line of the body, and counts there."""
    title = " ".join(title.split())
    left = limit
    text, _, facts = body.rpartition(_GAP)
    if title_limit > 0:
        title = shortened(title, title_limit)
    if together or title_limit <= 0:
        room = limit - limit // 3 - _UNDER_TITLE - len(_GAP) - len(key)
        first = _fitting_lines("\n".join(facts.split("\n")[:_FIRST_FACTS]), room)
        others = _UNDER_TITLE + len(first) + len(_GAP) + len(key)
        title = shortened(title, max(limit // 3, limit - others))
        left -= len(title) + _UNDER_TITLE
    key = shortened(key, left)
    left -= len(key) + len(_GAP)
    facts = _fitting_lines(facts, left)
    left -= len(facts) + len(_GAP)
    return title, _GAP.join(filter(None, (_cut(text, left), facts, key)))


def _fitting_lines(facts: str, limit: int) -> str:
    """The lines that fit, in their order, each whole, because half an address leads nowhere; the
    beginning of the first if none does."""
    kept: list[str] = []
    left = limit
    for line in facts.split("\n"):
        if len(line) <= left:
            kept.append(line)
            left -= len(line) + 1
    return "\n".join(kept) or _cut(facts.partition("\n")[0], limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else shortened(text, limit) if limit >= _LEAST else ""
