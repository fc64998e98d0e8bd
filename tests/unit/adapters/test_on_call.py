"""How updates reach the OnCall workflow: a few at the same time, and again after a fault. And
how its state is read."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal import on_call
from core.adapters.temporal.connection import data_converter
from core.errors import SettingsError, TemporalUnavailable


class Temporal:
    """A client whose workflow answers each update with its number. The `faults` come first."""

    def __init__(self, *faults: RPCStatusCode) -> None:
        self.faults = list(faults)
        self.most = self.running = self.calls = 0

    def get_workflow_handle(self, id: str) -> Temporal:
        return self

    async def execute_update(self, name: str, fields: Any, **options: Any) -> int:
        self.running += 1
        self.calls += 1
        number, self.most = self.calls, max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if self.faults:
            raise RPCError("no", self.faults.pop(0), b"")
        return number


async def take(client: Temporal, incident: str = "a") -> int:
    second = timedelta(seconds=1)
    return await on_call.take_turn(client, "web", incident, timeout=second)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_call, "_PAUSE", 0.001)


async def test_the_server_gets_fewer_updates_at_the_same_time_than_it_refuses() -> None:
    client = Temporal()
    turns = await asyncio.gather(*(take(client, str(number)) for number in range(50)))
    assert sorted(turns) == list(range(1, 51))
    assert client.most == 4


@pytest.mark.parametrize("fault", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.RESOURCE_EXHAUSTED])
async def test_an_update_is_sent_again_after_a_fault_that_may_pass(fault: RPCStatusCode) -> None:
    assert await take(Temporal(fault, fault)) == 3


async def test_a_fault_that_lasts_is_reported_in_time() -> None:
    with pytest.raises(TemporalUnavailable):
        await take(Temporal(*[RPCStatusCode.UNAVAILABLE] * 5_000))


async def test_refused_credentials_are_reported_immediately() -> None:
    client = Temporal(RPCStatusCode.PERMISSION_DENIED)
    with pytest.raises(SettingsError):
        await take(client)
    assert client.calls == 1


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        pytest.param("json/plain", b'{"overrides": [{"id": "a"}]}', id="of another version"),
        pytest.param("json/plain", b"{overrides", id="no JSON"),
        pytest.param("json/plain", b"null", id="JSON of nothing"),
        pytest.param("binary/encrypted", b"?", id="of an unknown encoding"),
        pytest.param("json/protobuf", b"{}", id="a message without a type"),
        pytest.param("binary/plain", b"?", id="bytes"),
        pytest.param("binary/null", b"", id="nothing"),
    ],
)
async def test_a_state_in_no_known_form_is_reported_as_one_that_cannot_be_read(
    encoding: str, data: bytes
) -> None:
    """Whoever is on call is paged then by the file alone."""
    payload = Payload(metadata={"encoding": encoding.encode()}, data=data)

    class Run(SimpleNamespace):
        async def memo_value(self, key: str, default: Any, *, type_hint: Any) -> Any:
            return (await data_converter().decode([payload], [type_hint]))[0]

    class Client(SimpleNamespace):
        def get_workflow_handle(self, id: str) -> Client:
            return self

        async def describe(self, **options: Any) -> Run:
            return Run(status=None)

    with pytest.raises(TemporalUnavailable, match="not in the form that this version reads"):
        await on_call.read_state(Client())  # type: ignore[arg-type]
