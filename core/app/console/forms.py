"""What the console's forms have in common: moments as browsers send them, commands of on-call, and
what a page says was done by one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from core.app.console.frame import Visit, read
from core.app.identity.caller import Role
from core.app.pages import Refused
from core.domain.command import derived_id
from core.domain.oncall.commands import AnyCommand, Command
from core.domain.oncall.file import OnCallFile
from core.domain.problems import problems_of
from core.domain.times import in_zone
from core.errors import SettingsError

_MESSAGE_CHARS: Final = 300

C = TypeVar("C", bound=Command)
M = TypeVar("M", bound=BaseModel)


class NotRead(Exception):
    """A form cannot be done: what is wrong with it."""


class Message(BaseModel):
    """What an address says was done, and what shows that this session has written it there."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    did: Annotated[str, Field(max_length=_MESSAGE_CHARS)] = ""
    mark: str = ""


def message(visit: Visit) -> str:
    """What was done by the form that led here; empty for whatever else an address says."""
    found = visit.query(Message)
    return found.did if found.did and visit.session.wrote(found.did, found.mark) else ""


def done(visit: Visit, text: str, path: str, **query: str | None) -> Response:
    """Lead to a page that says what was done."""
    text = text[:_MESSAGE_CHARS]
    return visit.see(path, did=text, mark=visit.session.mark(text), **query)


def fields(visit: Visit, model: type[M]) -> M:
    """The fields of a form; those that are empty count as left out. Raises `Refused`."""
    return read(model, {name: value for name, value in visit.form.items() if value})


def may(visit: Visit, role: Role) -> bool:
    """Whether forms that take this role are shown."""
    return visit.session.caller.role.covers(role)


def new_key() -> str:
    """What makes two forms differ, and a form that is sent twice the same."""
    return uuid.uuid4().hex


def command_id(visit: Visit, name: str, fields: object) -> str:
    """The ID of a command: the same when a form is sent twice, and nobody else's."""
    key = visit.form.get("key") or new_key()
    return derived_id("console", visit.session.csrf, key, name, fields)


def command(visit: Visit, kind: type[C], /, **fields: Any) -> C:
    """The visitor's command with these fields. Raises `NotRead`."""
    values = {
        "command_id": command_id(visit, kind.name, fields),
        "actor": visit.session.caller.name,
        **fields,
    }
    with not_read():
        return kind.model_validate(values)


@contextmanager
def not_read() -> Iterator[None]:
    """A block in which whatever is not valid is `NotRead`."""
    try:
        yield
    except ValidationError as error:
        raise NotRead(f"Nothing was done: {'; '.join(problems_of(error))}.") from None
    except ValueError as error:
        raise NotRead(f"Nothing was done: {error}.") from None
    except OverflowError:
        raise NotRead("Nothing was done: no calendar goes that far.") from None


async def send(visit: Visit, order: AnyCommand) -> dict[str, Any]:
    """What on-call answers to a command. Raises `CommandRefused` or `TemporalUnavailable`."""
    from core.adapters.temporal import on_call

    fields = order.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return await on_call.send(await visit.console.services.client(), order.name, fields)


async def on_call_file(visit: Visit) -> OnCallFile:
    """The on-call file. Raises `Refused` where the application has none, or `ConfigFileError`."""
    try:
        return await visit.console.services.rotas.file()
    except SettingsError as error:
        raise Refused(
            503,
            "NoOnCallFile",
            "There is no on-call file",
            "Who is on call, and which heartbeats are expected, is declared in a file, which this "
            "application does not have. The operator names it with TIDEGATE_ONCALL.",
            headers={"Retry-After": "60"},
            why=str(error),
        ) from error


def moment(text: str, zone: tzinfo, what: str) -> datetime | None:
    """The moment in a field, in a zone; None for an empty one. Raises `NotRead`."""
    if not text.strip():
        return None
    try:
        typed = datetime.fromisoformat(text.strip())
        return (typed if typed.tzinfo else typed.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotRead(f"Nothing was done: {what} is not a time like 2026-01-02T08:00.") from None


def field(moment: datetime, zone: tzinfo) -> str:
    """A moment as a field for times has it."""
    return in_zone(moment, zone).strftime("%Y-%m-%dT%H:%M")


def shown(moment: datetime, zone: tzinfo) -> str:
    """A moment as the clocks of a zone show it, for people."""
    return in_zone(moment, zone).strftime("%a %d %b %Y %H:%M")
