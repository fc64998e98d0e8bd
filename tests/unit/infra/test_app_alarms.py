"""Alarms on what the HTTP application logs match its real lines alone, on each of the clouds."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from http import HTTPStatus

import pytest
from starlette.requests import Request

from core.app import pages
from core.app.api import application as api
from core.app.api import problems
from core.app.application import failed
from core.errors import ExpiredLink, InvalidLink, TemporalUnavailable
from functions_azure.application import log as azure_log
from tests.support.azure_snapshot import alerts, query
from tests.support.cloudformation import ALARMS, resources
from tests.unit.infra.log_filters import matches

REQUEST = Request({"type": "http", "headers": []})


def of_a_page(code: str, status: int) -> logging.LogRecord:
    """What is logged when a page refuses."""
    return logged(lambda: failed(REQUEST, pages.Refused(status, code, "No", "No.")))


def of_the_api(code: str, status: HTTPStatus, why: str = "") -> logging.LogRecord:
    """What is logged when the API refuses."""
    return logged(lambda: api._refused(REQUEST, problems.Refused(status, code, "no", why=why)))


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def logged(answer: object) -> logging.LogRecord:
    kept = Kept()
    azure_log.addHandler(kept)
    try:
        asyncio.run(answer())  # type: ignore[operator]
    finally:
        azure_log.removeHandler(kept)
    [record] = kept.records
    return record


def counted_on_aws(record: logging.LogRecord) -> bool:
    """By the function's log, whose lines Lambda makes of the records."""
    [filter] = resources(ALARMS, "Logs::MetricFilter").values()
    line = {"level": record.levelname, "message": record.getMessage(), "logger": record.name}
    return matches(filter["FilterPattern"], json.dumps(line))


def counted_on_azure(alert: str, record: logging.LogRecord) -> bool:
    """By the workspace's table of what function apps log."""
    table, of_the_app, condition, *_ = query(alert).strip().splitlines()
    assert table == "FunctionAppLogs"
    assert of_the_app == '| where _ResourceId contains "/sites/app-"'
    [pattern] = re.findall(r'Message matches regex @"(.*)"', condition)
    levels = re.findall(r'Level == "(\w+)"', condition)
    return record.levelname.capitalize() in levels or bool(re.search(pattern, record.getMessage()))


FORGED = [
    of_a_page(InvalidLink.__name__, 404),
    of_the_api("NotAuthenticated", HTTPStatus.UNAUTHORIZED, "signature"),
    of_a_page("NotVerified", 401),
    of_the_api("RoleTooLow", HTTPStatus.FORBIDDEN, "acknowledge by 'wallboard', viewer"),
]
HARMLESS = [
    of_a_page(ExpiredLink.__name__, 410),
    of_a_page("ShowsOnly", 405),
    of_the_api("NotFound", HTTPStatus.NOT_FOUND),
    of_the_api("CommandRefused", HTTPStatus.CONFLICT),
]
BROKEN = [
    of_a_page(TemporalUnavailable.__name__, 503),
    of_a_page("Misconfigured", 503),
    of_the_api("CannotAuthenticate", HTTPStatus.SERVICE_UNAVAILABLE, "the issuer"),
]


def name(record: logging.LogRecord) -> str:
    return record.getMessage()


@pytest.mark.parametrize("record", [*FORGED, *HARMLESS, *BROKEN], ids=name)
def test_refused_tokens_are_counted_and_no_other_refusal_is(record: logging.LogRecord) -> None:
    forged = record in FORGED
    assert counted_on_aws(record) is forged
    assert counted_on_azure("application-refused", record) is forged


@pytest.mark.parametrize("record", [*FORGED, *HARMLESS, *BROKEN], ids=name)
def test_what_cannot_be_answered_is_counted_and_no_refusal_is(record: logging.LogRecord) -> None:
    """On AWS the API counts what is answered 5xx."""
    assert counted_on_azure("application-failures", record) is (record in BROKEN)


@pytest.mark.parametrize("alert", ["application-failures", "application-refused"])
def test_a_listeners_log_is_not_taken_for_the_applications(alert: str) -> None:
    for rule in alerts()[alert]:
        token = rule.name.removeprefix(f"{alert}-")
        ours, theirs = f"/providers/microsoft.web/sites/app-{token}", f"/sites/func-{token}"
        [part] = re.findall(r'_ResourceId contains "(.*)"', query(alert))
        assert part in ours
        assert part not in theirs
