"""What the application's answers work with: each is made when the first of them needs it, and kept
for as long as the process lives.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from core import bootstrap
from core.app.connection import Connection
from core.config.settings import Settings

if TYPE_CHECKING:
    from temporalio.client import Client

    from core.config.secrets import Secrets
    from core.intake.accept import Intake
    from core.intake.quarantine import Quarantine
    from core.links import LinkKeys
    from core.operations.oncall_rota import Rotas
    from core.operations.read_report import Reports


ANSWER_WITHIN: Final = 25.0
"""Seconds for an answer; the gateways before a function wait for 30."""


class Services:
    """Those of one process. Whatever cannot be made raises `ConfigurationError`."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self.settings = settings
        self.secrets = secrets
        self.temporal = Connection(settings)

    async def client(self) -> Client:
        """The one client of Temporal. Raises `SettingsError` or `TemporalUnavailable`."""
        return await self.temporal.client()

    @cached_property
    def link_keys(self) -> LinkKeys:
        """The keys of links and feeds."""
        return bootstrap.link_keys(self.settings, self.secrets)

    @cached_property
    def reports(self) -> Reports:
        """The reports of incidents."""
        from core.operations.read_report import Reports

        return Reports(self.settings, self.client)

    @cached_property
    def rotas(self) -> Rotas:
        """Who is on call."""
        from core.operations.oncall_rota import Rotas

        return Rotas(self.settings, self.client)

    @cached_property
    def quarantine(self) -> Quarantine:
        """The quarantine."""
        return bootstrap.quarantine(self.settings)

    @cached_property
    def intake(self) -> Intake:
        """What accepts events, over a connection of its own."""
        return bootstrap.intake(self.settings)
