"""What the HTTP API does besides incidents' commands: open one, on-call, heartbeats, the
quarantine; over HTTP, with the workers as they are deployed."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from core.app.api import application, quarantine
from core.app.api.application import OPERATIONS
from core.app.application import create
from core.domain.handles import handle_of
from core.errors import InvalidEvent, NoRoute
from core.intake.replay import items_of
from core.operations import quarantined
from infra.local.temporal import TemporalServer
from tests.integration.test_api import called, documented_calls, path_of
from tests.support.api import TOKENS, Answer, Api, configure, serving
from tests.support.grpc_proxy import Proxy, counted
from tests.support.incidents import until
from tests.support.issuer import AUDIENCE, Issuer, issuing, key
from tests.support.office import Office


@pytest.fixture(scope="module")
def proxy(temporal_server: TemporalServer) -> Iterator[Proxy]:
    with Proxy(temporal_server.address) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        issuer.publish(key("first"))
        yield issuer


def configured(monkeypatch: pytest.MonkeyPatch, office: Office, address: str) -> None:
    """The settings of an application of the office."""
    configure(monkeypatch, address)
    for name, value in {**office.environment, "TEMPORAL_ADDRESS": address}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
async def api(office: Office, proxy: Proxy, issuer: Issuer) -> AsyncIterator[Api]:
    """A responder's, of one application for all tests; its calls to Temporal are counted."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        configured(monkeypatch, office, proxy.address)
        monkeypatch.setenv("TIDEGATE_OIDC_ISSUER", issuer.url)
        monkeypatch.setenv("TIDEGATE_OIDC_AUDIENCE", AUDIENCE)
        async with serving(create()) as url:
            # Now: the environment of each test is its own.
            assert (await Api(url).get("/v1/oncall/now")).status == 200
            assert (await Api(url).post("/v1/incidents", {"title": "The first"})).status == 201
            yield Api(url)


@pytest.fixture
def admin(api: Api) -> Api:
    return api.by(TOKENS["admin"])


@pytest.fixture
def viewer(api: Api) -> Api:
    return api.by(TOKENS["viewer"])


GONE = "incident:nothing@20260102T030405.678Z"
"""The ID of an incident that there is not."""


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def refused(answer: Answer, status: int, code: str) -> str:
    """The detail of a refusal."""
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    return str(answer.json["detail"])


# ---------------------------------------------------------------------------- opening an incident


async def test_whoever_the_token_names_opens_an_incident(api: Api) -> None:
    title = f"The tills are down {uuid4()}"
    fields = {"title": title, "severity": "critical", "service": "tills", "summary": "all of them"}
    opened = await api.post("/v1/incidents", fields)
    assert (opened.status, opened.json["opened"], opened.json["follows"]) == (201, True, None)
    incident = (await api.get(f"/v1/incidents/{opened.json['handle']}")).json
    assert incident["id"] == opened.json["incident_id"]
    assert {name: incident[name] for name in fields} == fields
    assert incident["reporter"] == "the-responder"


async def test_with_the_same_key_it_is_opened_once(api: Api) -> None:
    service, key = f"s-{uuid4().hex}", uuid4().hex
    fields = {"title": "It burns", "service": service}
    answers = [
        await caller.post("/v1/incidents", fields, Idempotency_Key=key)
        for caller in (api, api, api.by(TOKENS["other"]))
    ]
    assert [answer.status for answer in answers] == [201, 201, 201]
    first, again, others = (answer.json["incident_id"] for answer in answers)
    assert first == again
    assert others != first, "a key is its caller's own"

    async def listed() -> bool:
        found = (await api.get("/v1/incidents", service=service)).json["incidents"]
        return {each["id"] for each in found} == {first, others}

    await until(listed)


async def test_a_closed_incident_is_followed_and_an_open_one_is_not(api: Api) -> None:
    first = (await api.post("/v1/incidents", {"title": "It burns", "service": "shop"})).json
    handle = first["handle"]
    early = await api.post("/v1/incidents", {"follows": handle})
    assert "not closed" in refused(early, 409, "CommandRefused")
    path = f"/v1/incidents/{handle}/commands"
    await api.post(f"{path}/resolve", {"force": True})
    assert (await api.post(f"{path}/close", {"reason": "resolved"})).status == 200
    key = uuid4().hex
    for _ in range(2):
        later = await api.post("/v1/incidents", {"follows": handle}, Idempotency_Key=key)
        assert later.status == 201
        assert (later.json["follows"], later.json["title"]) == (first["incident_id"], "It burns")
        assert later.json["incident_id"] != first["incident_id"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "give a title"),
        ({"title": " "}, "title: "),
        ({"title": "t", "severity": "P1"}, "severity: "),
        ({"title": "t", "actor": "ben"}, "actor: comes from the token"),
        ({"title": "t", "reporter": "ben"}, "reporter: "),
        ({"title": "t", "summary": "x" * 2001}, "summary: "),
    ],
)
async def test_a_report_that_cannot_be_meant_opens_nothing(
    body: dict[str, Any], problem: str, api: Api, proxy: Proxy
) -> None:
    with counted(proxy) as calls:
        detail = refused(await api.post("/v1/incidents", body), 422, "Invalid")
    assert problem in detail
    assert calls == [0]


async def test_nothing_follows_what_there_is_not(api: Api) -> None:
    refused(await api.post("/v1/incidents", {"follows": GONE}), 404, "IncidentNotFound")


async def test_a_report_that_the_intake_refuses_is_kept(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(monkeypatch, office, office.environment["TEMPORAL_ADDRESS"])
    monkeypatch.setenv("TIDEGATE_MAX_EVENT_BYTES", "1024")
    fields = {"title": "t", "summary": "x" * 2000}
    async with serving(create()) as url:
        detail = refused(await Api(url).post("/v1/incidents", fields), 422, "InvalidEvent")
        kept = (await Api(url).get("/v1/quarantine", source="command")).json
    assert f"kept as {kept['records'][0]['handle']}" in detail


# ----------------------------------------------------------------------------------------- on-call


async def on_call(api: Api, schedule: str = "checkout") -> list[str]:
    [row] = (await api.get("/v1/oncall/now", schedule=schedule)).json["schedules"]
    return [person["id"] for person in row["now"]["people"]]


@pytest.fixture
async def nothing_added(api: Api) -> None:
    """No override and no silence."""
    for kind in ("overrides", "silences"):
        for each in (await api.get(f"/v1/oncall/{kind}")).json[kind]:
            done = await api.ask("DELETE", f"/v1/oncall/{kind}/{each['id']}")
            assert done.status == 200


async def test_who_is_on_call_is_shown_by_one_call_of_temporal(
    viewer: Api, proxy: Proxy, nothing_added: None
) -> None:
    with counted(proxy) as calls:
        answer = (await viewer.get("/v1/oncall/now")).json
    assert calls == [1]
    assert [each["schedule"] for each in answer["schedules"]] == ["checkout", "nights"]
    nights = answer["schedules"][1]
    assert nights["time_zone"] == "Europe/Berlin"
    assert nights["now"]["people"] == [{"id": "ana", "name": "Ana"}]
    assert (nights["now"]["layer"], nights["now"]["reason"]) == ("ana", "layer ana")
    assert nights["next"]["start"] == nights["now"]["end"]
    assert answer["remarks"] == []


async def test_an_override_changes_who_is_on_call_until_it_is_ended(
    api: Api, viewer: Api, nothing_added: None
) -> None:
    [first] = await on_call(viewer)
    other = "ben" if first == "ana" else "ana"
    fields = {"schedule": "checkout", "people": [other], "until": in_hours(2), "why": "dentist"}
    key = uuid4().hex
    added, again = [
        await api.post("/v1/oncall/overrides", fields, Idempotency_Key=key) for _ in range(2)
    ]
    assert added.json == again.json
    [override] = added.json["overrides"]
    assert (override["by"], override["why"]) == ("the-responder", "dentist")
    assert await on_call(viewer) == [other]
    assert (await viewer.get("/v1/oncall/overrides")).json["overrides"] == [override]
    assert (await viewer.get("/v1/oncall/overrides", schedule="nights")).json["overrides"] == []

    overlapping = await api.post("/v1/oncall/overrides", fields)
    assert f"override {override['id']} has" in refused(overlapping, 409, "CommandRefused")

    ended = await api.ask("DELETE", f"/v1/oncall/overrides/{override['id'].upper()}")
    assert [each["id"] for each in ended.json["overrides"]] == [override["id"]]
    assert await on_call(viewer) == [first]
    gone = await api.ask("DELETE", f"/v1/oncall/overrides/{override['id']}")
    assert "there is no override" in refused(gone, 409, "CommandRefused")


async def test_two_shifts_are_exchanged_both_or_none(
    api: Api, viewer: Api, nothing_added: None
) -> None:
    def planned(start: float, person: str, schedule: str = "nights") -> dict[str, Any]:
        period = {"from": in_hours(start), "until": in_hours(start + 1)}
        return {"schedule": schedule, "people": [person], **period}

    overlapping = {"overrides": [planned(2, "ben"), planned(2.5, "ana")]}
    refused(await api.post("/v1/oncall/swaps", overlapping), 409, "CommandRefused")
    assert (await viewer.get("/v1/oncall/overrides")).json["overrides"] == []
    swapped = await api.post(
        "/v1/oncall/swaps", {"overrides": [planned(2, "ben"), planned(4, "ana")]}
    )
    assert [each["people"] for each in swapped.json["overrides"]] == [["ben"], ["ana"]]
    unknown = {"overrides": [planned(6, "ben"), planned(8, "nobody")]}
    refused(await api.post("/v1/oncall/swaps", unknown), 404, "UnknownName")
    assert len((await viewer.get("/v1/oncall/overrides")).json["overrides"]) == 2


@pytest.mark.parametrize(
    "fields", [{"schedule": "nowhere"}, {"people": ["nobody"]}, {"people": ["ana", "nobody"]}]
)
async def test_an_override_of_what_the_file_does_not_have_is_refused(
    fields: dict[str, Any], api: Api, proxy: Proxy
) -> None:
    body = {"schedule": "checkout", "people": ["ana"], "until": in_hours(1), **fields}
    with counted(proxy) as calls:
        detail = refused(await api.post("/v1/oncall/overrides", body), 404, "UnknownName")
    assert "there is no" in detail
    assert calls == [0]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("overrides", {"schedule": "checkout", "people": [], "until": "2099-01-01T00:00:00Z"}),
        ("overrides", {"schedule": "checkout", "people": ["ana"]}),
        ("overrides", {"schedule": "checkout", "people": ["ana"], "until": "2099-01-01T00:00:00"}),
        ("overrides", {"schedule": "x", "people": ["y"], "until": "tomorrow", "actor": "ben"}),
        ("silences", {"everything": True, "until": "2099-01-01T00:00:00Z"}),
        ("silences", {"match": {}, "until": "2099-01-01T00:00:00Z", "why": "known"}),
        ("swaps", {"overrides": []}),
        ("feeds", {}),
        ("feeds", {"schedule": "checkout", "person": "ana"}),
    ],
)
async def test_what_cannot_be_meant_changes_nothing(
    path: str, body: dict[str, Any], api: Api, proxy: Proxy
) -> None:
    with counted(proxy) as calls:
        refused(await api.post(f"/v1/oncall/{path}", body), 422, "Invalid")
    assert calls == [0]


async def test_a_name_that_on_call_does_not_keep_is_refused(api: Api, issuer: Issuer) -> None:
    long = api.by(issuer.token(email=f"{'a' * 100}@x.example", email_verified=True))
    body = {"everything": True, "until": in_hours(1), "why": "known"}
    answer = await long.post("/v1/oncall/silences", body)
    assert answer.json["problems"][0].startswith("actor: ")
    assert answer.status == 422


async def test_shifts_to_come_are_listed_for_all_and_for_a_person(viewer: Api) -> None:
    found = (await viewer.get("/v1/oncall/next", count=6)).json["shifts"]
    assert len(found) == 6
    assert {each["schedule"] for each in found} == {"checkout", "nights"}
    assert [each["start"] for each in found] == sorted(each["start"] for each in found)
    bens = (await viewer.get("/v1/oncall/next", person="ben", schedule="checkout")).json["shifts"]
    assert len(bens) == 5
    assert {person["id"] for each in bens for person in each["people"]} == {"ben"}
    refused(await viewer.get("/v1/oncall/next", person="nobody"), 404, "UnknownName")


async def test_a_schedule_is_shown_for_some_days_with_the_times_without_anybody(
    viewer: Api, nothing_added: None
) -> None:
    shown = (
        await viewer.get("/v1/oncall/schedules/nights", **{"from": "2026-01-03", "days": 4})
    ).json
    assert (shown["start"], shown["end"]) == ("2026-01-02T23:00:00Z", "2026-01-06T23:00:00Z")
    gap, shift = shown["shifts"]
    assert (gap["people"], gap["start"], gap["end"]) == ([], shown["start"], shift["start"])
    assert [person["id"] for person in shift["people"]] == ["ana"]
    today = (await viewer.get("/v1/oncall/schedules/checkout")).json
    assert date.fromisoformat(today["start"][:10]) == datetime.now(UTC).date()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/oncall/schedules/nowhere", 404, "UnknownName"),
        ("/oncall/now?schedule=nowhere", 404, "UnknownName"),
        ("/oncall/next?schedule=nowhere", 404, "UnknownName"),
        ("/oncall/overrides?schedule=nowhere", 404, "UnknownName"),
        ("/oncall/schedules/checkout?from=2026-02-29", 422, "Invalid"),
        ("/oncall/schedules/checkout?from=0001-01-01", 422, "Invalid"),
        ("/oncall/schedules/checkout?days=401", 422, "Invalid"),
        ("/oncall/next?count=101", 422, "Invalid"),
        ("/oncall/now?at=noon", 422, "Invalid"),
        ("/quarantine?cursor=abc", 422, "Invalid"),
        ("/quarantine?state=lost", 422, "Invalid"),
        ("/heartbeats?limit=0", 422, "Invalid"),
    ],
)
async def test_a_question_about_nothing_is_refused(
    path: str, status: int, code: str, viewer: Api, proxy: Proxy
) -> None:
    with counted(proxy) as calls:
        refused(await viewer.get(f"/v1{path}"), status, code)
    assert calls == [0]


async def test_a_silence_and_a_maintenance_window_are_added_and_ended(
    api: Api, viewer: Api, nothing_added: None
) -> None:
    fields = {"match": {"service": "shop"}, "until": in_hours(1), "why": "known"}
    key = uuid4().hex
    added, again = [
        await api.post("/v1/oncall/silences", fields, Idempotency_Key=key) for _ in range(2)
    ]
    assert added.json == again.json
    window = await api.post(
        "/v1/oncall/silences",
        {"kind": "maintenance", "everything": True, "until": in_hours(1), "why": "new disks"},
    )
    [silence], [maintenance] = added.json["silences"], window.json["silences"]
    assert (silence["by"], silence["match"]["service"]) == ("the-responder", ["shop"])
    assert maintenance["kind"] == "maintenance"
    listed = (await viewer.get("/v1/oncall/silences")).json["silences"]
    assert listed == [silence, maintenance]
    for each in listed:
        done = await api.ask("DELETE", f"/v1/oncall/silences/{each['id']}")
        assert [ended["id"] for ended in done.json["silences"]] == [each["id"]]
    assert (await viewer.get("/v1/oncall/silences")).json["silences"] == []


async def test_an_incident_is_silenced_by_whatever_names_it(api: Api, nothing_added: None) -> None:
    opened = (await api.post("/v1/incidents", {"title": "It burns"})).json
    fields = {"until": in_hours(1), "why": "known"}
    added = await api.post("/v1/oncall/silences", {"incident": opened["handle"], **fields})
    assert added.json["silences"][0]["incident"] == opened["workflow_id"]
    missing = await api.post("/v1/oncall/silences", {"incident": GONE, **fields})
    refused(missing, 404, "IncidentNotFound")


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"match": {"service": "*"}}, "the silence matches every incident"),
        ({}, "the silence matches every incident"),
        ({"everything": True, "until": "2020-01-01T00:00:00Z"}, "the silence is in the past"),
    ],
)
async def test_a_silence_that_is_impossible_is_refused(
    fields: dict[str, Any], detail: str, api: Api
) -> None:
    body = {"until": in_hours(1), "why": "known", **fields}
    assert detail in refused(await api.post("/v1/oncall/silences", body), 409, "CommandRefused")


async def test_without_an_on_call_file_the_operator_is_to_name_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(monkeypatch, office, office.environment["TEMPORAL_ADDRESS"])
    monkeypatch.delenv("TIDEGATE_ONCALL")
    monkeypatch.delenv("TIDEGATE_QUARANTINE")
    monkeypatch.delenv("TIDEGATE_APP_URL")
    async with serving(create()) as url:
        for path in (
            "oncall/now",
            "oncall/overrides?schedule=checkout",
            "heartbeats",
            "quarantine",
        ):
            refused(await Api(url).get(f"/v1/{path}"), 503, "SettingsError")
        refused(await Api(url).post("/v1/incidents", {"title": "t"}), 503, "SettingsError")
        assert (await Api(url).get("/v1/oncall/silences")).status == 200
        monkeypatch.setenv("TIDEGATE_ONCALL", office.environment["TIDEGATE_ONCALL"])
    async with serving(create()) as url:
        unaddressed = await Api(url).post("/v1/oncall/feeds", {"schedule": "checkout"})
        refused(unaddressed, 503, "SettingsError")


# -------------------------------------------------------------------------------------- heartbeats


async def test_heartbeats_are_listed_page_by_page_by_one_call_of_temporal_each(
    viewer: Api, proxy: Proxy
) -> None:
    async def waiting() -> bool:
        rows = (await viewer.get("/v1/heartbeats")).json["heartbeats"]
        return "not begun" not in {row["status"] for row in rows}

    await until(waiting)
    with counted(proxy) as calls:
        first = (await viewer.get("/v1/heartbeats", limit=1)).json
    assert calls == [1]
    assert [each["name"] for each in first["heartbeats"]] == ["backup"]
    assert first["heartbeats"][0]["service"] == "shop"
    rest = (await viewer.get("/v1/heartbeats", limit=1, cursor=first["next"])).json
    assert [each["name"] for each in rest["heartbeats"]] == ["export"]
    assert rest["next"] is None


async def test_a_heartbeat_is_paused_and_resumed_by_whoever_the_token_names(
    api: Api, viewer: Api
) -> None:
    path, key = "/v1/heartbeats/backup", uuid4().hex
    fields = {"until": in_hours(1), "why": "it moves"}
    paused = await api.post(f"{path}/pause", fields, Idempotency_Key=key)
    assert (paused.status, paused.json["status"]) == (200, "paused")
    assert paused.json["pause"]["by"] == "the-responder"
    assert paused.json["pause"]["why"] == "it moves"
    shown = (await viewer.get(path)).json
    assert shown["pause"] == paused.json["pause"]
    resumed = await api.post(f"{path}/resume")
    assert resumed.json["status"] in ("waiting", "up")
    again = await api.post(f"{path}/pause", fields, Idempotency_Key=key)
    assert again.json == paused.json, "what the first did"
    assert (await viewer.get(path)).json["pause"] is None
    twice = await api.post(f"{path}/resume")
    assert "is not paused" in refused(twice, 409, "CommandRefused")


async def test_a_pause_that_is_impossible_is_refused(api: Api) -> None:
    past = await api.post("/v1/heartbeats/backup/pause", {"until": "2020-01-01T00:00:00Z"})
    assert "in the past" in refused(past, 409, "CommandRefused")
    body = {"by": "ben"}
    refused(await api.post("/v1/heartbeats/backup/pause", body), 422, "Invalid")


@pytest.mark.parametrize("name", ["nothing", "X", "x" * 300, "%00"])
async def test_a_heartbeat_that_does_not_run_is_not_found(name: str, api: Api) -> None:
    for answer in (
        await api.get(f"/v1/heartbeats/{name}"),
        await api.post(f"/v1/heartbeats/{name}/pause"),
        await api.post(f"/v1/heartbeats/{name}/resume"),
    ):
        refused(answer, 404, "UnknownName")


# -------------------------------------------------------------------------------------- quarantine


async def test_a_viewer_sees_why_records_are_there_and_nothing_of_what_is_in_them(
    viewer: Api, admin: Api, office: Office
) -> None:
    way = f"webhook:{uuid4().hex[:8]}"
    ids = [
        await office.refuse(error("no rule takes it"), way=way, unique=uuid4().hex)
        for error in (NoRoute, NoRoute, InvalidEvent)
    ]
    found: list[dict[str, Any]] = []
    place: dict[str, str] = {}
    while True:
        page = (await viewer.get("/v1/quarantine", source=way, limit=2, **place)).json
        assert len(page["records"]) <= 2
        found += page["records"]
        if page["next"] is None:
            break
        place = {"cursor": page["next"]}
    assert {each["id"] for each in found} == set(ids)
    [invalid] = (await viewer.get("/v1/quarantine", source=way, code="InvalidEvent")).json[
        "records"
    ]
    assert invalid["reason"].startswith("no rule takes it")
    assert invalid["handle"] == handle_of(ids[2])
    causes = (await viewer.get("/v1/quarantine/causes", source=way)).json
    assert [(each["code"], each["count"]) for each in causes["causes"]] == [
        ("NoRoute", 2),
        ("InvalidEvent", 1),
    ]
    assert not causes["more"]
    shown = (await viewer.get(f"/v1/quarantine/{invalid['handle']}")).json
    assert shown == invalid
    text = json.dumps([found, causes, shown])
    assert "do not tell" not in text
    assert "file://" not in text

    original = (await admin.get(f"/v1/quarantine/{ids[2]}/original")).json
    assert json.loads(original["body"])["data"]["secret"] == "do not tell"
    assert [item["type"] for item in original["items"]] == ["com.tidegate.incident.reported"]


async def test_an_admin_replays_a_record_which_then_is_settled(
    viewer: Api, admin: Api, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    id = await office.refuse(NoRoute("no rule takes it"), unique=uuid4().hex)
    path = f"/v1/quarantine/{handle_of(id)}"
    missing = await admin.post(f"{path}/replay", {"item": 7})
    refused(missing, 404, "DocumentNotFound")
    replayed = await admin.post(f"{path}/replay")
    [item] = replayed.json["items"]
    assert (replayed.status, item["item"], item["result"]) == (200, 1, "accepted")
    assert f"quarantine: {id} replayed by the-admin" in caplog.messages
    shown = (await viewer.get(path)).json
    assert shown["settled"]
    assert shown["replayed_at"]
    unsettled = (await viewer.get("/v1/quarantine")).json["records"]
    assert id not in {each["id"] for each in unsettled}
    settled = (await viewer.get("/v1/quarantine", state="settled")).json["records"]
    assert id in {each["id"] for each in settled}
    [again] = (await admin.post(f"{path}/replay", {"item": 1})).json["items"]
    assert again["result"] == "duplicate"


@pytest.mark.parametrize(
    ("where", "method", "path"),
    [
        ("core.app.api.quarantine", "GET", "original"),
        ("core.intake.replay", "POST", "replay"),
    ],
)
async def test_while_a_large_original_is_read_others_are_answered(
    where: str,
    method: str,
    path: str,
    admin: Api,
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, enough = threading.Event(), threading.Event()

    def slowly(*given: Any, **named: Any) -> Any:
        reading.set()
        assert enough.wait(10)
        return items_of(*given, **named)

    monkeypatch.setattr(f"{where}.items_of", slowly)
    id = await office.refuse(NoRoute("no rule takes it"), unique=uuid4().hex)
    asking = asyncio.create_task(admin.ask(method, f"/v1/quarantine/{id}/{path}"))
    await until(reading.is_set)
    assert (await admin.by(None).get("/healthz")).status == 200
    assert not asking.done()
    enough.set()
    assert (await asking).status == 200


async def test_an_admin_deletes_a_record_with_its_original(
    viewer: Api, admin: Api, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    id = await office.refuse(NoRoute("no rule takes it"), unique=uuid4().hex)
    deleted = await admin.ask("DELETE", f"/v1/quarantine/{id}")
    assert (deleted.status, deleted.json["id"]) == (200, id)
    assert f"quarantine: {id} deleted by the-admin" in caplog.messages
    for answer in (
        await viewer.get(f"/v1/quarantine/{id}"),
        await admin.get(f"/v1/quarantine/{id}/original"),
        await admin.post(f"/v1/quarantine/{id}/replay"),
        await admin.ask("DELETE", f"/v1/quarantine/{id}"),
    ):
        assert "file://" not in refused(answer, 404, "DocumentNotFound")


async def test_a_record_that_is_refused_again_meanwhile_is_kept(
    admin: Api, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    unique = uuid4().hex
    id = await office.refuse(NoRoute("no rule takes it"), unique=unique)
    read = quarantined.read_named

    async def then_refused_again(*arguments: Any) -> Any:
        found = await read(*arguments)
        await office.refuse(NoRoute("still none"), unique=unique)
        return found

    monkeypatch.setattr(quarantine, "read_named", then_refused_again)
    refused(await admin.ask("DELETE", f"/v1/quarantine/{id}"), 409, "DocumentChanged")
    monkeypatch.undo()
    assert (await admin.get(f"/v1/quarantine/{id}")).json["reason"].startswith("still none")


async def test_what_fits_several_records_is_ambiguous(admin: Api, office: Office) -> None:
    for _ in range(2):
        await office.refuse(NoRoute("no rule takes it"), unique=uuid4().hex)
    for answer in (
        await admin.get("/v1/quarantine/message-"),
        await admin.get("/v1/quarantine/message-/original"),
        await admin.ask("DELETE", "/v1/quarantine/message-"),
    ):
        refused(answer, 409, "AmbiguousId")


async def test_a_replay_goes_on_when_nobody_waits_for_it_any_more(
    admin: Api, office: Office, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await office.refuse(NoRoute("no rule takes it"), unique=uuid4().hex)
    monkeypatch.setattr(application, "ANSWER_WITHIN", 0.3)
    with proxy.answers_held():
        late = await admin.post(f"/v1/quarantine/{id}/replay")
    refused(late, 503, "TemporalUnavailable")
    monkeypatch.undo()

    async def settled() -> bool:
        return bool((await admin.get(f"/v1/quarantine/{id}")).json["settled"])

    await until(settled)


# ---------------------------------------------------------------------------------------- together


BODIES: dict[str, Any] = {
    "openIncident": {"title": "It burns"},
    "addOverride": {
        "schedule": "checkout",
        "people": ["ana"],
        "until": "2099-01-01T00:00:00Z",
    },
    "swapShifts": {
        "overrides": [
            {"schedule": "checkout", "people": ["ana"], "until": "2099-01-01T00:00:00Z"},
        ]
        * 2
    },
    "addSilence": {"everything": True, "until": "2099-01-01T00:00:00Z", "why": "known"},
    "newFeed": {"schedule": "checkout"},
    "snooze": {"for": 60},
    "comment": {"note": "a"},
    "assign": {"assignee": "ana"},
    "set_severity": {"severity": "low"},
    "close": {"reason": "resolved"},
}
WITHOUT_TEMPORAL = {
    *("describe", "newFeed", "listQuarantine", "quarantineCauses", "showQuarantined"),
    *("readOriginal", "deleteQuarantined"),
}


async def test_every_operation_answers_in_time_also_while_temporal_does_not(
    office: Office, monkeypatch: pytest.MonkeyPatch, temporal_server: TemporalServer
) -> None:
    monkeypatch.setattr(application, "ANSWER_WITHIN", 1.0)
    records = {  # of each its own: one is deleted
        each.id: await office.refuse(NoRoute("no rule takes it"), unique=uuid4().hex)
        for each in OPERATIONS
        if "{record}" in each.path
    }
    with Proxy(temporal_server.address) as held:
        configured(monkeypatch, office, held.address)
        async with serving(create()) as url:
            admin = Api(url, TOKENS["admin"])
            assert (await admin.get("/v1/oncall/now")).status == 200
            with held.answers_held():
                begin = time.monotonic()
                answers = await asyncio.gather(
                    *(asked(admin, each, records.get(each.id, "k7m2qx")) for each in OPERATIONS)
                )
                passed = time.monotonic() - begin
    assert passed < 8
    unavailable = {id for id, answer in answers if answer.status == 503}
    assert unavailable == {each.id for each in OPERATIONS} - WITHOUT_TEMPORAL
    for id, answer in answers:
        assert answer.status in (200, 201, 404, 503), id


async def asked(api: Api, operation: Any, record: str) -> tuple[str, Answer]:
    path = path_of(operation, record)
    for kind, name in {"schedules": "checkout", "heartbeats": "backup"}.items():
        path = path.replace(f"{kind}/k7m2qx", f"{kind}/{name}")
    body = BODIES.get(operation.id, {}) if operation.has_body else None
    return operation.id, await api.ask(operation.method, path, json=body)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_documented_calls_work(admin: Api, office: Office, nothing_added: None) -> None:
    calls = documented_calls(of_incidents=False)
    assert len(calls) == 12
    record = await office.refuse(NoRoute("no rule takes it"), unique=uuid4().hex)
    for call in calls:
        at_some_time = call.replace("2026-01-02T22:00:00+01:00", in_hours(1))
        await called(at_some_time, admin.url, TOKENS["admin"], record)
