"""What operators read when Temporal cannot be reached, or refuses a call."""

from __future__ import annotations

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure, NotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.connection import connect, frontend, reason_of, refusal
from core.errors import SettingsError, TemporalUnavailable

FAILED = "Failed client connect: Server connection error: tonic::transport::Error(Transport, "


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            f'{FAILED}ConnectError(ConnectError("tcp connect error", 127.0.0.1:1, Os {{ code: 111, '
            'kind: ConnectionRefused, message: "Connection refused" })))',
            "cannot connect: Connection refused",
        ),
        (
            f'{FAILED}ConnectError(ConnectError("dns error", Custom {{ kind: Uncategorized, error: '
            '"failed to lookup address information: Name or service not known" })))',
            "cannot connect: failed to lookup address information: Name or service not known",
        ),
        (
            f"{FAILED}ConnectError(Custom {{ kind: InvalidData, error: "
            "InvalidMessage(InvalidContentType) }))",
            "cannot connect: the server does not speak TLS, which TEMPORAL_TLS or an API key asks "
            "for",
        ),
        (
            f"{FAILED}ConnectError(Custom {{ kind: InvalidData, error: "
            "InvalidCertificate(UnknownIssuer) }))",
            "cannot connect: the server's certificate is invalid (UnknownIssuer)",
        ),
        (f"{FAILED}ConnectError(Elapsed(())))", "cannot connect"),
        ("invalid target URL: empty host", "invalid target URL: empty host"),
    ],
)
def test_a_failure_to_connect_is_told_without_the_clients_debug_text(
    text: str, reason: str
) -> None:
    assert reason_of(RuntimeError(text)) == reason


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("localhost", "has no port: 'localhost'"),
        ("127.0.0.1:", "has no port: '127.0.0.1:'"),
        ("127.0.0.1:port", "is not HOST:PORT: '127.0.0.1:port'"),
        ("127.0.0.1:0", "is not HOST:PORT: '127.0.0.1:0'"),
        ("127.0.0.1:70000", "is not HOST:PORT: '127.0.0.1:70000'"),
        (":7233", "is not HOST:PORT: ':7233'"),
        ("::1:7233", "is not HOST:PORT: '::1:7233'"),
        ("http://127.0.0.1:7233", "is not HOST:PORT: 'http://127.0.0.1:7233'"),
        ("127.0.0.1:7233/path", "is not HOST:PORT: '127.0.0.1:7233/path'"),
        ("two words:7233", "is not HOST:PORT: 'two words:7233'"),
        ("ana:hunter2@127.0.0.1:7233", "is not HOST:PORT: '127.0.0.1:7233'"),
    ],
)
async def test_an_address_that_is_not_a_host_and_a_port_is_named(
    address: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    for ask in (connect, frontend):
        with pytest.raises(SettingsError) as refused:
            await ask()
        assert refused.value.message == f"the address of Temporal {problem}"
        assert "localhost:7233" in refused.value.fix
        assert not refused.value.unset


@pytest.mark.parametrize("address", ["localhost:7233", "[::1]:7233", "a.b-c.tmprl.cloud:7233"])
async def test_an_address_with_a_port_is_taken(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    await frontend()  # connects at its first call


def answered(status: RPCStatusCode, message: str, details: object = None) -> RPCError:
    grpc = GrpcStatus(code=status, message=message)
    if details is not None:
        packed = AnyMessage()
        packed.Pack(details)  # type: ignore[arg-type]
        grpc.details.append(packed)
    return RPCError(message, status, grpc.SerializeToString())


def test_a_missing_namespace_is_a_wrong_setting() -> None:
    details = NamespaceNotFoundFailure(namespace="nope")
    error = refusal(
        answered(RPCStatusCode.NOT_FOUND, "Namespace nope is not found.", details), fix="try again"
    )
    assert type(error) is SettingsError
    assert error.message == "Temporal has no namespace 'nope'"
    assert "TEMPORAL_NAMESPACE" in error.fix


@pytest.mark.parametrize("status", [RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED])
def test_refused_credentials_are_a_wrong_setting(status: RPCStatusCode) -> None:
    error = refusal(answered(status, "Request unauthorized."), about="event 7: ")
    assert type(error) is SettingsError
    assert error.message == f"event 7: Temporal answered {status.name}: Request unauthorized."
    assert "TEMPORAL_API_KEY" in error.fix


@pytest.mark.parametrize(
    "error",
    [
        answered(RPCStatusCode.UNAVAILABLE, "shutting down"),
        answered(RPCStatusCode.NOT_FOUND, "workflow not found for ID: x", NotFoundFailure()),
        answered(RPCStatusCode.NOT_FOUND, "no details"),
    ],
    ids=str,
)
def test_every_other_answer_may_be_another_one_later(error: RPCError) -> None:
    refused = refusal(error, fix="look")
    assert type(refused) is TemporalUnavailable
    assert refused.fix == "look"
