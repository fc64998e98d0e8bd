"""The API is as docs/schemas/openapi.json says, in both directions: what the document allows is
taken and answered as it says, and what it does not allow is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode

from core.app.api.application import OPERATIONS
from core.app.api.openapi import document
from core.app.api.requests import NoQuery
from core.app.application import create
from core.contracts import QUERY_INCIDENT
from core.errors import NoRoute
from tests.openapi_document import FILE, draw
from tests.support.api import TOKENS, Api, configure, serving
from tests.support.incidents import Harness, alert, command, says, until
from tests.support.office import Office
from tests.support.soak import SOAKING

EXAMPLES = 100 if SOAKING else 15
"""For each operation in each direction."""
HEADERS = {"Authorization": f"Bearer {TOKENS['admin']}"}


@pytest.fixture
async def url(
    office: Office, monkeypatch: pytest.MonkeyPatch, dev_harness: Harness
) -> AsyncIterator[str]:
    configure(monkeypatch, office.environment["TEMPORAL_ADDRESS"])
    for name, value in office.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TIDEGATE_REPORTS", f"file://{dev_harness.root}/reports/")
    async with serving(create()) as url:
        yield url


async def test_the_document_is_served_and_published(url: str) -> None:
    assert FILE.read_text(encoding="utf-8") == draw(), "python -m tests.openapi_document writes it"
    answer = await Api(url).get("/v1/openapi.json")
    assert answer.json == json.loads(draw())


def test_the_document_describes_every_route_and_no_other() -> None:
    described = {
        (method.upper(), path)
        for path, methods in document(OPERATIONS)["paths"].items()
        for method in methods
    }
    assert described == {(each.method, f"/v1{each.path}") for each in OPERATIONS}


SCHEMA = schemathesis.openapi.from_dict(
    # Tokens are attacked elsewhere; here every request has a good one.
    {name: value for name, value in document(OPERATIONS).items() if name != "security"}
)
LABELS = {f"{each.method} /v1{each.path}": each for each in OPERATIONS}


OF_INCIDENTS = [label for label in LABELS if "{id}" in label]


@pytest.mark.soak
@pytest.mark.parametrize("label", OF_INCIDENTS)
async def test_what_the_document_allows_an_incident_is_taken_and_answered_as_it_says(
    label: str, url: str, dev_harness: Harness
) -> None:
    dev_harness.policy |= {"reopen_window": "1h", "remember_for": "1h"}
    async with dev_harness.working():
        handle = await dev_harness.start(alert())
        await until(says(handle, "Page delivered"))
        await command(handle, "resolve", "first", force=True)
        await until(says(handle, "report written"))
        await command(handle, "reopen", "second")
        id = (await handle.query(QUERY_INCIDENT))["id"]
        statuses = await asked(label, GenerationMode.POSITIVE, url, {"id": id})
    assert statuses & {200, 202}
    assert not statuses & {500, 503}


@pytest.mark.soak
@pytest.mark.parametrize("label", [label for label in LABELS if label not in OF_INCIDENTS])
async def test_what_the_document_allows_is_taken_and_answered_as_it_says(
    label: str, url: str, office: Office
) -> None:
    named = await there_is(office, Api(url, TOKENS["admin"]))
    statuses = await asked(label, GenerationMode.POSITIVE, url, named)
    assert statuses & {200, 201}
    assert not statuses & {500, 503}


async def there_is(office: Office, api: Api) -> dict[str, str]:
    """What paths can name: something of each kind."""
    override = await api.post(
        "/v1/oncall/overrides",
        {"schedule": "nights", "people": ["ben"], "from": in_hours(5), "until": in_hours(6)},
        Idempotency_Key=(key := uuid4().hex),
    )
    if override.status == 409:  # it is there
        override = await api.get("/v1/oncall/overrides", schedule="nights")
    silence = await api.post(
        "/v1/oncall/silences", {"everything": True, "until": in_hours(1), "why": "a test"}
    )
    await api.post("/v1/heartbeats/backup/pause")
    return {
        "schedule": "checkout",
        "override": override.json["overrides"][0]["id"],
        "silence": silence.json["silences"][0]["id"],
        "heartbeat": "backup",
        "record": await office.refuse(NoRoute("no route"), unique=key),
    }


def in_hours(hours: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def meant(body: dict[str, Any]) -> dict[str, Any]:
    """A generated body with names that there are, and moments that are possible: no document says
    which."""
    known = {"schedule": "checkout", "people": ["ana"], "person": "ana"}
    ends = {"until": in_hours(1)} if "until" in body and "for" not in body else {}
    body = {**body, **{name: value for name, value in known.items() if body.get(name)}, **ends}
    if "from" in body:
        body["from"] = None
    if "overrides" in body:
        body["overrides"] = [
            {**meant(each), "from": in_hours(n), "until": in_hours(n + 1)}
            for n, each in enumerate(body["overrides"], 2)
        ]
    return body


UNKNOWN = dict.fromkeys(
    ("id", "schedule", "override", "silence", "heartbeat", "record"), "nothing-of-ours"
)


@pytest.mark.soak
@pytest.mark.parametrize(
    "label", [label for label, each in LABELS.items() if each.has_body or each.query is not NoQuery]
)
async def test_what_the_document_does_not_allow_is_refused(label: str, url: str) -> None:
    statuses = await asked(label, GenerationMode.NEGATIVE, url, UNKNOWN)
    assert statuses & {400, 415, 422}
    assert not statuses & {500, 503}  # that it is a refusal, the tool has checked


async def asked(label: str, mode: GenerationMode, url: str, known: Mapping[str, str]) -> set[int]:
    """The statuses of what was answered, each of them as described, by all of the tool's checks."""
    method, _, path = label.partition(" ")
    operation = SCHEMA[path][method]
    statuses: set[int] = set()
    named = {name: value for name, value in known.items() if f"{{{name}}}" in path} or None

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=not SOAKING,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode, path_parameters=named))
    def each(case: Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE:
            case.query.pop("cursor", None)  # which only the server can make
            if isinstance(case.body, dict) and not path.startswith("/v1/incidents/"):
                case.body = meant(case.body)
        response = case.call_and_validate(base_url=url, headers=HEADERS)
        statuses.add(response.status_code)

    await asyncio.to_thread(each)
    return statuses
