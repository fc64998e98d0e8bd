"""What all tests share: real servers, started once, and an environment without settings of ours.

HYPOTHESIS_PROFILE chooses how many examples each property gets: 100 by default, 1,000 as `soak`,
10,000 as `nightly`.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, settings
from temporalio.client import Client

from core.adapters.temporal.connection import data_converter
from core.cli.main import main
from infra.local.application import start_application
from infra.local.aws.servers import aws_environment, start_aws
from infra.local.azure.azurite import Azurite, start_azurite
from infra.local.environment import LINK_KEYS
from infra.local.processes import Processes
from infra.local.servers import Server
from infra.local.temporal import TemporalServer, start_temporal
from tests.support import ports
from tests.support.cli import Result, Tidegate

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


# `make test ARGS=...` would pass them on to a make that a test calls.
for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS"):
    os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What a handler configures of logging is a process's in production, and one test's here."""
    root, known = logging.getLogger(), logging.root.manager.loggerDict
    handlers = root.handlers[:]
    levels = {
        each: each.level for each in (root, *known.values()) if isinstance(each, logging.Logger)
    }
    yield
    root.handlers[:] = handlers
    for each, level in levels.items():
        each.setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """A shell starts background jobs with SIGINT ignored, and every child inherits that: without
    this, `make test &` would wait for commands that never hear Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings or credentials of the developer reach a test."""
    for name in os.environ:
        if name.startswith(_FOREIGN):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "no-profiles.toml"))
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it caches credentials


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses every connection."""
    with ports.closed_port() as port:
        yield port


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """The servers of the session; they stop with it."""
    running = Processes(tmp_path_factory.mktemp("logs"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def temporal_server(processes: Processes) -> TemporalServer:
    """A Temporal development server, shared by the session: tests need unique workflow IDs."""
    server = start_temporal(processes, os.environ)
    server.wait()
    return server


@pytest.fixture(scope="session")
async def temporal_client(temporal_server: TemporalServer) -> Client:
    """A client with the workers' data converter."""
    return await Client.connect(temporal_server.address, data_converter=data_converter())


@pytest.fixture
def temporal_settings(temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the session's Temporal server."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)


@pytest.fixture(scope="session")
def application(processes: Processes, temporal_server: TemporalServer) -> Server:
    """The HTTP application of that server, with the keys of the local stack."""
    address = {"TEMPORAL_ADDRESS": temporal_server.address}
    server = start_application(processes, os.environ | address | LINK_KEYS)
    server.wait("/healthz")
    return server


@pytest.fixture(scope="session")
def aws_server(processes: Processes) -> str:
    """The URL of moto's server, shared by the session: tests need unique bucket names."""
    server = start_aws(processes, os.environ)
    server.wait()
    return server.endpoint


@pytest.fixture
def aws_settings(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the session's AWS server."""
    for name, value in aws_environment(aws_server).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def azurite(processes: Processes) -> Azurite:
    """Azurite, shared by the session: tests need unique container names."""
    return start_azurite(processes, os.environ).wait()


@pytest.fixture
def azure_settings(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the session's Azurite."""
    for name, value in azurite.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def tidegate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tidegate:
    """Runs the command in this process, through its entry point."""

    def run(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "argv", ["tidegate", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        return Result(code, *capsys.readouterr())

    return run
