"""Heartbeats: jobs that have to report in time. See them, pause and resume them."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, Field, StringConstraints
from starlette.responses import Response

from core.adapters.temporal import heartbeats as adapter
from core.app.api.bodies import read_command
from core.app.api.models import Answer
from core.app.api.operations import NOT_READ, Call, Operation, answer
from core.app.api.requests import Cursor, Limit, NoQuery, Query
from core.app.identity.caller import Role
from core.domain.heartbeat.model import Heartbeat, Pause, Status
from core.domain.oncall.commands import LONGEST_WHY, Command
from core.domain.value import ONE_LINE
from core.operations import heartbeats


class HeartbeatsQuery(Query):
    """Which heartbeats are listed."""

    limit: Limit = Field(default=100, description="At most so many on a page.")
    cursor: Cursor | None = Field(
        default=None, description="Where the page begins: `next` of the page before."
    )


class PauseHeartbeat(Command):
    """Expect nothing of a heartbeat, until a moment or until it is resumed. Its alert resolves."""

    name = "pause_heartbeat"

    until: AwareDatetime | None = Field(None, description="Without it: until it is resumed.")
    why: Annotated[str, StringConstraints(max_length=LONGEST_WHY), ONE_LINE] = ""


class ResumeHeartbeat(Command):
    """Expect it again, from now on."""

    name = "resume_heartbeat"


class ListedHeartbeat(Answer):
    """A heartbeat that is declared, or that runs."""

    name: str
    status: str = Field(
        description="`not begun` where it is declared and does not run.",
        examples=[*Status, heartbeats.NOT_BEGUN],
    )
    expected: str | None = Field(description="When it is expected, in words.")
    grace: float | None = Field(description="Seconds that it may be late.")
    severity: str | None
    service: str | None


class HeartbeatPage(Answer):
    """Heartbeats by name."""

    heartbeats: tuple[ListedHeartbeat, ...]
    next: str | None = Field(description="The `cursor` of the next page; null on the last.")


class HeartbeatState(Answer):
    """A heartbeat as it stands. What its command printed last is in the incident alone."""

    name: str
    status: Status
    description: str | None
    expected: str | None = Field(description="When it is expected; null where it is undeclared.")
    grace: float | None
    severity: str | None
    service: str | None
    beats: int = Field(description="How often it was heard.")
    heard_at: AwareDatetime | None
    exit_code: int | None = Field(description="That of its command, as the last beat says.")
    due: AwareDatetime | None
    alert: str | None = Field(description="Why its alert fires, while it does.")
    alert_since: AwareDatetime | None
    pause: Pause | None

    @classmethod
    def of(cls, state: Heartbeat) -> Self:
        declaration, beat, alarm = state.declaration, state.beat, state.alarm
        return cls(
            name=state.name,
            status=state.status,
            description=declaration.description if declaration else None,
            expected=declaration.text() if declaration else None,
            grace=declaration.grace if declaration else None,
            severity=declaration.severity.value if declaration else None,
            service=declaration.service if declaration else None,
            beats=state.beats,
            heard_at=beat.at if beat else None,
            exit_code=beat.exit_code if beat else None,
            due=state.due,
            alert=alarm.text if alarm else None,
            alert_since=alarm.since if alarm else None,
            pause=state.pause,
        )


async def listed(call: Call[HeartbeatsQuery]) -> Response:
    file = await call.services.rotas.file()
    found = await heartbeats.listed(await call.services.client(), file)
    after, limit = call.query.cursor, call.query.limit
    rest = [each for each in found if after is None or each.name > after]
    page = HeartbeatPage(
        heartbeats=tuple(ListedHeartbeat(**each.to_json()) for each in rest[:limit]),
        next=rest[limit - 1].name if len(rest) > limit else None,
    )
    return answer(page)


async def shown(call: Call[NoQuery]) -> Response:
    name = call.named("heartbeat")
    return answer(HeartbeatState.of(await adapter.show(await call.services.client(), name)))


async def paused(call: Call[NoQuery]) -> Response:
    command = await read_command(call, PauseHeartbeat)
    state = await heartbeats.pause(
        await call.services.client(),
        call.named("heartbeat"),
        by=command.actor,
        why=command.why,
        until=command.until,
        command_id=command.command_id,
    )
    return answer(HeartbeatState.of(state))


async def resumed(call: Call[NoQuery]) -> Response:
    command = await read_command(call, ResumeHeartbeat)
    client = await call.services.client()
    name = call.named("heartbeat")
    state = await heartbeats.resume(client, name, command_id=command.command_id)
    return answer(HeartbeatState.of(state))


def _changes(
    id: str, verb: str, command: type[Command], handle: Callable[..., Any]
) -> Operation[Any]:
    return Operation(
        id=id,
        method="POST",
        path=f"/heartbeats/{{heartbeat}}/{verb}",
        summary=(command.__doc__ or "").partition("\n")[0],
        role=Role.RESPONDER,
        query=NoQuery,
        handle=handle,
        command=command,
        answers={HTTPStatus.OK: HeartbeatState},
        refusals=(*NOT_READ, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )


OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    Operation(
        id="listHeartbeats",
        method="GET",
        path="/heartbeats",
        summary="List the heartbeats that are declared or were heard, with their status.",
        role=Role.VIEWER,
        query=HeartbeatsQuery,
        handle=listed,
        answers={HTTPStatus.OK: HeartbeatPage},
    ),
    Operation(
        id="showHeartbeat",
        method="GET",
        path="/heartbeats/{heartbeat}",
        summary="Show when a heartbeat was heard, when it is due, and why its alert fires.",
        role=Role.VIEWER,
        query=NoQuery,
        handle=shown,
        answers={HTTPStatus.OK: HeartbeatState},
        refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    _changes("pauseHeartbeat", "pause", PauseHeartbeat, paused),
    _changes("resumeHeartbeat", "resume", ResumeHeartbeat, resumed),
)
