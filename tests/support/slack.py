"""A workspace of Slack on this machine, over HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.ports.notifier import Address
from infra.local.slack import CHANNEL, RESPOND, TOKEN, Desk, Workspace


@dataclass
class LocalSlack:
    """A workspace, and where its API is."""

    url: str
    workspace: Workspace = field(default_factory=Workspace)

    def address(self, token: str = TOKEN, room: str = CHANNEL) -> Address:
        return Address(name="ops", kind="slack", url=self.url, secret=token, room=room)

    @property
    def respond(self) -> str:
        """Where words to single users go."""
        return self.url.removesuffix("/api/") + RESPOND

    def words(self) -> list[str]:
        """What single users were told."""
        assert all(word["response_type"] == "ephemeral" for word in self.workspace.words)
        return [word["text"] for word in self.workspace.words]

    def methods(self) -> list[str]:
        """The methods that were called, in their order."""
        return [method for method, _ in self.workspace.calls]


@contextmanager
def local_slack() -> Iterator[LocalSlack]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        slack = LocalSlack(f"http://127.0.0.1:{listening.getsockname()[1]}/api/")
        with Desk(listening, slack.workspace) as desk:
            thread = threading.Thread(target=desk.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield slack
            finally:
                desk.shutdown()
                thread.join()
