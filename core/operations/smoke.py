"""Whether a deployment works: a harmless event by each way in, up to the end of its workflow.

    sent -> accepted (its listener has started the workflow) -> ended (a root worker answered it)

What the event is, and why nothing comes of it, is in `core.domain.smoke`. An uploaded document is
removed afterwards. All ways are tried concurrently.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

from core import bootstrap
from core.adapters.temporal.run_history import Run, read_run
from core.config.settings import Settings
from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKER
from core.domain import smoke as event
from core.domain.identity import workflow_id
from core.errors import (
    DocumentNotFound,
    SettingsError,
    TidegateError,
    TransientError,
    quoted,
)
from core.intake.receipts import record_id
from core.operations.signed_request import signed
from core.ports.deployment import Answer, Deployment, Places, Way
from core.webhooks.verifiers.base import Signer

if TYPE_CHECKING:
    from temporalio.client import Client

    from core.intake.quarantine import Quarantine
    from core.webhooks.endpoints import Endpoint

Outcome = Literal["ok", "failed", "skipped"]
Step = Literal["sent", "accepted", "ended", "removed"]

_LOOK: Final = 0.5
"""Seconds between two looks for a workflow."""
_LOOK_IN_QUARANTINE: Final = 2.0
"""Seconds after sending before the first look in the quarantine, and between two."""
_CLOCKS: Final = timedelta(minutes=5)
"""How much the store's clock may be behind ours."""
_MOST_RECORDS: Final = 50
"""Newest quarantine records that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of the event that was sent by one way.

    `place` is where it was sent to; `seconds` are counted from there. `detail` says how it ended,
    and `fix` the next step if it failed. `worker` answered it, and `table` and `listener_table` are
    the digests of the routing tables of worker and listener.
    """

    way: Way
    place: str | None
    outcome: Outcome
    detail: str
    fix: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    workflow_id: str | None = None
    worker: str | None = None
    table: str | None = None
    listener_table: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


Report = Callable[[Way, Step, float, str], None]
"""Called with each step as it is done, in how many seconds, and with what there is to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to try. `hook` is the endpoint that a request goes to; without one, only whether the
    webhooks' listener answers is tried, and with `webhooks_optional` there may be no listener. Each
    workflow has `timeout` seconds to end."""

    ways: Sequence[Way]
    places: Places
    hook: str | None = None
    webhooks_optional: bool = False
    timeout: float = 120.0


async def smoke(
    deployment: Deployment, plan: Plan, settings: Settings, *, report: Report
) -> list[Tried]:
    """What became of each way, in the plan's order. Raises `SettingsError`, `ConfigFileError` or
    `TemporalUnavailable` for what no way can be tried without."""
    endpoint = _endpoint(settings, plan.hook)
    waits = any(way is not Way.WEBHOOK or plan.hook for way in plan.ways)
    client = await bootstrap.connect(settings) if waits else None
    root = plan.places.quarantine or settings.quarantine
    # One for all looks: a store takes a while to make its client.
    quarantine = (root, bootstrap.quarantine(replace(settings, quarantine=root))) if root else None
    trial = _Trial(deployment, plan, settings, client, endpoint, quarantine, report)
    tasks = [asyncio.create_task(trial.attempt(way)) for way in plan.ways]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:  # after an error or Ctrl-C, each removes what it uploaded
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _endpoint(settings: Settings, hook: str | None) -> Endpoint | None:
    if hook is None:
        return None
    endpoint = bootstrap.webhook_table(settings).endpoint(hook)
    if endpoint.verify.scheme != "none" and not isinstance(endpoint.verify, Signer):
        raise SettingsError(
            f"only the sender itself can sign a request to {hook!r} ({endpoint.verify.scheme})",
            fix="name another webhook, or leave --hook out to try whether the listener answers",
        )
    return endpoint


@dataclass(frozen=True, slots=True)
class _Trial:
    """One run of the command."""

    deployment: Deployment
    plan: Plan
    settings: Settings
    client: Client | None
    endpoint: Endpoint | None
    quarantine: tuple[str, Quarantine] | None
    """The URI prefix of records, and their reader."""
    report: Report

    async def attempt(self, way: Way) -> Tried:
        """What became of one way. Raises `SettingsError` where there are no credentials."""
        place = self.plan.places.of(way)
        if place is None:
            detail = "its address was not found, so it was not tried"
            return Tried(way=way, place=None, outcome="skipped", detail=detail)
        try:
            match way:
                case Way.UPLOAD:
                    return await self._upload(place)
                case Way.MESSAGE:
                    return await self._message(place)
                case Way.WEBHOOK if self.endpoint:
                    return await self._request(place, self.endpoint)
                case Way.WEBHOOK:
                    return await self._knock(place)
        except SettingsError:
            raise
        except TidegateError as error:
            return Tried(
                way=way, place=place, outcome="failed", detail=error.message, fix=error.fix
            )

    async def _upload(self, folder: str) -> Tried:
        id = _new_id()
        uri = f"{folder if folder.endswith('/') else f'{folder}/'}{event.document_name(id)}"
        async with self._uploaded(uri) as removed:
            tried = await self._followed(Way.UPLOAD, uri, id)
        if removed:
            return replace(tried, detail=f"{tried.detail}; {'; '.join(removed)}")
        return tried

    @asynccontextmanager
    async def _uploaded(self, uri: str) -> AsyncIterator[list[str]]:
        """Within the block the document is there. Adds to the list what is left of it."""
        left: list[str] = []
        body = f"Sent by `tidegate smoke` at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}.\n"
        upload = asyncio.create_task(self.deployment.upload(uri, body.encode()))
        began = time.monotonic()
        try:
            await asyncio.shield(upload)
            yield left
        finally:
            await asyncio.wait([upload])  # an upload that is interrupted arrives all the same
            if not upload.exception():
                try:
                    rest = await self.deployment.remove(upload.result())
                    left += [rest] if rest else []
                    self.report(Way.UPLOAD, "removed", time.monotonic() - began, rest)
                except TidegateError as error:
                    left.append(f"{uri} is left behind: {error.message}")

    async def _message(self, queue: str) -> Tried:
        id = _new_id()
        await self.deployment.send(queue, id, event.body(id))
        return await self._followed(Way.MESSAGE, queue, id)

    async def _request(self, url: str, endpoint: Endpoint) -> Tried:
        id, hook = _new_id(), self.plan.hook or ""
        headers = {"content-type": "application/json"}
        request = await signed(hook, event.body(id), headers, endpoint, self.settings)
        place = f"{url}{hook}"
        query = f"?{urlencode(request.query)}" if request.query else ""
        began = time.monotonic()
        answer = await self.deployment.post(place + query, request.headers, request.body)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            return Tried(
                way=Way.WEBHOOK,
                place=place,
                outcome="failed",
                detail=f"it answered {_shown(answer)}",
                fix=_fix_of(answer),
            )
        return await self._followed(Way.WEBHOOK, place, id, began=began)

    async def _knock(self, url: str) -> Tried:
        """Whether the listener itself refuses a webhook that does not exist."""
        place = f"{url}{event.document_name(_new_id())}"
        began = time.monotonic()
        answer = await self.deployment.post(place, {"content-type": "application/json"}, b"{}")
        answered = time.monotonic() - began
        detail = f"it answered {_shown(answer)}"
        found = _problem(answer)
        if answer.status == HTTPStatus.NOT_FOUND and found.get("code") == "NotFound":
            self.report(Way.WEBHOOK, "accepted", answered, "the listener refused an unknown name")
            return Tried(
                way=Way.WEBHOOK,
                place=url,
                outcome="ok",
                detail="the listener answers; --hook NAME tries a webhook up to its workflow",
                seconds={"accepted": round(answered, 3)},
            )
        if self.plan.webhooks_optional and answer.status == HTTPStatus.NOT_FOUND:
            detail = "no listener of webhooks is deployed"
            return Tried(way=Way.WEBHOOK, place=url, outcome="skipped", detail=detail)
        return Tried(
            way=Way.WEBHOOK, place=url, outcome="failed", detail=detail, fix=_fix_of(answer)
        )

    async def _followed(
        self, way: Way, place: str, id: str, *, began: float | None = None
    ) -> Tried:
        """What becomes of an event that was just sent, until its workflow ends or time is up."""
        since, sent = datetime.now(UTC) - _CLOCKS, began or time.monotonic()
        self.report(way, "sent", 0.0, place)
        deadline = sent + self.plan.timeout
        key = event.smoke_key(id)
        seconds: dict[str, float] = {}
        run: Run | None = None
        blind: str | None = None
        look_again = sent + _LOOK_IN_QUARANTINE
        read: set[str] = set()
        while True:
            last = time.monotonic() >= deadline
            try:
                run = await self._run(key)
            except TransientError as error:  # it may answer the next time
                blind = error.message
            passed = time.monotonic() - sent
            if run and "accepted" not in seconds:
                seconds["accepted"] = round(passed, 3)
                self.report(way, "accepted", passed, f"workflow {run.workflow_id}")
            if run and run.ended:
                seconds["ended"] = round(passed, 3)
                tried = _ended(way, place, run)
                if tried.outcome == "ok":
                    self.report(way, "ended", passed, f"worker {run.worker}")
                return replace(tried, seconds=seconds)
            if not run and (last or time.monotonic() >= look_again):
                look_again = time.monotonic() + _LOOK_IN_QUARANTINE
                try:
                    kept = await self._quarantined(id, since, read)
                except TidegateError as error:
                    blind = error.message
                else:
                    if kept:
                        return Tried(
                            way=way,
                            place=place,
                            outcome="failed",
                            detail=f"its listener quarantined it {kept}",
                            fix="change what the reason names, deploy, and try again",
                        )
            if last:
                late = _late(way, place, self.plan.timeout, run, blind)
                return replace(late, seconds=seconds, workflow_id=workflow_id(key))
            await asyncio.sleep(min(_LOOK, max(deadline - time.monotonic(), 0)))

    async def _run(self, key: str) -> Run | None:
        assert self.client is not None  # noqa: S101  # it is connected for every way that waits
        return await read_run(self.client, workflow_id(key))

    async def _quarantined(self, id: str, since: datetime, read: set[str]) -> str | None:
        """As what and why the event was quarantined, if it was. Records that were `read` are not
        read again; what is read is added."""
        if self.quarantine is None:
            return None
        root, quarantine = self.quarantine
        written = await self.deployment.written(root, since=since)
        for uri in [each for each in written[:_MOST_RECORDS] if each not in read]:
            try:
                record = await quarantine.get(record_id(uri))
            except DocumentNotFound:  # a note, or removed meanwhile
                record = None
            read.add(uri)
            if record and id.encode() in record.body:
                return f"as {record.handle} ({uri}): {record.code}: {record.reason}"
        return None


def _new_id() -> str:
    return secrets.token_hex(16)


def _ended(way: Way, place: str, run: Run) -> Tried:
    """What the workflow's end says."""
    known = Tried(
        way=way,
        place=place,
        outcome="failed",
        detail="",
        workflow_id=run.workflow_id,
        worker=run.worker,
        table=str(run.result.get("table")) if run.result else None,
        listener_table=run.listener_table,
    )
    if run.failure is not None:
        detail = f"its workflow {run.workflow_id} failed: {run.failure}"
        return replace(known, detail=detail, fix="change what the reason names, and try again")
    if known.table != known.listener_table:
        return replace(
            known,
            detail=f"the listener has the routing table {known.listener_table}, and the worker "
            f"{run.worker} has {known.table}",
            fix="deploy listeners and workers from the same package or TIDEGATE_ROUTES; while "
            "workers are replaced, try again afterwards",
        )
    return replace(
        known,
        outcome="ok",
        detail=f"workflow {run.workflow_id} ended; routing table {known.table} on both sides",
    )


def _late(way: Way, place: str, timeout: float, run: Run | None, blind: str | None) -> Tried:
    """Why the time was not enough, as far as it is known."""
    failed = Tried(way=way, place=place, outcome="failed", detail="")
    if run is None:
        what = {
            Way.UPLOAD: "announced upload",
            Way.MESSAGE: "message",
            Way.WEBHOOK: "request",
        }[way]
        unseen = f"; not everything could be looked at: {blind}" if blind else ""
        return replace(
            failed,
            detail=f"it was sent {timeout:g} s ago, and no workflow has begun{unseen}",
            fix=f"look for the {what} in its queue and its dead letters, for its receipt in the "
            "listener's log, and whether TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are the same as "
            "the listener's",
        )
    if run.stuck:
        return replace(
            failed,
            detail=f"worker {run.worker} cannot process {run.workflow_id}: {run.stuck}",
            fix=f"look at the {ROOT_WORKER.name}'s log",
        )
    pending = (
        f"worker {run.worker} has not ended it"
        if run.worker
        else f"no worker has taken it from the task queue {ROOT_TASK_QUEUE}"
    )
    return replace(
        failed,
        detail=f"workflow {run.workflow_id} began, and after {timeout:g} s {pending}",
        fix=f"start the {ROOT_WORKER.name}, or look at its log; `tidegate doctor`",
    )


def _shown(answer: Answer) -> str:
    found = _problem(answer)
    why = found.get("detail") or found.get("message")
    return f"{answer.status} {quoted(why) if why else ''}".rstrip()


def _problem(answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _fix_of(answer: Answer) -> str:
    """The next step after an answer that is no success."""
    code = _problem(answer).get("code")
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return "its secret here is not the one that the listener has: compare the references"
    if answer.status == HTTPStatus.NOT_FOUND and code == "NotFound":
        return "the deployed webhooks file has no webhook of this name: deploy it"
    if answer.status == HTTPStatus.NOT_FOUND:
        return "no listener is behind this address, or its webhooks are switched off: check it"
    return "look at the webhook listener's log"
