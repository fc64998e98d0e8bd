"""What all tests share: real servers, started once, and an environment that is nobody's own.

HYPOTHESIS_PROFILE chooses how many examples each property gets: 100 by default, 1,000 as `soak`,
10,000 as `nightly`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, settings
from temporalio.client import Client

from core.adapters.temporal.connection import data_converter
from infra.local.aws.servers import aws_environment, start_aws, wait_for_aws
from infra.local.azure.azurite import Azurite, start_azurite, wait_for_azurite
from infra.local.processes import Processes, free_port
from infra.local.temporal import TemporalServer, start_temporal

settings.register_profile(
    "default",
    max_examples=100,
    deadline=None,  # nothing may depend on the machine's speed
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("soak", settings.get_profile("default"), max_examples=1_000)
settings.register_profile("nightly", settings.get_profile("default"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


_FOREIGN = (
    "TIDEGATE_",
    "TEMPORAL_",
    "AWS_",
    "AZURE_",
    "IDENTITY_",
    "APPLICATIONINSIGHTS_",
    "ServiceBusConnection",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the developer's own reach a test, and no credentials either."""
    for name in os.environ:
        if name.startswith(_FOREIGN):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "no-profiles.toml"))
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials it found


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """The servers of the session; they stop with it."""
    running = Processes(tmp_path_factory.mktemp("logs"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def temporal_server(processes: Processes) -> TemporalServer:
    """A Temporal development server, shared by the session: workflow IDs must be a test's own."""
    server = start_temporal(processes, os.environ, port=free_port())
    server.wait()
    return server


@pytest.fixture(scope="session")
async def temporal_client(temporal_server: TemporalServer) -> Client:
    """A client as workers have it."""
    return await Client.connect(temporal_server.address, data_converter=data_converter())


@pytest.fixture
def temporal_settings(temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the session's Temporal server."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)


@pytest.fixture(scope="session")
def aws_server(processes: Processes) -> str:
    """The URL of moto's server, shared by the session: bucket names must be a test's own."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    wait_for_aws(start_aws(processes, os.environ, port=port), endpoint)
    return endpoint


@pytest.fixture
def aws_settings(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the session's AWS server."""
    for name, value in aws_environment(aws_server).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def azurite(processes: Processes) -> Azurite:
    """Azurite, shared by the session: container names must be a test's own."""
    azurite = Azurite(free_port())
    wait_for_azurite(start_azurite(processes, os.environ, azurite), azurite)
    return azurite


@pytest.fixture
def azure_settings(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the session's Azurite."""
    for name, value in azurite.environment.items():
        monkeypatch.setenv(name, value)
