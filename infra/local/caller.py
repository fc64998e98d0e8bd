"""What a stack takes of its caller's environment: settings, and what their files name.

Each setting says itself whether it is the caller's or the stack's (`local_settings`). All of the
caller's are read before anything starts, with the files that they name, so that a mistake is
refused by its variable, or by its file, line and column.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from core import bootstrap
from core.adapters.notifiers.addresses import check_addresses, read_addresses
from core.app.identity.bearer import identity
from core.config.files import load_webhooks
from core.config.settings import Settings, local_settings
from core.domain.oncall.file import OnCallFile
from core.domain.secret_reference import parse_reference
from core.domain.targets import TargetConfig
from core.webhooks.endpoints import WebhookTable
from infra.local.environment import ACCOUNTS, WEBHOOKS, is_foreign

PAGE_URLS, ESCALATION_URLS = "TIDEGATE_PAGE_URLS", "TIDEGATE_ESCALATION_URLS"
"""The shipped policies' variables, which lead to the pager of the stack and nowhere else."""
_LOCAL: Final = local_settings()
_OWN: Final = {PAGE_URLS, ESCALATION_URLS, *(n for n, whose in _LOCAL.items() if whose == "stack")}


@dataclass(frozen=True, slots=True)
class Caller:
    """`variables` are the caller's settings, and the variables that the policies, the on-call file,
    the webhooks and the references of the application name; paths are absolute. `unused` are the
    names of those that are set and not taken."""

    variables: Mapping[str, str]
    unused: tuple[str, ...]


def read_caller(environment: Mapping[str, str] | None = None) -> Caller:
    """What a stack takes of an environment, by default this process's. Raises `SettingsError` or
    `ConfigFileError` for what no process of the stack could use."""
    environment = os.environ if environment is None else environment
    present = {name: text for name, text in environment.items() if text.strip()}
    taken = {name: text for name, text in present.items() if _LOCAL.get(name) == "caller"}
    settings = Settings.from_env(taken)
    bootstrap.router(settings)
    bootstrap.queue_formats(settings)
    oncall = bootstrap.oncall(settings)
    policies = bootstrap.policies(settings, oncall)
    webhooks = load_webhooks(settings.webhooks or WEBHOOKS)
    targets = bootstrap.targets(policies, oncall)
    identity(settings, bootstrap.secrets(settings))
    references = (settings.api_tokens, settings.slack_signing_secret)
    named = _named(targets, oncall, webhooks, references)
    taken |= {name: present[name] for name in named & present.keys()}
    check_addresses(targets, read_addresses(targets, dict(settings.target_variables) | taken))
    # Children have another working folder.
    paths = {f.metadata["name"]: getattr(settings, f.name) for f in fields(settings)}
    taken |= {name: str(p.resolve()) for name, p in paths.items() if isinstance(p, Path)}
    return Caller(taken, tuple(sorted(n for n in present if is_foreign(n) and n not in taken)))


def _named(
    targets: Mapping[str, TargetConfig],
    oncall: OnCallFile,
    webhooks: WebhookTable,
    others: Iterable[str | None],
) -> set[str]:
    """The variables of targets, of calendars, of the webhooks' secrets and of the other references,
    unless they are the stack's or lead to an account."""
    names = {name for target in targets.values() for name in target.variables} | oncall.variables
    secrets = [text for endpoint in webhooks.hooks.values() for text in endpoint.verify.references]
    references = map(parse_reference, [*secrets, *filter(None, others)])
    names |= {reference.place for reference in references if reference.store == "env"}
    return {name for name in names - _OWN if not name.startswith(ACCOUNTS)}
