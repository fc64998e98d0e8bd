"""The whole local stack, for tests that follow events all the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from infra.local.cloud import CloudName
from infra.local.processes import ROOT
from infra.local.stack import LocalStack
from infra.local.temporal import Temporal, temporal_view
from infra.local.workers import Hosting
from tests.support.lambda_package import package

SAMPLE: Final = ROOT / "infra" / "local" / "sample" / "oncall.yaml"
"""An on-call file with two people."""


@dataclass(frozen=True, slots=True)
class Harness:
    """A running stack, and a view of its Temporal server."""

    stack: LocalStack
    temporal: Temporal


@contextmanager
def running_in(
    state: Path,
    *,
    cloud: CloudName = "aws",
    bridge: bool = False,
    hosting: Hosting = "processes",
    settings: Mapping[str, str] | None = None,
) -> Iterator[Harness]:
    """A stack whose Temporal server survives crashes, and where nothing ever escalates."""
    with (
        LocalStack(
            state,
            cloud=cloud,
            persistent=True,
            bridge=bridge,
            hosting=hosting,
            settings={"TIDEGATE_ACK_TIMEOUT": "3600", **(settings or {})},
        ) as stack,
        temporal_view(stack.temporal.address) as temporal,
    ):
        yield Harness(stack, temporal)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """One stack for a module."""
    with running_in(tmp_path_factory.mktemp("stack")) as harness:
        yield harness


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a listener, built for this interpreter as `sam build` does it."""
    folder = tmp_path_factory.mktemp("lambda") / "S3Listener"
    built = package(folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="session")
def app_artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the HTTP application on Lambda, built in the same way."""
    folder = tmp_path_factory.mktemp("lambda") / "App"
    built = package(folder, "build-App")
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="session")
def workers_artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the workers on Lambda, built in the same way, with people on call."""
    folder = tmp_path_factory.mktemp("lambda") / "Workers"
    built = package(folder, "build-Workers", ONCALL=str(SAMPLE))
    assert built.returncode == 0, built.stdout + built.stderr
    return folder
