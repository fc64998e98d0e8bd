"""A webhook pipeline under test, and requests as their senders would sign them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import bootstrap
from core.config.secrets import Secrets
from core.config.settings import Settings
from core.domain.validation import EventValidationService
from core.intake.accept import Intake
from core.intake.quarantine import Quarantine
from core.ports.secrets import SecretStore
from core.ports.workflows import Workflows
from core.webhooks.endpoints import WebhookTable
from core.webhooks.pipeline import Outcome, Webhooks
from core.webhooks.request import Request
from core.webhooks.verifiers.base import Signer

NOW = datetime(2026, 3, 1, 12, 7, 30, tzinfo=UTC)
TOKEN = "a-token-nobody-guesses"


class MemorySecrets:
    """A store whose secrets can be rotated, deleted, or made to fail."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        self.failure: Exception | None = None
        self.reads = 0

    async def read(self, reference: object) -> str:
        self.reads += 1
        if self.failure:
            raise self.failure
        return self.values[str(reference)]


class Harness:
    """One pipeline with its own intake. `hooks` are endpoints as in `webhooks.yaml`; their defaults
    are a bearer token and the format `message`."""

    def __init__(
        self,
        workflows: Workflows,
        folder: Path,
        hooks: Mapping[str, Mapping[str, Any]] | None = None,
        secrets: Mapping[str, str] | None = None,
        routes: Path | None = None,
    ) -> None:
        common = {"format": "message", "verify": {"scheme": "bearer", "secrets": ["env:TOKEN"]}}
        self.table = WebhookTable.model_validate(
            {"version": 1, "hooks": {n: common | dict(h) for n, h in (hooks or {"in": {}}).items()}}
        )
        self.store = MemorySecrets({"env:TOKEN": TOKEN, **(secrets or {})})
        self.settings = Settings(quarantine=f"file://{folder}/quarantine/", routes=routes)
        self.now = NOW

        def make() -> SecretStore:
            return self.store

        self.intake = Intake(
            workflows=workflows,
            router=bootstrap.router(self.settings),
            quarantine=self.quarantine,
            validation=EventValidationService(documents=(), max_bytes=64 * 1024),
        )
        self.webhooks = Webhooks(
            table=self.table,
            secrets=Secrets(
                {"env": make},
                ttl=300,
                clock=lambda: self.now.timestamp(),  # noqa: PLW0108  `now` moves
            ),
            intake=self.intake,
            clock=lambda: self.now,
        )

    @property
    def quarantine(self) -> Quarantine:
        return bootstrap.quarantine(self.settings)

    async def send(self, request: Request, *, time_left: float = 30) -> Outcome:
        return await self.webhooks.receive(request, time_left=time_left)

    async def post(
        self, body: object, *, hook: str = "in", signed: bool = True, **headers: str
    ) -> Outcome:
        """Post bytes as they are, or anything else as JSON, signed as its sender would."""
        request = self.request(body, hook=hook, **headers)
        return await self.send(self.sign(request, hook) if signed else request)

    def request(self, body: object, *, hook: str = "in", **headers: str) -> Request:
        """An unsigned request. Underscores in the names of headers stand for hyphens."""
        return Request(
            method="POST",
            path=f"/hooks/{hook}",
            headers={
                "content-type": "application/json",
                **{name.replace("_", "-"): text for name, text in headers.items()},
            },
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        )

    def sign(self, request: Request, hook: str = "in") -> Request:
        verifier = self.table.hooks[hook.partition("/")[0]].verify
        assert isinstance(verifier, Signer)
        values: Sequence[str] = [self.store.values[name] for name in verifier.references]
        return verifier.sign(request, values, self.now)


def answer_of(outcome: Outcome) -> Any:
    """The JSON of an answer."""
    return json.loads(outcome.response.body)


def verdicts(outcome: Outcome) -> list[str]:
    return [receipt["verdict"] for receipt in answer_of(outcome)["receipts"]]
