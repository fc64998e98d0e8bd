"""What targets hear after a page: who is to hear it, once, and never at the cost of a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from core.adapters.documents.files import FileDocumentStore
from core.adapters.notifiers.addresses import read_addresses
from core.adapters.secrets.env import EnvSecretStore
from core.config.secrets import Secrets
from core.domain.handles import handle_of
from core.domain.incident.effects import FollowUp, Page, UpdatePost
from core.domain.incident.policies.file import Facts, Policies
from core.domain.severity import Severity
from core.domain.targets import AppriseTarget, News, Post
from core.errors import NotificationFailed
from core.intake.quarantine import Quarantine
from core.links import LinkKeys, PageLinks
from core.ports.notifier import Address, Notification, NotificationKind
from tests.support.incidents import nobody
from workers.incident.activities import IncidentActivities
from workers.incident.paging.pager import Pager
from workers.incident.payloads import Delivered

ID = "incident:webhook:prod/eu:5f2e@20260102T030405.000Z"
ENVIRONMENT = {
    "CHAT": "json://chat.example",
    "SMS": "json://sms.example",
    "BEN": "json://a json://b",
    "BOT": "xoxb-1",
}
SLOW = {"count": 1, "within": "1h"}


def policies(**targets: dict[str, Any]) -> Policies:
    return Policies.model_validate(
        {
            "version": 1,
            "targets": {
                "chat": {"url_env": "CHAT"},
                "sms": {"url_env": "SMS"},
                "ben": {"url_env": "BEN"},
                "nobody": {"url_env": "NOBODY"},
                **targets,
            },
            "policies": [{"name": "all", "levels": [{"after": "0s", "targets": ["chat"]}]}],
        }
    )


class Channels:
    """A `Notifier` that remembers, and fails for the addresses in `deaf`."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Notification]] = []
        self.deaf: set[str] = set()

    async def notify(
        self, notification: Notification, addresses: Sequence[Address]
    ) -> dict[str, Post]:
        for address in addresses:
            if address.name in self.deaf:
                raise NotificationFailed(f"{address.name} did not take it")
            self.sent.append((address.name, notification))
        return {}

    async def update(self, notification: Notification, address: Address) -> Post:
        raise NotImplementedError("none of its messages can be edited")

    @property
    def told(self) -> list[str]:
        return [name for name, _ in self.sent]


@pytest.fixture
def channels() -> Channels:
    return Channels()


def pager(channels: Channels, links: PageLinks | None = None, **targets: dict[str, Any]) -> Pager:
    file = policies(**targets)
    return Pager(channels, read_addresses(file.targets, ENVIRONMENT), file.targets, links)


def news(what: News = News.RESOLVED, *targets: str, key: str = f"{ID}/resolved/1") -> FollowUp:
    return FollowUp(
        key=key,
        what=what,
        targets=targets or ("chat", "sms"),
        title="Resolved by ana: Disk is full",
        action="Show: tidegate incident show k7m2qx",
        severity=Severity.INFO,
        dedup_key=ID,
    )


PAGE = Page(
    key=f"{ID}/level-1/repeat-1/chat",
    level=1,
    target="chat",
    title="[HIGH] Disk is full",
    action="Acknowledge: tidegate incident ack k7m2qx",
    links=({"name": "runbook", "url": "https://runbooks.example"},),
    severity=Severity.HIGH,
    dedup_key=ID,
)


async def test_every_target_is_told_with_a_key_of_its_own(channels: Channels) -> None:
    await pager(channels).follow_up(news())
    assert [(name, sent.kind, sent.key) for name, sent in channels.sent] == [
        ("chat", NotificationKind.RESOLVED, f"{ID}/resolved/1/chat"),
        ("sms", NotificationKind.RESOLVED, f"{ID}/resolved/1/sms"),
    ]
    [message, _] = [sent for _, sent in channels.sent]
    assert (message.title, message.dedup_key) == ("Resolved by ana: Disk is full", ID)


@pytest.fixture
def link_keys(monkeypatch: pytest.MonkeyPatch) -> LinkKeys:
    monkeypatch.setenv("LINK_KEY", "k" * 32)
    return LinkKeys(["env:LINK_KEY"], Secrets({"env": EnvSecretStore}, ttl=300))


async def test_a_page_has_links_for_the_person_or_the_target_that_takes_it(
    channels: Channels, link_keys: LinkKeys
) -> None:
    targets = {**policies().targets, "ana/push": AppriseTarget(url_env="CHAT")}
    links = PageLinks("https://app.example", link_keys)
    pages = Pager(channels, read_addresses(targets, ENVIRONMENT), targets, links)
    channels.deaf = {"ana/push"}
    await pages.deliver(PAGE.model_copy(update={"target": "ana/push", "fallback": ("sms",)}))
    channels.deaf = set()
    await pages.deliver(PAGE.model_copy(update={"target": "ana/push", "key": "another"}))
    for (_, sent), whose in zip(channels.sent, ["sms", "ana"], strict=True):
        [have, show, runbook] = sent.links
        assert [have[0], show[0], runbook[0]] == ["I have it", "The incident's page", "runbook"]
        assert sent.body.splitlines() == [
            PAGE.action,
            f"I have it: {have[1]}",
            f"Runbook: {runbook[1]}",
            f"The incident's page: {show[1]}",
        ]
        for _, url in (have, show):
            link = await link_keys.read(url.rpartition("/")[2], datetime.now(UTC))
            assert (link.incident_id, link.person or link.target) == (ID, whose)
            assert (link.person is None) == (whose == "sms")


async def test_of_what_follows_a_page_an_assignment_alone_has_links(
    channels: Channels, link_keys: LinkKeys
) -> None:
    pages = pager(channels, PageLinks("https://app.example", link_keys))
    for what in News:
        await pages.follow_up(news(what, "chat", key=what))
    names = {sent.kind.value: [name for name, _ in sent.links] for _, sent in channels.sent}
    assert names == {what: [] for what in News} | {"assigned": ["I have it", "The incident's page"]}


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (None, ["acknowledged", "resolved"]),
        (["acknowledged", "resolved"], ["acknowledged", "resolved"]),
        (["resolved"], ["resolved"]),
        (["acknowledged"], ["acknowledged"]),
        ([], []),
    ],
)
async def test_a_target_hears_what_the_policies_say(
    channels: Channels, wanted: list[str] | None, told: list[str]
) -> None:
    chat = {"url_env": "CHAT"} | ({} if wanted is None else {"follow_up": wanted})
    pages = pager(channels, chat=chat)
    for what in (News.ACKNOWLEDGED, News.RESOLVED):
        await pages.follow_up(news(what, "chat", key=f"{ID}/{what}"))
    assert [sent.kind for _, sent in channels.sent] == told


async def test_an_assignee_is_told_whatever_its_target_hears_of_incidents(
    channels: Channels,
) -> None:
    ben = {"url_env": "BEN", "follow_up": []}
    pages = pager(channels, ben=ben)
    names = [a.name for a in read_addresses(policies().targets, ENVIRONMENT)["ben"]]
    await pages.follow_up(news(News.ASSIGNED, *names))
    assert channels.told == names


async def test_a_target_that_is_no_longer_configured_is_skipped(channels: Channels) -> None:
    await pager(channels).follow_up(news(News.RESOLVED, "gone", "nobody", "chat"))
    assert channels.told == ["chat"]


async def test_a_retry_tells_only_those_that_have_not_heard_it(channels: Channels) -> None:
    pages = pager(channels)
    channels.deaf = {"sms"}
    with pytest.raises(NotificationFailed, match="sms did not take it"):
        await pages.follow_up(news())
    assert channels.told == ["chat"]
    channels.deaf = set()
    await pages.follow_up(news())
    await pages.follow_up(news())
    assert channels.told == ["chat", "sms"]


async def test_a_follow_up_uses_up_nothing_of_the_limit_of_pages(channels: Channels) -> None:
    pages = pager(channels, chat={"url_env": "CHAT", "at_most": SLOW})
    await pages.follow_up(news(News.RESOLVED, "chat"))
    assert (await pages.deliver(PAGE)).via == "chat"
    with pytest.raises(NotificationFailed, match="rate limit reached"):
        await pages.deliver(PAGE.model_copy(update={"key": "another"}))
    with pytest.raises(NotificationFailed, match="rate limit reached"):
        await pages.follow_up(news(News.ACKNOWLEDGED, "chat", key="a"))
    assert channels.told == ["chat", "chat"]


async def test_a_follow_up_that_waits_too_long_is_not_sent_and_says_so(
    channels: Channels,
) -> None:
    pages = pager(channels, chat={"url_env": "CHAT", "at_most": SLOW})
    await pages.follow_up(news(News.ACKNOWLEDGED, "chat", key="a"))
    with pytest.raises(NotificationFailed, match="chat: rate limit reached"):
        await pages.follow_up(news(News.RESOLVED, "chat", "sms", key="b"))
    assert channels.told == ["chat", "sms"]


# ------------------------------------------------------------------- messages that are edited


class Chat(Channels):
    """A `Notifier` whose messages can be edited."""

    def __init__(self) -> None:
        super().__init__()
        self.updated: list[Notification] = []

    async def notify(
        self, notification: Notification, addresses: Sequence[Address]
    ) -> dict[str, Post]:
        await super().notify(notification, addresses)
        return {address.name: POST for address in addresses}

    async def update(self, notification: Notification, address: Address) -> Post:
        self.updated.append(notification)
        return POST


POST = Post(channel="C0123", ts="1.2")
OPS = {"kind": "slack", "token_env": "BOT", "channel": "C0123"}
UPDATE = UpdatePost(
    key=f"{ID}/post/ops/2",
    target="ops",
    number=2,
    post=POST,
    story=("03:04:05 ana: Acknowledged",),
    title="[HIGH] Disk is full",
    action="Show: tidegate incident show k7m2qx",
    severity=Severity.HIGH,
    dedup_key=ID,
    stands="Acknowledged by ana",
    buttons=("resolve",),
)


async def test_a_page_answers_the_message_and_brings_the_one_that_is_there() -> None:
    chat = Chat()
    page = PAGE.model_copy(update={"target": "ops", "stands": "Open", "buttons": ("resolve",)})
    pages = pager(chat, ops=OPS)
    assert await pages.deliver(page) == Delivered(via="ops", post=POST)
    again = page.model_copy(update={"key": "2", "posts": {"ops": POST}, "again": True})
    await pages.deliver(again)
    [first, second] = [sent for _, sent in chat.sent]
    assert (first.post, first.again, second.post, second.again) == (None, False, POST, True)
    assert (first.stands, first.buttons) == ("Open", ("resolve",))


async def test_a_message_with_buttons_has_no_links_that_act(link_keys: LinkKeys) -> None:
    chat = Chat()
    pages = pager(chat, PageLinks("https://app.example", link_keys), ops=OPS)
    await pages.deliver(PAGE.model_copy(update={"target": "ops"}))
    [(_, sent)] = chat.sent
    assert [name for name, _ in sent.links] == ["runbook"]


async def test_an_assignment_answers_the_messages_of_those_who_have_one() -> None:
    chat = Chat()
    assert await pager(chat, ops=OPS).follow_up(news(News.ASSIGNED, "ops")) == {"ops": POST}


async def test_who_has_a_message_that_shows_it_hears_nothing_of_a_change() -> None:
    chat = Chat()
    for what in (News.ACKNOWLEDGED, News.RESOLVED):
        await pager(chat, ops=OPS).follow_up(news(what, "ops"))
    assert chat.sent == []


async def test_an_update_says_what_was_left_out_before_it() -> None:
    chat = Chat()
    pages = pager(chat, ops=OPS)
    assert await pages.update(UPDATE, "https://ui.example/1") == POST
    await pages.update(UPDATE.model_copy(update={"omitted": 3}))
    [first, second] = chat.updated
    assert (first.post, first.story, first.url) == (POST, UPDATE.story, "https://ui.example/1")
    assert (first.stands, first.buttons) == ("Acknowledged by ana", ("resolve",))
    assert second.story == ("(Earlier, on the timeline alone: 3 entries)", *UPDATE.story)


async def test_the_message_of_a_target_that_is_no_longer_configured_is_lost() -> None:
    with pytest.raises(NotificationFailed, match="ops is no longer among the targets") as failed:
        await pager(Chat()).update(UPDATE)
    assert failed.value.final


# ------------------------------------------------------------------------- the incident's address


def activities(channels: Channels, incident_url: str | None) -> IncidentActivities:
    file = policies()
    return IncidentActivities(
        documents=FileDocumentStore(),
        notifier=channels,
        quarantine=Quarantine(FileDocumentStore(), "file:///quarantine/"),
        policies=file,
        targets=file.targets,
        addresses=read_addresses(file.targets, ENVIRONMENT),
        find_on_call=nobody,
        ack_timeout=timedelta(minutes=5).total_seconds(),
        incident_url=incident_url,
        reports=None,
        max_report_bytes=10_000,
        table="",
    )


@pytest.mark.parametrize(
    ("template", "url"),
    [
        (None, None),
        ("https://x.example/{handle}", f"https://x.example/{handle_of(ID)}"),
        (
            "https://x.example/?id={id}",
            "https://x.example/?id=incident%3Awebhook%3Aprod%2Feu%3A5f2e%4020260102T030405.000Z",
        ),
        ("http://ui/w/{workflow_id}/{run_id}", "http://ui/w/test/test-run"),
    ],
)
async def test_messages_have_the_address_of_the_incident_percent_encoded(
    channels: Channels, template: str | None, url: str | None
) -> None:
    served = activities(channels, template)
    environment = ActivityEnvironment()
    assert (await environment.run(served.page, PAGE)).via == "chat"
    await environment.run(served.follow_up, news(News.RESOLVED, "chat"))
    line = [f"Open: {url}"] if url else []
    for _, sent in channels.sent:
        assert sent.url == url
        assert [text for text in sent.body.splitlines() if text.startswith("Open: ")] == line
    [page, _] = [sent for _, sent in channels.sent]
    assert page.body.splitlines() == [PAGE.action, "Runbook: https://runbooks.example", *line]
    assert (page.handle, page.links) == (handle_of(ID), (("runbook", "https://runbooks.example"),))


async def test_a_page_without_a_configured_target_fails_for_good(channels: Channels) -> None:
    gone = PAGE.model_copy(update={"target": "gone"})
    with pytest.raises(ApplicationError, match="no longer among the targets") as failed:
        await ActivityEnvironment().run(activities(channels, None).page, gone)
    assert failed.value.non_retryable


async def test_the_policy_of_an_incident_knows_every_target_that_can_be_reached(
    channels: Channels,
) -> None:
    rules = await ActivityEnvironment().run(activities(channels, None).load_policy, Facts(), None)
    assert set(rules.policy.reachable) == {"chat", "sms", "ben"}
    assert len(rules.policy.addresses_of("BEN ")) == 2
    assert rules.policy.addresses_of("nobody") == ()
