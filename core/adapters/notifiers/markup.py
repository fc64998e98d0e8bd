"""Text of senders, without what a channel would obey: a mention that wakes a whole team, or a link
that shows another address than its own.

Channels read the same text by different rules, and some by rules that their users switch on, so all
of it is neutralised for all of them: a character that has no width breaks it up.
"""

from __future__ import annotations

import re
from typing import Final

_GAP: Final = "\u200b"
_MENTION: Final = re.compile(r"(?<![\w/.-])@(?=[a-z])|@(?=(?:all|channel|everyone|here)\b)", re.I)
"""A mention of somebody, but neither an address of mail nor a part of a URL; or of everybody,
wherever it stands."""
_TAG: Final = re.compile(r"<(?=[@!#]|/?at\b|https?:)", re.I)
"""Mentions and masked links of Slack, Discord and Teams."""
_MASKED_LINK: Final = re.compile(r"\](?=[(\[])")
"""The middle of `[shown](address)` in Markdown."""


def harmless(text: str) -> str:
    """The text, which reads the same, with every mention and masked link broken up."""
    text = _MENTION.sub(f"@{_GAP}", text)
    text = _TAG.sub(f"<{_GAP}", text)
    return _MASKED_LINK.sub(f"]{_GAP}", text)
