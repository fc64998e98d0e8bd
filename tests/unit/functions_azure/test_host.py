from __future__ import annotations

import json
import re
import tomllib
from datetime import timedelta
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.config import settings
from functions_azure import host, runtime, service_bus
from infra.local.processes import ROOT
from tests.support.azure import ENVIRONMENT, fresh_process

HOST: dict[str, Any] = json.loads((ROOT / "host.json").read_text())


def seconds(text: str) -> float:
    hours, minutes, rest = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=rest).total_seconds()


def test_the_host_has_the_settings_that_the_functions_rely_on() -> None:
    assert HOST["version"] == "2.0"
    assert HOST["extensionBundle"]["version"] == "[4.*, 5.0.0)"
    assert HOST["extensions"]["http"]["routePrefix"] == ""
    assert HOST["telemetryMode"] == "OpenTelemetry"
    assert HOST["extensions"]["http"]["maxConcurrentRequests"] == settings.Settings().concurrency
    bus = HOST["extensions"]["serviceBus"]
    assert bus["autoCompleteMessages"] is True
    assert bus["prefetchCount"] == 0


def test_the_time_limit_of_an_invocation_is_the_hosts() -> None:
    assert seconds(HOST["functionTimeout"]) == host.FUNCTION_TIMEOUT
    with fresh_process():
        assert runtime.time_left() == host.FUNCTION_TIMEOUT - 2
        assert runtime.time_left(30) == 28


def test_a_message_stays_locked_for_as_long_as_an_invocation_may_take() -> None:
    renewed = seconds(HOST["extensions"]["serviceBus"]["maxAutoLockRenewalDuration"])
    assert renewed > host.FUNCTION_TIMEOUT


@pytest.mark.parametrize("said", [{}, {"functionTimeout": "-1"}])
def test_a_file_without_a_limit_is_refused(tmp_path: Path, said: dict[str, str]) -> None:
    file = tmp_path / "host.json"
    file.write_text(json.dumps(said))
    with pytest.raises(ValueError, match="sets no functionTimeout"):
        host.function_timeout(file)


def test_the_example_settings_have_the_settings_of_the_bindings() -> None:
    example = json.loads((ROOT / "local.settings.example.json").read_text())["Values"]
    assert set(ENVIRONMENT) <= set(example)
    known = {name for name, _, _ in settings.variables()}
    assert {name for name in example if name.startswith("TIDEGATE_")} <= known


def test_only_what_the_app_needs_is_deployed() -> None:
    """By the names at the root: packages, and a developer's other files there."""
    lines = (ROOT / ".funcignore").read_text().splitlines()
    ignored = {line.strip("/") for line in lines if not line.startswith("#")}
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = configuration["tool"]["hatch"]["build"]["targets"]["wheel"]
    packages = {path.partition("/")[0] for path in wheel["only-include"]}
    assert packages - ignored == {"core", "functions_azure"}
    private = (".git", ".venv", ".env", "local.settings*.json", "tests", "docs", "requirements")
    assert set(private) <= ignored
    needed = {"core", "functions_azure", "function_app.py", "host.json", "requirements.txt"}
    assert not needed & ignored
    tracked = {entry.name for entry in ROOT.iterdir()}
    patterns = ignored | {line.strip("/") for line in (ROOT / ".gitignore").read_text().split()}
    assert {name for name in tracked if not any(map(partial(fnmatch, name), patterns))} == needed


def test_the_apps_pins_are_those_of_the_tests() -> None:
    def pins(file: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+==[^\s;]+)", (ROOT / file).read_text(), re.M))

    assert pins("requirements.txt") <= pins("requirements/dev.txt")
    assert {name.partition("==")[0] for name in pins("requirements.txt")} >= {
        "azure-functions",
        "azure-storage-blob",
        "temporalio",
    }


def test_a_message_is_held_twice_as_long_at_every_delivery_before_it_is_abandoned() -> None:
    held = [service_bus.hold(count) for count in (None, 1, 2, 3, 6, 7, 8, 2000)]
    assert held == [1, 1, 2, 4, 32, 60, 60, 60]
