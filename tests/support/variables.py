"""The environment variables that Tidegate reads."""

from __future__ import annotations

from typing import Final

from core.config import settings
from core.config.files import SHIPPED_POLICIES, load_policies

SETTINGS: Final = {name for name, _, _ in settings.variables()}
ADDRESSES: Final = {
    variable
    for target in load_policies(SHIPPED_POLICIES).targets.values()
    for variable in target.variables
}
"""Where the shipped policies take the addresses of their targets from."""
