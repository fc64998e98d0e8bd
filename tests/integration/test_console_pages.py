"""The console's pages besides incidents: the real application over HTTP, a whole installation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape, unescape
from uuid import uuid4

import pytest
from playwright.async_api import Browser, expect
from starlette.responses import Response
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from core import bootstrap
from core.adapters.temporal.on_call import read_state
from core.app.application import create
from core.app.console import heartbeats, on_call, quarantine, response_times
from core.app.console.application import NAVIGATION, PAGES
from core.app.console.frame import PATH, Page
from core.app.console.sessions import Sessions
from core.app.identity.caller import Caller, Role
from core.contracts import (
    ACKNOWLEDGED_AT_ATTRIBUTE,
    INCIDENT_ID_ATTRIBUTE,
    INCIDENT_WORKFLOW,
    RESOLVED_AT_ATTRIBUTE,
    SERVICE_ATTRIBUTE,
)
from core.domain.incident.ids import compact_time, incident_id
from core.domain.oncall.state import OnCallState
from core.errors import InvalidEvent, NoRoute
from infra.local.temporal import TemporalServer
from tests.support.api import serving
from tests.support.chromium import WIDTHS, Scheme, chromium, overflow, picture, tab, violations
from tests.support.eventually import eventually
from tests.support.grpc_proxy import Proxy, counted
from tests.support.office import Office
from tests.support.visitor import Form, Shown, Visitor, visiting

OURS = ("/oncall", "/silences", "/heartbeat", "/quarantine", "/response-times")
WRITES = [page for page in PAGES if page.method == "POST" and page.path.startswith(OURS)]
MARKUP = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def proxy(temporal_server: TemporalServer) -> Iterator[Proxy]:
    with Proxy(temporal_server.address) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def environment(office: Office, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an application reads when it first needs a connection."""
    for name, value in {**office.environment, "TEMPORAL_ADDRESS": proxy.address}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
async def console(office: Office, proxy: Proxy) -> AsyncIterator[str]:
    """An application that is this machine's alone, whose calls to Temporal are counted."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in {**office.environment, "TEMPORAL_ADDRESS": proxy.address}.items():
            monkeypatch.setenv(name, value)
        async with serving(create(local_user="ana")) as url, visiting(url) as first:
            assert (await first.see("/console/oncall")).status == 200
            yield url


@pytest.fixture
async def ana(console: str) -> AsyncIterator[Visitor]:
    """The user of this machine, who may do everything."""
    async with visiting(console) as visitor:
        yield visitor


@pytest.fixture(scope="module")
async def shared(office: Office) -> AsyncIterator[str]:
    """An application where people sign in."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in office.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TIDEGATE_OIDC_ISSUER", "http://127.0.0.1:9/")
        monkeypatch.setenv("TIDEGATE_CONSOLE_CLIENT_ID", "console")
        async with serving(create()) as url:
            yield url


async def signed_in(visitor: Visitor, office: Office, role: Role) -> None:
    """Give a browser the session that somebody with this role has after signing in."""
    response = Response()
    keys = bootstrap.link_keys(office.settings)
    await Sessions(keys, secure=False).begin(response, Caller("cleo", role))
    name, _, value = response.headers["set-cookie"].partition(";")[0].partition("=")
    visitor.session.cookie_jar.update_cookies({name: value})


@pytest.fixture
async def viewer(shared: str, office: Office) -> AsyncIterator[Visitor]:
    async with visiting(shared) as visitor:
        await signed_in(visitor, office, Role.VIEWER)
        yield visitor


@pytest.fixture
async def responder(shared: str, office: Office) -> AsyncIterator[Visitor]:
    async with visiting(shared) as visitor:
        await signed_in(visitor, office, Role.RESPONDER)
        yield visitor


def form_to(shown: Shown, path: str, **fields: str) -> Form:
    """The form of a page that leads to a path of the console."""
    found = [
        form
        for form in shown.forms
        if form.action.partition("?")[0].endswith(f"{PATH}{path}")
        and fields.items() <= form.fields.items()
    ]
    assert len(found) == 1, [form.action for form in shown.forms]
    return found[0]


def filled(form: Form, **fields: str) -> Form:
    """A form in which somebody has typed."""
    return replace(form, fields={**form.fields, **fields})


def links(shown: Shown, text: str) -> list[str]:
    """The addresses of the links whose text begins so."""
    found = re.findall(r'<a [^>]*?href="([^"]*)"[^>]*>\s*([^<]*)', shown.text)
    return [unescape(address) for address, label in found if label.startswith(text)]


def typed(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M")


async def state(office: Office) -> OnCallState:
    return (await read_state(office.client)).at(datetime.now(UTC))


# ---------------------------------------------------------------------------- who may do what


@pytest.mark.parametrize("page", WRITES, ids=lambda page: page.path)
async def test_a_form_of_nobodys_page_does_nothing(page: Page, ana: Visitor, proxy: Proxy) -> None:
    with counted(proxy) as calls:
        shown = await ana.ask("POST", f"{PATH}{page.path}", data={"csrf": "guessed"})
    assert shown.status == 403
    assert calls == [0]


@pytest.mark.parametrize("page", WRITES, ids=lambda page: page.path)
async def test_a_role_that_is_too_low_does_nothing(
    page: Page, viewer: Visitor, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    csrf = (await viewer.see(f"{PATH}/oncall")).forms[0].fields["csrf"]
    before = await state(office)
    shown = await viewer.ask("POST", f"{PATH}{page.path}", data={"csrf": csrf, "id": "x"})
    assert shown.status == 403
    assert "takes the role" in shown.text
    assert any("RoleTooLow" in line for line in caplog.messages)
    assert await state(office) == before


def test_commands_take_a_responder_and_what_is_about_originals_an_admin() -> None:
    roles = {page.path: page.role for page in WRITES}
    admins = {path for path, role in roles.items() if role is Role.ADMIN}
    assert admins == {"/quarantine/replay", "/quarantine/delete"}
    assert set(roles.values()) == {Role.ADMIN, Role.RESPONDER}


@pytest.mark.parametrize(
    "path", ["/oncall", "/oncall/schedule?name=checkout", "/silences", "/heartbeat?name=backup"]
)
async def test_a_viewer_sees_and_is_offered_no_command(path: str, viewer: Visitor) -> None:
    shown = await viewer.see(f"{PATH}{path}")
    assert shown.status == 200
    assert [form.action for form in shown.forms if form.method == "post"] == [f"{PATH}/sign-out"]


async def test_every_page_is_in_the_navigation(ana: Visitor) -> None:
    shown = await ana.see(f"{PATH}/oncall")
    for name, path in NAVIGATION:
        assert links(shown, name)[0] == f"{PATH}{path}"


async def test_nobody_elses_address_makes_a_page_say_that_something_was_done(ana: Visitor) -> None:
    shown = await ana.see(f"{PATH}/silences?did=Everything+is+fine&mark=0123456789abcdef")
    assert shown.status == 200
    assert "Everything is fine" not in shown.text


@pytest.mark.parametrize(
    ("path", "needs", "words"),
    [
        ("/oncall", "TIDEGATE_ONCALL", "There is no on-call file"),
        ("/oncall/schedule?name=checkout", "TIDEGATE_ONCALL", "There is no on-call file"),
        ("/heartbeats", "TIDEGATE_ONCALL", "There is no on-call file"),
        ("/quarantine", "TIDEGATE_QUARANTINE", "That does not work yet"),
    ],
)
async def test_without_the_setting_that_a_page_needs_it_says_so_and_the_log_which(
    path: str,
    needs: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv(needs)
    async with serving(create(local_user="ana")) as url, visiting(url) as visitor:
        shown = await visitor.see(f"{PATH}{path}")
    assert shown.status == 503
    assert words in shown.text
    assert any(needs in line for line in caplog.messages)


async def test_silences_need_no_on_call_file(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEGATE_ONCALL")
    async with serving(create(local_user="ana")) as url, visiting(url) as visitor:
        form = form_to(await visitor.see(f"{PATH}/silences"), "/silences/add")
        shown = await visitor.send(form, match="service=checkout", why="known")
        [silence] = (await state(office)).silences
        assert "(UTC)" in shown.text
        await visitor.send(form_to(shown, "/silences/end", id=silence.id))


@pytest.mark.parametrize(
    "path",
    [
        "/oncall",
        "/oncall/schedule?name=checkout",
        "/silences",
        "/heartbeats",
        "/heartbeat?name=backup",
        "/response-times",
    ],
)
async def test_while_temporal_is_unavailable_a_page_says_to_try_again(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.2")
    async with serving(create(local_user="ana")) as url, visiting(url) as visitor:
        shown = await visitor.see(f"{PATH}{path}")
    assert shown.status == 503
    assert shown.headers["Retry-After"]
    assert "does no harm to try again" in shown.text


# ------------------------------------------------------------------------------------ on call


async def test_who_is_on_call_is_shown_for_every_schedule_by_one_call(
    ana: Visitor, proxy: Proxy
) -> None:
    with counted(proxy) as calls:
        shown = await ana.see(f"{PATH}/oncall")
    assert calls == [1]
    assert links(shown, "checkout") == [f"{PATH}/oncall/schedule?name=checkout"]
    assert links(shown, "nights")
    assert "<bdi>Ana</bdi>" in shown.text
    assert "layer ana" in shown.text


async def test_a_week_is_a_picture_and_a_table_with_the_weeks_beside_it(ana: Visitor) -> None:
    shown = await ana.see(f"{PATH}/oncall/schedule?name=checkout&week=2026-01-14")
    assert "12 Jan to 18 Jan 2026" in shown.text
    assert shown.text.count('<svg class="bars"') == 7
    assert "B Ben" in shown.text or "A Ben" in shown.text
    assert "Mon 12 Jan 2026 00:00" in shown.text
    [before], [after] = links(shown, "Week before"), links(shown, "Week after")
    assert "05 Jan to 11 Jan 2026" in (await ana.see(before)).text
    assert "19 Jan to 25 Jan 2026" in (await ana.see(after)).text


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("name=nowhere", 404, "there is no schedule"),
        ("name=checkout&week=2024-01-01", 400, "too far"),
        ("name=checkout&week=9999-12-31", 400, "too far"),
        ("name=checkout&week=0001-01-01", 400, "too far"),
        ("name=checkout&week=soon", 400, "week"),
        ("name=<b>", 400, "name"),
        ("", 400, "name"),
    ],
)
async def test_a_week_that_there_is_not_is_refused(
    query: str, status: int, words: str, ana: Visitor
) -> None:
    shown = await ana.see(f"{PATH}/oncall/schedule?{query}")
    assert shown.status == status
    assert words in shown.text


async def test_a_shift_leads_to_a_form_that_it_has_filled(ana: Visitor) -> None:
    following = (datetime.now(UTC) + timedelta(days=14)).date()
    monday = following - timedelta(days=following.weekday())
    week = await ana.see(f"{PATH}/oncall/schedule?name=checkout&week={monday}")
    [link] = links(week, "Override")
    form = form_to(await ana.see(link), "/oncall/override")
    assert form.fields["from"] == f"{monday}T00:00"
    assert form.fields["until"] == f"{monday + timedelta(days=7)}T00:00"


async def test_the_present_shift_leads_to_a_form_that_begins_now(ana: Visitor) -> None:
    week = await ana.see(f"{PATH}/oncall/schedule?name=checkout")
    form = form_to(await ana.see(links(week, "Override")[0]), "/oncall/override")
    assert form.fields["from"] == ""
    assert form.fields["until"].endswith("T00:00")


async def test_an_override_is_added_once_by_a_form_and_ended_by_another(
    ana: Visitor, office: Office
) -> None:
    begins = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=30)
    ends = begins + timedelta(hours=8)
    shown = await ana.see(f"{PATH}/oncall/schedule?name=nights")
    form = form_to(shown, "/oncall/override")
    fields = {"person": "ben", "until": typed(ends), "from": typed(begins), "why": MARKUP}
    added = await ana.send(filled(form, **fields))
    assert added.status == 200
    assert "Ben on call from" in added.text
    again = await ana.send(filled(form, **fields))
    assert again.status == 200

    [override] = (await state(office)).overrides
    assert (override.schedule, override.people, override.by) == ("nights", ("ben",), "ana")
    # What is typed is in the schedule's time zone, which is ahead of UTC.
    assert override.start in (begins - timedelta(hours=1), begins - timedelta(hours=2))
    assert MARKUP not in added.text
    assert escape(MARKUP) in added.text
    assert 'class="by-hand"' in added.text
    assert 'class="handover"' in added.text

    ended = await ana.send(form_to(added, "/oncall/override/end", id=override.id))
    assert ended.status == 200
    assert "the layers decide" in ended.text
    assert (await state(office)).overrides == ()
    gone = await ana.send(form_to(added, "/oncall/override/end", id=override.id), key="another")
    assert gone.status == 409
    assert f"no override {override.id}" in gone.text


async def test_somebody_is_named_by_name_too_and_several_with_commas(
    ana: Visitor, office: Office
) -> None:
    shown = await ana.see(f"{PATH}/oncall/schedule?name=checkout")
    ends = datetime.now(UTC) + timedelta(hours=1)
    form = form_to(shown, "/oncall/override")
    added = await ana.send(form, person="Ben, ana", until=typed(ends))
    assert added.status == 200
    [override] = (await state(office)).overrides
    assert override.people == ("ben", "ana")
    await ana.send(form_to(added, "/oncall/override/end", id=override.id))


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"person": "zoe"}, 400, "nobody called zoe"),
        ({"person": ""}, 400, "say who"),
        ({"until": ""}, 400, "say until when"),
        ({"until": "8 o'clock"}, 400, "Until is not a time"),
        ({"from": "9999-99-99T00:00"}, 400, "From is not a time"),
        ({"until": "2026-01-02T08:00"}, 409, "in the past"),
        ({"why": "x" * 201}, 400, "why"),
        ({"person": "x" * 401}, 400, "person"),
    ],
)
async def test_an_override_that_cannot_be_is_refused_and_what_was_typed_stays(
    fields: dict[str, str], status: int, words: str, ana: Visitor, office: Office
) -> None:
    shown = await ana.see(f"{PATH}/oncall/schedule?name=checkout")
    ends = typed(datetime.now(UTC) + timedelta(hours=1))
    form = form_to(shown, "/oncall/override")
    refused = await ana.send(
        filled(form, **{"person": "ben", "until": ends, "why": "a test", **fields})
    )
    assert refused.status == status
    assert words in refused.text
    assert (await state(office)).overrides == ()
    if "person" not in fields:
        assert form_to(refused, "/oncall/override").fields["person"] == "ben"


async def test_an_override_over_another_is_refused_and_that_one_is_named(
    ana: Visitor, office: Office
) -> None:
    shown = await ana.see(f"{PATH}/oncall/schedule?name=checkout")
    ends = typed(datetime.now(UTC) + timedelta(hours=1))
    added = await ana.send(form_to(shown, "/oncall/override"), person="ben", until=ends)
    refused = await ana.send(form_to(added, "/oncall/override"), person="ana", until=ends)
    [override] = (await state(office)).overrides
    assert refused.status == 409
    assert f"override {override.id}" in refused.text
    await ana.send(form_to(refused, "/oncall/override/end", id=override.id))


async def test_more_shifts_than_a_page_takes_are_left_out_and_said(
    ana: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_call, "MOST_SHIFTS", 0)
    shown = await ana.see(f"{PATH}/oncall/schedule?name=checkout")
    assert "This week has more shifts" in shown.text
    assert "nobody" not in shown.text


# ------------------------------------------------------------------------------------ silences


async def test_a_silence_is_added_listed_and_ended(ana: Visitor, office: Office) -> None:
    form = form_to(await ana.see(f"{PATH}/silences"), "/silences/add")
    match = f"service=checkout\r\nteam={MARKUP}"
    shown = await ana.send(filled(form, match=match, why="known", **{"for": "7200"}))
    assert shown.status == 200
    [silence] = (await state(office)).silences
    assert silence.match is not None
    assert (silence.match.service, silence.by, silence.why) == (["checkout"], "ana", "known")
    assert silence.match.labels == {"team": [MARKUP]}
    left = silence.end - datetime.now(UTC)
    assert timedelta(minutes=110) < left <= timedelta(hours=2)
    assert "service checkout" in shown.text
    assert MARKUP not in shown.text
    ended = await ana.send(form_to(shown, "/silences/end", id=silence.id))
    assert "no longer silenced" in ended.text
    assert (await state(office)).silences == ()


async def test_a_maintenance_of_everything_is_planned(ana: Visitor, office: Office) -> None:
    form = form_to(await ana.see(f"{PATH}/silences"), "/silences/add")
    begins = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=1)
    fields = {"from": typed(begins), "until": typed(begins + timedelta(hours=3))}
    shown = await ana.send(
        filled(form, everything="yes", kind="maintenance", why="a move", **fields)
    )
    [silence] = (await state(office)).silences
    assert (silence.kind, silence.match) == ("maintenance", None)
    assert (silence.start, silence.end) == (begins, begins + timedelta(hours=3))
    assert "planned" in shown.text
    await ana.send(form_to(shown, "/silences/end", id=silence.id))


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"match": ""}, 400, "say what is silenced"),
        ({"everything": "yes"}, 400, "say what is silenced"),
        ({"match": "checkout"}, 400, "is not NAME=PATTERN"),
        ({"match": "severity=awful"}, 400, "severity"),
        ({"match": "service=*"}, 409, "every incident"),
        ({"why": ""}, 400, "why"),
        ({"for": "0"}, 400, "for"),
        ({"for": "9" * 30}, 400, "for"),
        ({"from": "9999-12-31T23:59"}, 400, "no calendar goes that far"),
        ({"for": "5184000"}, 409, "30 d"),
        ({"until": "2026-01-02T08:00"}, 409, "in the past"),
        ({"match": "a=" + "b" * 2001}, 400, "match"),
    ],
)
async def test_a_silence_that_cannot_be_is_refused(
    fields: dict[str, str], status: int, words: str, ana: Visitor, office: Office
) -> None:
    form = form_to(await ana.see(f"{PATH}/silences"), "/silences/add")
    refused = await ana.send(
        filled(form, **{"match": "service=checkout", "why": "a test", **fields})
    )
    assert refused.status == status
    assert words in refused.text
    assert (await state(office)).silences == ()


# ---------------------------------------------------------------------------------- heartbeats


async def test_heartbeats_are_listed_by_one_call(ana: Visitor, proxy: Proxy) -> None:
    async def listed() -> Shown | None:
        shown = await ana.see(f"{PATH}/heartbeats")
        return shown if links(shown, "backup") and links(shown, "export") else None

    await eventually(listed, "both heartbeats run")
    with counted(proxy) as calls:
        shown = await ana.see(f"{PATH}/heartbeats")
    assert calls == [1]
    assert "2 heartbeats" in shown.text
    assert "every 1d" in shown.text


async def test_heartbeats_are_listed_in_pages(
    ana: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "PER_PAGE", 1)
    first = await ana.see(f"{PATH}/heartbeats")
    [following] = links(first, "The next ones")
    second = await ana.see(following)
    assert [bool(links(first, name)) for name in ("backup", "export")] == [True, False]
    assert [bool(links(second, name)) for name in ("backup", "export")] == [False, True]
    assert links(second, "Those before")
    assert not links(second, "The next ones")


async def test_a_heartbeat_is_paused_and_resumed(ana: Visitor) -> None:
    shown = await ana.see(f"{PATH}/heartbeat?name=backup")
    assert "never" in shown.text
    until = datetime.now(UTC) + timedelta(hours=2)
    form = form_to(shown, "/heartbeat/pause")
    paused = await ana.send(form, why=MARKUP, until=typed(until))
    assert paused.status == 200
    assert f"by ana until {until:%a %d %b %Y %H:%M}: {escape(MARKUP)}" in paused.text
    assert MARKUP not in paused.text
    resumed = await ana.send(form_to(paused, "/heartbeat/resume"))
    assert "It is expected again." in resumed.text
    form_to(resumed, "/heartbeat/pause")  # is there again


async def test_the_heartbeats_with_something_to_do_come_first(ana: Visitor) -> None:
    async def order() -> list[str]:
        shown = await ana.see(f"{PATH}/heartbeats")
        return re.findall(r"/heartbeat\?name=(\w+)", shown.text)

    async def export_is_first() -> bool:
        return await order() == ["export", "backup"]

    assert await order() == ["backup", "export"]
    form = form_to(await ana.see(f"{PATH}/heartbeat?name=export"), "/heartbeat/pause")
    paused = await ana.send(form)
    await eventually(export_is_first, "the paused one is first")
    await ana.send(form_to(paused, "/heartbeat/resume"))


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"until": "2026-01-02T08:00"}, 400, "in the past"),
        ({"until": "later"}, 400, "Until is not a time"),
        ({"name": "nobody"}, 404, "does not run"),
        ({"why": "x" * 201}, 400, "why"),
    ],
)
async def test_a_pause_that_cannot_be_is_refused(
    fields: dict[str, str], status: int, words: str, ana: Visitor
) -> None:
    form = form_to(await ana.see(f"{PATH}/heartbeat?name=export"), "/heartbeat/pause")
    refused = await ana.send(filled(form, **fields))
    assert refused.status == status
    assert words in refused.text
    assert "Pause" in (await ana.see(f"{PATH}/heartbeat?name=export")).text


# ---------------------------------------------------------------------------------- quarantine


async def test_records_are_grouped_by_cause_and_one_shows_its_original(
    ana: Visitor, office: Office
) -> None:
    code_words = uuid4().hex
    id = await office.refuse(NoRoute(f"{MARKUP} {code_words}"), unique=code_words)
    await office.refuse(NoRoute("no route"), unique=uuid4().hex)
    await office.refuse(InvalidEvent("bad"), way="webhook:other", unique=uuid4().hex)
    shown = await ana.see(f"{PATH}/quarantine")
    assert MARKUP not in shown.text
    [cause] = links(shown, "NoRoute")
    assert links(shown, "InvalidEvent")
    records = await ana.see(cause)
    assert MARKUP not in records.text
    assert escape(MARKUP) in records.text
    [link] = [each for each in links(records, "") if id in each]
    record = await ana.see(link)
    assert "tidegate-way" in record.text
    assert "file://" in record.text
    assert code_words in record.text
    assert "do not tell" in record.text
    assert "it burns" in record.text
    assert "com.tidegate.incident.reported" in record.text


async def test_who_is_no_admin_sees_no_original_and_no_way_to_replay(
    viewer: Visitor, responder: Visitor, office: Office
) -> None:
    id = await office.refuse(NoRoute("no route"), unique=uuid4().hex)
    for visitor in (viewer, responder):
        record = await visitor.see(f"{PATH}/quarantine/record?id={id}")
        assert record.status == 200
        assert "NoRoute" in record.text
        for hidden in ("do not tell", "tidegate-way", "file://", "/replay", "/delete"):
            assert hidden not in record.text
        for deed in ("replay", "delete"):
            asked = await visitor.see(f"{PATH}/quarantine/{deed}?id={id}")
            assert asked.status == 403


async def test_a_record_is_replayed_after_a_page_that_asks(
    ana: Visitor, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    id = await office.refuse(NoRoute("no route"), unique=uuid4().hex)
    record = await ana.see(f"{PATH}/quarantine/record?id={id}")
    [replay] = links(record, "Replay it")
    asked = await ana.see(replay)
    assert "Replay 1 record?" in asked.text
    shown = await ana.send(form_to(asked, "/quarantine/replay"))
    assert "1 record replayed" in shown.text
    assert "accepted" in shown.text
    kept = await bootstrap.quarantine(office.settings).get(id)
    assert kept.settled
    assert f"quarantine: {id} replayed by ana" in caplog.messages


async def test_all_records_of_a_cause_are_replayed(ana: Visitor, office: Office) -> None:
    way = f"webhook:{uuid4().hex}"
    ids = [await office.refuse(NoRoute("no route"), way=way, unique=uuid4().hex) for _ in range(3)]
    records = await ana.see(f"{PATH}/quarantine/records?code=NoRoute&source={way}")
    [replay] = links(records, "Replay the newest")
    asked = await ana.see(replay)
    assert "Replay 3 records?" in asked.text
    shown = await ana.send(form_to(asked, "/quarantine/replay"))
    assert "3 records replayed" in shown.text
    quarantine = bootstrap.quarantine(office.settings)
    assert all([(await quarantine.get(id)).settled for id in ids])
    settled = await ana.see(f"{PATH}/quarantine/records?source={way}&state=settled")
    assert len([each for each in links(settled, "") if "record?id=" in each]) == 3


@pytest.mark.parametrize(
    ("ids", "status"),
    [("", 400), ("message-000000000000000000000000", 404), ("../x", 404), ("a " * 60, 404)],
)
async def test_a_replay_of_what_is_not_there_does_nothing(
    ids: str, status: int, ana: Visitor, office: Office
) -> None:
    id = await office.refuse(NoRoute("no route"), unique=uuid4().hex)
    asked = await ana.see(f"{PATH}/quarantine/replay?id={id}")
    refused = await ana.send(form_to(asked, "/quarantine/replay"), ids=ids)
    assert refused.status == status
    assert not (await bootstrap.quarantine(office.settings).get(id)).settled


async def test_more_records_than_one_form_replays_are_refused(ana: Visitor, office: Office) -> None:
    id = await office.refuse(NoRoute("no route"), unique=uuid4().hex)
    asked = await ana.see(f"{PATH}/quarantine/replay?id={id}")
    many = " ".join(f"message-{number}" for number in range(51))
    refused = await ana.send(form_to(asked, "/quarantine/replay"), ids=many)
    assert refused.status == 400
    assert "at most 50" in refused.text


async def test_a_record_is_deleted_after_a_page_that_asks(
    ana: Visitor, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    id = await office.refuse(NoRoute("no route"), unique=uuid4().hex)
    [delete] = links(await ana.see(f"{PATH}/quarantine/record?id={id}"), "Delete it")
    asked = await ana.see(delete)
    assert (await ana.see(f"{PATH}/quarantine/record?id={id}")).status == 200  # asking does nothing
    shown = await ana.send(form_to(asked, "/quarantine/delete"))
    assert "is deleted" in shown.text
    assert (await ana.see(f"{PATH}/quarantine/record?id={id}")).status == 404
    assert f"quarantine: {id} deleted by ana" in caplog.messages


async def test_a_record_that_was_refused_again_since_the_page_asked_is_kept(
    ana: Visitor, office: Office
) -> None:
    unique = uuid4().hex
    id = await office.refuse(NoRoute("no route"), unique=unique)
    asked = await ana.see(f"{PATH}/quarantine/delete?id={id}")
    await office.refuse(NoRoute("no route"), unique=unique)
    kept = await ana.send(form_to(asked, "/quarantine/delete"))
    assert kept.status == 409
    assert "Nothing was deleted" in kept.text
    assert (await ana.see(f"{PATH}/quarantine/record?id={id}")).status == 200


async def test_a_list_of_records_goes_on(ana: Visitor, office: Office) -> None:
    way = f"webhook:{uuid4().hex}"
    for _ in range(51):
        await office.refuse(NoRoute("no route"), way=way, unique=uuid4().hex)
    first = await ana.see(f"{PATH}/quarantine/records?source={way}")
    [following] = links(first, "The next ones")
    second = await ana.see(following)
    ids = [[each for each in links(page, "") if "record?id=" in each] for page in (first, second)]
    assert [len(each) for each in ids] == [50, 1]
    assert not set(ids[0]) & set(ids[1])
    assert links(second, "To the newest")
    assert (await ana.see(f"{PATH}/quarantine/records?after=nonsense")).status == 410


async def test_what_was_not_looked_at_is_said(
    ana: Visitor, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await office.refuse(NoRoute("no route"), unique=uuid4().hex)
    assert "were looked at" not in (await ana.see(f"{PATH}/quarantine")).text
    monkeypatch.setattr(quarantine, "READS", 1)
    shown = await ana.see(f"{PATH}/quarantine")
    assert "1 record for 1 cause" in shown.text
    assert "the newest 1 were looked at" in shown.text


async def test_what_there_is_no_time_to_replay_is_said_and_left(
    ana: Visitor, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await office.refuse(NoRoute("no route"), unique=uuid4().hex)
    asked = await ana.see(f"{PATH}/quarantine/replay?id={id}")
    monkeypatch.setattr(quarantine, "REPLAY_WITHIN", 0)
    shown = await ana.send(form_to(asked, "/quarantine/replay"))
    assert "There was no time for 1 of them" in shown.text
    assert not (await bootstrap.quarantine(office.settings).get(id)).settled


# ------------------------------------------------------------------------------- response times


async def resolved(client: Client, service: str, *, acknowledged: float, resolved: float) -> None:
    """A run as visibility sees a resolved incident that began now; no worker serves it."""
    now = datetime.now(UTC)
    key = f"incident:{uuid4().hex}"
    values = {
        INCIDENT_ID_ATTRIBUTE: incident_id(key, now),
        SERVICE_ATTRIBUTE: service,
        ACKNOWLEDGED_AT_ATTRIBUTE: compact_time(now + timedelta(seconds=acknowledged)),
        RESOLVED_AT_ATTRIBUTE: compact_time(now + timedelta(seconds=resolved)),
    }
    await client.start_workflow(
        INCIDENT_WORKFLOW,
        id=key,
        task_queue=f"queue-{uuid4().hex}",
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(SearchAttributeKey.for_keyword(name), value)
                for name, value in values.items()
            ]
        ),
    )


async def test_mtta_and_mttr_are_plotted_by_service_and_week_by_one_call(
    ana: Visitor, office: Office, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = f"{MARKUP}{uuid4().hex}"
    await resolved(office.client, service, acknowledged=60, resolved=600)
    await resolved(office.client, service, acknowledged=180, resolved=1800)

    async def listed() -> Shown | None:
        shown = await ana.ask("GET", f"{PATH}/response-times")
        return shown if "2 resolved" in shown.text and escape(service) in shown.text else None

    await eventually(listed, "both incidents")
    with counted(proxy) as calls:
        shown = await ana.see(f"{PATH}/response-times")
    assert calls == [1]
    assert MARKUP not in shown.text
    section = shown.text.split(escape(service), 2)[2]
    assert section.count('<svg class="plot') >= 2
    assert '<text class="value" x="50%" y="' in section
    assert ">2 min<" in section
    assert ">20 min<" in section
    assert "only the newest" not in shown.text

    monkeypatch.setattr(response_times, "MOST_RUNS", 1)
    bounded = await ana.see(f"{PATH}/response-times")
    assert "only the newest 1 were looked at" in bounded.text


# ------------------------------------------------------------------------ what they look like


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def looked_at(ana: Visitor, office: Office) -> AsyncIterator[dict[str, str]]:
    """The paths of pages that have something to show, by the names of their pictures."""
    id = await office.refuse(NoRoute(MARKUP * 20), unique=uuid4().hex)
    for service in ("checkout", "payments"):
        await resolved(office.client, service, acknowledged=200, resolved=4000)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    schedule = f"{PATH}/oncall/schedule?name=checkout"
    form = form_to(await ana.see(schedule), "/oncall/override")
    begins, ends = typed(now + timedelta(hours=2)), typed(now + timedelta(hours=9))
    added = await ana.send(
        filled(form, person="ben, ana", until=ends, why="a wedding", **{"from": begins})
    )
    form = form_to(await ana.see(f"{PATH}/silences"), "/silences/add")
    silenced = await ana.send(form, match="service=checkout", why="known, being fixed")
    overrides, silences = (await state(office)).overrides, (await state(office)).silences
    yield {
        "oncall": f"{PATH}/oncall",
        "schedule": f"{schedule}&from={begins}&until={ends}",
        "silences": f"{PATH}/silences",
        "heartbeats": f"{PATH}/heartbeats",
        "heartbeat": f"{PATH}/heartbeat?name=backup",
        "quarantine": f"{PATH}/quarantine",
        "records": f"{PATH}/quarantine/records?code=NoRoute",
        "record": f"{PATH}/quarantine/record?id={id}",
        "replay": f"{PATH}/quarantine/replay?id={id}",
        "response-times": f"{PATH}/response-times",
    }
    for override in overrides:
        await ana.send(form_to(added, "/oncall/override/end", id=override.id))
    for silence in silences:
        await ana.send(form_to(silenced, "/silences/end", id=silence.id))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_every_page_can_be_read_by_everybody(
    width: int, scheme: Scheme, console: str, browser: Browser, looked_at: dict[str, str]
) -> None:
    async with tab(browser, width=width, scheme=scheme) as page:
        for name, path in looked_at.items():
            await page.goto(f"{console}{path}")
            await picture(page, f"console-{name}-{width}-{scheme}")
            assert await overflow(page) <= 0, name
            assert await violations(page) == [], name


async def test_a_bar_of_the_picture_is_pressed_and_fills_the_form(
    console: str, browser: Browser
) -> None:
    following = (datetime.now(UTC) + timedelta(days=14)).date()
    monday = following - timedelta(days=following.weekday())
    async with tab(browser, width=360, javascript=False) as page:
        await page.goto(f"{console}{PATH}/oncall/schedule?name=checkout&week={monday}")
        await page.locator(".bars a").nth(3).click()
        until = page.get_by_label("Until")
        await expect(until).to_have_value(f"{monday + timedelta(days=7)}T00:00")
        await expect(until).to_be_in_viewport()
