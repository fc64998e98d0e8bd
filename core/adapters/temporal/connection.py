"""Connections to Temporal, by the environment variables and profiles of `temporalio.envconfig`.

Nothing here imports pydantic before `data_converter()` is called, nor `temporalio.client` before
`connect()` is: a starter makes one call, and the SDK's client would take two fifths of all that a
listener needs to load (docs/decisions/0002). Starters use a `Frontend` instead: the gRPC service
that the client itself stands on.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.envconfig import ClientConfigProfile
from temporalio.service import (
    ConnectConfig,
    RetryConfig,
    RPCError,
    RPCStatusCode,
    ServiceClient,
    WorkflowService,
)

from core.errors import SettingsError, TemporalUnavailable, quoted, third_party

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.converter import DataConverter
    from temporalio.envconfig import ClientConnectConfig
    from temporalio.runtime import Runtime

T = TypeVar("T")

_PLACE: Final = re.compile(r"line (\d+), column (\d+)")
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s\[\]/@:]+):(\d{1,5})")
_DEBUG: Final = re.compile(r"\w+::\w+::")
"""How the client's errors go on from a sentence to the debug text of its Rust libraries."""
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_KIND: Final = re.compile(r"error: (\w+)(?:\((\w+))?")
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

    Raises `SettingsError` when no address is set or it is invalid, `TemporalUnavailable` when it
    does not answer.
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

    Raises `SettingsError` when no address is set or it is invalid.
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
    if not (address := config.get("target_host")):
        raise SettingsError("no Temporal server is configured", fix=_FIX, unset=True)
    _check(address)
    return config


def _check(address: str) -> None:
    """Raises `SettingsError` for an address without a port, for which the client takes 80, and for
    any other that is not HOST:PORT."""
    match = _ADDRESS.fullmatch(address)
    if match and 0 < int(match[2]) < 65_536:
        return
    host = address.rpartition("@")[2]  # without a user and password
    what = "has no port" if re.fullmatch(r"[^\s/:]+:?", host) else "is not HOST:PORT"
    raise SettingsError(
        f"the address of Temporal {what}: {quoted(host)}",
        fix="set TEMPORAL_ADDRESS to a host and a port, e.g. localhost:7233",
    )


def _why(error: Exception) -> str:
    """What is wrong with the settings. The parser quotes the line, which may hold the API key."""
    if place := _PLACE.search(str(error)):
        return f"the file is wrong at line {place[1]}, column {place[2]}"
    if "not found" in str(error):
        return "there is no profile of the name in TEMPORAL_PROFILE"
    return f"{type(error).__name__}, of a variable TEMPORAL_... or the file"


def answer_of(error: RPCError) -> str:
    """What Temporal answered, without the credentials of addresses that it quotes."""
    return f"{error.status.name}: {reason_of(error) if error.message else 'no answer in time'}"


def reason_of(error: Exception) -> str:
    """What the client says, in its own words or those of the system, not in Rust's."""
    text = third_party(error)
    if not (debug := _DEBUG.search(text)):
        return text
    rest = text[debug.start() :]
    if quoted_last := _QUOTED.findall(rest):  # the innermost cause is the last
        return f"cannot connect: {quoted_last[-1]}"
    kind, detail = found.groups() if (found := _KIND.search(rest)) else ("", "")
    match kind:
        case "InvalidMessage":
            return (
                "cannot connect: the server does not speak TLS, which TEMPORAL_TLS or an API key "
                "asks for"
            )
        case "InvalidCertificate":
            return f"cannot connect: the server's certificate is invalid ({detail})"
        case _:
            return f"cannot connect{f': {kind}' if kind else ''}"


def refusal(
    error: RPCError, *, about: str = "", fix: str | None = None
) -> SettingsError | TemporalUnavailable:
    """What an answer of Temporal's means to an operator: `SettingsError` where the namespace or the
    credentials are wrong, else `TemporalUnavailable` with `fix`. `about` begins the message."""
    if (namespace := _missing_namespace(error)) is not None:
        return SettingsError(
            f"Temporal has no namespace {quoted(namespace)}",
            fix="set TEMPORAL_NAMESPACE to one that it has, or create it: "
            "`temporal operator namespace list|create`",
        )
    if error.status in (RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED):
        return SettingsError(
            f"{about}Temporal answered {answer_of(error)}",
            fix="correct TEMPORAL_API_KEY or the certificates of TEMPORAL_TLS_..., and let them "
            "have access to TEMPORAL_NAMESPACE",
        )
    return TemporalUnavailable(f"{about}Temporal answered {answer_of(error)}", fix=fix)


async def unless_missing(answer: Awaitable[T], *, about: str = "") -> T | None:
    """What Temporal answers about a workflow; None where there is no such workflow. Raises what
    `refusal` returns."""
    try:
        return await answer
    except RPCError as error:
        if is_missing(error):
            return None
        raise refusal(error, about=about) from None


def is_missing(error: RPCError) -> bool:
    """Whether Temporal answered that there is no such workflow; a namespace that does not exist is
    a wrong setting."""
    return error.status is RPCStatusCode.NOT_FOUND and _missing_namespace(error) is None


def _missing_namespace(error: RPCError) -> str | None:
    """The name of the namespace that does not exist, if that is why a call was refused."""
    failure = NamespaceNotFoundFailure()
    if error.status is not RPCStatusCode.NOT_FOUND or not error.grpc_status.details:
        return None
    return failure.namespace if error.grpc_status.details[0].Unpack(failure) else None


def _unreachable(config: Mapping[str, Any], error: Exception) -> TemporalUnavailable:
    host = str(config["target_host"]).rpartition("@")[2]  # without a user and password
    return TemporalUnavailable(f"{host}: {reason_of(error)}")


def _retries(seconds: float) -> RetryConfig:
    return RetryConfig(max_elapsed_time_millis=int(seconds * 1000))
