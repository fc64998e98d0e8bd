"""The cloud of a local stack: what stories, tests and commands use of it, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

from infra.local.processes import Child

CloudName = Literal["aws", "azure"]
CLOUDS: Final[Mapping[CloudName, str]] = {"aws": "AWS (moto)", "azure": "Azure (Azurite)"}
"""The titles of all clouds that a stack can be."""

INCIDENTS, REPORTS, QUARANTINE = "incidents/", "reports/", "quarantine/"
"""Folders of the document store: uploads, post-incident reports, quarantined deliveries."""


class Cloud(Protocol):
    """A running cloud as its users see it: documents, queues and the gateway for webhooks. Works
    from any process that knows its `address`."""

    @property
    def name(self) -> CloudName:
        """Which cloud it is."""

    @property
    def store(self) -> str:
        """The URI that all documents lie under, without a slash at its end."""

    @property
    def endpoint(self) -> str:
        """The URL of the server that keeps the documents."""

    @property
    def address(self) -> Mapping[str, Any]:
        """Where its servers are, as JSON: `cloud_at` makes the same cloud from it."""

    @property
    def gateway(self) -> str:
        """The URL that webhooks are posted to."""

    @property
    def message_queue(self) -> str:
        """The URL of the messages queue."""

    @property
    def servers(self) -> tuple[str, ...]:
        """Children that keep their state in memory, so that the stack cannot survive a crash."""

    @property
    def upload_listener(self) -> str:
        """The child that receives announcements of uploads."""

    @property
    def message_listener(self) -> str:
        """The child that receives messages."""

    @property
    def webhook_listener(self) -> str:
        """The child that receives webhooks."""

    @property
    def announcing(self) -> str:
        """The two ways in which an upload is announced."""

    @property
    def env(self) -> Mapping[str, str]:
        """Settings of every process that calls the servers."""

    def upload(self, name: str, body: bytes) -> str:
        """Put a document under incidents/; returns the version of this upload."""

    def upload_key(self, name: str) -> str:
        """The prefix of the keys of this document's events."""

    def send(self, body: str) -> tuple[str, str]:
        """Post a message to the messages queue; returns that queue's address and an ID."""

    def keys(self, folder: str) -> list[str]:
        """The names of all documents under a folder."""

    def read(self, key: str) -> bytes | None:
        """A document's content, or None if it does not exist."""

    def waiting(self) -> int:
        """How many announcements of uploads are not yet settled."""

    def dead_lettered(self) -> int:
        """How many messages of any queue are dead letters."""

    def close(self) -> None:
        """Close its connections."""


class CloudServers(Protocol):
    """The servers and listeners of a cloud, as children of a stack."""

    def prepare(self) -> Cloud:
        """Wait for the servers, and create the bucket and queues on them."""

    def start_listeners(self, env: Mapping[str, str]) -> None:
        """Start the listeners; `is_listening` says when each is ready."""

    def is_listening(self, child: Child) -> bool:
        """Whether a listener receives events; True for any other child."""
