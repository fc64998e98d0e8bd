"""What every function shares: one intake per process, an invocation's time limit, and how receipts
become the host's response.

Microsoft's worker awaits all functions of a process on one event loop, so the intake and its
Temporal client live there across invocations. Importing this connects to nothing; the first event
does.
"""

from __future__ import annotations

from functools import cache
from typing import Final

# Loaded at start, not by the first event.
import core.adapters.documents.router
import core.adapters.temporal.workflows
import core.config.routing_table
import core.formats.shared.queue_format  # noqa: F401
from core import bootstrap
from core.config.settings import Settings
from core.formats.registry import read
from core.formats.shared.delivery import Delivery
from core.intake.accept import Intake
from core.intake.receipts import require_settled
from functions_azure import telemetry
from functions_azure.host import FUNCTION_TIMEOUT

_SHORTEST: Final = 0.05


@cache
def settings() -> Settings:
    """The process's settings. Raises `SettingsError`, and then the host redelivers."""
    read = Settings.from_env()
    bootstrap.queue_formats(read)
    return read


@cache
def intake() -> Intake:
    return bootstrap.intake(settings())


def time_left(seconds: float = FUNCTION_TIMEOUT) -> float:
    """Seconds that an invocation may work on events, if it has just begun and must end within
    `seconds`."""
    return max(min(seconds, FUNCTION_TIMEOUT) - settings().deadline_margin, _SHORTEST)


async def settle(delivery: Delivery, *, within: float = FUNCTION_TIMEOUT) -> None:
    """Return when all of a delivery is settled, `within` so many seconds. Raises `NotAccepted` when
    its source must redeliver it."""
    arrivals = read(delivery)
    if not arrivals:
        telemetry.record_empty(delivery)
    receipts = await intake().accept(arrivals, time_left=time_left(within), report=telemetry.record)
    require_settled(receipts)
