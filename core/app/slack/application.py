"""Slack's door to the HTTP application: the buttons of messages, and the slash command.

Nothing of a request is read before it is proven to be Slack's. Whoever asks acts as the person of
the on-call file to whom their user is mapped; nobody else acts. A command goes to the incident by a
signal, so that Slack, which waits three seconds, is answered while no worker runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from core import bootstrap
from core.adapters.notifiers.slack_blocks import escaped
from core.adapters.temporal import incidents
from core.app.services import Services
from core.app.slack.buttons import Press, press_of
from core.app.slack.requests import Refused, SlackRequests, payload_of, refused, text_of
from core.app.slack.slash import HELP, acknowledged, listed, on_call_now
from core.app.slack.words import ephemeral, word_to
from core.domain.command import Proof
from core.domain.handles import handle_of
from core.domain.incident.command_states import EFFECTIVE_IN
from core.errors import (
    AmbiguousId,
    CommandRefused,
    ConfigurationError,
    IncidentNotFound,
    TransientError,
)

if TYPE_CHECKING:
    from temporalio.client import Client

    from core.domain.oncall.file import OnCallFile

PATH: Final = "/slack"

_WITHIN: Final = 2.0
"""Seconds for whatever is asked of Temporal: Slack waits three for the whole."""
_WORD_CHARS: Final = 1000

log = logging.getLogger("tidegate.app")


def routes(reference: str, services: Services) -> list[BaseRoute]:
    """The two addresses of the app; `reference` is that of its signing secret. Raises
    `ConfigFileError` for a wrong on-call file."""
    file = bootstrap.oncall(services.settings)
    if not file.slack_users:
        log.warning("nobody in the on-call file has a user in Slack: all of them are unknown")
    slack = _Slack(
        requests=SlackRequests(reference, services.secrets, services.settings.slack_team),
        file=file,
        services=services,
    )
    application = Starlette(
        routes=[
            Route("/interactions", slack.pressed, methods=["POST"]),
            Route("/commands", slack.asked, methods=["POST"]),
        ],
        exception_handlers={Refused: refused},
    )
    application.router.redirect_slashes = False
    return [Mount(PATH, app=application)]


class _Slack:
    """The answers to one app's users."""

    def __init__(
        self,
        *,
        requests: SlackRequests,
        file: OnCallFile,
        services: Services,
    ) -> None:
        self._requests = requests
        self._file = file
        self._services = services

    async def pressed(self, request: Request) -> Response:
        """The answer to an interaction: empty, and a word to the user who pressed a button."""
        payload = payload_of(await self._requests.form(request))
        user = payload.get("user")
        self._requests.check_team(text_of(payload, "team", "id"), text_of(user, "team_id"))
        press = press_of(payload)
        if press is None:  # a link among the buttons, say
            return Response()
        person = self._file.slack_users.get(text_of(user, "id"))
        if person is None:
            status, text = HTTPStatus.OK, _unknown(text_of(user, "id"))
        else:
            status, text = await self._try(lambda client: _give(client, press, person))
        return Response(
            status_code=status, background=word_to(text_of(payload, "response_url"), text)
        )

    async def asked(self, request: Request) -> Response:
        """The answer to the slash command, which its user alone sees."""
        form = await self._requests.form(request)
        self._requests.check_team(form.get("team_id"))
        word, _, rest = " ".join(form.get("text", "").split()).partition(" ")
        person = self._file.slack_users.get(form.get("user_id", ""))
        if person is None:
            return _word(_unknown(form.get("user_id", "")))
        ask = self._what(word.lower(), rest, person, form)
        if ask is None:
            return _word(HELP)
        _, text = await self._try(ask)
        return _word(text)

    def _what(
        self, word: str, rest: str, person: str, form: Mapping[str, str]
    ) -> Callable[[Client], Awaitable[str]] | None:
        """What a word of the slash command asks for; None for help."""
        match word:
            case "list":
                return listed
            case "ack":
                trigger = form.get("trigger_id", "")
                return lambda client: acknowledged(client, person, rest, trigger)
            case "oncall":
                return lambda _: on_call_now(self._services.rotas, self._file)
            case _:
                return None

    async def _try(self, ask: Callable[[Client], Awaitable[str]]) -> tuple[HTTPStatus, str]:
        """The word that answers, and the status: Slack shows a user that something failed."""
        try:
            async with asyncio.timeout(_WITHIN):
                return HTTPStatus.OK, await ask(await self._services.client())
        except (IncidentNotFound, AmbiguousId, CommandRefused) as error:
            log.warning("refused: %s (%d)", error.code, HTTPStatus.OK)
            return HTTPStatus.OK, escaped(f"Nothing was done: {error.message}", _WORD_CHARS)
        except (TransientError, ConfigurationError, TimeoutError) as error:
            log.error("Slack cannot be answered: %r", error)
            return HTTPStatus.SERVICE_UNAVAILABLE, (
                "That does not work at the moment. It may still be done: look before you try again."
            )


async def _give(client: Client, press: Press, person: str) -> str:
    """Give the command of a press, where it has an effect."""
    handle = handle_of(press.incident_id)
    incident = await incidents.summary(client, press.incident_id)
    if incident.ended or incident.status not in EFFECTIVE_IN[press.command]:
        stands = (
            f"its workflow has {incident.ended}" if incident.ended else f"it is {incident.status}"
        )
        raise CommandRefused(f"cannot {press.command} {handle}: {stands}")
    fields = {
        **press.fields,
        "command_id": press.command_id,
        "actor": person,
        "proof": Proof.SLACK.value,
    }
    await incidents.signal(client, press.incident_id, press.command, fields)
    return escaped(f"Sent: {press.command} {handle}, as {person}.", _WORD_CHARS)


def _unknown(user: str) -> str:
    """What somebody is told who is nobody in the on-call file; it is counted in the log."""
    log.warning("refused: UnknownUser (%d) %r", HTTPStatus.OK, user[:50])
    return escaped(
        f"Tidegate does not know you, so nothing was done. You can act here once somebody adds "
        f"`slack: {user[:50]}` to your name in the on-call file.",
        _WORD_CHARS,
    )


def _word(text: str) -> Response:
    return JSONResponse(ephemeral(text))
