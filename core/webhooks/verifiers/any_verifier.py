"""Every verifier as one type, told apart by `scheme`: the `verify` of an endpoint."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.webhooks.verifiers.none import NoVerifier
from core.webhooks.verifiers.signatures import GrafanaVerifier, HmacVerifier, PresetVerifier
from core.webhooks.verifiers.sns import SnsVerifier
from core.webhooks.verifiers.standard_webhooks import StandardWebhooksVerifier
from core.webhooks.verifiers.tokens import (
    BasicVerifier,
    BearerVerifier,
    EventGridVerifier,
    RoutingKeyVerifier,
)

AnyVerifier = Annotated[
    BasicVerifier
    | BearerVerifier
    | EventGridVerifier
    | GrafanaVerifier
    | HmacVerifier
    | NoVerifier
    | PresetVerifier
    | RoutingKeyVerifier
    | SnsVerifier
    | StandardWebhooksVerifier,
    Field(discriminator="scheme"),
]
