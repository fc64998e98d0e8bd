"""The two clouds as scenarios see them: what each platform passes to the real listeners, and how it
reads their responses. A scenario is written once, against `Platform`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import uuid4

import pytest

from core.errors import NotAccepted
from functions_aws import message_listener, s3_listener, webhook_listener
from tests.support import azure, listeners
from tests.support.lambda_runtime import invoke, logged_receipts
from tests.support.payloads import (
    BUCKET,
    eventbridge_put,
    new_key,
    new_sequencer,
    put,
    sns,
    sqs_batch,
)

CLOUDS: Final = ("aws", "azure")


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivery to a function."""

    function: str
    content: Any


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload: the key of its event, and its delivery on each path."""

    key: str
    by_path: Mapping[str, Parcel]

    @property
    def by_queue(self) -> Parcel:
        """The delivery on the first path."""
        return next(iter(self.by_path.values()))


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a webhook."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Platform(Protocol):
    """A cloud's queues and HTTP gateway, with the real functions behind them."""

    @property
    def paths(self) -> tuple[str, str, str]:
        """The three paths of an upload."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Settings that only its functions need."""

    def upload(self) -> Upload:
        """A new upload, which is not yet announced."""

    def garbage(self, body: bytes) -> Parcel:
        """A message without an event, on the queue of uploads."""

    def message(self, body: object) -> Parcel:
        """A user's own message."""

    async def deliver(self, *parcels: Parcel) -> list[bool]:
        """Deliver all concurrently; returns which of them are acknowledged."""

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post a webhook."""

    def receipts(self) -> list[Any]:
        """The receipts that the functions have logged since the last call."""

    def cold_start(self) -> AbstractContextManager[None]:
        """A process that has not read its settings yet, and does not hold messages."""


class AwsPlatform:
    """SQS, with batches as of Lambda's poller, and an HTTP API."""

    paths = ("S3 to SQS", "S3 to SNS to SQS", "EventBridge to SQS")
    environment: Mapping[str, str] = {"TIDEGATE_DOCUMENTS": f"s3://{BUCKET}/"}
    _handlers: Final = {
        "documents": s3_listener.handler,
        "messages": message_listener.handler,
    }

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def upload(self) -> Upload:
        key, sequencer = new_key(), new_sequencer()
        events = put(key, sequencer), sns(put(key, sequencer)), eventbridge_put(key, sequencer)
        parcels = [Parcel("documents", event) for event in events]
        return Upload(f"s3:{BUCKET}/{key}@{sequencer}", dict(zip(self.paths, parcels, strict=True)))

    def garbage(self, body: bytes) -> Parcel:
        return Parcel("documents", body.decode())

    def message(self, body: object) -> Parcel:
        return Parcel("messages", body)

    async def deliver(self, *parcels: Parcel) -> list[bool]:
        """One batch for each function, one after another, as for one instance."""
        settled: dict[int, bool] = {}
        for function, handler in self._handlers.items():
            places = [n for n, parcel in enumerate(parcels) if parcel.function == function]
            if places:
                batch = sqs_batch(*(parcels[n].content for n in places))
                answer = await invoke(handler, batch)
                failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
                for n, record in zip(places, batch["Records"], strict=True):
                    settled[n] = record["messageId"] not in failed
        return [settled[n] for n in range(len(parcels))]

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {name.lower(): text for name, text in headers.items()},
            "requestContext": {"stage": "$default", "http": {"method": "POST"}},
            "body": body.decode(),
            "isBase64Encoded": False,
        }
        answer = await invoke(webhook_listener.handler, event)
        return Answer(answer["statusCode"], answer["headers"], json.loads(answer["body"]))

    def receipts(self) -> list[Any]:
        return logged_receipts(self._capsys.readouterr().out)

    def cold_start(self) -> AbstractContextManager[None]:
        return listeners.fresh_process()


class AzurePlatform:
    """Service Bus, Event Grid and HTTP, as from the Functions host."""

    paths = ("Event Grid to Service Bus", "the same as a CloudEvent", "Event Grid's trigger")
    environment: Mapping[str, str] = azure.ENVIRONMENT
    _functions: Final = {
        "documents": azure.function("blob_events_queue"),
        "grid": azure.function("blob_events_grid"),
        "messages": azure.function("messages_queue"),
    }

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", "functions_azure")
        self._caplog = caplog

    def upload(self) -> Upload:
        name, sequencer = f"2026/{uuid4().hex}.json", new_sequencer()
        grid, cloud = (azure.created(name, sequencer, cloudevents=c) for c in (False, True))
        parcels = [
            Parcel("documents", grid),
            Parcel("documents", cloud),
            Parcel("grid", json.dumps(grid)),
        ]
        return Upload(
            f"blob:exampledocs/incidents/{name}@{sequencer}",
            dict(zip(self.paths, parcels, strict=True)),
        )

    def garbage(self, body: bytes) -> Parcel:
        return Parcel("documents", body)

    def message(self, body: object) -> Parcel:
        return Parcel("messages", body)

    async def deliver(self, *parcels: Parcel) -> list[bool]:
        return await asyncio.gather(*(self._settled(parcel) for parcel in parcels))

    async def _settled(self, parcel: Parcel) -> bool:
        straight = parcel.function == "grid"
        given = parcel.content if straight else azure.message(parcel.content)
        try:
            await self._functions[parcel.function](given)
        except NotAccepted:
            return False
        return True

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        given = azure.request("POST", path, body, headers)
        answer = await azure.function("webhook")(given)
        return Answer(answer.status_code, dict(answer.headers), json.loads(answer.get_body()))

    def receipts(self) -> list[Any]:
        found = [record.receipt for record in self._caplog.records if hasattr(record, "receipt")]
        self._caplog.clear()
        return found

    def cold_start(self) -> AbstractContextManager[None]:
        return azure.fresh_process()
