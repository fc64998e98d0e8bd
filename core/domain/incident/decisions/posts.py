"""Posts: the messages that targets have in chats, which show how the incident stands.

One update of each is in flight at a time. What happens meanwhile is gathered for the next, so that
a storm of changes costs no more calls than the chat answers in that time. What an update could not
show is shown by the next one; nothing retries for the sake of a message alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from core.domain.incident.inputs import PostSettled
from core.domain.incident.model import Incident
from core.domain.incident.timeline import (
    Posted,
    PostLost,
    PostNotUpdated,
    PostUpdated,
    PostUpdateStarted,
    TimelineEvent,
)
from core.domain.targets import Post


def posted(
    incident: Incident, posts: Mapping[str, Post], now: datetime, *, outdated: bool = False
) -> list[TimelineEvent]:
    """That targets have messages, as far as it is new. They are `outdated` if the incident has
    changed since they were written."""
    known = {target: state.post for target, state in incident.posts.items()}
    return [
        Posted(at=now, target=target, post=post, outdated=outdated)
        for target, post in posts.items()
        if known.get(target) != post
    ]


def due(incident: Incident) -> datetime | None:
    """When a message is to be updated: as soon as it is out of date and no update is in flight."""
    waiting = [
        state.changed_at
        for state in incident.posts.values()
        if state.changed_at and state.sending is None
    ]
    return min(waiting, default=None)


def update(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """An update of every message that is out of date."""
    return [
        PostUpdateStarted(at=now, target=target, number=state.number + 1)
        for target, state in incident.posts.items()
        if state.changed_at and state.sending is None
    ]


def last_updates(incident: Incident, now: datetime) -> list[PostUpdateStarted]:
    """The same of every message, also if an update is in flight: nobody waits for that any more."""
    return [
        PostUpdateStarted(at=now, target=target, number=state.number + 1)
        for target, state in incident.posts.items()
        if state.changed_at
    ]


def settled(incident: Incident, input: PostSettled, now: datetime) -> list[TimelineEvent]:
    """What became of an update."""
    state = incident.posts.get(input.target)
    if state is None or state.sending is None or state.number != input.number:
        return []
    if input.post:
        return [PostUpdated(at=now, target=input.target, post=input.post)]
    reason = input.failure or "no reason is known"
    kind = PostLost if input.lost else PostNotUpdated
    return [kind(at=now, target=input.target, reason=reason)]
