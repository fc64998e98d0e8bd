from __future__ import annotations

from pathlib import Path

import pytest

from core.adapters.notifiers.addresses import EVENTS_URL, channels
from core.adapters.notifiers.router import ChannelNotifier
from core.config.files import load_policies
from core.domain.incident.policies.file import Policies
from core.errors import NotificationFailed
from core.ports.notifier import Notification, NotificationKind, Target, TargetKind

# Apprise imports a module that Python 3.13 has removed, where it is there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

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


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    file = tmp_path / "policies.yaml"
    file.write_text(FILE)
    return load_policies(file)


def test_every_target_gets_its_address_from_the_environment(policies: Policies) -> None:
    environment = {
        "CHAT_URLS": " json://a ",
        "TOOL_URL": "https://tool",
        "TOOL_SECRET": "whsec_x",
        "DUTY_KEY": "k",
        "DUTY_URL": "https://eu",
    }
    assert channels(policies.targets, environment) == {
        "chat": (Target(name="chat", kind=TargetKind.APPRISE, address="json://a"),),
        "tool": (
            Target(name="tool", kind=TargetKind.WEBHOOK, address="https://tool", secret="whsec_x"),
        ),
        "duty": (Target(name="duty", kind=TargetKind.PAGERDUTY, address=EVENTS_URL, secret="k"),),
        "eu": (Target(name="eu", kind=TargetKind.PAGERDUTY, address="https://eu", secret="k"),),
    }


def test_a_target_that_lacks_a_variable_has_no_address(policies: Policies) -> None:
    found = channels(policies.targets, {"TOOL_URL": "https://tool", "TOOL_SECRET": "  "})
    assert found == {"chat": (), "tool": (), "duty": (), "eu": ()}


def test_several_urls_are_several_targets_whose_names_tell_no_secret(policies: Policies) -> None:
    urls = "json://hunter2@a json://hunter2@b json://hunter2@a hunter2"
    found = channels(policies.targets, {"CHAT_URLS": urls})["chat"]
    assert [target.address for target in found] == [*urls.split()[:2], "hunter2"]
    names = [target.name for target in found]
    assert len(set(names)) == 3
    assert names[0].startswith("chat:json#")
    assert names[2].startswith("chat:target#")
    assert not any("hunter2" in name for name in names)


async def test_apprise_gets_pages_and_nobody_is_woken_by_a_follow_up() -> None:
    nowhere = Target(name="chat", kind=TargetKind.APPRISE, address="nosuch://hunter2")
    page = Notification(key="k", title="t", body="b", severity="high")
    with pytest.raises(NotificationFailed, match=r"page k: chat: nosuch://\.\.\. is not a URL"):
        await ChannelNotifier().notify(page, [nowhere])
    for kind in (NotificationKind.ACKNOWLEDGED, NotificationKind.RESOLVED):
        told = Notification(key="k", title="t", body="b", severity="high", kind=kind)
        await ChannelNotifier().notify(told, [nowhere])
