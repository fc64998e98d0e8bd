"""Connections to Temporal, by the environment variables and profiles of `temporalio.envconfig`.

Nothing here imports pydantic before `data_converter()` is called, nor `temporalio.client` before
`connect()` is: a starter makes one call, and the SDK's client would take two fifths of all that a
listener needs to load (docs/decisions/0002). Starters use a `Frontend` instead: the gRPC service
that the client itself stands on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from temporalio.envconfig import ClientConfigProfile
from temporalio.service import ConnectConfig, RetryConfig, RPCError, ServiceClient, WorkflowService

from core.errors import SettingsError, TemporalUnavailable, third_party

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.converter import DataConverter
    from temporalio.envconfig import ClientConnectConfig
    from temporalio.runtime import Runtime

_PLACE: Final = re.compile(r"line (\d+), column (\d+)")
_FIX: Final = (
    "set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_... as your "
    "server needs them), or a profile in TEMPORAL_CONFIG_FILE"
)


def data_converter() -> DataConverter:
    """The converter of workers and tools, which reads and writes pydantic models. A payload codec
    would go here and into `workflows`, which writes its payloads itself."""
    from temporalio.contrib.pydantic import pydantic_data_converter

    return pydantic_data_converter


async def connect(*, runtime: Runtime | None = None, retry_for: float = 5.0) -> Client:
    """A connected client for workers and tools. Calls retry for up to `retry_for` seconds.

    Raises `SettingsError` when no address is set, `TemporalUnavailable` when none answers.
    """
    from temporalio.client import Client

    config = _config()
    try:
        return await Client.connect(
            **config,
            data_converter=data_converter(),
            retry_config=_retries(retry_for),
            runtime=runtime,
        )
    except (RuntimeError, ValueError) as error:
        raise _unreachable(config, error) from None


@dataclass(frozen=True, slots=True)
class Frontend:
    """Temporal's frontend service, with the namespace and the identity to call it by."""

    service: WorkflowService
    namespace: str
    identity: str


async def frontend(*, retry_for: float = 5.0) -> Frontend:
    """The frontend for starters, which connects at its first call and retries as in `connect`.

    Raises `SettingsError` when no address is set, `TemporalUnavailable` for an invalid one.
    """
    options: dict[str, Any] = {**_config()}
    namespace = options.pop("namespace", "default")
    try:
        config = ConnectConfig(**options, retry_config=_retries(retry_for), lazy=True)
        client = await ServiceClient.connect(config)
    except (RuntimeError, ValueError) as error:
        raise _unreachable(options, error) from None
    return Frontend(client.workflow_service, namespace, config.identity)


def _config() -> ClientConnectConfig:
    try:
        config = ClientConfigProfile.load().to_client_connect_config()
    except (RuntimeError, ValueError, OSError) as error:
        raise SettingsError(
            f"the Temporal settings cannot be read: {_why(error)}", fix=_FIX
        ) from None
    if not config.get("target_host"):
        raise SettingsError("no Temporal server is configured", fix=_FIX)
    return config


def _why(error: Exception) -> str:
    """What is wrong with the settings. The parser quotes the line, which may hold the API key."""
    if place := _PLACE.search(str(error)):
        return f"the file is wrong at line {place[1]}, column {place[2]}"
    if "not found" in str(error):
        return "there is no profile of the name in TEMPORAL_PROFILE"
    return f"{type(error).__name__}, of a variable TEMPORAL_... or the file"


def answer_of(error: RPCError) -> str:
    """What Temporal answered, without the credentials of addresses that it quotes."""
    return f"{error.status.name}: {third_party(error) if error.message else 'no answer in time'}"


def _unreachable(config: Mapping[str, Any], error: Exception) -> TemporalUnavailable:
    host = str(config["target_host"]).rpartition("@")[2]  # without a user and password
    return TemporalUnavailable(f"{host}: {third_party(error)}")


def _retries(seconds: float) -> RetryConfig:
    return RetryConfig(max_elapsed_time_millis=int(seconds * 1000))
