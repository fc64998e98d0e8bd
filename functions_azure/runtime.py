"""What every function shares: one intake per process, the time an invocation has, and how receipts
become the host's answer.

Microsoft's worker awaits all functions of a process on its one event loop, so the intake and the
Temporal client in it live there across invocations. Importing this connects to nothing; the first
event does.
"""

from __future__ import annotations

from functools import cache

import core.adapters.temporal  # noqa: F401  loaded while the process starts, not by the first event
from core import bootstrap
from core.errors import TransientError
from core.formats.delivery import Delivery, read
from core.intake import Intake
from core.receipts import Receipt
from core.settings import Settings
from functions_azure import telemetry
from functions_azure.host import FUNCTION_TIMEOUT

_SHORTEST = 0.05


class NotAccepted(TransientError):
    """Part of a delivery could not be accepted now, and all of it must be delivered again."""

    fix = "its source delivers it again by itself; see the receipts with verdict retry"


@cache
def settings() -> Settings:
    """The process's settings. Raises `SettingsError`, and then the host delivers again."""
    return Settings.from_env()


@cache
def intake() -> Intake:
    return bootstrap.intake(settings())


def time_left(seconds: float = FUNCTION_TIMEOUT) -> float:
    """Seconds that an invocation that has just begun may work on events, when it must have ended
    after so many `seconds`."""
    return max(min(seconds, FUNCTION_TIMEOUT) - settings().deadline_margin, _SHORTEST)


async def settle(delivery: Delivery, *, within: float = FUNCTION_TIMEOUT) -> list[Receipt]:
    """The receipts of a delivery, when all of it is settled within so many seconds. Raises
    `NotAccepted`, and then the host must make its source deliver again."""
    arrivals = read(delivery)
    if not arrivals:
        telemetry.record_empty(delivery)
    receipts = await intake().accept(arrivals, time_left=time_left(within), report=telemetry.record)
    if again := [receipt for receipt in receipts if not receipt.settled]:
        raise NotAccepted(f"{len(again)} of {len(receipts)} events not accepted: {again[0].reason}")
    return receipts
