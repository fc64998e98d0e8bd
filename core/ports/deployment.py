"""The Deployment port: a deployed installation as its senders and its operator reach it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from core.domain.event import DocumentRef

MOST_LISTED: Final = 20_000
"""Most documents under a prefix of which the newest are looked for: stores list by name."""


class Way(StrEnum):
    """The ways into an installation."""

    UPLOAD = "upload"
    MESSAGE = "message"
    WEBHOOK = "webhook"


class Places(NamedTuple):
    """Where an installation takes events, and keeps what it refuses. None for what is not known."""

    documents: str | None = None
    """The URI of the folder that documents are uploaded into, with a slash at its end."""
    queue: str | None = None
    """The URL of the messages queue."""
    webhooks: str | None = None
    """The URL of the webhooks, up to the name of one."""
    quarantine: str | None = None
    """The URI prefix of quarantine records."""

    def of(self, way: Way) -> str | None:
        """Where events of this way go."""
        match way:
            case Way.UPLOAD:
                return self.documents
            case Way.MESSAGE:
                return self.queue
            case Way.WEBHOOK:
                return self.webhooks


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    body: bytes


class Deployment(Protocol):
    """Sends to an installation, with the operator's own credentials.

    Every method raises `SettingsError` where there are no credentials or a place is not valid, and
    `DeploymentUnavailable` where the platform refuses or does not answer.
    """

    async def places(self) -> Places:
        """What the deployment itself says of its places."""
        ...

    async def upload(self, uri: str, body: bytes) -> DocumentRef:
        """Upload a document."""
        ...

    async def remove(self, document: DocumentRef) -> str:
        """Remove an uploaded document; returns what is left of it, or nothing."""
        ...

    async def send(self, queue: str, id: str, body: bytes) -> None:
        """Send a JSON message with this ID to the queue at a URL."""
        ...

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to a POST, whatever its status; redirects are not followed."""
        ...

    async def written(self, prefix: str, *, since: datetime) -> list[str]:
        """The URIs of the documents under a prefix that were written since then, newest first.
        Raises `DeploymentUnavailable` also where more than `MOST_LISTED` are under it."""
        ...
