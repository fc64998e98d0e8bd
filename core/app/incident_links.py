"""What a link in a page leads to: one incident, and a button.

A GET changes nothing, however often it is sent and by whom: browsers, mail programs and chats fetch
links before anybody sees them. Only a POST acts, by a signal, so that neither of the two takes a
worker. The token in the address is all the authority there is, no cookie: another site cannot make
somebody's browser act without the link itself.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlencode

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from core.adapters.temporal import incidents
from core.adapters.temporal.incident_list import IncidentSummary
from core.app.bodies import NotRead, body_of
from core.app.connection import Connection
from core.app.pages import Refused, page
from core.domain.command import LONGEST_NAME, Actor, Proof, may_be_a_person
from core.domain.durations import format_age
from core.domain.handles import handle_of
from core.domain.incident.command_states import EFFECTIVE_IN
from core.domain.incident.commands import Acknowledge, Reopen
from core.domain.incident.status import Status
from core.domain.text import shortened
from core.errors import (
    CommandRefused,
    ConfigurationError,
    ExpiredLink,
    IncidentNotFound,
    InvalidLink,
    TemporalUnavailable,
    TidegateError,
    TransientError,
)
from core.links import Link, LinkCommand, LinkKeys

if TYPE_CHECKING:
    from temporalio.client import Client

log = logging.getLogger("tidegate.app")

LONGEST_BODY: Final = 4096
"""In bytes."""

RETRY_AFTER: Final = 5
"""Seconds that a browser is asked to wait while something is unavailable."""

_TITLE_CHARS: Final = 300
_NOT_READ: Final = {
    "TooLarge": ("That is too much", "A name is all that fits here."),
    "TooSlow": ("That took too long", "Nothing was done. It does no harm to try again."),
    "Disconnected": ("Nothing was done", "It was not sent whole."),
}
_ACTOR: Final = TypeAdapter[str](Actor)


class IncidentLinks:
    """The two answers to a link. Temporal has `timeout` seconds for each, and so has a sender for a
    form. `console` is the console's path, where there is one."""

    def __init__(
        self,
        *,
        keys: LinkKeys,
        temporal: Connection,
        timeout: float,
        console: str | None = None,
    ) -> None:
        self._console = console
        self._keys = keys
        self._temporal = temporal
        self._timeout = timeout

    async def answer(self, request: Request) -> Response:
        """The answer to whoever uses the link. Raises `Refused`."""
        return await (self.act if request.method == "POST" else self.show)(request)

    async def show(self, request: Request) -> Response:
        """How the incident stands, and the button, where there is something to do."""
        link = await self._read(request.path_params["token"])
        async with self._client(link) as client:
            incident = await incidents.summary(client, link.incident_id)
        return self._page(link, incident)

    async def act(self, request: Request) -> Response:
        """Acknowledge the incident, for the person that the link was sent to, or for whoever of a
        shared target gives a name."""
        token = request.path_params["token"]
        link = await self._read(token)
        if link.command is not LinkCommand.ACKNOWLEDGE:
            raise Refused(
                405,
                "ShowsOnly",
                "This link only shows the incident",
                "The page has another one, to acknowledge it.",
                headers={"Allow": "GET, HEAD"},
            )
        body = await self._body(request)
        async with self._client(link) as client:
            incident = await incidents.summary(client, link.incident_id)
            if _obstacle(incident):
                return self._page(link, incident, status=409)
            try:
                actor = link.person or _name(body)
            except ValueError:
                problem = f"Type your name, at most {LONGEST_NAME} characters."
                return self._page(link, incident, status=400, problem=problem)
            if _has_it(incident) == actor:
                return self._page(link, incident, actor=actor)
            fields = {
                # Each press is a command of its own: pressed twice it changes nothing, and after
                # the incident was given back it acknowledges again.
                "command_id": f"link-{uuid.uuid4().hex}",
                "actor": actor,
                "proof": Proof.LINK.value,
                "note": link.target and f"by the link that was sent to {link.target}",
            }
            await incidents.signal(client, link.incident_id, Acknowledge.name, fields)
        return self._page(link, incident, status=202, actor=actor, sent=True)

    def _page(self, link: Link, incident: IncidentSummary, **more: Any) -> Response:
        return _incident_page(link, incident, console=self._in_console(link.incident_id), **more)

    def _in_console(self, incident_id: str) -> str | None:
        """Where the console shows an incident, to whoever signs in."""
        if self._console is None:
            return None
        return f"{self._console}/incident?{urlencode({'id': incident_id})}"

    async def _read(self, token: str) -> Link:
        try:
            return await self._keys.read(token, datetime.now(UTC))
        except InvalidLink as error:
            raise Refused(
                404,
                error.code,
                "There is no such link",
                "Open it as it stands in the page, to its last character.",
            ) from error
        except ExpiredLink as error:
            raise Refused(
                410,
                error.code,
                "This link has expired",
                "Nothing was done. Newer pages of the incident have newer links; with credentials "
                "of Temporal, these commands do what it did:",
                commands=_by_hand(error.link.incident_id),
                link=self._in_console(error.link.incident_id),
            ) from error
        except TidegateError as error:
            raise _unavailable(error) from error

    async def _body(self, request: Request) -> bytes:
        """Whatever was sent, which nobody without a link gets to be read."""
        try:
            return await body_of(request, longest=LONGEST_BODY, timeout=self._timeout)
        except NotRead as failure:
            heading, text = _NOT_READ[failure.code]
            raise Refused(
                failure.status, failure.code, heading, text, headers=failure.headers
            ) from None

    @asynccontextmanager
    async def _client(self, link: Link) -> AsyncIterator[Client]:
        """A client, in a block whose errors are refusals."""
        try:
            async with asyncio.timeout(self._timeout):
                yield await self._temporal.client()
        except IncidentNotFound as error:
            raise Refused(
                410,
                error.code,
                "This incident is gone",
                "Temporal keeps it no longer. What there was to do about it was done by others, or "
                "it follows in a newer incident:",
                commands=("tidegate incident list --all",),
                link=self._console,
            ) from error
        except CommandRefused as error:
            raise Refused(
                409,
                error.code,
                "This incident takes no commands any more",
                "It was closed meanwhile. What is possible:",
                commands=(f"tidegate incident show {handle_of(link.incident_id)}",),
                link=self._in_console(link.incident_id),
            ) from error
        except (TransientError, ConfigurationError, TimeoutError) as error:
            raise _unavailable(error, link) from error


def _name(body: bytes) -> str:
    """The actor in a form, as people type their names. Raises `ValueError` where none is there, or
    none that a person may have."""
    try:
        [typed, *_] = parse_qs(body.decode(), max_num_fields=10).get("name", [""])
    except ValueError:  # not UTF-8, or too many fields
        typed = ""
    name = _ACTOR.validate_python(typed)
    if not may_be_a_person(name):
        raise ValueError(f"{name!r} is not a person")
    return name


def _incident_page(
    link: Link,
    incident: IncidentSummary,
    *,
    console: str | None,
    status: int = 200,
    actor: str | None = None,
    sent: bool = False,
    problem: str | None = None,
) -> Response:
    """How an incident stands, for the `actor` who looks at it, if that is known. A command of
    theirs may have been `sent` a moment ago; `problem` is that of the name that was typed."""
    obstacle = _obstacle(incident)
    has_it, actor = _has_it(incident), actor or link.person
    mine = has_it is not None and has_it == actor
    acts = link.command is LinkCommand.ACKNOWLEDGE
    return page(
        "incident.html",
        status,
        title=shortened(incident.title or "An incident", _TITLE_CHARS),
        handle=incident.handle,
        severity=incident.severity,
        service=incident.service,
        state=incident.status,
        began=f"{incident.began.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        age=format_age(datetime.now(UTC) - incident.began),
        has_it=has_it,
        mine=mine,
        assignee=incident.assignee,
        button=acts and not obstacle and not mine and not sent,
        asks_name=link.person is None,
        longest_name=LONGEST_NAME,
        problem=problem,
        sent=actor if sent else None,
        obstacle=obstacle,
        commands=_commands(incident) if obstacle or not acts else (),
        link=console if obstacle or mine or not acts else None,
    )


def _has_it(incident: IncidentSummary) -> str | None:
    """Who acknowledged the incident last, while that counts."""
    return incident.acknowledged_by if incident.status == Status.ACKNOWLEDGED else None


def _obstacle(incident: IncidentSummary) -> str | None:
    """Why there is nothing to acknowledge; None if there is."""
    if incident.ended:
        return f"Its workflow has {incident.ended}: it takes no commands."
    if incident.status in EFFECTIVE_IN[Acknowledge.name]:
        return None
    match incident.status:
        case Status.MITIGATED:
            return "It is mitigated: its impact has stopped, and nobody is paged."
        case Status.RESOLVED:
            return "It is resolved: nobody is paged."
        case Status.CLOSED:
            return "It is closed: nothing can be changed any more."
        case _:
            return "It is not open yet: its alerts may still resolve by themselves."


def _commands(incident: IncidentSummary) -> tuple[str, ...]:
    """What can be typed about an incident."""
    show = f"tidegate incident show {incident.handle}"
    if incident.ended or incident.status == Status.CLOSED:
        return (show, f"tidegate incident open --follows {incident.handle}")
    if incident.status in EFFECTIVE_IN[Reopen.name]:
        return (show, f"tidegate incident reopen {incident.handle}")
    return _by_hand(incident.id)


def _by_hand(incident_id: str) -> tuple[str, ...]:
    """What does the same as links do."""
    handle = handle_of(incident_id)
    return (f"tidegate incident ack {handle}", f"tidegate incident show {handle}")


def _unavailable(error: Exception, link: Link | None = None) -> Refused:
    """What is said while Temporal, or the store of the keys, does not answer."""
    log.error("a link cannot be answered: %r", error)
    return Refused(
        503,
        error.code if isinstance(error, TidegateError) else TemporalUnavailable.__name__,
        "That does not work at the moment",
        "Something that this page needs does not answer. It does no harm to try again.",
        commands=_by_hand(link.incident_id) if link else (),
        headers={"Retry-After": str(RETRY_AFTER)},
    )
