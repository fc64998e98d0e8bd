"""Nothing of a person's address leaves the worker's process, except to its own service."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from core.adapters.notifiers.router import ChannelNotifier
from core.contracts import QUERY_INCIDENT, QUERY_TIMELINE
from tests.support.incidents import alert, command, replay, timeline, until
from tests.support.on_call_people import (
    OnCallHarness,
    always,
    change,
    override,
    person,
)
from tests.support.web import Site, serving
from workers.runtime import logs

# Apprise imports a module that Python 3.13 has removed, where it is there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

CANARIES = ("ana-canary", "pathcanary", "querycanary", "passcanary", "15557654321", "keycanary")


def targets(working: Site, broken: Site) -> dict[str, str]:
    """Addresses that are delivered to, and addresses that fail, with something of a person's in
    every part."""
    return {
        "ANA_PUSH": f"json://ana-canary:passcanary@127.0.0.1:{working.port}/pathcanary/?+X-Key=querycanary",
        "ANA_SMS": f"json://ana-canary:passcanary@127.0.0.1:{broken.port}/15557654321/?+X-Key=querycanary",
        "ANA_MAIL": "mailto://ana-canary:passcanary@127.0.0.1:1/ana-canary@home.example?from=bot@home.example",
        "BEN_HOOK": f"http://127.0.0.1:{broken.port}/pathcanary?to=ana-canary",
        "BEN_SECRET": "whsec_a2V5Y2FuYXJ5a2V5Y2FuYXJ5a2V5Y2FuYXJ5",
        "CARLA_KEY": "keycanarykeycanarykeycanary00000",
        "CARLA_URL": f"http://127.0.0.1:{broken.port}/pathcanary?to=ana-canary",
    }


STEPS = [
    {"contact": "push"},
    {"contact": "sms", "after": "1s"},
    {"contact": "mail", "after": "1s"},
]
PEOPLE: dict[str, Any] = {
    "ana": person("ana", "push", "sms", "mail", rules=[{"steps": STEPS}]),
    "ben": {
        "name": "Ben",
        "time_zone": "UTC",
        "contacts": {
            "hook": {"kind": "webhook", "url_env": "BEN_HOOK", "secret_env": "BEN_SECRET"}
        },
    },
    "carla": {
        "name": "Carla",
        "time_zone": "UTC",
        "contacts": {
            "pager": {
                "kind": "pagerduty",
                "routing_key_env": "CARLA_KEY",
                "url_env": "CARLA_URL",
            }
        },
    },
}


def found_in(text: str) -> list[str]:
    return [canary for canary in (*CANARIES, "a2V5Y2FuYXJ5") if canary in text]


def texts(folder: Path) -> list[str]:
    """Reports, and whatever else a worker writes."""
    return [path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()]


async def test_no_address_of_a_person_leaves_the_workers_process(
    temporal_client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("DEBUG")
    with serving() as working, serving() as broken:
        broken.status, broken.says = 500, "no such user: ana-canary, pathcanary"
        harness = OnCallHarness(temporal_client, tmp_path, channels=ChannelNotifier(timeout=5))
        harness.on_call = {"people": PEOPLE, "schedules": {"web": always("ana")}}
        harness.addresses |= targets(working, broken)
        harness.policy = {
            "levels": [{"after": "0s", "schedule": "web", "person": ["ben", "carla"]}]
        }
        now = await harness.now()
        async with harness.working():
            handle = await harness.start(alert())

            async def all_tried() -> bool:
                entries = await timeline(handle)
                failed = [entry for entry in entries if "failed" in entry]
                return len(failed) == 4 and any("delivered to ana/push" in e for e in entries)

            await until(all_tried)
            away = override(now, now + timedelta(days=1), "ben")
            await change(harness, handle, overrides=(away,))
            await command(handle, "assign", "c1", assignee="ana", actor="ben")
            await until(lambda: len(working.got) >= 2)
            seen = [
                json.dumps(await handle.query(QUERY_INCIDENT)),
                json.dumps(await handle.query(QUERY_TIMELINE)),
            ]
            await harness.end(handle)
    described = await handle.describe()
    history = await handle.fetch_history()
    await replay(history)
    seen += [
        history.to_json(),
        str(described.raw_description),
        str(described.search_attributes),
        json.dumps(await described.memo(), default=str),
        *texts(tmp_path),
        capsys.readouterr().out,
    ]
    assert "ana/mail" in seen[1]
    assert '"level"' in seen[-1]
    assert [found_in(each) for each in seen] == [[] for _ in seen]


def test_a_canary_is_found() -> None:
    assert found_in("to ana-canary by 15557654321") == ["ana-canary", "15557654321"]
