"""What a message of Slack's looks like, as blocks, within Slack's limits.

Whatever others wrote is escaped, so that none of it is a mention, a link or a command. The buttons
name the command and the incident: `core.app.slack` reads them.

Sources: Slack, "Block Kit: blocks", "Formatting text for app surfaces".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from core.domain.text import shortened
from core.ports.notifier import Notification

HEADER_CHARS: Final = 150
SECTION_CHARS: Final = 3000
"""Most of a section's text, and of what is told in one message of a thread."""
ACTION: Final = "tidegate:"
"""How the names of our buttons begin; the command follows."""
SNOOZE_SECONDS: Final = 3600

_LABELS: Final[Mapping[str, str]] = {
    "acknowledge": "Acknowledge",
    "escalate": "Escalate",
    "snooze": "Snooze 1 h",
    "resolve": "Resolve",
}
_CONFIRMED: Final[Mapping[str, str]] = {
    "escalate": "More people are paged now.",
    "resolve": "It counts as resolved, also if alerts still fire.",
}
"""What is asked before a command that wakes others, or ends the incident."""
_STYLES: Final[Mapping[str, str]] = {"acknowledge": "primary", "resolve": "danger"}
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_GAP: Final = "\n\n"


def escaped(text: str, limit: int) -> str:
    """The text as Slack shows it literally, in at most `limit` characters with its escapes, none of
    which is cut."""
    whole = "".join(_ESCAPES.get(each, each) for each in text)
    if len(whole) <= limit:
        return whole
    kept: list[str] = []
    left = limit - len("...")
    for each in text:
        written = _ESCAPES.get(each, each)
        if len(written) > left:
            break
        kept.append(written)
        left -= len(written)
    return "".join(kept).rstrip() + "..."


def summary(notification: Notification) -> str:
    """The message in one line, as notifications of a phone and screen readers have it."""
    title = " ".join(notification.title.split()) or "An incident"
    stands = f" ({notification.stands})" if notification.stands else ""
    return escaped(f"{shortened(title, 300)}{stands}", SECTION_CHARS)


def blocks(notification: Notification) -> list[dict[str, Any]]:
    """The message: title, how the incident stands, text and facts, buttons."""
    text, _, facts = notification.body.rpartition(_GAP)
    title = " ".join(notification.title.split()) or "An incident"
    shown: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(escaped(title, HEADER_CHARS))},
        *([_section(f"*{escaped(notification.stands, 300)}*")] if notification.stands else []),
        *([_section(escaped(text, SECTION_CHARS))] if text.strip() else []),
        *([_section(_lines(facts.split("\n"), SECTION_CHARS))] if facts.strip() else []),
    ]
    if notification.buttons:
        shown.append(
            {
                "type": "actions",
                "block_id": f"{ACTION}{notification.handle}",
                "elements": [_button(name, notification) for name in notification.buttons],
            }
        )
    return shown


def story(lines: Sequence[str]) -> str:
    """What is told under a message, the last lines if there are too many."""
    return _lines(lines[::-1], SECTION_CHARS, backwards=True)


def _lines(lines: Sequence[str], limit: int, *, backwards: bool = False) -> str:
    """As many lines as fit, each whole, or the beginning of the first."""
    kept: list[str] = []
    left = limit
    for line in lines:
        written = escaped(line, limit)
        if len(written) > left:
            break
        kept.append(written)
        left -= len(written) + 1
    return "\n".join(kept[::-1] if backwards else kept)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _button(name: str, notification: Notification) -> dict[str, Any]:
    button = {
        "type": "button",
        "action_id": f"{ACTION}{name}",
        "text": _plain(_LABELS[name]),
        "value": notification.incident_id,
    }
    if style := _STYLES.get(name):
        button["style"] = style
    if warning := _CONFIRMED.get(name):
        button["confirm"] = {
            "title": _plain(_LABELS[name]),
            "text": _plain(warning),
            "confirm": _plain(_LABELS[name]),
            "deny": _plain("Cancel"),
        }
    return button
