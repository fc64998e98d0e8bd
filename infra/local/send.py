"""`tidegate send`: send an event to the running local stack, as a user of the cloud would, and see
what becomes of it.

A file is uploaded to the bucket, a message posted to the messages queue, a body to a webhook. Each
takes the way of every event.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import requests

from core import bootstrap
from core.domain.event import Event
from core.domain.text import one_line, shortened
from core.errors import ConfigurationError, TransientError
from core.formats.registry import read
from core.formats.shared.delivery import Delivery
from core.intake.receipts import Receipt, Verdict
from core.intake.records import QuarantinedDelivery
from core.operations.outcome import of_receipt
from core.operations.signed_request import signed
from core.operations.upload_notification import upload_notification
from core.webhooks.endpoints import Endpoint
from core.webhooks.request import Request
from core.webhooks.verifiers.base import Signer
from infra.local.cloud import INCIDENTS
from infra.local.endpoints import STATE
from infra.local.expected import ANY, expected_of, format_of_queue, items_of
from infra.local.loopback import local_session
from infra.local.processes import LocalStackError
from infra.local.running_stack import running_stack
from infra.local.sent import Sent

TIMEOUT: Final = 30.0
"""Seconds to wait for what becomes of it."""

_REQUEST_TIMEOUT: Final = 30.0
_WHY_CHARS: Final = 200
_FRAMING: Final = {"content-length", "transfer-encoding"}
"""Headers that say where the body ends, which the sending program alone knows."""
_NO_EVENTS: Final = "it holds no events: nothing becomes of it"

Report = Callable[[str], None]
"""Called with each step as it is done."""


def _unreported(_step: str) -> None:
    pass


class StackUnavailable(LocalStackError, TransientError):
    """A server of the local stack does not answer."""


# Sending. Each raises `NoLocalStack`, `StackUnavailable`, and `ConfigurationError` for what the
# stack cannot be sent; with a time-out of 0 nothing is waited for.


def send_file(
    name: str,
    body: bytes,
    *,
    timeout: float = TIMEOUT,
    report: Report = _unreported,
    state: Path = STATE,
) -> Sent:
    """Upload a document to the running stack, as `incidents/<name>`."""
    return asyncio.run(_send_file(name, body, timeout, report, state))


def send_message(
    name: str,
    body: bytes,
    *,
    timeout: float = TIMEOUT,
    report: Report = _unreported,
    state: Path = STATE,
) -> Sent:
    """Post the content of the file of this name to the messages queue of the running stack."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{name} is not UTF-8 text: {error}", fix="queues take text here; upload it instead"
        ) from error
    return asyncio.run(_send_message(text, timeout, report, state))


def send_hook(
    hook: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout: float = TIMEOUT,
    report: Report = _unreported,
    state: Path = STATE,
) -> Sent:
    """Post a body to a webhook of the running stack, signed as its sender would sign it. Headers
    that are given are sent as they are, whatever the signature says. Raises `SettingsError` for a
    webhook that is not there or a secret that is not set, too."""
    if framing := _FRAMING & headers.keys():
        raise ConfigurationError(
            f"the header {min(framing)} follows from the body", fix="leave it out"
        )
    return asyncio.run(_send_hook(hook, body, headers, timeout, report, state))


async def _send_file(name: str, body: bytes, timeout: float, report: Report, state: Path) -> Sent:
    async with running_stack(state) as stack:
        uri = f"{stack.cloud.store}/{INCIDENTS}{name}"
        format, notification = upload_notification(uri, len(body), change=ANY)
        arrivals = read(Delivery(format=format, body=notification, unique=ANY))
        key = stack.cloud.upload_key(name)
        items = [
            replace(each.item, key=f"{key}{ANY}") if isinstance(each.item, Event) else each.item
            for each in arrivals
        ]
        expected = [await stack.expect(item) for item in items]
        with _answering():
            await asyncio.to_thread(stack.cloud.upload, name, body)
        report(f"uploaded to {uri}")
        if not expected:
            return Sent(uri=uri, note="nothing becomes of it: its name is not a document's")

        def mine(record: QuarantinedDelivery) -> bool:
            return (record.key or "").startswith(key) or name.encode() in record.body

        return await stack.wait(Sent(uri=uri), expected, mine, timeout, report)


async def _send_message(body: str, timeout: float, report: Report, state: Path) -> Sent:
    async with running_stack(state) as stack:
        queue = re.split("[:/]", stack.cloud.message_queue)[-1]
        read_as = format_of_queue(queue, stack.settings)
        # Events without an ID of their own have the message's, which is not known before.
        items = expected_of(body, queue, {}, read_as, stack.settings)
        before = {each.id: each.before for each in [await stack.expect(item) for item in items]}
        with _answering():
            address, id = await asyncio.to_thread(stack.cloud.send, body)
        uri, carrier = f"{address}/{id}", {"queue": address, "message-id": id}
        items = expected_of(body, queue, carrier, read_as, stack.settings)
        expected = [
            replace(each, before=before.get(each.id))
            for each in [await stack.expect(item) for item in items]
        ]
        report(f"sent to {uri}")
        if not expected:
            return Sent(uri=uri, note=_NO_EVENTS)

        def mine(record: QuarantinedDelivery) -> bool:
            return record.headers.get("message-id") == id or record.body == body.encode()

        return await stack.wait(Sent(uri=uri), expected, mine, timeout, report)


async def _send_hook(
    hook: str,
    body: bytes,
    headers: Mapping[str, str],
    timeout: float,
    report: Report,
    state: Path,
) -> Sent:
    async with running_stack(state) as stack:
        endpoint = bootstrap.webhook_table(stack.settings).endpoint(hook)
        request = await signed(hook, body, headers, endpoint, stack.settings)
        expected = []
        if endpoint.sender.empty_response:
            expected = [await stack.expect(item) for item in items_of(request, hook, endpoint)]
        url = f"{stack.ends.gateway}/hooks/{hook}"
        with _answering():
            answer = await asyncio.to_thread(_post, url, request)
        status = f"{answer.status_code} {answer.reason}"
        report(f"answered {status}")

        def mine(record: QuarantinedDelivery) -> bool:
            return record.body == request.body

        sent = Sent(uri=url, answer=status)
        content = _content(answer)
        receipts = content.get("receipts") or []
        if receipts:
            found = [await stack.kept(_receipt(each), mine) for each in receipts]
            events = sum(content.get("counts", {}).values()) or len(found)
            sent = replace(sent, events=events)
            if not timeout:
                return replace(sent, outcomes=tuple(map(of_receipt, found)))
            return await stack.follow(sent, found, timeout, report)
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            why = content.get("detail") or content.get("message") or answer.text
            why = shortened(one_line(str(why)), _WHY_CHARS)
            code = content.get("code")
            return replace(
                sent,
                refused=f"{code}: {why}" if code else f"{why or status}",
                unavailable=answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR,
                fix=fix_of(answer.status_code, hook, endpoint),
            )
        if expected:
            return await stack.wait(sent, expected, mine, timeout, report)
        if ignored := content.get("ignored"):
            return replace(sent, note=f"ignored: {ignored}")
        if content and "receipts" not in content:
            return replace(sent, note="it is a handshake: it is answered, and nothing starts")
        return replace(sent, note=_NO_EVENTS)


def fix_of(status: int, hook: str, endpoint: Endpoint) -> str:
    """What to do about a request that was refused as a whole."""
    if status == HTTPStatus.UNAUTHORIZED and isinstance(endpoint.verify, Signer):
        return "without -H it is signed as its sender signs it"
    if status == HTTPStatus.UNAUTHORIZED:
        return "only its sender can sign it: name another webhook"
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return f"send a smaller file: the webhook takes at most {endpoint.max_bytes:,} bytes"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "`tidegate doctor`, and the listener's log in .tidegate/dev/logs"
    return f"`tidegate explain --hook {hook} FILE` says what the webhook takes"


def _post(url: str, request: Request) -> requests.Response:
    query = f"?{urlencode(request.query)}" if request.query else ""
    with local_session() as session:
        return session.post(
            url + query,
            data=request.body,
            headers=dict(request.headers),
            timeout=_REQUEST_TIMEOUT,
        )


def _receipt(public: Mapping[str, Any]) -> Receipt:
    """A receipt as a webhook's sender gets it."""
    return Receipt(
        verdict=Verdict(public["verdict"]),
        event_id=public.get("event_id"),
        key=public.get("key"),
        workflow_id=public.get("workflow_id"),
        code=public.get("code"),
        reason=public.get("reason"),
    )


def _content(answer: requests.Response) -> dict[str, Any]:
    """The answer's JSON object, or an empty one: Slack's people see what is answered."""
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@contextmanager
def _answering() -> Iterator[None]:
    """Calls of the stack's servers. Raises `StackUnavailable` where one does not answer, and
    `ConfigurationError` where it refuses what is sent."""
    from azure.core.exceptions import AzureError, HttpResponseError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, HttpResponseError, requests.HTTPError) as error:
        raise ConfigurationError(
            f"the local cloud refuses it: {one_line(str(error))}",
            fix="send less, or an upload under another name",
        ) from error
    except (BotoCoreError, AzureError, requests.RequestException) as error:
        raise StackUnavailable(
            f"the local stack does not answer: {error}",
            fix="see whether `tidegate dev` still runs, and its logs in .tidegate/dev/logs",
        ) from error
