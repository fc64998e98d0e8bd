"""A page in no more characters than its channel takes: what a service refuses as too long wakes
nobody, however often it is tried.

The key is kept, then as many of the facts as fit, then the beginning of the text before them.
"""

from __future__ import annotations

from typing import Final

from core.domain.text import shortened

_GAP: Final = "\n\n"
_UNDER_TITLE: Final = len("\r\n")
_LEAST: Final = 40
"""Fewest characters of text that are worth a cut: less says nothing."""


def fitted(
    title: str, body: str, key: str, *, title_limit: int, limit: int, together: bool
) -> tuple[str, str]:
    """Title and body of at most so many characters. With `together`, or a `title_limit` of 0, the
    title is sent on the first line of the body, and counts there."""
    title = " ".join(title.split())
    left = limit
    if title_limit > 0:
        title = shortened(title, title_limit)
    if together or title_limit <= 0:
        title = shortened(title, max(limit // 3, limit - len(key) - _UNDER_TITLE))
        left -= len(title) + _UNDER_TITLE
    key = shortened(key, left)
    left -= len(key) + len(_GAP)
    text, _, facts = body.rpartition(_GAP)
    facts = _leading_lines(facts, left)
    left -= len(facts) + len(_GAP)
    return title, _GAP.join(filter(None, (_cut(text, left), facts, key)))


def _leading_lines(facts: str, limit: int) -> str:
    """As many whole lines as fit; the beginning of the first if not even that does."""
    if len(facts) <= limit:
        return facts
    head = facts[: max(limit + 1, 0)]
    return head.rpartition("\n")[0] or _cut(facts.partition("\n")[0], limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else shortened(text, limit) if limit >= _LEAST else ""
