"""Activities of the OnCall workflow: who is told of a hand-over, once, and which incidents ask
again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from core.adapters.notifiers.addresses import read_addresses
from core.adapters.temporal import on_call
from core.contracts import SIGNAL_ON_CALL_CHANGED
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.handovers import Handover
from core.domain.targets import Post
from core.errors import NotificationFailed, TemporalUnavailable
from core.ports.notifier import NotificationKind
from tests.support.calendars import NoCalendars
from tests.support.on_call import Inbox
from tests.unit.oncall.examples import NOW, file
from workers.oncall.activities import OnCallActivities

FILE = file()
HANDOVER = Handover(schedule="checkout", at=NOW, leaving=("ana",), coming=("ben",))
ENVIRONMENT = {
    "ANA_PUSH": "json://ana.example json://other.example",
    "BEN_PUSH": "json://b.example",
}


class Deaf(Inbox):
    """An inbox where some addresses do not answer, by name."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.deaf = set(names)

    async def notify(self, notification: Any, addresses: Any) -> dict[str, Post]:
        if any(address.name in self.deaf for address in addresses):
            raise NotificationFailed(f"{addresses[0].name} did not take it")
        return await super().notify(notification, addresses)


@pytest.fixture(autouse=True)
def no_incidents(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(client: Any) -> list[Any]:
        return []

    monkeypatch.setattr(on_call, "open_incidents", none)


def activities(inbox: Inbox, file: OnCallFile = FILE) -> OnCallActivities:
    return OnCallActivities(
        file=file,
        calendars=NoCalendars(),
        notifier=inbox,
        addresses=read_addresses(file.targets, ENVIRONMENT),
    )


async def tell(activities: OnCallActivities, person: str) -> None:
    environment = ActivityEnvironment(client=SimpleNamespace())  # type: ignore[arg-type]
    await environment.run(activities.tell_of_handover, HANDOVER, person)


async def test_every_address_of_a_contact_is_told_once() -> None:
    one, other = (each.name for each in read_addresses(FILE.targets, ENVIRONMENT)["ana/push"])
    inbox = Deaf(one)
    served = activities(inbox)
    with pytest.raises(ApplicationError, match="did not take it"):
        await tell(served, "ana")
    assert [name for name, _ in inbox.delivered] == [other]
    inbox.deaf.clear()
    await tell(served, "ana")
    assert [name for name, _ in inbox.delivered] == [other, one]
    keys = [each.key for _, each in inbox.delivered]
    assert len(set(keys)) == 2
    assert {each.kind for _, each in inbox.delivered} == {NotificationKind.HANDED_OVER}


@pytest.mark.parametrize("person", ["left-the-file", "eva"])
async def test_who_has_left_or_has_no_address_is_told_nothing(person: str) -> None:
    inbox = Inbox()
    await tell(activities(inbox), person)
    assert inbox.delivered == []


async def test_who_has_quiet_hours_is_told_nothing() -> None:
    whole = file().model_dump(mode="json")
    whole["people"]["ben"]["quiet_hours"] = {"hours": [{"from": "09:30", "to": "11:00"}]}
    inbox = Inbox()
    await tell(activities(inbox, OnCallFile.model_validate(whole)), "ben")
    assert inbox.delivered == []


class Incidents:
    """A client whose incidents are listed as open; signals of some are answered with an error."""

    def __init__(self, **errors: RPCStatusCode | None) -> None:
        self.errors = errors
        self.signalled: list[str] = []

    def get_workflow_handle(self, id: str) -> Any:
        async def signal(name: str, **options: Any) -> None:
            assert name == SIGNAL_ON_CALL_CHANGED
            if status := self.errors[id]:
                raise RPCError("no", status, b"")
            self.signalled.append(id)

        return SimpleNamespace(signal=signal)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def summaries(client: Incidents, query: str) -> AsyncIterator[Any]:
        for id in client.errors:
            yield SimpleNamespace(workflow_id=id)

    monkeypatch.setattr(on_call, "summaries", summaries)


@pytest.mark.usefixtures("listed")
async def test_an_incident_that_has_just_closed_is_left_out() -> None:
    client = Incidents(a=None, b=RPCStatusCode.NOT_FOUND, c=None)
    await on_call.announce(client)  # type: ignore[arg-type]
    assert client.signalled == ["a", "c"]


@pytest.mark.usefixtures("listed")
async def test_all_incidents_are_tried_before_one_that_fails_is_reported() -> None:
    client = Incidents(a=RPCStatusCode.UNAVAILABLE, b=None, c=None)
    with pytest.raises(TemporalUnavailable, match="incident a"):
        await on_call.announce(client)  # type: ignore[arg-type]
    assert client.signalled == ["b", "c"]
