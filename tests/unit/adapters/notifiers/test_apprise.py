from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import apprise
import pytest
import requests

from core.adapters.notifiers.apprise import (
    _MODULES,
    KEY_HEADER,
    _kind,
    _masked,
    _service,
    check,
)
from core.adapters.notifiers.router import ChannelNotifier
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification, NotificationKind
from tests.support.web import Site, serving

# Apprise imports a module that Python 3.13 has removed, where it is there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

PAGE = Notification(
    key="incident:a@1/level-1/json#é",
    title="[HIGH] Checkout",
    body="Payments fail.",
    severity="high",
)


@pytest.fixture
def services() -> Any:
    """Apprise's classes by their schemes."""
    manager: Any = apprise.NotificationManager()  # type: ignore[no-untyped-call]  # as it is shipped
    return {scheme: manager[scheme] for scheme in manager.schemas(include_disabled=False)}


@pytest.fixture
def receiver() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What reaches the root logger; pytest's own fixture also listens where nothing propagates."""
    handler = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(handler)
    yield handler.stream
    logging.getLogger().removeHandler(handler)


async def notify(page: Notification, *urls: str, timeout: float = 20.0) -> None:
    addresses = [Address(name="chat", kind="apprise", url=url) for url in urls]
    await ChannelNotifier(timeout=timeout).notify(page, addresses)


FIRST = """
import sys, warnings
warnings.simplefilter("ignore")
from core.adapters.notifiers import apprise
from core.ports.notifier import Address
apprise.check(Address(name="chat", kind="apprise", url={url!r}))
print(*(name for name in sys.modules if name.startswith("apprise.plugins.")))
"""


@pytest.mark.parametrize(
    ("url", "module"),
    [
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", "slack"),
        ("DISCORD://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord"),
        ("mailtos://user:hunter2@example.com", "email"),
        ("jsons://example.com/hook", "custom_json"),
    ],
)
def test_the_first_address_of_a_process_loads_its_own_service_alone(url: str, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST.format(url=url)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    services = {name.split(".")[2] for name in done.stdout.split()} - {"base"}
    assert module in services
    assert len(services) < 5, services


@pytest.mark.parametrize(("scheme", "module"), sorted(_MODULES.items()))
def test_a_scheme_is_of_the_module_that_the_table_names(
    scheme: str, module: str, services: Any
) -> None:
    kind = services[scheme]
    assert f"{kind.__module__}.".startswith(f"apprise.plugins.{module}.")
    assert _kind(scheme) is kind


def test_most_schemes_are_found_by_the_name_of_their_module(services: Any) -> None:
    found = {scheme: kind for scheme in services if (kind := _kind(scheme))}
    assert found.items() <= services.items()
    assert len(found) > 0.7 * len(services)


@pytest.mark.parametrize(
    "url",
    ["https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2Zw", "46elks://u:p@/4670000000"],
)
def test_an_address_that_names_no_module_is_found_by_apprise_itself(url: str) -> None:
    check(Address(name="chat", kind="apprise", url=url))


@pytest.mark.parametrize("url", ["slack://", "base://x", "json://", "../os://x"])
def test_an_address_that_its_service_refuses_is_refused(url: str) -> None:
    with pytest.raises(NotificationFailed, match="apprise knows no such URL"):
        check(Address(name="chat", kind="apprise", url=url))


async def test_a_page_has_its_text_and_its_key(receiver: Site) -> None:
    await notify(PAGE, receiver.apprise_url())
    [(_, headers, _)], [body] = receiver.got, receiver.bodies()
    assert headers[KEY_HEADER] == "incident:a@1/level-1/json#%C3%A9"
    assert body["title"] == "[HIGH] Checkout"
    assert body["message"].splitlines() == ["Payments fail.", "", f"Page: {PAGE.key}"]
    assert body["type"] == "failure"


@pytest.mark.parametrize(
    ("kind", "key", "line"),
    [
        (
            NotificationKind.PAGE,
            "incident:a@1/level-2/repeat-1/duty",
            "Page: rf86ph/level-2/repeat-1/duty",
        ),
        (
            NotificationKind.RESOLVED,
            "incident:a@1/resolved/1/duty",
            "Message: rf86ph/resolved/1/duty",
        ),
        (NotificationKind.ASSIGNED, "another/assigned", "Message: another/assigned"),
    ],
)
async def test_the_key_has_the_handle_in_place_of_the_incidents_long_id(
    receiver: Site, kind: NotificationKind, key: str, line: str
) -> None:
    message = replace(PAGE, kind=kind, key=key, incident_id="incident:a@1")
    await notify(message, receiver.apprise_url())
    assert receiver.bodies()[0]["message"].splitlines()[-1] == line


async def test_every_address_is_notified_although_one_fails(receiver: Site) -> None:
    with serving() as broken:
        broken.status = 500
        urls = [broken.apprise_url("user:hunter2@"), receiver.apprise_url()]
        with pytest.raises(NotificationFailed) as failed:
            await notify(PAGE, *urls)
    assert len(receiver.got) == 1
    assert PAGE.key in failed.value.message
    assert str(broken.port) in failed.value.message
    assert str(receiver.port) not in failed.value.message
    assert "error=500" in failed.value.message
    assert "hunter2" not in str(failed.value)


async def test_secrets_in_the_query_of_a_url_stay_secret(receiver: Site) -> None:
    receiver.status = 403
    with pytest.raises(NotificationFailed) as failed:
        await notify(PAGE, f"{receiver.apprise_url()}?+Authorization=hunter2")
    assert receiver.got[0][1]["Authorization"] == "hunter2"
    assert "hunter2" not in str(failed.value)


async def test_secrets_in_the_path_of_a_url_stay_secret(receiver: Site) -> None:
    receiver.status = 403
    with pytest.raises(NotificationFailed) as failed:
        await notify(PAGE, f"{receiver.apprise_url()}/T00/hunter2")
    assert len(receiver.got) == 1
    assert "hunter2" not in str(failed.value)
    assert f"json://127.0.0.1:{receiver.port} did not take it" in str(failed.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("clicksend://user:apikey12345@15557654321", "clicksend://..."),
        ("twilio://AC{0}:{0}@15557654321".format("0123456789abcdef" * 2), "twilio://..."),
        ("pover://{0}@{0}".format("0123456789abcdefghijklmnopqrst"), "pover://..."),
        ("mailto://ana:hunter2@mail.example/ana@home.example", "mailto://mail.example"),
        ("signal://127.0.0.1:9/15551231234/15557654321", "signal://127.0.0.1:9"),
    ],
)
def test_of_a_url_only_scheme_and_host_are_shown(url: str, shown: str) -> None:
    service = _service(url)
    assert service
    assert _masked(service) == shown


@pytest.mark.parametrize("url", ["nosuch://token-of-mine", "token-of-mine", "json://", ""])
async def test_an_invalid_url_fails_without_being_quoted(url: str, logged: io.StringIO) -> None:
    with pytest.raises(NotificationFailed) as failed:
        await notify(PAGE, url)
    assert "is not a URL that apprise knows" in failed.value.message
    assert "token-of-mine" not in failed.value.message
    assert "token-of-mine" not in logged.getvalue()


async def test_a_service_that_hangs_takes_no_more_than_the_timeout(receiver: Site) -> None:
    receiver.answering.clear()
    with pytest.raises(NotificationFailed, match=r"within 0\.3 s"):
        async with asyncio.timeout(20):
            await notify(PAGE, receiver.apprise_url(), timeout=0.3)


async def test_no_address_is_no_failure() -> None:
    await notify(PAGE)


@pytest.mark.parametrize(
    ("severity", "kind"),
    [("critical", "failure"), ("medium", "warning"), ("info", "info"), ("other", "info")],
)
async def test_the_severity_selects_the_type_of_message(
    receiver: Site, severity: str, kind: str
) -> None:
    page = Notification(key="k", title="t", body="b", severity=severity)
    await notify(page, receiver.apprise_url())
    assert receiver.bodies()[0]["type"] == kind


# ----------------------------------------------------------------------- size and mentions

LONG = replace(
    PAGE,
    body="The checkout fails. " * 200 + "\n\nSeverity: high\nService: checkout",
    key="incident:webhook:prod:a1f34cbb23ee4db1@20260102T030405.678Z/level-1/repeat-1/chat",
)
SERVICES = {
    "discord://123456/token": (2000, lambda sent: json.loads(sent)["content"]),
    "pover://userkeyuserkeyuserkeyuserkey1@tokentokentokentokentokentoke1": (
        1024,
        lambda sent: parse_qs(sent)["message"][0],
    ),
    f"twilio://AC{'1' * 32}:{'2' * 32}@+15551234567/+15557654321": (
        160,
        lambda sent: parse_qs(sent)["Body"][0],
    ),
}


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bodies that apprise would have sent to services on the internet."""
    bodies: list[str] = []

    def send(_: object, request: requests.PreparedRequest, **__: object) -> requests.Response:
        body = request.body
        assert isinstance(body, str | bytes)
        bodies.append(body.decode() if isinstance(body, bytes) else body)
        answer = requests.Response()
        answer.status_code = 200
        answer._content = b"{}"
        return answer

    monkeypatch.setattr(requests.Session, "send", send)
    return bodies


@pytest.mark.parametrize("url", SERVICES)
async def test_a_page_is_cut_to_what_its_service_takes_and_keeps_its_key(
    posted: list[str], url: str
) -> None:
    limit, text_of = SERVICES[url]
    await notify(LONG, url)
    [text] = map(text_of, posted)
    assert len(text) <= limit
    assert f"Page: {LONG.key}" in text
    if limit > 200:
        assert "Severity: high\nService: checkout" in text.replace("\r\n", "\n")
        assert "The checkout fails." in text


async def test_a_url_that_says_what_to_do_with_more_is_obeyed(posted: list[str]) -> None:
    await notify(LONG, "discord://123456/token?overflow=split")
    assert len(posted) > 1


async def test_nothing_that_a_sender_writes_mentions_anybody(receiver: Site) -> None:
    page = replace(PAGE, title="@everyone", body="<!channel> [a](https://b)", key="@here/level-1")
    await notify(page, receiver.apprise_url())
    [body] = receiver.bodies()
    assert body["title"] == "@\u200beveryone"
    assert body["message"].splitlines() == [
        "<\u200b!channel> [a]\u200b(https://b)",
        "",
        "Page: @\u200bhere/level-1",
    ]
