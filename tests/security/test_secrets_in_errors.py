"""No secret in configuration is quoted, however that configuration is wrong.

A secret is planted in each input, which is then broken; what is looked at is everything that the
operator or a sender may see: the error, what it is chained to, the log, `tidegate doctor`.
"""

from __future__ import annotations

import ast
import logging
import traceback
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest
from azure.core.exceptions import HttpResponseError
from botocore.exceptions import ClientError
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from typer.testing import CliRunner

from core.adapters.documents import azure_blob, s3
from core.adapters.temporal import admin
from core.cli.main import app
from core.config import files
from core.config.settings import Settings, variables
from core.domain.oncall.file import NOBODY
from core.errors import TidegateError, third_party
from core.operations.doctor.examine import examine
from functions_azure import telemetry
from workers.runtime.activity_errors import typed_failures

SECRET: Final = "hunter2-tmprl-key"
S3_CODES: Final = (
    "NoSuchKey",
    "InvalidObjectState",
    "PreconditionFailed",
    "KeyTooLongError",
    "503",
)
AZURE_CODES: Final = {
    "BlobArchived": 409,
    "BlobNotFound": 404,
    "ConditionNotMet": 412,
    "InvalidUri": 400,
    "AuthenticationFailed": 403,
    "InvalidBlockList": 400,
    "ServerBusy": 503,
}


async def outputs(caplog: pytest.LogCaptureFixture) -> str:
    """All that doctor says, with what is logged meanwhile."""
    caplog.set_level(logging.DEBUG)
    checks = [check async for check in examine()]
    assert any(check.outcome == "failed" for check in checks)
    return "\n".join([*(repr(check) for check in checks), caplog.text])


def whole(error: BaseException) -> str:
    """The error as a traceback shows it, with all that it is chained to."""
    return "".join(traceback.format_exception(error))


TOML: Final = {
    "no end quote": f'[profile.default]\naddress = "127.0.0.1:1"\napi_key = "{SECRET}\n',
    "no quotes": f"[profile.default]\napi_key = {SECRET}\n",
    "a table": f'[profile.default]\napi_key = ["{SECRET}"]\n',
    "another type": f'[profile.default]\ntls = "{SECRET}"\n',
    "twice": f'[profile.default]\napi_key = "{SECRET}"\napi_key = "{SECRET}"\n',
}


@pytest.mark.parametrize("case", TOML)
async def test_a_broken_file_of_temporals_settings(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text(TOML[case])
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    shown = await outputs(caplog)
    assert SECRET not in shown
    assert "the file is wrong at line" in shown


@pytest.mark.parametrize(
    "environment",
    [
        {"TEMPORAL_PROFILE": SECRET},
        {"TEMPORAL_ADDRESS": f"user:{SECRET}@127.0.0.1:1:1"},
        {"TEMPORAL_ADDRESS": "127.0.0.1:1", "TEMPORAL_API_KEY": f"{SECRET}\n"},
        {
            "TEMPORAL_ADDRESS": "127.0.0.1:1",
            "TEMPORAL_TLS_CLIENT_CERT_DATA": SECRET,
            "TEMPORAL_TLS_CLIENT_KEY_DATA": SECRET,
        },
    ],
    ids="-".join,
)
async def test_broken_variables_of_temporals(
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\naddress = "127.0.0.1:1"\n')
    for name, text in {"TEMPORAL_CONFIG_FILE": str(file), **environment}.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.2")
    assert SECRET not in await outputs(caplog)


def refusal(variable: str, text: str) -> str:
    """What is wrong with a variable's value; empty where it is one that may be so."""
    try:
        Settings.from_env({variable: text})
    except TidegateError as error:
        return whole(error)
    return ""


@pytest.mark.parametrize("variable", [name for name, _, _ in variables()])
def test_a_variable_that_has_a_secret_pasted_into_it(variable: str) -> None:
    for text in (SECRET, f"https://user:{SECRET}@nowhere", f"{SECRET}\x1b"):
        assert SECRET not in refusal(variable, text)


YAML: Final = {
    "no end quote": 'version: 1\nhooks: "{}\n',
    "a tag": "version: 1\nhooks: !{} {{}}\n",
    "an alias": "version: 1\nhooks: *{}\n",
    "an anchor": "version: 1\nhooks: &{} [\n",
    "a broken line": "version: 1\n{}\nhooks: {{}}\n",
    "an escape": 'version: 1\nhooks: "\\q{}"\n',
    "a date": "version: 2026-99-99 # {}\nhooks: {{}}\n",
    "another type": "version: 1\nhooks: {}\nroutes: {}\npolicies: {}\npeople: []\n",
    "pasted for a reference": (
        "version: 1\nhooks: {{in: {{format: message, verify: "
        "{{scheme: bearer, secrets: [{}]}}}}}}\n"
    ),
    "pasted for a scheme": (
        "version: 1\nhooks: {{in: {{format: message, verify: {{scheme: {}}}}}}}\n"
    ),
}


def load_policies(file: Path) -> Any:
    return files.load_policies(file, NOBODY)


@pytest.mark.parametrize(
    "load", [files.load_webhooks, files.load_routes, load_policies, files.load_oncall]
)
@pytest.mark.parametrize("case", YAML)
def test_a_broken_configuration_file(load: Any, case: str, tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(YAML[case].format(SECRET, SECRET, SECRET, SECRET))
    with pytest.raises(TidegateError) as caught:
        load(file)
    assert SECRET not in whole(caught.value)
    assert f"{file}:" in str(caught.value)


def test_a_connection_string_for_telemetry(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", f"InstrumentationKey={SECRET}")
    telemetry.meter.cache_clear()
    try:
        telemetry.meter()
    finally:
        telemetry.meter.cache_clear()
    assert "is not a connection string" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        'Failed to connect to proxy URL: "http://user:{}@proxy:3128"',
        "Could not connect to the endpoint URL: https://{}@s3.example.com/a",
        "user:{}@127.0.0.1: no route",
    ],
)
def test_the_address_in_a_librarys_error(text: str) -> None:
    shown = third_party(RuntimeError(text.format(SECRET)))
    assert SECRET not in shown
    assert text.partition(":")[0] in shown or "127.0.0.1" in shown


ADAPTERS: Final = Path(s3.__file__).parents[1]
OWN_ERRORS: Final = {"documents/files.py", "secrets/files.py"}
"""Adapters of the operating system, whose errors quote nothing but a file's name."""


def chained(file: Path) -> list[int]:
    """The lines that raise an error of ours with another as its cause."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    raises = [node for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.cause]
    return [node.lineno for node in raises if ast.unparse(node.cause or node) != "None"]


def test_no_error_of_an_sdk_is_chained() -> None:
    """Logs show causes, and Temporal writes them into its histories."""
    files = {path.relative_to(ADAPTERS).as_posix(): path for path in ADAPTERS.rglob("*.py")}
    assert set(files) >= OWN_ERRORS
    found = {name: chained(path) for name, path in files.items() if name not in OWN_ERRORS}
    assert {name: lines for name, lines in found.items() if lines} == {}


def of_s3(code: str) -> Exception:
    answer: Any = {"Error": {"Code": code, "Message": f"https://u:{SECRET}@proxy refuses"}}
    return ClientError(answer, "GetObject")


def of_azure(code: str, status: int) -> Exception:
    error = HttpResponseError(f"https://u:{SECRET}@proxy refuses\nAuthenticationError: {SECRET}")
    error.status_code = status
    error.error_code = code  # type: ignore[attr-defined]
    return error


STORES: Final = {
    **{f"s3 {code}": (s3._errors, of_s3(code)) for code in S3_CODES},
    **{
        f"azure {code}": (azure_blob._errors, of_azure(code, status))
        for code, status in AZURE_CODES.items()
    },
}


@pytest.mark.parametrize("case", STORES)
def test_what_a_store_answers(case: str) -> None:
    errors, raised = STORES[case]
    with pytest.raises(TidegateError) as caught, errors("s3://bucket/a"):
        raise raised
    assert SECRET not in whole(caught.value)
    assert SECRET not in history(caught.value)


@pytest.mark.parametrize("status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNAUTHENTICATED])
async def test_what_temporal_answers(status: RPCStatusCode) -> None:
    client = mock.Mock(namespace="default")
    failure = RPCError(f"tls handshake with https://u:{SECRET}@proxy", status, SECRET.encode())
    client.workflow_service.describe_namespace.side_effect = failure
    with pytest.raises(TidegateError) as caught:
        await admin.retention(client)
    assert SECRET not in whole(caught.value)
    assert SECRET not in history(caught.value)


def history(error: TidegateError) -> str:
    """What Temporal keeps of an activity's failure."""
    failure = Failure()
    with pytest.raises(ApplicationError) as caught, typed_failures():
        raise error
    DataConverter.default.failure_converter.to_failure(
        caught.value, DataConverter.default.payload_converter, failure
    )
    return str(failure)


def test_aliases_cost_nothing_and_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    levels = "\n".join(
        f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10) if n else '1'}]" for n in range(40)
    )
    file.write_text(f"{levels}\nversion: 1\nroutes: []\n")
    for noun in ("routes", "webhooks", "policies"):
        result = CliRunner().invoke(app, [noun, "check", str(file)])
        assert "aliases are not supported" in str(result.exception)
