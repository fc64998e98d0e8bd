"""Alarms on the workers' logs match the workers' real log lines, and nothing else."""

from __future__ import annotations

import ast
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.domain.incident.timeline import PageCancelled, PageDelivered, PageFailed, PageStarted
from tests.support.azure_snapshot import ROOT
from tests.unit.infra.log_filters import alarms_on_aws, alerts_on_azure, finds, line, matches

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PAGE: dict[str, Any] = {"at": NOW, "key": "k", "level": 1, "target": "on-call"}


def warnings_of(module: str) -> list[str]:
    """The unformatted messages that a module of a worker logs as warnings."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    return [
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) == "workflow.logger.warning"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    ]


def said(module: str, beginning: str) -> str:
    """The one warning that contains these words, as a line of the log."""
    [message] = [each for each in warnings_of(module) if beginning in each]
    filled = message.replace("; kept as %s", "; kept as s3://records/quarantine/1.json")
    return line(logging.WARNING, filled, *("NoRoute" for _ in range(filled.count("%s"))))


def test_an_event_that_the_root_worker_quarantines_raises_an_alarm() -> None:
    given_up = said("workers/root_orchestrator/workflows.py", "given up (")
    assert alarms_on_aws(given_up, "Root") == {"RootGivesUp"}
    assert alerts_on_azure(given_up) == {"quarantined-by-workers"}


def test_an_event_that_the_incident_worker_quarantines_raises_an_alarm() -> None:
    given_up = line(
        logging.WARNING,
        "given up (%s): %s",
        "InvalidReport",
        "no title; kept as s3://records/quarantine/1.json",
    )
    assert "given up (%s): %s" in warnings_of("workers/incident/workflows.py")
    assert alarms_on_aws(given_up, "Incident") == {"IncidentGivesUp"}
    assert alerts_on_azure(given_up) == {"quarantined-by-workers"}


@pytest.mark.parametrize("retry_at", [NOW + timedelta(seconds=30), None])
def test_a_page_that_reached_nobody_raises_an_alarm(retry_at: datetime | None) -> None:
    """The incident's own tests show that it is logged as a warning."""
    failed = PageFailed(**PAGE, retry_at=retry_at, reason="no answer; and its fallback: no answer")
    lost = line(logging.WARNING, "%s: %s", failed.actor, failed.sentence())
    assert alarms_on_aws(lost, "Incident") == {"PagesFail"}
    assert alerts_on_azure(lost) == {"pages-undelivered"}


def test_a_follow_up_that_failed_raises_an_alarm() -> None:
    untold = said("workers/incident/workflow/effects.py", "follow-up not delivered")
    assert alarms_on_aws(untold, "Incident") == {"PagesFail"}
    assert alerts_on_azure(untold) == {"pages-undelivered"}


@pytest.mark.parametrize(
    "event",
    [
        PageStarted(**PAGE),
        PageDelivered(**PAGE),
        PageDelivered(**PAGE, via="second-line"),
        PageCancelled(**PAGE),
    ],
    ids=lambda event: event.sentence(),
)
def test_a_page_that_succeeds_raises_no_alarm(event: Any) -> None:
    fine = line(logging.INFO, "%s: %s", event.actor, event.sentence())
    assert alarms_on_aws(fine, "Incident") == alerts_on_azure(fine) == set()


def test_one_attempt_of_a_page_that_is_retried_raises_no_alarm() -> None:
    attempt = line(logging.WARNING, "Completing activity as failed").replace(
        "{", '{"activity_type": "page", "attempt": 1, ', 1
    )
    assert alarms_on_aws(attempt, "Incident") == alerts_on_azure(attempt) == set()


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ('"given up ("', True),
        ('"Given up ("', False),
        ('{ $.message = "given up (*" }', True),
        ('{ $.message = "up (*" }', False),
        ('{ $.level = "WARNING" && $.message = "given up (*" }', True),
        ('{ $.level = "ERROR" && $.message = "given up (*" }', False),
        ('{ $.other = "*" }', True),
        ("{ $.backlog >= 0 }", False),
    ],
)
def test_patterns_match_as_in_cloudwatch(pattern: str, found: bool) -> None:
    if "other" in pattern:
        assert matches(pattern, '{"other": "x"}') is found
    else:
        assert matches(pattern, line(logging.WARNING, "given up (A): b")) is found


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ('Log contains "GIVEN UP ("', True),
        ('Log contains "given up (" and Log contains "kept as"', False),
        ('(Log contains "given up (" and Log contains "kept as") or Log contains "WARNING"', True),
    ],
)
def test_queries_match_as_on_azure(condition: str, found: bool) -> None:
    query = f"ContainerAppConsoleLogs\n| where {condition}\n"
    assert finds(query, line(logging.WARNING, "given up (A): b")) is found
