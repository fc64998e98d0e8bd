"""Channels: the targets of the policies file with the addresses that the environment gives them.

One name may stand for several apprise URLs. Each is a target of its own then, so that every page
has one address, one key and one outcome.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from core.domain.incident.policies.targets import PagerDutyTarget, TargetConfig, WebhookTarget
from core.ports.notifier import Target, TargetKind

EVENTS_URL: Final = "https://events.pagerduty.com/v2/enqueue"
"""Where PagerDuty takes events, unless the account is in its EU region."""

Channels = Mapping[str, tuple[Target, ...]]
"""Every target of the policies file by its name; empty where its address is not set."""


def channels(targets: Mapping[str, TargetConfig], environment: Mapping[str, str]) -> Channels:
    """The addresses of all targets. One whose variables are not all set has none."""
    return {name: _addressed(name, target, environment) for name, target in targets.items()}


def _addressed(
    name: str, target: TargetConfig, environment: Mapping[str, str]
) -> tuple[Target, ...]:
    values = {variable: environment.get(variable, "").strip() for variable in target.variables}
    if not all(values.values()):
        return ()
    if isinstance(target, WebhookTarget):
        return (
            Target(
                name=name,
                kind=TargetKind.WEBHOOK,
                address=values[target.url_env],
                secret=values[target.secret_env],
            ),
        )
    if isinstance(target, PagerDutyTarget):
        return (
            Target(
                name=name,
                kind=TargetKind.PAGERDUTY,
                address=values[target.url_env] if target.url_env else EVENTS_URL,
                secret=values[target.routing_key_env],
            ),
        )
    urls = list(dict.fromkeys(values[target.url_env].split()))
    return tuple(
        Target(
            name=name if len(urls) == 1 else f"{name}:{_digest(url)}",
            kind=TargetKind.APPRISE,
            address=url,
        )
        for url in urls
    )


def _digest(url: str) -> str:
    """A name for one URL of several: its scheme, and a digest that tells it from the others."""
    scheme, separator, _ = url.partition("://")
    digest = hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{scheme if separator else 'target'}#{digest}"
