from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core.adapters.apprise_notifier import KEY_HEADER, AppriseNotifier
from core.errors import NotificationFailed
from core.ports.notifier import Notification

# Apprise imports a module that Python 3.13 has removed, where it is there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

PAGE = Notification(
    key="incident:a@1/level-1/json#é",
    title="[HIGH] Checkout",
    body="Payments fail.",
    severity="high",
)


@dataclass
class Receiver:
    """A web hook that remembers what it got; answers `status`, and only once `answering`."""

    port: int = 0
    status: int = 200
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)

    def url(self, secret: str = "") -> str:
        return f"json://{secret}127.0.0.1:{self.port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.answering.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((dict(self.headers), json.loads(body)))
            receiver.answering.wait()
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield receiver
        receiver.answering.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What reaches the root logger; pytest's own fixture also listens where nothing propagates."""
    handler = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(handler)
    yield handler.stream
    logging.getLogger().removeHandler(handler)


async def test_a_page_carries_its_words_and_its_key(receiver: Receiver) -> None:
    await AppriseNotifier().notify(PAGE, [receiver.url()])
    [(headers, body)] = receiver.got
    assert headers[KEY_HEADER] == "incident:a@1/level-1/json#%C3%A9"
    assert body["title"] == "[HIGH] Checkout"
    assert body["message"].splitlines() == ["Payments fail.", "", f"Page: {PAGE.key}"]
    assert body["type"] == "failure"


async def test_every_target_is_reached_although_one_fails(receiver: Receiver) -> None:
    with receiving() as broken:
        broken.status = 500
        targets = [broken.url("user:hunter2@"), receiver.url()]
        with pytest.raises(NotificationFailed) as failed:
            await AppriseNotifier().notify(PAGE, targets)
    assert len(receiver.got) == 1
    assert PAGE.key in failed.value.message
    assert str(broken.port) in failed.value.message
    assert str(receiver.port) not in failed.value.message
    assert "error=500" in failed.value.message
    assert "hunter2" not in str(failed.value)


async def test_secrets_in_the_query_of_a_url_stay_secret(receiver: Receiver) -> None:
    receiver.status = 403
    with pytest.raises(NotificationFailed) as failed:
        await AppriseNotifier().notify(PAGE, [f"{receiver.url()}?+Authorization=hunter2"])
    assert receiver.got[0][0]["Authorization"] == "hunter2"
    assert "hunter2" not in str(failed.value)


async def test_secrets_in_the_path_of_a_url_stay_secret(receiver: Receiver) -> None:
    receiver.status = 403
    with pytest.raises(NotificationFailed) as failed:
        await AppriseNotifier().notify(PAGE, [f"{receiver.url()}/T00/hunter2"])
    assert len(receiver.got) == 1
    assert "hunter2" not in str(failed.value)
    assert f"json://127.0.0.1:{receiver.port} did not take it" in str(failed.value)


@pytest.mark.parametrize("url", ["nosuch://token-of-mine", "token-of-mine", "json://", ""])
async def test_a_target_that_is_no_url_fails_without_being_told(
    url: str, logged: io.StringIO
) -> None:
    with pytest.raises(NotificationFailed) as failed:
        await AppriseNotifier().notify(PAGE, [url])
    assert "is not a URL that apprise knows" in failed.value.message
    assert "token-of-mine" not in failed.value.message
    assert "token-of-mine" not in logged.getvalue()


async def test_a_target_that_hangs_costs_no_more_than_the_time_allowed(receiver: Receiver) -> None:
    receiver.answering.clear()
    with pytest.raises(NotificationFailed, match=r"within 0\.3 s"):
        async with asyncio.timeout(20):
            await AppriseNotifier(timeout=0.3).notify(PAGE, [receiver.url()])


async def test_nobody_to_reach_is_no_failure() -> None:
    await AppriseNotifier().notify(PAGE, [])


@pytest.mark.parametrize(
    ("severity", "kind"),
    [("critical", "failure"), ("medium", "warning"), ("info", "info"), ("other", "info")],
)
async def test_the_severity_chooses_the_kind_of_message(
    receiver: Receiver, severity: str, kind: str
) -> None:
    page = Notification(key="k", title="t", body="b", severity=severity)
    await AppriseNotifier().notify(page, [receiver.url()])
    assert receiver.got[0][1]["type"] == kind
