"""The local stack's Azure: Service Bus, the Functions host and Event Grid, over real HTTP."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.headers import Headers

import aiohttp
import azure.functions as func
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.storage.blob import ContainerClient

from core.domain.event import Event
from core.formats.registry import read
from core.formats.shared.delivery import Delivery
from infra.local.azure import functions_host, functions_wire
from infra.local.azure.event_grid import Watcher
from infra.local.azure.functions_host import Function, Receiver, functions, web_app
from infra.local.azure.peek_lock import LOCK_SECONDS, MAX_DELIVERIES
from infra.local.azure.service_bus import QUOTA, ServiceBus
from infra.local.environment import outside_environment
from infra.local.processes import ROOT, LocalStackError, Processes, wait_until
from infra.local.servers import start_server
from tests.support.documents import blob_service, new_container
from tests.support.eventually import eventually
from tests.support.functions import app as stand_in

PATIENCE = 30.0

# ---------------------------------------------------------------------------- Service Bus


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Received:
    """A message as it is received."""

    broker: dict[str, Any]
    headers: Mapping[str, str]
    body: bytes

    @property
    def address(self) -> str:
        return f"messages/{self.broker['SequenceNumber']}/{self.broker['LockToken']}"


@dataclass
class Bus:
    """A namespace with a queue, and a topic with two subscriptions."""

    url: str
    http: aiohttp.ClientSession
    clock: Clock
    asked: list[str]

    async def send(self, entity: str, body: bytes, **headers: str) -> aiohttp.ClientResponse:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        async with self.http.post(
            f"{self.url}/{entity}/messages", data=body, headers=named
        ) as answer:
            await answer.read()
            return answer

    async def receive(self, entity: str = "work", *, timeout: float = 0) -> Received | None:
        url = f"{self.url}/{entity}/messages/head?timeout={timeout}"
        async with self.http.post(url) as answer:
            if answer.status == 204:
                return None
            assert answer.status == 201
            broker = json.loads(answer.headers["BrokerProperties"])
            return Received(broker, answer.headers, await answer.read())

    async def take(self, entity: str = "work") -> Received:
        """The next message; fails without one."""
        received = await self.receive(entity)
        assert received
        return received

    async def settle(self, how: str, message: Received, entity: str = "work") -> int:
        method = {"complete": "DELETE", "abandon": "PUT", "renew": "POST"}[how]
        async with self.http.request(method, f"{self.url}/{entity}/{message.address}") as answer:
            return answer.status

    async def counts(self, entity: str = "work") -> tuple[int, int]:
        """How many active messages and dead letters there are."""
        async with self.http.get(f"{self.url}/{entity}") as answer:
            found = await answer.json()
            return found["active"], found["dead_letters"]


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    clock, asked = Clock(), list[str]()
    application = ServiceBus(
        ["work", "news/subscriptions/a", "news/subscriptions/b"], clock=clock
    ).app()

    @web.middleware
    async def note(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        answer = await handler(request)
        asked.append(f"{request.method} {request.path}")
        return answer

    application.middlewares.append(note)
    async with TestServer(application) as server, aiohttp.ClientSession() as http:
        yield Bus(str(server.make_url("")), http, clock, asked)


async def test_a_message_is_received_as_it_was_sent_with_the_brokers_properties(bus: Bus) -> None:
    body = b"\x00\xff not text"
    broker = json.dumps({"MessageId": "5f2e", "CorrelationId": "c-1"})
    await bus.send(
        "work",
        body,
        Content_Type="application/octet-stream",
        BrokerProperties=broker,
        Tenant='"acme"',
        Priority="7",
        Urgent="true",
    )
    received = await bus.take()
    assert received.body == body
    assert received.headers["Content-Type"] == "application/octet-stream"
    names = ("Tenant", "Priority", "Urgent")
    assert [received.headers[name] for name in names] == ['"acme"', "7", "true"]
    said = received.broker
    assert (said["MessageId"], said["CorrelationId"]) == ("5f2e", "c-1")
    assert (said["DeliveryCount"], said["SequenceNumber"]) == (1, 1)
    assert said["EnqueuedTimeUtc"].endswith("GMT")


async def test_a_message_without_an_id_gets_a_unique_one(bus: Bus) -> None:
    for _ in range(2):
        await bus.send("work", b"same")
    first, second = await bus.take(), await bus.take()
    assert first.broker["MessageId"]
    assert first.broker["MessageId"] != second.broker["MessageId"]


async def test_a_locked_message_is_received_once_and_a_completed_one_is_gone(bus: Bus) -> None:
    await bus.send("work", b"one")
    received = await bus.take()
    assert await bus.receive() is None
    assert await bus.counts() == (1, 0)
    assert await bus.settle("complete", received) == 200
    assert await bus.counts() == (0, 0)
    assert await bus.settle("complete", received) == 404


async def test_an_abandoned_message_is_redelivered_immediately_and_before_the_others(
    bus: Bus,
) -> None:
    for body in (b"one", b"two"):
        await bus.send("work", body)
    assert await bus.settle("abandon", await bus.take()) == 200
    again = await bus.take()
    assert (again.body, again.broker["DeliveryCount"]) == (b"one", 2)
    assert (await bus.take()).body == b"two"


@pytest.mark.parametrize("how", ["complete", "abandon", "renew"])
async def test_a_lock_that_is_not_renewed_expires(bus: Bus, how: str) -> None:
    await bus.send("work", b"one")
    received = await bus.take()
    bus.clock.pass_by(LOCK_SECONDS + 1)
    assert await bus.settle(how, received) == 404
    again = await bus.take()
    assert again.broker["DeliveryCount"] == 2
    assert await bus.settle(how, received) == 404
    assert await bus.settle(how, again) == 200


async def test_a_renewed_lock_does_not_expire(bus: Bus) -> None:
    await bus.send("work", b"one")
    received = await bus.take()
    for _ in range(3):
        bus.clock.pass_by(LOCK_SECONDS - 1)
        assert await bus.settle("renew", received) == 200
        assert await bus.receive() is None
    assert await bus.settle("complete", received) == 200


@pytest.mark.parametrize("by", ["abandon", "lost lock"])
async def test_a_message_is_dead_lettered_with_the_reason_after_ten_deliveries(
    bus: Bus, by: str
) -> None:
    await bus.send("work", b"poison", Content_Type="text/plain", Tenant='"acme"')
    for count in range(1, MAX_DELIVERIES + 1):
        received = await bus.take()
        assert received.broker["DeliveryCount"] == count
        if by == "abandon":
            assert await bus.settle("abandon", received) == 200
        else:
            bus.clock.pass_by(LOCK_SECONDS + 1)
    assert await bus.receive() is None
    assert await bus.counts() == (0, 1)
    dead = await bus.take("work/$DeadLetterQueue")
    assert (dead.body, dead.headers["Tenant"]) == (b"poison", '"acme"')
    assert json.loads(dead.headers["DeadLetterReason"]) == "MaxDeliveryCountExceeded"
    assert "10 delivery attempts" in dead.headers["DeadLetterErrorDescription"]


async def test_a_dead_letter_stays_until_it_is_completed(bus: Bus) -> None:
    await bus.send("work", b"poison")
    for _ in range(MAX_DELIVERIES):
        await bus.settle("abandon", await bus.take())
    dead_letters = "work/$DeadLetterQueue"
    for _ in range(MAX_DELIVERIES):
        assert await bus.settle("abandon", await bus.take(dead_letters), dead_letters) == 200
    assert await bus.settle("complete", await bus.take(dead_letters), dead_letters) == 200
    assert await bus.counts() == (0, 0)


async def test_each_subscription_of_a_topic_has_its_own_copy_of_a_message(bus: Bus) -> None:
    await bus.send("news", b"hello", Tenant='"acme"')
    one, other = [await bus.take(f"news/subscriptions/{name}") for name in "ab"]
    assert one.body == other.body == b"hello"
    assert one.broker["MessageId"] == other.broker["MessageId"]
    assert one.broker["SequenceNumber"] != other.broker["SequenceNumber"]
    assert await bus.settle("complete", one, "news/subscriptions/a") == 200
    assert await bus.counts("news/subscriptions/a") == (0, 0)
    assert await bus.counts("news/subscriptions/b") == (1, 0)


async def test_a_message_of_256_kilobytes_is_accepted_and_no_larger_one(bus: Bus) -> None:
    assert (await bus.send("work", b"x" * QUOTA)).status == 201
    assert (await bus.send("work", b"x" * (QUOTA + 1))).status == 413
    assert len((await bus.take()).body) == 256 * 1024
    assert await bus.counts() == (1, 0)


async def test_an_unknown_entity_and_invalid_properties_are_refused(bus: Bus) -> None:
    assert (await bus.send("nobody", b"")).status == 404
    for bad in ("no json", "[]", "[" * 8000):
        assert (await bus.send("work", b"", BrokerProperties=bad)).status == 400
    assert await bus.counts() == (0, 0)


async def test_a_waiting_receiver_gets_a_message_when_it_arrives(bus: Bus) -> None:
    waiting = asyncio.create_task(bus.receive(timeout=PATIENCE))
    await bus.send("work", b"news")
    received = await waiting
    assert received
    assert received.body == b"news"


# ---------------------------------------------------------------------------- the host


@pytest.fixture
def hosted(bus: Bus) -> Callable[[Callable[[func.ServiceBusMessage], Awaitable[None]]], Any]:
    """Runs the host's receiver of a queue for a function, within a block."""

    class Hosting:
        def __init__(self, body: Callable[[func.ServiceBusMessage], Awaitable[None]]) -> None:
            function = Function("work", body, {"type": "serviceBusTrigger", "queueName": "work"})
            assert function.entity == "work"
            self._receiver = Receiver(function, function.entity, bus.url)

        async def __aenter__(self) -> None:
            self._running = asyncio.create_task(self._receiver.run(bus.http))

        async def __aexit__(self, *_: object) -> None:
            self._receiver.stop()
            await self._running
            await self._receiver.finish()

    return Hosting


async def drained(bus: Bus) -> None:
    async def empty() -> bool:
        return (await bus.counts())[0] == 0

    await eventually(empty, "the queue to be empty")


async def test_a_function_gets_a_message_as_from_azures_host(bus: Bus, hosted: Any) -> None:
    got = []

    async def keep(message: func.ServiceBusMessage) -> None:
        got.append(message)

    said = {"MessageId": "or/der 7?#", "CorrelationId": "c-1"}
    await bus.send(
        "work",
        b"\xff\x00",
        Content_Type="application/x-special",
        BrokerProperties=json.dumps(said),
        Tenant=json.dumps("Übergröße"),
        Priority="7",
        Urgent="true",
    )
    async with hosted(keep):
        await drained(bus)
    [message] = got
    assert isinstance(message, func.ServiceBusMessage)
    assert message.get_body() == b"\xff\x00"
    assert message.content_type == "application/x-special"
    assert (message.message_id, message.correlation_id) == ("or/der 7?#", "c-1")
    assert (message.delivery_count, message.sequence_number) == (1, 1)
    assert message.enqueued_time_utc is not None
    expected = {"Tenant": "Übergröße", "Priority": 7, "Urgent": True}
    assert message.application_properties == expected
    assert message.user_properties == expected


async def test_a_message_is_redelivered_until_its_function_returns(bus: Bus, hosted: Any) -> None:
    counts = []

    async def fail_twice(message: func.ServiceBusMessage) -> None:
        counts.append(message.delivery_count)
        if len(counts) < 3:
            raise RuntimeError("not now")

    await bus.send("work", b"one")
    async with hosted(fail_twice):
        await drained(bus)
    assert counts == [1, 2, 3]
    assert await bus.counts() == (0, 0)


async def test_the_message_of_a_function_that_always_raises_is_dead_lettered(
    bus: Bus, hosted: Any
) -> None:
    counts = []

    async def fail(message: func.ServiceBusMessage) -> None:
        counts.append(message.delivery_count)
        raise RuntimeError("never")

    await bus.send("work", b"poison")
    async with hosted(fail):
        await drained(bus)
    assert counts == [*range(1, MAX_DELIVERIES + 1)]
    assert await bus.counts() == (0, 1)
    reasons = []

    async def keep(message: func.ServiceBusMessage) -> None:
        reasons.append(message.dead_letter_reason)

    function = Function("dead", keep, {"queueName": "work/$DeadLetterQueue"})
    assert function.entity
    receiver = Receiver(function, function.entity, bus.url)
    running = asyncio.create_task(receiver.run(bus.http))

    async def read() -> bool:
        return await bus.counts() == (0, 0)

    await eventually(read, "the dead letter to be read")
    receiver.stop()
    await running
    assert reasons == ["MaxDeliveryCountExceeded"]


async def test_the_lock_is_renewed_while_a_function_runs(
    bus: Bus, hosted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions_host, "RENEWAL", 0.01)
    counts = []

    async def renewed() -> bool:
        return any(asked.startswith("POST /work/messages/1/") for asked in bus.asked)

    async def work_long(message: func.ServiceBusMessage) -> None:
        counts.append(message.delivery_count)
        for _ in range(3):
            bus.asked.clear()
            bus.clock.pass_by(LOCK_SECONDS - 1)
            await eventually(renewed, "the lock to be renewed")

    await bus.send("work", b"one")
    async with hosted(work_long):
        await drained(bus)
    assert counts == [1]


async def test_messages_are_processed_concurrently(bus: Bus, hosted: Any) -> None:
    """As many as host.json says, and no more."""
    limit = functions_host.CONCURRENCY
    host = json.loads((ROOT / "host.json").read_text())
    assert limit == host["extensions"]["serviceBus"]["maxConcurrentCalls"]
    inside, most, all_inside = 0, 0, asyncio.Event()

    async def meet(message: func.ServiceBusMessage) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == limit:
            all_inside.set()
        await all_inside.wait()
        inside -= 1

    for number in range(limit + 5):
        await bus.send("work", str(number).encode())
    async with hosted(meet):
        await drained(bus)
    assert most == limit


@pytest.fixture(scope="module")
def indexed() -> dict[str, Function]:
    """The stand-in's functions. An app returns them only once."""
    return {function.name: function for function in functions(stand_in)}


def test_queues_are_named_by_settings_and_functions_without_one_are_skipped(
    indexed: dict[str, Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORK_QUEUE", "orders")
    assert indexed["work"].entity == "orders"
    assert indexed["nobody"].entity is None
    monkeypatch.setenv("NO_TOPIC", "news")
    assert indexed["nobody"].entity is None
    monkeypatch.setenv("NO_SUBSCRIPTION", "tidegate")
    assert indexed["nobody"].entity == "news/subscriptions/tidegate"


async def test_a_request_reaches_its_function_byte_for_byte(indexed: dict[str, Function]) -> None:
    body = gzip.compress(b"raw")
    headers = [("X-One", "1"), ("X-Two", "a"), ("X-Two", "b"), ("Content-Encoding", "gzip")]
    async with await serving(indexed) as server, aiohttp.ClientSession() as http:
        url = server.make_url("/echo/orders?a=1&a=2&b=%C3%BC")
        async with http.post(url, data=body, headers=headers) as answer:
            seen = await answer.json()
            assert (answer.status, answer.headers["x-seen"]) == (202, "yes")
            assert answer.headers["content-type"] == "application/json"
    assert (seen["method"], seen["route"]) == ("POST", {"name": "orders"})
    assert seen["query"] == {"a": "1,2", "b": "ü"}
    assert bytes.fromhex(seen["body"]) == body
    assert (seen["headers"]["x-one"], seen["headers"]["x-two"]) == ("1", "a,b")
    assert all(name == name.lower() for name in seen["headers"])


async def test_an_unknown_route_is_404_and_a_function_that_fails_500(
    indexed: dict[str, Function],
) -> None:
    async with await serving(indexed) as server, aiohttp.ClientSession() as http:
        for method, path, status in (
            ("POST", "/nothing", 404),
            ("GET", "/echo/orders", 405),
            ("GET", "/broken", 500),
        ):
            async with http.request(method, server.make_url(path)) as answer:
                assert answer.status == status, path


async def serving(indexed: dict[str, Function]) -> TestServer:
    """The app's HTTP functions, served by the host."""
    server = TestServer(web_app(list(indexed.values())))
    await server.start_server(auto_decompress=False)
    return server


# ---------------------------------------------------------------------------- as processes


@pytest.fixture
def own_processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path / "logs")
    yield found
    found.stop()


@dataclass
class Hosted:
    """A host with the stand-in and a Service Bus as processes; `notes` are the function's."""

    processes: Processes
    bus: Bus
    notes: Path

    def noted(self, name: str) -> bool:
        return (self.notes / name).exists()


@pytest.fixture
async def host(own_processes: Processes, tmp_path: Path) -> AsyncIterator[Hosted]:
    notes = tmp_path / "notes"
    notes.mkdir()
    env = {**outside_environment(), "WORK_QUEUE": "work", "NOTES": str(notes)}
    bus = start_server(own_processes, "bus", "infra.local.azure.service_bus", env, "work")
    bus.wait("/work")
    app = ("--app", "tests.support.functions:app")
    module = "infra.local.azure.functions_host"
    start_server(own_processes, "host", module, env, "--service-bus", bus.url, *app)
    wait_until(
        lambda: "listens on" in own_processes["host"].output(),
        PATIENCE,
        "the host",
        check=own_processes.check,
    )
    async with aiohttp.ClientSession() as http:
        yield Hosted(own_processes, Bus(bus.url, http, Clock(), []), notes)


async def test_on_sigterm_messages_in_flight_are_finished_and_no_others_are_started(
    host: Hosted,
) -> None:
    await host.bus.send("work", b"one")
    wait_until(lambda: host.noted("begun"), PATIENCE, "the function to begin")
    child = host.processes["host"]
    child.signal(signal.SIGTERM)
    wait_until(lambda: "listens no longer" in child.output(), PATIENCE, "it to stop listening")
    await host.bus.send("work", b"two")
    (host.notes / "go").touch()
    wait_until(lambda: not child.alive, PATIENCE, "the host to end")
    with pytest.raises(LocalStackError, match="exit code 0"):
        child.check()
    assert (host.notes / "done").read_bytes() == b"one"
    assert await host.bus.counts() == (1, 0)
    assert (await host.bus.take()).body == b"two"


async def test_a_receiver_that_has_died_gets_no_message(host: Hosted) -> None:
    host.processes["host"].kill()
    for _ in range(3):  # each lets the server notice the closed connection
        await host.bus.counts()
    await host.bus.send("work", b"one")
    assert (await host.bus.take()).broker["DeliveryCount"] == 1


def test_a_host_without_its_app_says_so(own_processes: Processes) -> None:
    module = "infra.local.azure.functions_host"
    options = ("--service-bus", "http://127.0.0.1:1", "--app", "tests.support.no_such_app:app")
    host = start_server(own_processes, "host", module, os.environ, *options)
    with pytest.raises(LocalStackError, match=r"(?s)exit code 1.*no_such_app"):
        host.wait("/")


def test_every_cookie_of_a_functions_response_is_sent() -> None:
    headers = Headers([("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; HttpOnly; Path=/")])
    answer = func.HttpResponse("", headers=headers)  # type: ignore[arg-type]  # as the SDK does
    sent = functions_wire.response(answer)
    assert sent.headers.getall("Set-Cookie") == ["a=1; Path=/", "b=2; HttpOnly; Path=/"]


# ---------------------------------------------------------------------------- Event Grid


@pytest.fixture
def container(azure_settings: None) -> Iterator[ContainerClient]:
    """A container of the test's own."""
    name = new_container().rpartition("/")[2]
    with blob_service() as service, service.get_container_client(name) as client:
        yield client


@pytest.fixture
def watcher(container: ContainerClient) -> tuple[Watcher, list[Any]]:
    """A watcher of incidents/ in both schemas, and what it has announced."""
    announced: list[Any] = []
    return Watcher(container, "incidents/", announced.append, twice=True), announced


def parsed(event: object) -> Event:
    given = Delivery(format="event_grid", body=json.dumps(event).encode(), unique="test")
    [arrival] = read(given)
    assert isinstance(arrival.item, Event), arrival.item
    return arrival.item


@pytest.mark.parametrize(
    "name", ["incidents/a.md", "incidents/a b+c%20d ü🔥.md", "incidents/x?y#z.md"]
)
def test_an_upload_is_announced_in_both_schemas_as_the_same_event(
    container: ContainerClient, watcher: tuple[Watcher, list[Any]], name: str
) -> None:
    watching, announced = watcher
    container.upload_blob(name, b"12345")
    watching.look()
    watching.look()
    assert [("eventType" in event, "specversion" in event) for event in announced] == [
        (True, False),
        (False, True),
    ]
    first, second = (parsed(event) for event in announced)
    assert first.key == second.key
    assert first.type == second.type == "tidegate.document.created"
    assert first.subject == name
    assert first.document == second.document
    assert first.document
    assert first.document.uri == f"azure://tidegatelocal/{container.container_name}/{name}"
    assert first.document.size == 5


def test_an_overwrite_is_announced_as_a_later_event_even_with_the_same_bytes(
    container: ContainerClient, watcher: tuple[Watcher, list[Any]]
) -> None:
    watching, announced = watcher
    for _ in range(3):
        container.upload_blob("incidents/a.md", b"same", overwrite=True)
        watching.look()
    assert len(announced) == 6
    assert len({parsed(event).key for event in announced}) == 3
    sequencers = [event["data"]["sequencer"] for event in announced]
    assert sequencers == sorted(sequencers)
    assert {len(sequencer) for sequencer in sequencers} == {48}


def test_blobs_outside_the_prefix_are_not_announced(
    container: ContainerClient, watcher: tuple[Watcher, list[Any]]
) -> None:
    watching, announced = watcher
    container.upload_blob("reports/a.md", b"")
    watching.look()
    assert announced == []


def test_a_failed_announcement_is_repeated_as_the_same_event(
    container: ContainerClient,
) -> None:
    announced: list[Any] = []
    attempts = itertools.count()

    def send(event: Any) -> None:
        announced.append(event)
        if next(attempts) == 1:
            raise ConnectionError("the queue took it, and its answer was lost")

    watching = Watcher(container, "incidents/", send, twice=True)
    container.upload_blob("incidents/a.md", b"")
    with pytest.raises(ConnectionError):
        watching.look()
    watching.look()
    assert len(announced) == 4
    assert len({parsed(event).key for event in announced}) == 1


def test_after_a_restart_events_have_new_keys(container: ContainerClient) -> None:
    """A Temporal server that has kept its state knows the events of the last run."""
    announced: list[Any] = []
    for _ in range(2):
        container.upload_blob("incidents/a.md", b"", overwrite=True)
        Watcher(container, "incidents/", announced.append, twice=False).look()
    first, second = (parsed(event).key for event in announced)
    assert first < second
