from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from core.adapters.notifiers.router import ChannelNotifier
from core.adapters.notifiers.webhook import webhook_id
from core.errors import NotificationFailed, TransientError
from core.ports.notifier import Address, Notification, NotificationKind
from tests.support.web import Site, serving

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
NEXT_SECRET = "whsec_" + base64.b64encode(b"the secret that follows it").decode()
PAGE = Notification(
    key="incident:a/level-1/repeat-1/tool é",
    title="[HIGH] Checkout",
    body="Zahlungen schlagen fehl - überall.",
    severity="high",
    incident_id="incident:a",
    dedup_key="incident:a",
    url="https://ui.example/k7m2qx",
    links=(("runbook", "https://runbooks.example/a"),),
)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


def address(site: Site, *, secret: str = SECRET, path: str = "/hook") -> Address:
    return Address(name="tool", kind="webhook", url=site.url(path), secret=secret)


async def test_the_receiver_can_verify_a_page_with_the_library(site: Site) -> None:
    await ChannelNotifier().notify(PAGE, [address(site)])
    [(_, headers, body)] = site.got
    assert Webhook(SECRET).verify(body, headers) == {
        "kind": "page",
        "incident_id": "incident:a",
        "dedup_key": "incident:a",
        "title": "[HIGH] Checkout",
        "body": "Zahlungen schlagen fehl - überall.",
        "severity": "high",
        "handle": "65mqph",
        "url": "https://ui.example/k7m2qx",
        "links": [{"name": "runbook", "url": "https://runbooks.example/a"}],
    }
    assert headers["webhook-id"] == "incident:a/level-1/repeat-1/tool%20%C3%A9"
    assert headers["Content-Type"] == "application/json"


async def test_a_tampered_body_does_not_verify(site: Site) -> None:
    await ChannelNotifier().notify(PAGE, [address(site)])
    [(_, headers, body)] = site.got
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"high", b"info"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {**headers, "webhook-id": "another"})
    with pytest.raises(WebhookVerificationError):
        Webhook(NEXT_SECRET).verify(body, headers)


async def test_a_retry_has_the_same_id(site: Site) -> None:
    notifier = ChannelNotifier()
    await notifier.notify(PAGE, [address(site)])
    await notifier.notify(PAGE, [address(site)])
    assert len({headers["webhook-id"] for _, headers, _ in site.got}) == 1


async def test_while_a_secret_is_rotated_both_verify(site: Site) -> None:
    await ChannelNotifier().notify(PAGE, [address(site, secret=f"{SECRET} {NEXT_SECRET}")])
    [(_, headers, body)] = site.got
    for secret in (SECRET, NEXT_SECRET):
        Webhook(secret).verify(body, headers)


@pytest.mark.parametrize("kind", list(NotificationKind))
async def test_a_follow_up_names_its_kind(site: Site, kind: NotificationKind) -> None:
    await ChannelNotifier().notify(replace(PAGE, kind=kind), [address(site)])
    assert site.bodies()[0]["kind"] == kind.value


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_a_refusal_fails_with_the_targets_name_and_is_transient(
    site: Site, status: int
) -> None:
    site.status, site.says = status, f"refused {SECRET}"
    with pytest.raises(NotificationFailed) as failed:
        await ChannelNotifier().notify(PAGE, [address(site, path="/hook/hunter2")])
    assert isinstance(failed.value, TransientError)
    assert f"tool: http://127.0.0.1:{site.port} answered {status}: refused ***" in str(failed.value)
    assert PAGE.key in str(failed.value)
    assert "hunter2" not in str(failed.value)


async def test_the_time_to_retry_after_is_quoted(site: Site) -> None:
    site.status, site.headers = 429, {"Retry-After": "30"}
    with pytest.raises(NotificationFailed, match="answered 429, to be tried again after 30"):
        await ChannelNotifier().notify(PAGE, [address(site)])


async def test_a_redirect_is_not_followed(site: Site) -> None:
    with serving() as elsewhere:
        site.status, site.headers = 307, {"Location": elsewhere.url()}
        with pytest.raises(NotificationFailed, match="answered 307"):
            await ChannelNotifier().notify(PAGE, [address(site)])
        assert elsewhere.got == []


async def test_a_receiver_that_hangs_takes_no_more_than_the_timeout(site: Site) -> None:
    site.answering.clear()
    begin = time.monotonic()
    with pytest.raises(NotificationFailed, match=r"did not answer within 0\.3 s"):
        async with asyncio.timeout(20):
            await ChannelNotifier(timeout=0.3).notify(PAGE, [address(site)])
    assert time.monotonic() - begin < 20


async def test_a_receiver_that_is_down_is_named_without_its_path() -> None:
    with serving() as gone:
        gone_address = address(gone, path="/hook/hunter2")
    with pytest.raises(NotificationFailed, match="could not be reached") as failed:
        await ChannelNotifier().notify(PAGE, [gone_address])
    assert "hunter2" not in str(failed.value)


async def test_one_failure_keeps_no_other_address_from_being_notified(site: Site) -> None:
    with serving() as broken:
        broken.status = 500
        both = [replace(address(broken), name="broken"), address(site)]
        with pytest.raises(NotificationFailed, match="broken: ") as failed:
            await ChannelNotifier().notify(PAGE, both)
    assert "tool: " not in str(failed.value)
    assert len(site.got) == 1


@pytest.mark.parametrize("url", ["ftp://example.com/", "https://", "hunter2", "http://[", ""])
async def test_an_invalid_address_fails_without_being_quoted(url: str) -> None:
    bad = Address(name="tool", kind="webhook", url=url, secret=SECRET)
    with pytest.raises(NotificationFailed, match="not an http or https URL") as failed:
        await ChannelNotifier().notify(PAGE, [bad])
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "hunter2!", "whsec_é"])
async def test_an_invalid_secret_signs_nothing(site: Site, secret: str) -> None:
    with pytest.raises(NotificationFailed, match="its secret is not whsec_") as failed:
        await ChannelNotifier().notify(PAGE, [address(site, secret=secret)])
    assert site.got == []
    assert "hunter2" not in str(failed.value)


async def test_nothing_is_sent_unsigned_without_a_secret(site: Site) -> None:
    with pytest.raises(NotificationFailed, match="it has no secret"):
        await ChannelNotifier().notify(PAGE, [address(site, secret=" ")])
    assert site.got == []


async def test_text_that_cannot_be_encoded_is_delivered_all_the_same(site: Site) -> None:
    odd = replace(PAGE, title="\ud800 \u202e", key="incident:\ud800")
    await ChannelNotifier().notify(odd, [address(site)])
    [(_, headers, body)] = site.got
    Webhook(SECRET).verify(body, headers)


def test_a_long_key_fits_a_header_and_stays_unique() -> None:
    one, other = webhook_id("incident:é" + "x" * 2000), webhook_id("incident:é" + "x" * 2001)
    assert one != other
    assert len(one) == len(other) == 255
    assert one.isascii()


def test_an_address_is_in_no_log() -> None:
    kept = Address(name="t", kind="webhook", url="https://x/hunter2", secret="hunter3")
    assert "hunter" not in repr(kept)


async def test_the_body_is_one_json_object_in_utf_8(site: Site) -> None:
    await ChannelNotifier().notify(PAGE, [address(site)])
    assert "überall" in json.loads(site.got[0][2])["body"]
    assert "überall".encode() in site.got[0][2]
