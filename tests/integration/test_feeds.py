"""Calendar feeds: the real application over HTTP, a real Temporal server, and whoever holds an
address."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from icalendar import Calendar

from core.app import feeds
from core.app.application import create
from core.config.secrets import Secrets
from core.feeds import LIFETIME, Feed, address, new_feed
from core.links import LONGEST_TOKEN, LinkKeys
from infra.local.temporal import TemporalServer
from tests.support.api import Api, configure, serving
from tests.support.cli import Tidegate
from tests.support.grpc_proxy import Proxy, counted
from tests.support.links import Browser, Variable, link, signing
from tests.support.office import APP_URL, Office

INCIDENT = "incident:alertmanager:5f2e@20260102T030405.678Z"
OTHER_KEY = "another-key-that-the-application-does-not-have"


@pytest.fixture(scope="module")
def proxy(temporal_server: TemporalServer) -> Iterator[Proxy]:
    with Proxy(temporal_server.address) as proxy:
        yield proxy


@pytest.fixture
def application_settings(office: Office, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, proxy.address)
    for name, value in {**office.environment, "TEMPORAL_ADDRESS": proxy.address}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def url(application_settings: None) -> AsyncIterator[str]:
    async with serving(create()) as url:
        yield url


@pytest.fixture
def api(url: str) -> Api:
    return Api(url)


@pytest.fixture
def browser(url: str) -> Browser:
    """A calendar program."""
    return Browser(url)


async def path_of(feed: Feed, keys: LinkKeys | None = None) -> str:
    return await address(feed, url="", keys=keys or signing())


async def token_of(feed: Feed, keys: LinkKeys | None = None) -> str:
    return (await path_of(feed, keys)).removeprefix("/feeds/").removesuffix(".ics")


def feed(**fields: Any) -> Feed:
    return new_feed(now=datetime.now(UTC), **fields or {"schedule": "checkout"})


def events(text: str) -> list[Any]:
    calendar = Calendar.from_ical(text)
    return list(calendar.walk("VEVENT"))


async def test_a_responder_makes_an_address_which_whoever_holds_it_reads(
    api: Api, browser: Browser
) -> None:
    made = await api.post("/v1/oncall/feeds", {"schedule": "checkout"})
    assert made.status == 201
    assert made.json["url"].startswith(f"{APP_URL}/feeds/")
    expires = datetime.fromisoformat(made.json["expires_at"])
    assert timedelta(minutes=-1) < expires - datetime.now(UTC) - LIFETIME < timedelta(minutes=1)
    answer = await browser.get(urlsplit(made.json["url"]).path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.headers["Cache-Control"] == "private, max-age=300"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    found = events(answer.text)
    assert {str(each["SUMMARY"]) for each in found} == {
        "Ana on call: checkout",
        "Ben on call: checkout",
    }
    last = max(each.decoded("DTSTART") for each in found)
    assert last < datetime.now(UTC) + timedelta(days=91)
    assert len(found) in (13, 14)


async def test_a_person_has_their_own_shifts_of_all_schedules(browser: Browser) -> None:
    found = events((await browser.get(await path_of(feed(person="ana")))).text)
    assert {str(each["SUMMARY"]) for each in found} == {
        "Ana on call: checkout",
        "Ana on call: nights",
    }


async def test_a_feed_changes_with_its_shifts_and_else_is_not_sent_again(
    api: Api, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await path_of(feed())
    first = await browser.get(path)
    tag = first.headers["ETag"]
    for known in (tag, f'"other", {tag}', "*"):
        again = await browser.request("GET", path, headers={"If-None-Match": known})
        assert (again.status, again.text) == (304, "")
        assert again.headers["ETag"] == tag
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    [shift] = (await api.get("/v1/oncall/now", schedule="checkout")).json["schedules"]
    person = "ben" if shift["now"]["people"][0]["id"] == "ana" else "ana"
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    fields = {"schedule": "checkout", "people": [person], "until": until}
    added = (await api.post("/v1/oncall/overrides", fields)).json["overrides"][0]
    changed = await browser.request("GET", path, headers={"If-None-Match": tag})
    assert changed.status == 200
    assert changed.headers["ETag"] != tag
    assert "an override by the-responder" in changed.text.replace("\r\n ", "")
    await api.ask("DELETE", f"/v1/oncall/overrides/{added['id']}")


async def test_the_head_of_a_feed_is_that_of_its_answer(browser: Browser) -> None:
    path = await path_of(feed())
    got, head = await browser.get(path), await browser.request("HEAD", path)
    assert (head.status, head.text) == (200, "")
    for name in ("ETag", "Content-Type", "Cache-Control", "Content-Length"):
        assert head.headers[name] == got.headers[name]


async def test_the_command_prints_an_address_that_the_application_answers(
    application_settings: None, browser: Browser, tidegate: Tidegate
) -> None:
    for arguments in (("checkout",), ("--person", "ben")):
        printed = await asyncio.to_thread(tidegate, "oncall", "feed", *arguments)
        assert (printed.code, printed.err) == (0, "")
        answer = await browser.get(urlsplit(printed.out.strip()).path)
        assert answer.status == 200
        as_json = await asyncio.to_thread(tidegate, "oncall", "feed", *arguments, "--json")
        assert json.loads(as_json.out).keys() == {"url", "expires_at"}


# ----------------------------------------------------------------------------------------- attacks


def encoded(part: Any) -> str:
    text = json.dumps(part, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decoded(part: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


async def with_claims(**claims: Any) -> str:
    """A feed's token with other claims and its own signature."""
    header, own, signature = (await token_of(feed())).split(".")
    return f"{header}.{encoded(decoded(own) | claims)}.{signature}"


async def with_header(**fields: Any) -> str:
    header, own, signature = (await token_of(feed())).split(".")
    return f"{encoded(decoded(header) | fields)}.{own}.{signature}"


async def sealed(claims: Any, **kind: Any) -> str:
    """What our own key says, and no feed is."""
    return await signing().seal(json.dumps(claims), **{"kind": "feed", **kind})


LATER = int((datetime.now(UTC) + timedelta(days=1)).timestamp())
CLAIMS = {"schedule": "checkout", "exp": LATER}

ATTACKS: dict[str, Callable[[], Any]] = {
    "of another schedule": lambda: with_claims(schedule="nights"),
    "of a person": lambda: with_claims(person="ana", schedule=None),
    "with a later end": lambda: with_claims(exp=LATER * 2),
    "by another key": lambda: token_of(feed(), signing(OTHER_KEY)),
    "unsigned": lambda: with_header(alg="none"),
    "of another algorithm": lambda: with_header(alg="HS512"),
    "of a public key": lambda: with_header(alg="RS256"),
    "of no kind": lambda: with_header(typ=""),
    "a link's": lambda: signing().sign(link(INCIDENT)),
    "a link's claims as a feed": lambda: sealed(
        link(INCIDENT).model_dump(mode="json", by_alias=True, exclude_none=True)
    ),
    "a feed's claims as a link": lambda: sealed(CLAIMS, kind=None),
    "of another kind": lambda: sealed(CLAIMS, kind="session"),
    "of both": lambda: sealed({**CLAIMS, "person": "ana"}),
    "of nothing": lambda: sealed({"exp": LATER}),
    "without an end": lambda: sealed({"schedule": "checkout"}),
    "with more": lambda: sealed({**CLAIMS, "admin": True}),
    "of a path in place of a name": lambda: sealed({**CLAIMS, "schedule": "../../etc"}),
    "of a list": lambda: sealed([CLAIMS]),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_whoever_was_not_given_the_address_reads_nothing(
    attack: str, browser: Browser, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    token = await ATTACKS[attack]()
    with counted(proxy) as calls:
        answer = await browser.get(f"/feeds/{token}.ics")
    assert answer.status == 404
    assert "BEGIN:VCALENDAR" not in answer.text
    assert calls == [0]
    assert "refused: InvalidLink (404)" in caplog.messages


@pytest.mark.parametrize("cut", [1, 10, 43, 44, 100])
async def test_a_token_that_is_cut_short_reads_nothing(cut: int, browser: Browser) -> None:
    assert (await browser.get(f"/feeds/{(await token_of(feed()))[:-cut]}.ics")).status == 404


@pytest.mark.parametrize(
    "path",
    ["/feeds/", "/feeds/.ics", "/feeds/x", "/feeds/x.ics", f"/feeds/{'x' * LONGEST_TOKEN}xx.ics"],
)
async def test_what_is_no_token_reads_nothing(path: str, browser: Browser) -> None:
    assert (await browser.get(path)).status == 404


async def test_a_feeds_token_opens_no_incident(
    browser: Browser, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    token = await token_of(feed())
    claims = link(INCIDENT).model_dump(mode="json", by_alias=True, exclude_none=True)
    with counted(proxy) as calls:
        for each in (token, await sealed(claims)):
            assert (await browser.get(f"/i/{each}")).status == 404
            assert (await browser.post(f"/i/{each}")).status == 404
    assert calls == [0]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_feed_can_only_be_read(method: str, browser: Browser) -> None:
    answer = await browser.request(method, await path_of(feed()))
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


async def test_an_address_expires(browser: Browser, proxy: Proxy) -> None:
    old = new_feed(schedule="checkout", now=datetime.now(UTC) - LIFETIME - timedelta(seconds=1))
    with counted(proxy) as calls:
        answer = await browser.get(await path_of(old))
    assert (answer.status, calls) == (410, [0])
    assert "tidegate oncall feed" in answer.text
    young = new_feed(schedule="checkout", now=datetime.now(UTC) - LIFETIME + timedelta(minutes=1))
    assert (await browser.get(await path_of(young))).status == 200


@pytest.mark.parametrize("fields", [{"schedule": "nowhere"}, {"person": "nobody"}])
async def test_the_feed_of_what_is_no_longer_in_the_file_is_gone(
    fields: dict[str, str], browser: Browser, proxy: Proxy
) -> None:
    with counted(proxy) as calls:
        answer = await browser.get(await path_of(feed(**fields)))
    assert (answer.status, calls) == (410, [0])


async def test_the_address_of_a_key_that_was_replaced_is_read_until_the_key_is_removed(
    application_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await path_of(feed())
    monkeypatch.setenv("NEW_KEY", OTHER_KEY)
    for keys, status in (("env:NEW_KEY,env:LOCAL_LINK_KEY", 200), ("env:NEW_KEY", 404)):
        monkeypatch.setenv("TIDEGATE_LINK_KEYS", keys)
        async with serving(create()) as url:
            assert (await Browser(url).get(path)).status == status


async def test_no_token_is_logged(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    good, bad = await token_of(feed()), await token_of(feed(), signing(OTHER_KEY))
    for token in (good, bad):
        await browser.get(f"/feeds/{token}.ics")
    # pytest's own handlers switch the server's access log on, which no server of ours has.
    told = [each.getMessage() for each in caplog.records if each.name != "uvicorn.access"]
    text = json.dumps(told)
    assert "refused: InvalidLink (404)" in text
    assert good not in text
    assert bad not in text


# ------------------------------------------------------------------------------------- unavailable


async def test_while_overrides_cannot_be_read_a_program_keeps_what_it_has(
    application_settings: None, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.2")
    async with serving(create()) as url:
        answer = await Browser(url).get(await path_of(feed()))
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "60"
    assert "BEGIN:VCALENDAR" not in answer.text
    assert str(closed_port) not in answer.text


async def test_an_answer_has_its_time(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await path_of(feed())
    assert (await Browser(url).get(path)).status == 200
    monkeypatch.setattr(feeds, "ANSWER_WITHIN", 0.3)
    with proxy.answers_held():
        assert (await Browser(url).get(path)).status == 503


async def test_a_feed_of_very_many_shifts_goes_less_far_or_is_refused(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await path_of(feed())
    monkeypatch.setattr(feeds, "MOST_SHIFTS", 3)
    assert len(events((await browser.get(path)).text)) in (2, 3)
    monkeypatch.setattr(feeds, "MOST_SHIFTS", 0)
    assert (await browser.get(path)).status == 503


async def test_without_an_on_call_file_a_feed_waits_for_one(
    application_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEGATE_ONCALL")
    async with serving(create()) as url:
        assert (await Browser(url).get(await path_of(feed()))).status == 503


def test_what_has_no_place_for_keys_makes_no_address() -> None:
    keys = LinkKeys(["env:KEY"], Secrets({"env": lambda: Variable("short")}, ttl=300))
    with pytest.raises(Exception, match="a key has 5 bytes"):
        asyncio.run(token_of(feed(), keys))
