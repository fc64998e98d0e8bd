"""Effects: what the workflow has to do because of a decision. They say what, never how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import AwareDatetime, Field

from core.domain.alert import Alert
from core.domain.oncall.answer import Question
from core.domain.severity import Severity
from core.domain.targets import News, Post
from core.domain.value import Value

REPORT_KEY = "report"
"""The key that cancels the writing of the report; pages have their own keys."""


class Link(Value):
    """A web address, and what it leads to: runbook, dashboard, ..."""

    name: str
    url: str


class Message(Value):
    """What people read, in parts, and by what channels recognise it.

    `key` is the message's idempotency key, the same over all attempts. `action` is the one line to
    act on, `facts` are what whoever is woken needs first, `details` what they do not; each is one
    line. `dedup_key` is the incident's, for channels that keep one entry for all messages about it.
    It may have been sent before if it is sent `again`. For channels whose messages have buttons
    and are edited, `stands` is how the incident stands, `buttons` are the commands that they offer,
    and `posts` the messages that targets have already.
    """

    key: str
    title: str
    text: str = ""
    action: str
    facts: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    details: tuple[str, ...] = ()
    severity: Severity
    dedup_key: str
    again: bool = False
    stands: str = ""
    buttons: tuple[str, ...] = ()
    posts: Mapping[str, Post] = Field(default_factory=dict)

    def body(self, url: str | None = None, own: Sequence[Link] = ()) -> str:
        """The text, and in the last paragraph everything else, the most important first. `url` is
        the incident's address in a web application, where there is one; `own` are links of the
        receiver's own, the first of which acts."""
        runbooks = [link for link in self.links if link.name.lower().startswith("runbook")]
        others = [link for link in self.links if link not in runbooks]
        lines = [
            self.action,
            *map(_line, own[:1]),
            *map(_line, runbooks),
            *map(_line, own[1:]),
            *([f"Open: {url}"] if url else []),
            *self.facts,
            *map(_line, others),
            *self.details,
        ]
        return "\n\n".join(filter(None, (self.text.strip(), "\n".join(lines))))


def _line(link: Link) -> str:
    return f"{link.name.capitalize()}: {link.url}"


class Page(Message):
    """Notify one target, or the first of its fallbacks that can be reached if it cannot.

    `key` has the incident, level, repeat and target, and is the same over its rounds.
    """

    level: int
    target: str
    repeat: int = 1
    fallback: tuple[str, ...] = ()


class FollowUp(Message):
    """Tell targets that took a page what became of the incident, an assignee of the assignment, or
    somebody that somebody else has taken over. It is not on the timeline, and nobody has to answer
    it."""

    what: News
    targets: tuple[str, ...]


class UpdatePost(Message):
    """Have a target's message show how the incident stands now, and tell the `story` under it: what
    has happened since the update before, but for the `omitted` first lines."""

    target: str
    post: Post
    number: int
    story: tuple[str, ...] = ()
    omitted: int = 0


class FindOnCall(Value):
    """Ask who is on call, and what is silenced."""

    number: int
    question: Question


class CancelInFlight(Value):
    """Cancel what is in flight under these keys. What has ended, or does not stop, still counts."""

    keys: tuple[str, ...]


class WriteReport(Value):
    """Write the post-incident report of the resolution or closing at `as_of`."""

    as_of: AwareDatetime


class StartSuccessor(Value):
    """The event belongs to a new incident under the same workflow ID: start it when this one is
    finished. Events named by several of these belong to the same successor. `held` is the alert,
    where it was held until now and no event brings it."""

    event_key: str
    held: Alert | None = None


Effect = Page | FollowUp | UpdatePost | FindOnCall | CancelInFlight | WriteReport | StartSuccessor
