"""AWS on this machine: moto's server, with S3 events as complete as S3's own and FIFO queues that
keep their order.

moto's S3 events lack what distinguishes one change of an object from the next (checked with 5.2.5:
a notification has no version, sequencer or request ID; an EventBridge event has the same sequencer
for every change). Deduplication depends on exactly these, so they are added here: one sequencer and
one request ID per change, the same on all paths.

moto redelivers several messages of one group in the wrong order (checked with 5.2.5: it counts
those whose visibility timeout has passed as in flight until it has looked at each, so it passes
over all but the last). SQS gives out nothing of a group that has a message in flight, and then the
earliest.

    python -m infra.local.aws.server_main --socket DESCRIPTOR
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from moto.events.models import Rule
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3 import notifications
from moto.sqs.models import Message, Queue
from werkzeug.serving import make_server

from infra.local.loopback import inherited


@dataclass(frozen=True, slots=True)
class _Change:
    """One change of an object, as S3 would report it on every path."""

    version: str | None
    sequencer: str
    request_id: str = field(default_factory=lambda: secrets.token_hex(8).upper())


_change: ContextVar[_Change] = ContextVar("change")
_lock = threading.Lock()
_last_sequence = 0


def _next_sequencer() -> str:
    """Hexadecimal, 18 digits like S3's; each is greater than the one before it."""
    global _last_sequence  # noqa: PLW0603
    with _lock:
        _last_sequence = max(_last_sequence + 1, time.time_ns())
        return f"00{_last_sequence:016X}"


def _complete_s3_events() -> None:
    send_event: Callable[..., None] = notifications.send_event
    notification: Callable[..., Any] = notifications._get_s3_event
    send_to_targets: Callable[..., None] = Rule.send_to_targets

    def one_change(account_id: str, event_name: Any, bucket: Any, key: Any) -> None:
        version = key.version_id if bucket.is_versioned else None
        token = _change.set(_Change(version, _next_sequencer()))
        try:
            send_event(account_id, event_name, bucket, key)
        finally:
            _change.reset(token)

    def complete_notification(*arguments: Any) -> Any:
        body, change = notification(*arguments), _change.get()
        for record in body["Records"]:
            record["responseElements"] = {"x-amz-request-id": change.request_id}
            record["s3"]["object"]["sequencer"] = change.sequencer
            if change.version:
                record["s3"]["object"]["versionId"] = change.version
        return body

    def complete_event(rule: Rule, event: Any, *arguments: Any, **options: Any) -> None:
        if event.get("source") == "aws.s3" and (change := _change.get(None)):
            document = {**event["detail"]["object"], "sequencer": change.sequencer}
            # S3 writes `etag` here, but `eTag` in notifications, and a version only for buckets
            # with versioning.
            document["etag"] = document.pop("eTag", None) or document.get("etag")
            if not change.version:
                document.pop("version-id", None)
            detail = {**event["detail"], "object": document, "request-id": change.request_id}
            event = {**event, "detail": detail}
        send_to_targets(rule, event, *arguments, **options)

    notifications.send_event = one_change
    notifications._get_s3_event = complete_notification  # type: ignore[assignment]
    Rule.send_to_targets = complete_event  # type: ignore[assignment, method-assign]


def _keep_order_in_groups() -> None:
    every_visible: Callable[[Queue], list[Message]] = Queue.messages.fget  # type: ignore[attr-defined]

    def in_order(queue: Queue) -> list[Message]:
        if not queue.fifo_queue:
            return every_visible(queue)
        found, blocked = [], set()
        for message in queue._messages:
            if message.visible and not message.delayed and message.group_id not in blocked:
                found.append(message)
            else:
                blocked.add(message.group_id)
        return found

    def none_besides(queue: Queue) -> set[str]:
        """Those that `in_order` leaves out."""
        return set()

    Queue.messages = property(in_order)  # type: ignore[assignment]
    Queue.pending_message_groups = property(none_besides)  # type: ignore[assignment]


def _end(signum: int, frame: object) -> None:
    """Exit immediately: there is nothing to save, and long polls would delay it."""
    os._exit(0)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.aws.server_main")
    parser.add_argument("--socket", type=inherited, required=True, help="a file descriptor")
    listening = parser.parse_args().socket
    host, port = listening.getsockname()
    os.environ["MOTO_PORT"] = str(port)
    _complete_s3_events()
    _keep_order_in_groups()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    application = DomainDispatcherApplication(create_backend_app)
    make_server(
        host,
        port,
        application,
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=listening.fileno(),
    ).serve_forever()


if __name__ == "__main__":
    main()
