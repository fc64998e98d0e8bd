"""What a serverless worker loads before its first task, and what only its activities load."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.config.routing_table import main
from core.config.settings import Settings
from core.errors import SettingsError
from workers.incident.run_worker import plan
from workers.serverless import session

# Apprise imports a module that Python 3.13 has removed, where it is there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

LOADED = """
import gc, json, sys
from workers.serverless import handler
{then}
print(json.dumps([gc.isenabled(), gc.get_freeze_count(), sorted(sys.modules)]))
"""
PREPARED = "for plan in handler._plans(): plan.prepare()"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    collects: bool
    frozen: int
    modules: frozenset[str]

    @property
    def packages(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for name in self.modules)


def loaded(tmp_path: Path, then: str = "handler._plans()", **environment: str) -> Loaded:
    """What a fresh process has once it is initialised as a function, with a compiled table."""
    table = tmp_path / "routes.compiled.json"
    assert main(["--output", str(table)]) == 0
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(then=then)],
        env=os.environ
        | {
            "TIDEGATE_ROUTES": str(table),
            "TIDEGATE_QUARANTINE": "s3://quarantine/",
            "TIDEGATE_REPORTS": "s3://reports/",
            "TIDEGATE_PAGE_URLS": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/",
        }
        | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    collects, frozen, modules = json.loads(done.stdout.splitlines()[-1])
    return Loaded(collects=collects, frozen=frozen, modules=frozenset(modules))


def test_a_wake_loads_what_its_first_task_needs(tmp_path: Path) -> None:
    """If this fails, import what is new where an activity first needs it."""
    found = loaded(tmp_path)
    activities = {
        "apprise",
        "requests",
        "standardwebhooks",
        "boto3",
        "botocore",
        "azure",
        "aiohttp",
        "icalendar",
        "recurring_ical_events",
        "dateutil",
    }
    elsewhere = {"typer", "rich", "aws_lambda_powertools", "functions_aws", "infra", "cryptography"}
    assert found.packages & {*activities, *elsewhere} == set()
    assert {
        "core.domain.incident.reports.markdown",
        "core.domain.incident.reports.parser",
        "core.domain.incident.reports.post_incident",
        "core.domain.routing.file",
        "core.intake.replay",
        "core.webhooks.endpoints",
        "http.server",  # of the health checks, which a function does not answer
    } & found.modules == set()
    assert {
        "workers.incident.workflows",
        "workers.root_orchestrator.workflows",
        "temporalio.worker",
    } <= found.modules


def test_what_a_wake_loads_is_never_collected(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert found.collects
    assert found.frozen > 100_000


def test_a_worker_that_is_prepared_has_the_channels_that_it_pages_through(tmp_path: Path) -> None:
    found = loaded(tmp_path, PREPARED)
    assert "apprise.plugins.slack" in found.modules
    assert "apprise.plugins.discord" not in found.modules


def test_a_function_without_its_settings_fails_with_its_invocation(tmp_path: Path) -> None:
    """A failed initialisation would be in Lambda's words, and without the request's ID."""
    found = loaded(tmp_path, "", TIDEGATE_QUARANTINE="")
    assert "workers.serverless.session" in found.modules


def test_an_address_that_can_never_work_is_refused_when_the_worker_is_prepared() -> None:
    settings = Settings(
        quarantine="file:///quarantine/",
        target_variables=(("TIDEGATE_PAGE_URLS", "slak://hunter2"),),
    )
    made = plan(settings)
    with pytest.raises(SettingsError, match="TIDEGATE_PAGE_URLS: on-call: apprise knows no such"):
        made.prepare()


async def test_while_it_polls_an_address_that_can_never_work_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without its value; everything else is served."""
    settings = Settings(
        quarantine="file:///quarantine/",
        target_variables=(("TIDEGATE_PAGE_URLS", "slak://hunter2"),),
    )
    await session._prepare([plan(settings)])
    [record] = [each for each in caplog.records if each.levelno == logging.CRITICAL]
    assert "some activities cannot succeed: TIDEGATE_PAGE_URLS: on-call" in record.message
    assert "hunter2" not in record.message
