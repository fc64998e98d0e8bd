"""The cloud of a local stack: what stories, tests and commands ask of it, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from infra.local.processes import Child, Processes

INCIDENTS, REPORTS, QUARANTINE = "incidents/", "reports/", "quarantine/"
"""Folders of the document store: uploads, post-incident reports, refused originals."""


class Cloud(Protocol):
    """Servers, what is kept on them, and listeners before it.

    It works from any process that knows where its servers are; the stack's own starts them.
    """

    @property
    def name(self) -> str:
        """`aws` or `azure`."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def store(self) -> str:
        """The URI that all documents lie under, without a slash at its end."""

    @property
    def endpoint(self) -> str:
        """The URL of the server that keeps the documents."""

    @property
    def address(self) -> Mapping[str, Any]:
        """Where its servers are, as JSON: what `cloud_at` makes the same cloud of elsewhere."""

    @property
    def gateway(self) -> str:
        """The URL that webhooks are posted to."""

    @property
    def servers(self) -> tuple[str, ...]:
        """Children whose death is the end: they keep their state in memory."""

    @property
    def upload_listener(self) -> str:
        """The child that hears of uploads."""

    @property
    def message_listener(self) -> str:
        """The child that receives messages."""

    @property
    def webhook_listener(self) -> str:
        """The child that takes webhooks."""

    @property
    def announcing(self) -> str:
        """How an upload is announced, and then announced once more."""

    @property
    def env(self) -> Mapping[str, str]:
        """Settings of every process that speaks to the servers, and of a shell."""

    def start(self, processes: Processes, env: Mapping[str, str]) -> None:
        """Start the servers; they may not answer yet."""

    def prepare(self) -> None:
        """Wait for the servers, and make what is kept on them."""

    def start_listeners(self, processes: Processes, env: Mapping[str, str]) -> None:
        """Start what hears of events; `is_listening` says when it does."""

    def is_listening(self, child: Child) -> bool:
        """Whether a child is one of the listeners that does its work, or none of them."""

    def upload(self, name: str, body: bytes) -> str:
        """Put a document under incidents/; returns what tells this upload from others."""

    def upload_key(self, name: str) -> str:
        """How the keys of the events of such uploads begin."""

    def send(self, body: str) -> tuple[str, str]:
        """Post a message to the messages queue; returns that queue's address and an ID."""

    def keys(self, folder: str) -> list[str]:
        """The names of all documents under a folder."""

    def read(self, key: str) -> bytes | None:
        """A document's content, or None where there is none."""

    def waiting(self) -> int:
        """How many announcements of uploads are not settled yet."""

    def dead_lettered(self) -> int:
        """How many messages of any queue have become dead letters."""

    def close(self) -> None:
        """Let go of connections."""
