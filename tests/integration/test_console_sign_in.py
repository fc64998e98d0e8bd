"""Signing in to the console: a real issuer on this machine, a browser that keeps cookies."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from joserfc import jws
from joserfc.jwk import OctKey
from starlette.applications import Starlette

from core.app.application import create
from core.app.console import sessions, sign_in
from core.app.console.sessions import LIFETIME
from core.errors import SettingsError
from infra.local.environment import LINK_KEYS
from infra.local.temporal import TemporalServer
from tests.support.api import served, serving
from tests.support.incidents import until
from tests.support.issuer import Issuer, encoded, issuing, key
from tests.support.links import link, signing
from tests.support.visitor import Visitor, visiting

HOME = "/console/incidents"
SESSION, LEFT = "tidegate", "tidegate-sign-in"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def settings(
    issuer: Issuer, temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """The settings of an application with a console, less its own address."""
    for name, value in {
        **LINK_KEYS,
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TIDEGATE_OIDC_ISSUER": issuer.url,
        "TIDEGATE_CONSOLE_CLIENT_ID": issuer.sign_ins.client_id,
        "TIDEGATE_CONSOLE_CLIENT_SECRET": "env:CONSOLE_SECRET",
        "CONSOLE_SECRET": str(issuer.sign_ins.secret),
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
async def console(settings: pytest.MonkeyPatch) -> AsyncIterator[str]:
    def make(url: str) -> Starlette:
        settings.setenv("TIDEGATE_APP_URL", url)
        return create()

    async with served(make) as url:
        yield url


@pytest.fixture
async def browser(console: str) -> AsyncIterator[Visitor]:
    async with visiting(console) as visitor:
        yield visitor


def cookies(visitor: Visitor) -> dict[str, Morsel[str]]:
    return {cookie.key: cookie for cookie in visitor.session.cookie_jar}


def plant(visitor: Visitor, name: str, value: str) -> None:
    """What an attacker does to a browser that shares a network or a domain with them."""
    from yarl import URL

    visitor.session.cookie_jar.update_cookies({name: value}, URL(visitor.url))


def cookie_of(address: str) -> str:
    """The name of what the browser keeps until it comes back by an address."""
    [state] = parse_qs(urlsplit(address).query)["state"]
    return f"{LEFT}-{hashlib.sha256(state.encode()).hexdigest()[:24]}"


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if line.startswith("refused:")]


async def test_whoever_signs_in_comes_back_to_the_page_that_they_wanted(
    browser: Visitor, issuer: Issuer
) -> None:
    shown = await browser.see(f"{HOME}?severity=high")
    assert (shown.status, shown.path) == (200, f"{HOME}?severity=high")
    assert "<bdi>ana@example.com</bdi>" in shown.text
    [asked] = issuer.sign_ins.asked
    assert asked["redirect_uri"] == f"{browser.url}/console/signed-in"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["scope"].split() == ["openid", "email", "profile"]
    assert all(len(asked[name]) >= 32 for name in ("state", "nonce", "code_challenge"))
    await browser.see(HOME)
    assert len(issuer.sign_ins.asked) == 1


async def test_the_cookie_of_a_session_is_for_this_host_and_no_script(browser: Visitor) -> None:
    await browser.see(HOME)
    assert set(cookies(browser)) == {SESSION}
    cookie = cookies(browser)[SESSION]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("lax", "/", "127.0.0.1")
    assert int(cookie["max-age"]) == LIFETIME.total_seconds()
    assert not cookie["secure"]  # it is http, which is for this machine alone


async def test_over_https_nobody_but_this_host_can_set_the_cookie(
    settings: pytest.MonkeyPatch, issuer: Issuer
) -> None:
    settings.setenv("TIDEGATE_APP_URL", "https://tidegate.example/on")
    async with serving(create()) as url, visiting(url) as browser:
        shown = await browser.ask("GET", f"{HOME}?status=open")
        to = quote("/on/console/incidents?status=open", safe="")
        assert shown.headers["Location"] == f"/on/console/sign-in?next={to}"
        left = await browser.ask("GET", f"/console/sign-in?next={to}")
    assert left.headers["Location"].startswith(f"{issuer.url}/authorize?")
    asked = parse_qs(urlsplit(left.headers["Location"]).query)
    assert asked["redirect_uri"] == ["https://tidegate.example/on/console/signed-in"]
    cookie = left.headers["Set-Cookie"]
    assert cookie.startswith(f"__Host-{cookie_of(left.headers['Location'])}=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()


@pytest.mark.parametrize("path", [HOME, "/console/incident?id=k7m2qx"])
async def test_to_whom_nobody_knows_a_page_only_leads_to_where_they_sign_in(
    path: str, browser: Visitor
) -> None:
    shown = await browser.ask("GET", path)
    assert shown.status == 303
    assert shown.headers["Location"] == f"/console/sign-in?next={quote(path, safe='')}"
    assert shown.text == ""


async def test_an_address_that_is_too_long_to_come_back_to_leads_to_where_they_sign_in_too(
    browser: Visitor,
) -> None:
    shown = await browser.ask("GET", f"{HOME}?service={'x' * 50_000}")
    assert (shown.status, shown.headers["Location"]) == (303, "/console/sign-in")


async def test_a_part_of_a_page_and_a_form_lead_nowhere(
    browser: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    part = await browser.ask("GET", f"{HOME}/live", headers={"HX-Request": "true"})
    form = await browser.ask("POST", "/console/incident/command?id=k7m2qx", data={"name": "close"})
    assert (part.status, form.status) == (401, 401)
    assert 'href="/console/sign-in"' in form.text
    assert refusals(caplog) == ["refused: NotSignedIn (401): NotSignedIn"] * 2


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/console/",
        "///evil.example/console/",
        "/\\evil.example/console/",
        "\\\\evil.example",
        "/console/\\..\\..\\evil",
        "/console/../../evil",
        "https:evil.example",
        "javascript:alert(1)",
        "/%09/evil.example",
        "/\t/evil.example",
        "/console/\r\nSet-Cookie: a=b",
        "/consoleevil",
        "/i/a.b.c",
        "console/incidents",
        "/console/" + "x" * 1000,
        "/console/" + '"' * 990,
        "//[",
        "http://[::1]evil.example/console/",
        "",
    ],
)
async def test_a_link_to_sign_in_leads_nowhere_else(elsewhere: str, browser: Visitor) -> None:
    shown = await browser.see(f"/console/sign-in?next={quote(elsewhere, safe='')}")
    assert (shown.status, shown.path) == (200, HOME)


# ------------------------------------------------------------------------------ the flow


async def left(browser: Visitor) -> str:
    """The address with which the issuer sends a browser back that has just left."""
    away = await browser.ask("GET", "/console/sign-in")
    back = await browser.ask("GET", away.headers["Location"])
    return back.headers["Location"]


async def test_a_session_is_new_whatever_the_browser_had_before(browser: Visitor) -> None:
    await browser.see(HOME)
    old = cookies(browser)[SESSION].value
    plant(browser, SESSION, "an attacker's")
    await browser.see(HOME)
    first = cookies(browser)[SESSION].value
    await browser.see("/console/sign-in")
    second = cookies(browser)[SESSION].value
    assert len({old, "an attacker's", first, second}) == 4


async def test_nobody_is_signed_in_by_the_address_with_which_another_came_back(
    console: str, browser: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    async with visiting(console) as attacker:
        address = await left(attacker)
    shown = await browser.see(address)
    assert (shown.status, cookies(browser)) == (401, {})
    own = await left(browser)
    shown = await browser.see(address)
    assert (shown.status, set(cookies(browser))) == (401, {cookie_of(own)})
    assert refusals(caplog) == ["refused: StateUnknown (401): StateUnknown"] * 2


async def test_in_two_tabs_at_a_time_whoever_signs_in_is_signed_in(browser: Visitor) -> None:
    first, second = await left(browser), await left(browser)
    for address in (first, second):
        assert (await browser.see(address)).status == 200
    assert set(cookies(browser)) == {SESSION}


async def test_an_address_signs_in_once(browser: Visitor, issuer: Issuer) -> None:
    address = await left(browser)
    kept = cookies(browser)[cookie_of(address)].value
    assert (await browser.see(address)).status == 200
    browser.session.cookie_jar.clear()
    plant(browser, cookie_of(address), kept)
    shown = await browser.see(address)
    assert shown.status == 401
    assert SESSION not in cookies(browser)
    assert issuer.sign_ins.refused == ["code"]


@pytest.mark.parametrize(("left_for", "asked"), [(60, ["code"]), (-1, [])])
async def test_signing_in_takes_no_longer_than_its_cookie_says(
    left_for: int, asked: list[str], browser: Visitor, issuer: Issuer
) -> None:
    expires = int(datetime.now(UTC).timestamp()) + left_for
    claims = json.dumps({"state": "s" * 32, "next": HOME, "exp": expires})
    address = f"/console/signed-in?code=invented&state={'s' * 32}"
    plant(browser, cookie_of(address), await signing().seal(claims, kind=sign_in.KIND))
    shown = await browser.see(address)
    assert (shown.status, SESSION in cookies(browser)) == (401, False)
    assert issuer.sign_ins.refused == asked


async def test_a_code_is_for_whoever_asked_for_it(browser: Visitor, issuer: Issuer) -> None:
    """Somebody else's code in our browser: PKCE."""
    other, own = await left(browser), await left(browser)
    stolen = parse_qs(urlsplit(other).query)["code"][0]
    state = parse_qs(urlsplit(own).query)["state"][0]
    shown = await browser.see(f"/console/signed-in?code={stolen}&state={quote(state)}")
    assert (shown.status, SESSION in cookies(browser)) == (401, False)
    assert issuer.sign_ins.refused == ["verifier"]


TOKENS: dict[str, tuple[dict[str, Any], int, str]] = {
    "asked for by another": ({"nonce": "another"}, 401, "claims"),
    "asked for by nobody": ({"nonce": None}, 401, "claims"),
    "for another client": ({"aud": "billing"}, 401, "claims"),
    "for the API": ({"aud": "tidegate-api"}, 401, "claims"),
    "that another party got": (
        {"aud": ["tidegate-console", "billing"], "azp": "billing"},
        401,
        "claims",
    ),
    "of another issuer": ({"iss": "https://login.example"}, 401, "claims"),
    "that has expired": ({"exp": 1}, 401, "expired"),
    "by another key": ({"by": key("other")}, 401, "unknown"),
    "of no role": ({"roles": []}, 403, "role"),
    "of no name": ({"email_verified": False}, 403, "name"),
    "of Tidegate itself": ({"email": "tidegate"}, 403, "name"),
}


@pytest.mark.parametrize("which", TOKENS)
async def test_a_token_signs_nobody_in(
    which: str, browser: Visitor, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    claims, status, reason = TOKENS[which]
    issuer.sign_ins.claims = claims
    shown = await browser.see(HOME)
    assert (shown.status, SESSION in cookies(browser)) == (status, False)
    code = "NotLetIn" if status == 403 else "NotAuthenticated"
    assert refusals(caplog) == [f"refused: {code} ({status}): {reason}"]


async def test_the_issuer_may_refuse(
    browser: Visitor, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.sign_ins.error = "access_denied"
    shown = await browser.see(HOME)
    assert (shown.status, SESSION in cookies(browser)) == (401, False)
    assert refusals(caplog) == ["refused: SignInRefused (401): access_denied"]


async def test_while_the_issuer_is_unavailable_nobody_signs_in_and_whoever_has_stays(
    console: str, browser: Visitor, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    await browser.see(HOME)
    async with visiting(console) as late:
        address = await left(late)
        issuer.stop()
        assert (await late.see(address)).status == 503
    assert (await browser.see(HOME)).status == 200
    assert [line.partition(": h")[0] for line in refusals(caplog)] == [
        "refused: TransientError (503)"
    ]


async def test_credentials_that_the_issuer_does_not_take_are_the_operators_fault(
    browser: Visitor, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.sign_ins.secret = "another"
    shown = await browser.see(HOME)
    assert (shown.status, SESSION in cookies(browser)) == (503, False)
    assert "TIDEGATE_CONSOLE_CLIENT_SECRET" in caplog.text
    assert str(issuer.sign_ins.secret) not in shown.text


@pytest.mark.parametrize(
    "about",
    [
        {"issuer": "https://login.example"},
        {"authorization_endpoint": "http://login.example/authorize"},
        {"authorization_endpoint": None},
        {"token_endpoint": "http://login.example/token"},
        {"authorization_endpoint": "https://["},
    ],
)
async def test_an_issuer_that_says_wrong_things_of_itself_gets_nobody(
    about: dict[str, Any], browser: Visitor, issuer: Issuer
) -> None:
    issuer.about = about
    shown = await browser.see(HOME)
    assert (shown.status, SESSION in cookies(browser)) == (503, False)


async def test_an_issuer_that_is_slow_is_asked_once_however_many_want_to_sign_in(
    console: str, browser: Visitor, issuer: Issuer
) -> None:
    issuer.answering.clear()
    asking = [asyncio.create_task(browser.ask("GET", "/console/sign-in")) for _ in range(20)]
    await until(lambda: issuer.described > 0)
    # What others wait for takes a thread, too: there are few.
    assert (await browser.ask("GET", "/feeds/a.b.c.ics")).status == 404
    issuer.answering.set()
    assert {answer.status for answer in await asyncio.gather(*asking)} == {303}
    assert issuer.described == 1


async def test_an_issuer_that_has_failed_is_not_asked_again_immediately(
    browser: Visitor, issuer: Issuer
) -> None:
    issuer.status = 500
    for _ in range(5):
        assert (await browser.ask("GET", "/console/sign-in")).status == 503
    assert issuer.described == 1


async def test_a_public_client_has_no_secret(settings: pytest.MonkeyPatch, issuer: Issuer) -> None:
    settings.delenv("TIDEGATE_CONSOLE_CLIENT_SECRET")
    issuer.sign_ins.secret = None

    def make(url: str) -> Starlette:
        settings.setenv("TIDEGATE_APP_URL", url)
        return create()

    async with served(make) as url, visiting(url) as browser:
        assert (await browser.see(HOME)).status == 200


# ------------------------------------------------------------------------------ sessions


def sealed(
    kind: str | None = sessions.KIND,
    *,
    secret: str = LINK_KEYS["LOCAL_LINK_KEY"],
    lifetime: timedelta = LIFETIME,
    **claims: Any,
) -> Any:
    """A cookie as we make them, or almost."""
    expires = int((datetime.now(UTC) + lifetime).timestamp())
    usual = {"name": "ana@example.com", "role": "responder", "csrf": "c" * 43, "exp": expires}
    return signing(secret).seal(json.dumps({**usual, **claims}), kind=kind)


async def unsigned(secret: str) -> str:
    _, payload, _ = (await sealed()).split(".")
    return f"{encoded({'alg': 'none'})}.{payload}."


async def with_another_header(secret: str) -> str:
    claims = {"exp": 4_000_000_000, "name": "ana@example.com", "role": "responder", "csrf": "c"}
    return jws.serialize_compact({"alg": "HS256"}, json.dumps(claims), OctKey.import_key(secret))


FORGED: dict[str, Callable[[str], Any]] = {
    "by another key": lambda secret: sealed(secret="another key that is as long as ours is"),
    "by our key, with another header": with_another_header,
    "that is a link": lambda secret: signing().sign(link("alert:cpu@20260102T030405.678Z")),
    "of the kind of a link": lambda secret: sealed(None),
    "of the kind of a sign-in": lambda secret: sealed(sign_in.KIND),
    "of the kind of a feed": lambda secret: sealed("feed"),
    "that is over": lambda secret: sealed(lifetime=timedelta(seconds=-1)),
    "without a signature": unsigned,
    "of a role that there is not": lambda secret: sealed(role="owner"),
    "of Tidegate itself": lambda secret: sealed(name="tidegate"),
}


@pytest.mark.parametrize("which", FORGED)
async def test_a_cookie_is_no_session(which: str, browser: Visitor) -> None:
    plant(browser, SESSION, await FORGED[which](LINK_KEYS["LOCAL_LINK_KEY"]))
    assert (await browser.ask("GET", HOME)).status == 303


@pytest.mark.parametrize(
    "change", [lambda c: c[:-2], lambda c: f"{c}x", lambda c: c * 9, lambda c: "..", lambda c: "é"]
)
async def test_a_cookie_that_was_changed_is_no_session(
    change: Callable[[str], str], browser: Visitor
) -> None:
    cookie = await sealed()
    plant(browser, SESSION, cookie)
    assert (await browser.ask("GET", HOME)).status == 200
    browser.session.cookie_jar.clear()
    shown = await browser.ask("GET", HOME, headers={"Cookie": f"{SESSION}={change(cookie)}"})
    assert shown.status == 303


async def test_a_session_survives_a_new_key_as_long_as_the_old_one_verifies(
    browser: Visitor, settings: pytest.MonkeyPatch
) -> None:
    cookie = await sealed()
    settings.setenv("NEW_KEY", "a new key of links that is long enough")
    settings.setenv("TIDEGATE_LINK_KEYS", "env:NEW_KEY,env:LOCAL_LINK_KEY")
    settings.setenv("TIDEGATE_APP_URL", "http://127.0.0.1")
    async with serving(create()) as url, visiting(url) as visitor:
        plant(visitor, SESSION, cookie)
        assert (await visitor.ask("GET", HOME)).status == 200


async def test_only_a_form_of_the_session_ends_it(
    browser: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    home = await browser.see(HOME)
    assert (await browser.ask("GET", "/console/sign-out")).status == 405
    assert (await browser.ask("POST", "/console/sign-out")).status == 403
    assert SESSION in cookies(browser)
    out = await browser.send(next(f for f in home.forms if f.action.endswith("/sign-out")))
    assert (out.status, out.path) == (200, "/console/signed-out")
    assert "You are signed out" in out.text
    assert cookies(browser) == {}
    assert (await browser.ask("GET", HOME)).status == 303


async def test_a_viewer_sees_and_commands_nothing(
    browser: Visitor, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.sign_ins.claims = {"roles": "viewer"}
    home = await browser.see(HOME)
    csrf = next(f for f in home.forms if f.action.endswith("/sign-out")).fields["csrf"]
    shown = await browser.ask(
        "POST", "/console/incident/command?id=k7m2qx", data={"csrf": csrf, "name": "acknowledge"}
    )
    assert shown.status == 403
    assert "It takes the role responder, and yours is viewer." in shown.text
    assert refusals(caplog) == ["refused: RoleTooLow (403): RoleTooLow"]


# ------------------------------------------------------------------------------ settings


async def test_without_settings_for_it_there_is_no_console(
    settings: pytest.MonkeyPatch,
) -> None:
    settings.delenv("TIDEGATE_CONSOLE_CLIENT_ID")
    settings.delenv("TIDEGATE_OIDC_ISSUER")
    async with serving(create()) as url, visiting(url) as browser:
        for path in ("/console", HOME, "/console/static/console.css", "/console/sign-in"):
            assert (await browser.ask("GET", path)).status == 404


@pytest.mark.parametrize("missing", ["TIDEGATE_APP_URL", "TIDEGATE_OIDC_ISSUER"])
def test_a_console_needs_its_own_address_and_an_issuer(
    missing: str, settings: pytest.MonkeyPatch
) -> None:
    settings.setenv("TIDEGATE_APP_URL", "https://tidegate.example")
    settings.delenv(missing)
    with pytest.raises(SettingsError, match=f"{missing} is not set"):
        create()


async def test_with_a_client_the_user_of_the_machine_is_nobody(
    settings: pytest.MonkeyPatch,
) -> None:
    settings.setenv("TIDEGATE_APP_URL", "http://127.0.0.1")
    async with serving(create(local_user="root")) as url, visiting(url) as browser:
        assert (await browser.ask("GET", HOME)).status == 303


async def test_an_issuer_for_the_console_alone_opens_no_api(browser: Visitor) -> None:
    assert (await browser.ask("GET", "/v1/incidents")).status == 404
