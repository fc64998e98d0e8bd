"""A worker killed in the middle of a page: the page is delivered, under one key."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client

from core.adapters.apprise_notifier import KEY_HEADER
from core.contracts import INCIDENT_TASK_QUEUE, INCIDENT_WORKFLOW, UPDATE_RESOLVE
from infra.local.processes import wait_until
from infra.local.temporal import TemporalServer
from tests.integration.test_worker_runtime import PATIENCE, Start, start, upload

__all__ = ["start"]


class Hook:
    """A web hook that writes down the keys it is called with; its first call gets no answer."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.ended = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                hook.keys.append(self.headers[KEY_HEADER])
                if len(hook.keys) == 1:
                    hook.ended.wait(PATIENCE)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.ended.set()
    hook.server.shutdown()
    hook.server.server_close()


async def test_a_worker_killed_during_a_page_is_missed_and_the_page_sent_under_the_same_key(
    start: Start,
    temporal_server: TemporalServer,
    temporal_client: Client,
    hook: Hook,
    tmp_path: Path,
) -> None:
    settings = {
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TIDEGATE_PAGE_URLS": f"json://127.0.0.1:{hook.server.server_port}/?rto=60",
    }
    first = start(**settings)
    first.wait_for("/readyz", 200)
    handle = await temporal_client.start_workflow(
        INCIDENT_WORKFLOW,
        upload(tmp_path),
        id=f"incident:{uuid4()}",
        task_queue=INCIDENT_TASK_QUEUE,
    )
    wait_until(lambda: len(hook.keys) == 1, PATIENCE, "the page", check=first.must_run)
    first.stop(signal.SIGKILL)

    second = start(**settings)
    second.wait_for("/readyz", 200)
    wait_until(lambda: len(hook.keys) == 2, PATIENCE, "the page again", check=second.must_run)
    assert hook.keys[0] == hook.keys[1]
    wait_until(
        second.says("Page delivered to on-call"), PATIENCE, "its delivery", check=second.must_run
    )
    await handle.execute_update(UPDATE_RESOLVE, {"command_id": "c1", "actor": "ana"})
    assert (await handle.result())["status"] == "closed"
    assert len(hook.keys) == 2
