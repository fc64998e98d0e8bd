"""The console: the real application over HTTP, a real Temporal server, real incidents."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from html import escape, unescape
from typing import Any
from urllib.parse import quote

import pytest
from temporalio.client import Client, WorkflowHandle

from core.app.application import create
from core.contracts import QUERY_INCIDENT, QUERY_TIMELINE
from core.domain.handles import handle_of
from infra.local.environment import LINK_KEYS
from infra.local.temporal import TemporalServer
from tests.support.api import serving
from tests.support.eventually import eventually
from tests.support.grpc_proxy import Proxy, counted
from tests.support.incidents import Harness, alert, command, says, until
from tests.support.visitor import Shown, Visitor, visiting


@pytest.fixture(scope="module")
def proxy(temporal_server: TemporalServer) -> Iterator[Proxy]:
    with Proxy(temporal_server.address) as proxy:
        yield proxy


@pytest.fixture(scope="module")
async def console(proxy: Proxy) -> AsyncIterator[str]:
    """The address of an application that is this machine's alone: its calls to Temporal are counted
    by the proxy."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in LINK_KEYS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TEMPORAL_ADDRESS", proxy.address)
        async with serving(create(local_user="ana")) as url, visiting(url) as first:
            assert (await first.see("/console")).status == 200
            yield url


@pytest.fixture
async def ana(console: str) -> AsyncIterator[Visitor]:
    async with visiting(console) as visitor:
        yield visitor


async def opened(harness: Harness, **fields: Any) -> tuple[WorkflowHandle[Any, Any], str]:
    """An incident that has paged somebody, and its own ID."""
    handle = await harness.start(alert(**fields))
    await until(says(handle, "Page delivered"))
    return handle, (await handle.query(QUERY_INCIDENT))["id"]


def page_of(id: str) -> str:
    return f"/console/incident?id={quote(id)}"


async def listed(visitor: Visitor, text: str, query: str = "") -> Shown:
    """The list, as soon as it has a text: Temporal's visibility lags behind."""

    async def found() -> Shown | None:
        shown = await visitor.see(f"/console/incidents{query}")
        return shown if text in shown.text else None

    return await eventually(found, f"{text!r} in the list")


async def entries(handle: WorkflowHandle[Any, Any], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in await handle.query(QUERY_TIMELINE) if entry["kind"] == kind]


# ------------------------------------------------------------------------------ one incident


async def test_an_incident_is_acknowledged_without_javascript(
    dev_harness: Harness, ana: Visitor
) -> None:
    async with dev_harness.working():
        handle, id = await opened(dev_harness, title="The disk is full")
        shown = await listed(ana, handle_of(id))
        assert "The disk is full" in shown.text
        shown = await ana.see(page_of(id))
        assert "nobody has it" in shown.text
        assert "delivered" in shown.text
        shown = await ana.send(shown.form(name="acknowledge"))
        assert (shown.status, shown.path.partition("?")[0]) == (200, "/console/incident")
        assert "I have it: done." in shown.text
        assert "You have it." in shown.text
        assert "acknowledge" not in shown.commands
        [entry] = await entries(handle, "acknowledged")
        assert (entry["actor"], entry["proof"]) == ("ana", "console")
        assert "ana (console)" in shown.text


@pytest.fixture
async def sleeping(dev_harness: Harness) -> AsyncIterator[tuple[WorkflowHandle[Any, Any], str]]:
    """An open incident whose worker does not run, and its own ID."""
    async with dev_harness.working():
        handle, id = await opened(dev_harness)
    yield handle, id
    await handle.terminate()


async def test_without_a_worker_an_acknowledgement_waits_and_is_answered_all_the_same(
    dev_harness: Harness, ana: Visitor, sleeping: tuple[WorkflowHandle[Any, Any], str]
) -> None:
    handle, id = sleeping
    shown = await ana.see(page_of(id))
    assert "nobody has it" in shown.text
    assert "No worker has answered yet" in shown.text
    began = time.monotonic()
    sent = await ana.send(shown.form(name="acknowledge"))
    took = time.monotonic() - began
    assert sent.status == 200
    assert "I have it: sent." in sent.text
    assert took < 3  # a second, on a machine that does nothing else
    async with dev_harness.working():
        await until(says(handle, "Acknowledged"))
        again = await ana.see(sent.path)
        assert "I have it: done." in again.text
        [entry] = await entries(handle, "acknowledged")
        assert (entry["actor"], entry["proof"]) == ("ana", "console")


async def test_without_a_worker_every_other_command_waits_too(
    dev_harness: Harness, ana: Visitor, sleeping: tuple[WorkflowHandle[Any, Any], str]
) -> None:
    handle, id = sleeping
    shown = await ana.see(page_of(id))
    sent = await ana.send(shown.form(name="comment"), note="The provider knows.")
    assert (sent.status, "Comment: sent." in sent.text) == (200, True)
    async with dev_harness.working():
        await until(says(handle, "The provider knows."))
        assert len(await entries(handle, "commented")) == 1


FORMS: dict[str, tuple[dict[str, str], str, str]] = {
    "escalate": ({"note": "I am on a train"}, "second-line", "open"),
    "mitigate": ({}, "Mitigated", "mitigated"),
    "resolve": ({"force": "yes"}, "Resolved", "resolved"),
    "assign": ({"assignee": "Ben Ito"}, "Ben Ito", "open"),
    "snooze": ({"for": "1800"}, "Snoozed", "open"),
    "comment": ({"note": "It is the new release"}, "It is the new release", "open"),
    "set_severity": ({"severity": "low"}, "low", "open"),
    "close": ({"reason": "false_alarm"}, "false alarm", "closed"),
}


async def test_every_command_that_is_possible_is_a_form_that_gives_it(
    dev_harness: Harness, ana: Visitor
) -> None:
    dev_harness.policy = {**dev_harness.policy, "reopen_window": "1h"}
    async with dev_harness.working():
        for name, (fields, text, status) in FORMS.items():
            _, id = await opened(dev_harness, key=f"form-{name}")
            shown = await ana.see(page_of(id))
            assert shown.commands == ["acknowledge", *FORMS]
            done = await ana.send(shown.form(name=name), **fields)
            assert (done.status, ": done." in done.text) == (200, True), name
            assert text in done.text, name
            assert f"<strong>{status}</strong>" in done.text, name
            assert "ana (console)" in done.text, name


async def test_what_somebody_did_is_undone_by_the_forms_of_the_next_state(
    dev_harness: Harness, ana: Visitor
) -> None:
    dev_harness.policy = {**dev_harness.policy, "reopen_window": "1h"}
    async with dev_harness.working():
        _, id = await opened(dev_harness)
        shown = await ana.see(page_of(id))
        shown = await ana.send(shown.form(name="acknowledge"))
        shown = await ana.send(shown.form(name="unacknowledge"), note="I am ill")
        assert "nobody has it" in shown.text
        shown = await ana.send(shown.form(name="resolve"), force="yes")
        shown = await ana.send(shown.form(name="reopen"))
        assert "nobody has it" in shown.text
        shown = await ana.send(shown.form(name="assign"), assignee="Ben", commander="Cleo")
        assert shown.form(name="assign").fields["was_commander"] == "Cleo"
        shown = await ana.send(shown.form(name="assign"), assignee="")
        fields = shown.form(name="assign").fields
        assert (fields["assignee"], fields["commander"]) == ("", "Cleo")


async def test_a_form_that_is_sent_twice_gives_its_command_once(
    dev_harness: Harness, ana: Visitor
) -> None:
    async with dev_harness.working():
        handle, id = await opened(dev_harness)
        form = (await ana.see(page_of(id))).form(name="comment")
        for note in ("once", "once", "and another"):
            assert (await ana.send(form, note=note)).status == 200
        notes = [entry["text"] for entry in await entries(handle, "commented")]
        assert notes == ["Comment: once", "Comment: and another"]


async def test_what_is_impossible_now_is_answered_with_what_is_possible(
    dev_harness: Harness, ana: Visitor
) -> None:
    dev_harness.policy = {**dev_harness.policy, "reopen_window": "1h"}
    async with dev_harness.working():
        handle, id = await opened(dev_harness)
        stale = await ana.see(page_of(id))
        await command(handle, "resolve", "r", force=True)
        for name in ("acknowledge", "escalate"):
            shown = await ana.send(stale.form(name=name))
            assert shown.status == 409
            assert f"Cannot {name}: the incident is resolved" in shown.text
            assert "Possible now: Reopen, Comment, Set the severity, Close." in shown.text
            assert shown.commands == ["reopen", "comment", "set_severity", "close"]
        assert not await entries(handle, "acknowledged")


async def test_an_alert_that_fires_refuses_what_would_end_the_incident(
    dev_harness: Harness, ana: Visitor
) -> None:
    async with dev_harness.working():
        _, id = await opened(dev_harness)
        shown = await ana.see(page_of(id))
        refused = await ana.send(shown.form(name="resolve"))
        assert refused.status == 409
        assert "firing" in refused.text
        assert "resolve" in refused.commands


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("snooze", {"for": "-1"}),
        ("snooze", {"for": "soon"}),
        ("snooze", {"for": ""}),
        ("comment", {"note": " "}),
        ("comment", {"note": "x" * 10_001}),
        ("assign", {}),
        ("assign", {"assignee": "x" * 201}),
        ("set_severity", {"severity": "awful"}),
        ("close", {"reason": "bored"}),
        ("comment", {"name": "reboot"}),
    ],
)
async def test_a_form_that_is_filled_in_wrongly_does_nothing_and_says_why(
    name: str, fields: dict[str, str], ana: Visitor, quiet: tuple[WorkflowHandle[Any, Any], Shown]
) -> None:
    handle, shown = quiet
    before = (await handle.describe()).history_length
    answer = await ana.send(shown.form(name=name), **fields)
    assert answer.status == 400
    assert "Nothing was done" in answer.text or "There is no such command" in answer.text
    assert 'role="alert"' in answer.text
    assert len(await entries(handle, "commented")) == 0
    assert before <= (await handle.describe()).history_length


@pytest.fixture(scope="module")
async def quiet(
    temporal_client: Client, tmp_path_factory: pytest.TempPathFactory, console: str
) -> AsyncIterator[tuple[WorkflowHandle[Any, Any], Shown]]:
    """An incident that nothing happens to, and its page."""
    harness = Harness(temporal_client, tmp_path_factory.mktemp("quiet"))
    async with harness.working(), visiting(console) as visitor:
        handle, id = await opened(harness, title="Nothing <b>happens</b>")
        yield handle, await visitor.see(page_of(id))
        await handle.terminate()


# ------------------------------------------------------------------------------ what it shows


EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}${7*7}&amp;"


async def test_whatever_a_sender_writes_is_text(dev_harness: Harness, ana: Visitor) -> None:
    title = (EVIL * 200)[:10_000]
    links = {
        "good": "https://runbooks.example/?a=1&b=%22",
        "runbook": "https://x.example/\"onx='",
        "bracket": "https://[",
        "account": "https://exa\u2100mple.example/",
    }
    async with dev_harness.working():
        handle, id = await opened(
            dev_harness,
            title=title,
            summary=EVIL,
            service=EVIL[:100],
            labels={EVIL[:50]: EVIL},
            links=links,
        )
        await command(handle, "acknowledge", "a", actor=EVIL[:100], note=EVIL)
        for shown in (
            await ana.see(page_of(id)),
            await ana.see(f"/console/incident/live?id={quote(id)}"),
            await listed(ana, handle_of(id)),
        ):
            assert shown.status == 200
            assert "<img" not in shown.text
            assert "<script>" not in shown.text
            assert escape(EVIL[:25]) in shown.text
            assert len(shown.text) < 60_000
        page = (await ana.see(page_of(id))).text
        assert 'href="https://runbooks.example/?a=1&amp;b=%22"' in page
        assert "bracket: https://[" in page
        assert 'href="https://[' not in page


async def test_the_report_of_an_incident_can_be_read(
    dev_harness: Harness, temporal_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in LINK_KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TIDEGATE_REPORTS", f"file://{dev_harness.root}/reports/")
    async with (
        dev_harness.working(),
        serving(create(local_user="ana")) as url,
        visiting(url) as visitor,
    ):
        handle, id = await opened(dev_harness, title="The disk <i>is</i> full")
        missing = await visitor.see(f"/console/incident/report?id={quote(id)}")
        assert (missing.status, "That is not there" in missing.text) == (404, True)
        await command(handle, "close", "c", reason="false_alarm")
        await handle.result()
        incident = await visitor.see(page_of(id))
        [path] = re.findall(r'href="([^"]*/incident/report[^"]*)"', incident.text)
        shown = await visitor.see(unescape(path))
        assert shown.status == 200
        assert "## Action items" in shown.text
        assert "&lt;i" in shown.text
        assert "<i" not in shown.text.replace("<input", "")


async def test_a_page_can_be_framed_by_nobody_and_loads_only_its_own(ana: Visitor) -> None:
    for path in ("/console/incidents", "/console/nothing", "/console/incidents/live"):
        headers = (await ana.see(path)).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
        )
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self'",
            "connect-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"


async def test_a_page_has_no_script_or_style_of_its_own(ana: Visitor) -> None:
    text = (await ana.see("/console/incidents")).text
    assert "<style" not in text
    assert " style=" not in text
    assert text.count("<script") == text.count("<script src=") == 2
    assert '"allowEval": false' in text
    assert '"includeIndicatorStyles": false' in text


async def test_a_file_is_kept_by_browsers_until_it_changes(ana: Visitor) -> None:
    home = (await ana.see("/console/incidents")).text
    for name in ("console.css", "console.js", "htmx.min.js", "icon.svg"):
        assert f"/console/static/{name}?v=" in home
        first = await ana.ask("GET", f"/console/static/{name}")
        assert (first.status, "immutable" in first.headers["Cache-Control"]) == (200, True)
        headers = {"If-None-Match": first.headers["ETag"]}
        again = await ana.ask("GET", f"/console/static/{name}", headers=headers)
        assert (again.status, again.text) == (304, "")
    for name in ("..%2fframe.py", "application.py", "%2e%2e/frame.py", "console.css/"):
        assert (await ana.ask("GET", f"/console/static/{name}")).status == 404


async def test_an_incident_that_there_is_not_is_kindly_not_found(ana: Visitor) -> None:
    for path in ("/console/incident?id=k7m2qx", "/console/incident/live?id=k7m2qx"):
        shown = await ana.see(path)
        assert (shown.status, "There is no such incident" in shown.text) == (404, True)
    assert (await ana.see("/console/incident")).status == 400
    assert (await ana.see(f"/console/incident?id={'x' * 2000}")).status == 400


async def test_an_incident_is_found_by_its_handle(dev_harness: Harness, ana: Visitor) -> None:
    async with dev_harness.working():
        _, id = await opened(dev_harness, title="Found by its handle")
        await listed(ana, handle_of(id))
        shown = await ana.see(page_of(handle_of(id)))
        assert (shown.status, "Found by its handle" in shown.text) == (200, True)


def live_part(shown: Shown) -> str:
    """What a page asks for to refresh itself."""
    [part] = re.findall(r'hx-get="([^"]+)"', shown.text)
    forms = re.findall(r'name="forms" value="([^"]+)"', shown.text)
    return unescape(part) + (f"&forms={forms[0]}" if forms else "")


async def test_a_part_that_has_not_changed_is_not_sent_again(
    ana: Visitor, quiet: tuple[WorkflowHandle[Any, Any], Shown]
) -> None:
    for path in (quiet[1].path, "/console/incidents?status=closed&service=nobody's"):

        async def unchanged(path: str = path) -> bool:
            return (await ana.see(live_part(await ana.see(path)))).status == 204

        await eventually(unchanged, "an answer without content")  # once a second it has another age


async def test_nobody_elses_link_makes_a_page_say_that_something_was_done(
    ana: Visitor, quiet: tuple[WorkflowHandle[Any, Any], Shown]
) -> None:
    shown = await ana.see(f"{quiet[1].path}&sent=console-1&did=acknowledge&mark={'0' * 32}")
    assert shown.status == 200
    assert "sent." not in shown.text


# ------------------------------------------------------------------------------ forged forms


FORGERIES: dict[str, dict[str, str]] = {
    "of another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "of another site, by an older browser": {"Origin": "https://evil.example"},
    "of a neighbour": {"Sec-Fetch-Site": "same-site"},
    "of a page that says nothing of itself": {"Origin": "null"},
    "of another port": {"Origin": "http://127.0.0.1:1"},
}


@pytest.mark.parametrize("which", FORGERIES)
async def test_a_form_of_another_site_does_nothing(
    which: str,
    ana: Visitor,
    quiet: tuple[WorkflowHandle[Any, Any], Shown],
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    form = quiet[1].form(name="acknowledge")
    with counted(proxy) as calls:
        answer = await ana.ask("POST", form.action, data=form.fields, headers=FORGERIES[which])
    assert (answer.status, calls) == (403, [0])
    assert [line.partition(":")[0] for line in caplog.messages] == ["refused"]
    assert "Forged (403)" in caplog.text


@pytest.mark.parametrize("csrf", [None, "", "guessed", "é"])
async def test_a_form_without_the_sessions_token_does_nothing(
    csrf: str | None, ana: Visitor, quiet: tuple[WorkflowHandle[Any, Any], Shown], proxy: Proxy
) -> None:
    form = quiet[1].form(name="acknowledge")
    fields = {name: value for name, value in form.fields.items() if name != "csrf"}
    with counted(proxy) as calls:
        answer = await ana.ask("POST", form.action, data=fields | ({"csrf": csrf} if csrf else {}))
    assert (answer.status, calls) == (403, [0])


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"x" * 70_000, 413), (b"\xff\xfe=1", 400), (b"&".join([b"a=1"] * 200), 400), (b"", 403)],
)
async def test_a_body_that_is_no_form_does_nothing(
    body: bytes, status: int, ana: Visitor, quiet: tuple[WorkflowHandle[Any, Any], Shown]
) -> None:
    answer = await ana.ask("POST", quiet[1].form(name="acknowledge").action, data=body)
    assert answer.status == status


async def test_without_sign_in_a_name_that_leads_here_by_somebody_elses_choice_shows_nothing(
    ana: Visitor, quiet: tuple[WorkflowHandle[Any, Any], Shown]
) -> None:
    """DNS rebinding: the browser takes our pages for those of another site."""
    form = quiet[1].form(name="acknowledge")
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "evil{.example",
        "evil`.example",
        "evil.example:",
        "evil@127.0.0.1",
        "127.0.0.1]",
        "[",
    ):
        headers = {"Host": host, "Origin": f"http://{host}"}
        shown = await ana.ask("GET", "/console/incidents", headers=headers)
        sent = await ana.ask("POST", form.action, data=form.fields, headers=headers)
        assert (shown.status, sent.status) == (403, 403)
        assert "csrf" not in shown.text


async def test_a_form_has_to_arrive_in_time(
    temporal_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**LINK_KEYS, "TIDEGATE_START_TIMEOUT": "0.3"}.items():
        monkeypatch.setenv(name, value)

    async def slow() -> AsyncIterator[bytes]:
        yield b"csrf="
        await asyncio.Event().wait()

    async with serving(create(local_user="ana")) as url, visiting(url) as visitor:
        answer = await visitor.ask("POST", "/console/incident/command?id=k7m2qx", data=slow())
    assert (answer.status, "That took too long" in answer.text) == (408, True)


# ------------------------------------------------------------------------------ what is unavailable


async def test_while_temporal_is_unavailable_a_page_says_so_and_when_to_try_again(
    closed_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {
        **LINK_KEYS,
        "TEMPORAL_ADDRESS": f"127.0.0.1:{closed_port}",
        "TIDEGATE_START_TIMEOUT": "0.3",
    }.items():
        monkeypatch.setenv(name, value)
    async with serving(create(local_user="ana")) as url, visiting(url) as visitor:
        shown = await visitor.see("/console/incidents")
    assert (shown.status, shown.headers["Retry-After"]) == (503, "5")
    assert "It does no harm to try again." in shown.text
    assert str(closed_port) not in shown.text
    assert "refused: TemporalUnavailable (503)" in caplog.text


async def test_nobody_waits_for_what_others_have_waited_for_in_vain(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        **LINK_KEYS,
        "TEMPORAL_ADDRESS": proxy.address,
        "TIDEGATE_START_TIMEOUT": "0.5",
    }.items():
        monkeypatch.setenv(name, value)
    async with serving(create(local_user="ana")) as url, visiting(url) as visitor:
        with proxy.answers_held():
            began = time.monotonic()
            asking = (visitor.see("/console/incidents") for _ in range(20))
            assert {shown.status for shown in await asyncio.gather(*asking)} == {503}
            assert time.monotonic() - began < 5  # one after another they would take 10


async def test_what_only_the_operator_can_change_is_in_the_log_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in LINK_KEYS.items():
        monkeypatch.setenv(name, value)
    async with serving(create(local_user="ana")) as url, visiting(url) as visitor:
        shown = await visitor.see("/console/incidents")
    assert (shown.status, shown.headers["Retry-After"]) == (503, "60")
    assert "TEMPORAL_ADDRESS" not in shown.text
    assert "TEMPORAL_ADDRESS" in caplog.text


async def test_a_fault_of_ours_is_a_page_that_says_no_more(
    ana: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr("core.app.console.incidents.board", broken)
    shown = await ana.see("/console/incidents")
    assert (shown.status, "Something is broken here" in shown.text) == (500, True)
    assert "42" not in shown.text
    assert "Content-Security-Policy" in shown.headers


# ------------------------------------------------------------------------------ the list


async def test_the_list_is_some_calls_to_temporal_however_long_it_is(
    dev_harness: Harness, ana: Visitor, proxy: Proxy
) -> None:
    async with dev_harness.working():
        ids = [(await opened(dev_harness, service="n-plus-one"))[1] for _ in range(4)]
        for id in ids:
            await listed(ana, handle_of(id), "?service=n-plus-one")
        with counted(proxy) as calls:
            shown = await ana.see("/console/incidents?service=n-plus-one")
        assert shown.text.count('scope="row"') == 4
        with counted(proxy) as one:
            await ana.see(page_of(ids[0]))
    assert calls == [6]  # a count for each severity, and one page
    assert one[0] <= 6


async def test_the_worst_come_first_page_by_page(
    dev_harness: Harness, ana: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.operations.incident_board.PAGE_SIZE", 2)
    wanted = ["critical", "critical", "high", "medium", "low"]
    async with dev_harness.working():
        for severity in ("low", "critical", "medium", "high", "critical"):
            _, id = await opened(dev_harness, service="worst-first", severity=severity)
            await listed(ana, handle_of(id), "?service=worst-first&status=open")
        path: str | None = "/console/incidents?service=worst-first"
        seen: list[str] = []
        pages = 0
        while path:
            pages += 1
            shown = await ana.see(path)
            assert shown.status == 200
            assert "5 unresolved of worst-first: 2 critical, 1 high, 1 medium, 1 low." in shown.text
            rows = shown.text.split('data-severity="')[1:]
            seen += [row.partition('"')[0] for row in rows]
            more = shown.text.partition('class="pager"')[2]
            path = next(
                (
                    part.partition('"')[0].replace("&amp;", "&")
                    for part in more.split('href="')[1:]
                    if "after=" in part
                ),
                None,
            )
    assert (seen, pages) == (wanted, 3)


@pytest.mark.parametrize("query", ["status=solved", "severity=awful", f"service={'x' * 201}"])
async def test_a_filter_that_there_is_not_is_refused(query: str, ana: Visitor) -> None:
    assert (await ana.see(f"/console/incidents?{query}")).status == 400


@pytest.mark.parametrize("after", ["x", "critical.AAAA", "critical.x", "awful."])
async def test_a_page_of_the_list_that_is_over_says_so(after: str, ana: Visitor) -> None:
    shown = await ana.see(f"/console/incidents?after={after}")
    assert (shown.status, "The list has gone on" in shown.text) == (410, True)
