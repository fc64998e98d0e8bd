"""The addresses of targets, read from the environment and checked."""

from __future__ import annotations

from collections.abc import Mapping

from core.adapters.notifiers.registry import CHANNELS
from core.domain.targets import TargetConfig
from core.errors import NotificationFailed, SettingsError
from core.ports.notifier import Address

Addresses = Mapping[str, tuple[Address, ...]]
"""Every target by its name; empty where one of its variables is not set."""


def read_addresses(
    targets: Mapping[str, TargetConfig], environment: Mapping[str, str]
) -> Addresses:
    """The addresses of all targets, not checked yet."""
    return {name: _of(name, target, environment) for name, target in targets.items()}


def _of(name: str, target: TargetConfig, environment: Mapping[str, str]) -> tuple[Address, ...]:
    values = {variable: environment.get(variable, "").strip() for variable in target.variables}
    if not all(values.values()):
        return ()
    return CHANNELS[target.kind].addresses(name, target, values)


def check_addresses(targets: Mapping[str, TargetConfig], addresses: Addresses) -> None:
    """Raises `SettingsError` naming every address that can never work, by its variables and without
    its value. A target without an address is no error: its levels do without it."""
    problems = []
    for name, target in targets.items():
        for address in addresses[name]:
            try:
                CHANNELS[target.kind].check(address)
            except NotificationFailed as error:
                variables = " and ".join(target.variables)
                problems.append(f"{variables}: {address.name}: {error.message}")
    if problems:
        raise SettingsError(
            "; ".join(problems), fix="give each variable an address of its target's kind"
        )
