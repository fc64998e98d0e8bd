"""The environment variables that Tidegate reads."""

from __future__ import annotations

from typing import Final

from core.cli.heartbeat import TOKEN_VARIABLE, URL_VARIABLE
from core.config import settings
from core.config.files import SHIPPED_POLICIES, load_policies
from core.domain.oncall.file import NOBODY

SETTINGS: Final = {name for name, _, _ in settings.variables()}
ADDRESSES: Final = {
    variable
    for target in load_policies(SHIPPED_POLICIES, NOBODY).targets.values()
    for variable in target.variables
}
"""Where the shipped policies take the addresses of their targets from."""
REPORTING: Final = {URL_VARIABLE, TOKEN_VARIABLE}
"""What `tidegate heartbeat` alone reads, on machines that have no other setting."""
