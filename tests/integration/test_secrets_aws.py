"""Secrets in AWS Secrets Manager, over HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from uuid import uuid4

import boto3
import pytest
from mypy_boto3_secretsmanager import SecretsManagerClient

from core import bootstrap
from core.config.secrets import Secrets
from core.config.settings import Settings
from core.errors import SecretUnavailable, SettingsError


@pytest.fixture
def manager(aws_settings: None) -> Iterator[SecretsManagerClient]:
    client = boto3.client("secretsmanager")
    yield client
    client.close()


@pytest.fixture
def kept(aws_settings: None) -> Secrets:
    return bootstrap.secrets(Settings())


def unused() -> str:
    return f"hooks/{uuid4().hex}"


async def test_a_secret_is_found_by_its_name_and_by_its_arn(
    kept: Secrets, manager: SecretsManagerClient
) -> None:
    name = unused()
    arn = manager.create_secret(Name=name, SecretString=" hunter2\n")["ARN"]
    assert await kept.get_all([f"aws:{name}", f"aws:{arn}"]) == [" hunter2"] * 2


async def test_the_region_is_that_of_aws_region_as_for_the_command_of_aws(
    kept: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = boto3.client("secretsmanager", region_name="us-east-2")
    name = unused()
    other.create_secret(Name=name, SecretString="hunter2")
    other.close()
    monkeypatch.setenv("AWS_REGION", "us-east-2")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert await kept.get(f"aws:{name}") == "hunter2"


async def test_an_arn_is_read_in_its_own_region(kept: Secrets, aws_settings: None) -> None:
    other = boto3.client("secretsmanager", region_name="us-east-2")
    arn = other.create_secret(Name=unused(), SecretString="hunter2")["ARN"]
    other.close()
    assert arn.split(":")[3] == "us-east-2"
    assert await kept.get(f"aws:{arn}") == "hunter2"


async def test_a_field_of_a_json_secret_is_a_secret(
    kept: Secrets, manager: SecretsManagerClient
) -> None:
    name = unused()
    fields = {"github": "hunter2", "with blank": "ünter2"}
    arn = manager.create_secret(Name=name, SecretString=json.dumps(fields))["ARN"]
    assert await kept.get(f"aws:{name}#github") == "hunter2"
    assert await kept.get(f"aws:{arn}#with blank") == "ünter2"


@pytest.mark.parametrize(
    "secret",
    ["hunter2", '{"hunter2"', "[]", '{"another": "hunter2"}', '{"hook": 7}', "[" * 60_000],
    ids=["no JSON", "broken JSON", "no object", "no such field", "no text", "deep"],
)
async def test_a_missing_field_is_refused(
    kept: Secrets, manager: SecretsManagerClient, secret: str
) -> None:
    name = unused()
    manager.create_secret(Name=name, SecretString=secret)
    with pytest.raises(
        SettingsError, match="is not a JSON object with that field as text"
    ) as caught:
        await kept.get(f"aws:{name}#hook")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_the_current_version_is_used_and_a_new_one_after_the_ttl(
    manager: SecretsManagerClient, aws_settings: None
) -> None:
    now = 1_800_000_000.0
    kept = Secrets(bootstrap.SECRET_STORES, ttl=300, clock=lambda: now)
    name = unused()
    manager.create_secret(Name=name, SecretString="one")
    assert await kept.get(f"aws:{name}") == "one"
    manager.put_secret_value(SecretId=name, SecretString="two")
    manager.put_secret_value(SecretId=name, SecretString="three", VersionStages=["AWSPENDING"])
    assert await kept.get(f"aws:{name}") == "one"
    now += 300
    assert await kept.get(f"aws:{name}") == "two"


async def test_a_secret_that_does_not_exist_is_the_operators_fault(kept: Secrets) -> None:
    with pytest.raises(SettingsError) as caught:
        await kept.get("aws:hooks/nowhere")
    assert str(caught.value).startswith(
        "AWS does not return the secret aws:hooks/nowhere: An error occurred (ResourceNotFound"
    )
    assert str(caught.value).endswith("(create or restore it, or fix the reference)")


async def test_a_secret_marked_for_deletion_is_gone(
    kept: Secrets, manager: SecretsManagerClient
) -> None:
    name = unused()
    manager.create_secret(Name=name, SecretString="hunter2")
    manager.delete_secret(SecretId=name)
    with pytest.raises(SettingsError, match="InvalidRequestException"):
        await kept.get(f"aws:{name}")


async def test_a_binary_secret_is_refused(kept: Secrets, manager: SecretsManagerClient) -> None:
    name = unused()
    manager.create_secret(Name=name, SecretBinary=b"hunter2")
    with pytest.raises(SettingsError, match=rf"the secret aws:{name} is binary \(keep it as text"):
        await kept.get(f"aws:{name}")


async def test_a_server_that_does_not_answer_is_transient(
    kept: Secrets,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port}")
    with pytest.raises(SecretUnavailable, match="aws:hook: Could not connect to the endpoint"):
        await kept.get("aws:hook")


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], "Unable to locate credentials"),
        (["AWS_DEFAULT_REGION", "AWS_REGION"], "You must specify a region"),
    ],
)
async def test_a_missing_region_and_missing_credentials_are_transient(
    kept: Secrets, monkeypatch: pytest.MonkeyPatch, missing: list[str], reason: str
) -> None:
    for name in missing:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SecretUnavailable, match=reason):
        await kept.get("aws:hook")


async def test_no_value_reaches_a_log_however_much_is_logged(
    kept: Secrets, manager: SecretsManagerClient, caplog: pytest.LogCaptureFixture
) -> None:
    name = unused()
    manager.create_secret(Name=name, SecretString="hunter2")
    caplog.set_level(logging.DEBUG)
    assert await kept.get(f"aws:{name}") == "hunter2"
    assert "GetSecretValue" in caplog.text
    assert "hunter2" not in caplog.text
