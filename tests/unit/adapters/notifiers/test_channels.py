"""The registry of channels, and the addresses that targets get from the environment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.adapters.notifiers.addresses import check_addresses, read_addresses
from core.adapters.notifiers.registry import CHANNELS
from core.adapters.notifiers.router import ChannelNotifier
from core.config.files import load_policies
from core.domain.incident.policies.file import Policies
from core.domain.oncall.file import NOBODY
from core.domain.targets import (
    KINDS,
    AppriseTarget,
    OpsgenieTarget,
    PagerDutyTarget,
    SlackTarget,
    TargetConfig,
    WebhookTarget,
)
from core.errors import NotificationFailed, SettingsError
from core.ports.notifier import Address, Notification, NotificationKind
from tests.support.web import Site, serving

# Apprise imports a module that Python 3.13 has removed, where it is there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

SECRET = "whsec_" + "QUJD" * 8
PAGE = Notification(key="k", title="t", body="b", severity="high", incident_id="i", dedup_key="i")

FILE = """
version: 1
targets:
  chat: {url_env: CHAT_URLS, fallback: [tool]}
  tool: {kind: webhook, url_env: TOOL_URL, secret_env: TOOL_SECRET}
  duty: {kind: pagerduty, routing_key_env: DUTY_KEY}
  eu: {kind: pagerduty, routing_key_env: DUTY_KEY, url_env: DUTY_URL}
policies:
  - name: default
    levels:
      - {after: 0s, targets: [chat, tool, duty]}
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One channel: a target of its kind, its environment, and what the channel does with both.
    HOST is a server's host and port."""

    target: TargetConfig
    environment: dict[str, str]
    url: str
    secret: str
    invalid: dict[str, str]
    """Addresses that the check refuses, as variables with other values."""
    refusal: str
    room: str = ""
    says: str = ""
    """What the server answers."""


CHANNELS_WITH_ALL_PROPERTIES = {
    "apprise": Row(
        target=AppriseTarget(url_env="URL"),
        environment={"URL": "json://HOST/hook"},
        url="json://HOST/hook",
        secret="",
        invalid={"URL": "slak://hunter2"},
        refusal="URL: on-call: apprise knows no such URL",
    ),
    "webhook": Row(
        target=WebhookTarget(kind="webhook", url_env="URL", secret_env="SECRET"),
        environment={"URL": "http://HOST/hook", "SECRET": SECRET},
        url="http://HOST/hook",
        secret=SECRET,
        invalid={"SECRET": "hunter2"},
        refusal="URL and SECRET: on-call: "
        "its secret is not whsec_ with base64 of at least 24 bytes",
    ),
    "opsgenie": Row(
        target=OpsgenieTarget(kind="opsgenie", api_key_env="KEY", url_env="URL"),
        environment={"URL": "http://HOST", "KEY": "k"},
        url="http://HOST",
        secret="k",
        invalid={"URL": "ftp://hunter2/"},
        refusal="KEY and URL: on-call: its address is not an http or https URL",
    ),
    "pagerduty": Row(
        target=PagerDutyTarget(kind="pagerduty", routing_key_env="KEY", url_env="URL"),
        environment={"URL": "http://HOST/v2/enqueue", "KEY": "k"},
        url="http://HOST/v2/enqueue",
        secret="k",
        invalid={"URL": "ftp://hunter2/"},
        refusal="KEY and URL: on-call: its address is not an http or https URL",
    ),
    "slack": Row(
        target=SlackTarget(kind="slack", token_env="TOKEN", channel="C0123", url_env="URL"),
        environment={"URL": "http://HOST/api/", "TOKEN": "xoxb-1"},
        url="http://HOST/api/",
        secret="xoxb-1",
        invalid={"URL": "ftp://hunter2/"},
        refusal="TOKEN and URL: on-call: its address is not an http or https URL",
        room="C0123",
        says='{"ok": true, "channel": "C0123", "ts": "1700000000.000100"}',
    ),
}
KIND = pytest.mark.parametrize("kind", CHANNELS_WITH_ALL_PROPERTIES)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    file = tmp_path / "policies.yaml"
    file.write_text(FILE)
    return load_policies(file, NOBODY)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_target_has_a_channel(kind: str) -> None:
    assert kind in CHANNELS, (
        f"targets of kind {kind} cannot be paged: write core/adapters/notifiers/{kind}.py, ending "
        "in CHANNEL, and add it to CHANNELS in core/adapters/notifiers/registry.py"
    )


@pytest.mark.parametrize("kind", CHANNELS)
def test_every_channel_has_a_kind_of_target_and_a_row(kind: str) -> None:
    assert kind in KINDS, (
        f"no target has the kind {kind}: add its class to the union in "
        "core/domain/targets.py, or remove it from CHANNELS"
    )
    assert kind in CHANNELS_WITH_ALL_PROPERTIES, f"add a row for {kind} to the table in this module"


@KIND
def test_a_channel_takes_addresses_from_the_environment(kind: str) -> None:
    row = CHANNELS_WITH_ALL_PROPERTIES[kind]
    assert type(row.target) is KINDS[kind]
    assert read_addresses({"on-call": row.target}, row.environment) == {
        "on-call": (
            Address(name="on-call", kind=kind, url=row.url, secret=row.secret, room=row.room),
        )
    }


@KIND
def test_a_target_that_lacks_a_variable_has_no_address(kind: str) -> None:
    row = CHANNELS_WITH_ALL_PROPERTIES[kind]
    for variable in row.environment:
        environment = {**row.environment, variable: " "}
        assert read_addresses({"on-call": row.target}, environment) == {"on-call": ()}


@KIND
def test_a_channel_refuses_an_invalid_address_without_quoting_it(kind: str) -> None:
    row = CHANNELS_WITH_ALL_PROPERTIES[kind]
    targets = {"on-call": row.target}
    check_addresses(targets, read_addresses(targets, row.environment))
    with pytest.raises(SettingsError) as refused:
        check_addresses(targets, read_addresses(targets, {**row.environment, **row.invalid}))
    assert refused.value.message == row.refusal


@KIND
@pytest.mark.parametrize("what", list(NotificationKind))
async def test_a_channel_sends_whatever_there_is_to_tell(
    kind: str, what: NotificationKind, site: Site
) -> None:
    row = CHANNELS_WITH_ALL_PROPERTIES[kind]
    url = row.url.replace("HOST", f"127.0.0.1:{site.port}")
    address = Address(name="on-call", kind=kind, url=url, secret=row.secret, room=row.room)
    site.says, site.headers = row.says, {"Content-Type": "application/json"}
    await ChannelNotifier().notify(replace(PAGE, kind=what), [address])
    assert len(site.got) == 1


@KIND
async def test_no_channel_gets_a_mention_or_a_masked_link(kind: str, site: Site) -> None:
    row = CHANNELS_WITH_ALL_PROPERTIES[kind]
    url = row.url.replace("HOST", f"127.0.0.1:{site.port}")
    address = Address(name="on-call", kind=kind, url=url, secret=row.secret, room=row.room)
    site.says, site.headers = row.says, {"Content-Type": "application/json"}
    page = replace(
        PAGE,
        title="@everyone",
        body="<!channel> [bank](https://evil.example)",
        links=(("@here", "https://runbooks.example"),),
    )
    await ChannelNotifier().notify(page, [address])
    [(_, _, body)] = site.got
    sent = json.dumps(json.loads(body), ensure_ascii=False)
    assert "everyone" in sent
    for order in ("@everyone", "<!channel>", "](https", "@here"):
        assert order not in sent


def test_the_registry_loads_no_channels_library() -> None:
    code = (
        "import sys, core.adapters.notifiers.registry as registry; assert registry.CHANNELS;"
        "assert not {'apprise', 'requests', 'slack_sdk', 'standardwebhooks'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_target_gets_its_address_from_the_environment(policies: Policies) -> None:
    environment = {
        "CHAT_URLS": " json://a ",
        "TOOL_URL": "https://tool",
        "TOOL_SECRET": "whsec_x",
        "DUTY_KEY": "k",
        "DUTY_URL": "https://eu",
    }
    events_url = "https://events.pagerduty.com/v2/enqueue"
    assert read_addresses(policies.targets, environment) == {
        "chat": (Address(name="chat", kind="apprise", url="json://a"),),
        "tool": (Address(name="tool", kind="webhook", url="https://tool", secret="whsec_x"),),
        "duty": (Address(name="duty", kind="pagerduty", url=events_url, secret="k"),),
        "eu": (Address(name="eu", kind="pagerduty", url="https://eu", secret="k"),),
    }


def test_several_urls_are_several_addresses_whose_names_give_no_secret_away(
    policies: Policies,
) -> None:
    urls = "json://hunter2@a json://hunter2@b json://hunter2@a hunter2"
    several = read_addresses(policies.targets, {"CHAT_URLS": urls})["chat"]
    assert [address.url for address in several] == [*urls.split()[:2], "hunter2"]
    names = [address.name for address in several]
    assert len(set(names)) == 3
    assert names[0].startswith("chat:json#")
    assert names[2].startswith("chat:target#")
    assert not any("hunter2" in name for name in names)


def test_every_invalid_address_is_named(policies: Policies) -> None:
    environment = {"CHAT_URLS": "slak://a json://b", "TOOL_URL": "x", "TOOL_SECRET": "y"}
    with pytest.raises(SettingsError, match=r"^CHAT_URLS: chat:slak#\w+: .*; TOOL_URL and TOOL_S"):
        check_addresses(policies.targets, read_addresses(policies.targets, environment))


async def test_a_failure_names_what_was_to_be_sent() -> None:
    nowhere = Address(name="chat", kind="apprise", url="nosuch://hunter2")
    for kind in NotificationKind:
        with pytest.raises(NotificationFailed, match=rf"{kind} k: chat: nosuch://\.\.\. is not a"):
            await ChannelNotifier().notify(replace(PAGE, kind=kind), [nowhere])
