"""The API is as docs/schemas/openapi.json says, in both directions: what the document allows is
taken and answered as it says, and what it does not allow is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode

from core.app.api.application import OPERATIONS
from core.app.api.openapi import document
from core.app.api.requests import NoQuery
from core.app.application import create
from core.contracts import QUERY_INCIDENT
from infra.local.temporal import TemporalServer
from tests.openapi_document import FILE, draw
from tests.support.api import TOKENS, Api, configure, serving
from tests.support.incidents import Harness, alert, command, says, until
from tests.support.soak import SOAKING

EXAMPLES = 100 if SOAKING else 15
"""For each operation in each direction."""
HEADERS = {"Authorization": f"Bearer {TOKENS['responder']}"}


@pytest.fixture
async def url(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch, dev_harness: Harness
) -> AsyncIterator[str]:
    configure(monkeypatch, temporal_server.address)
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


@pytest.mark.soak
@pytest.mark.parametrize("label", LABELS)
async def test_what_the_document_allows_is_taken_and_answered_as_it_says(
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
        statuses = await asked(label, GenerationMode.POSITIVE, url, id)
    assert statuses & {200, 202}
    assert not statuses & {500, 503}


@pytest.mark.soak
@pytest.mark.parametrize(
    "label", [label for label, each in LABELS.items() if each.command or each.query is not NoQuery]
)
async def test_what_the_document_does_not_allow_is_refused(label: str, url: str) -> None:
    statuses = await asked(label, GenerationMode.NEGATIVE, url, "no-such-incident")
    assert statuses & {400, 415, 422}
    assert not statuses & {500, 503}  # that it is a refusal, the tool has checked


async def asked(label: str, mode: GenerationMode, url: str, id: str) -> set[int]:
    """The statuses of what was answered, each of them as described, by all of the tool's checks."""
    method, _, path = label.partition(" ")
    operation = SCHEMA[path][method]
    statuses: set[int] = set()
    named = {"id": id} if "{id}" in path else None

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
        response = case.call_and_validate(base_url=url, headers=HEADERS)
        statuses.add(response.status_code)

    await asyncio.to_thread(each)
    return statuses
