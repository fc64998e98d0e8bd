"""Alerts on their way to a running stack: what a source says about them, by which way and in which
order, and what has become of their incidents.

    Word    one thing that a source says: firing or resolved, with its own times
    Story   the words about one alert in the order of their delivery, and what must come of them
    Ways    the senders: webhooks, SQS, SQS FIFO and Service Bus, all into one stack
    Faults  where the incidents are not what the words add up to
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, Final, Literal

from core.contracts import QUERY_INCIDENT
from core.domain.event import ALERT
from infra.local.aws.cloud import AwsCloud
from infra.local.aws.servers import MESSAGES_QUEUE, Queue
from infra.local.environment import HOOK_SECRETS, outside_environment
from infra.local.loopback import answers, local_session
from infra.local.processes import python, wait_until
from infra.local.servers import Server, start_server
from infra.local.stack import LocalStack
from infra.local.temporal import Temporal

Way = Literal["webhook", "alertmanager", "sqs", "fifo", "service-bus"]

FIFO_QUEUE: Final = "alerts.fifo"
BUS_QUEUE: Final = "messages"
SCOPES: Final[dict[Way, str]] = {
    "webhook": "webhook:opsgenie",
    "alertmanager": "webhook:alertmanager",
    "sqs": f"queue:{MESSAGES_QUEUE}",
    "fifo": f"queue:{FIFO_QUEUE}",
    "service-bus": f"queue:{BUS_QUEUE}",
}
"""What the ID of an incident begins with, after `incident:`, by the way of its alert."""

OPEN: Final = ("pending", "open", "acknowledged", "mitigated")
"""The statuses of an incident that is not over."""

_PATIENCE: Final = 240.0
_SENDERS: Final = 8
_PAGE_KEY: Final = re.compile(r"^Page: (?P<key>.+)$", re.M)
_INCIDENT: Final = re.compile(r"^Incident: (?P<key>.+)@[^@\n]+$", re.M)


@dataclass(frozen=True, slots=True)
class Word:
    """One thing that a source says about an alert. Without times it counts when it arrives."""

    firing: bool
    began: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """The words about one alert, in the order of their delivery; whether it fires by its source's
    last word, and how often it has fired at most: so many pages are right."""

    key: str
    way: Way
    words: tuple[Word, ...]
    fires: bool
    firings: int

    @property
    def incident(self) -> str:
        """The ID of the alert's workflow."""
        return f"incident:{SCOPES[self.way]}:{self.key}"


# What sources say, in their own order


def outage(number: int, began: datetime) -> list[Word]:
    """A source's words: F, FR, FRF, FRFR, ... are the first `number` of them."""
    words = []
    for place in range(number):
        start = began + timedelta(minutes=10 * (place // 2))
        end = start + timedelta(minutes=5) if place % 2 else None
        words.append(Word(firing=end is None, began=start, ended=end))
    return words


def every_order(longest: int = 4) -> list[tuple[int, tuple[int, ...]]]:
    """All orders in which outages of two to `longest` words can be delivered."""
    return [
        (number, order) for number in range(2, longest + 1) for order in permutations(range(number))
    ]


# The ways


@dataclass
class Ways:
    """Senders to one stack; `sending` makes them."""

    stack: LocalStack
    temporal: Temporal
    fifo: Queue
    bus: Server

    def tell(self, key: str, way: Way, word: Word) -> None:
        """Send one word, again until it is accepted, as every sender would."""
        match way:
            case "webhook":
                self._post("opsgenie", opsgenie(key, word), HOOK_SECRETS["LOCAL_HOOK_LOGIN"])
            case "alertmanager":
                self._post("alertmanager", alertmanager(key, word))
            case "sqs":
                self.stack.cloud.send(message(key, word))
            case "fifo":
                self._aws.sqs.send_message(
                    QueueUrl=self.fifo.url,
                    MessageBody=message(key, word),
                    MessageGroupId=key,
                    MessageDeduplicationId=uuid.uuid4().hex,
                )
            case "service-bus":
                with local_session() as session:
                    session.post(
                        f"{self.bus.url}/{BUS_QUEUE}/messages", data=message(key, word), timeout=30
                    ).raise_for_status()

    def tell_all(self, stories: Sequence[Story], words: Sequence[Sequence[Word]]) -> None:
        """Send words about each alert, those about one alert in their order."""

        def tell(pair: tuple[Story, Sequence[Word]]) -> None:
            one, its_words = pair
            for word in its_words:
                self.tell(one.key, one.way, word)

        with ThreadPoolExecutor(_SENDERS) as pool:
            list(pool.map(tell, zip(stories, words, strict=True)))

    def drained(self) -> bool:
        """Whether every queue is empty, so that all words have reached Temporal."""
        with local_session() as session:
            waiting = session.get(f"{self.bus.url}/{BUS_QUEUE}", timeout=30).json()["active"]
        queues = self._aws.queue(MESSAGES_QUEUE).url, self.fifo.url
        return not waiting and not any(self._aws.waiting(url) for url in queues)

    @property
    def _aws(self) -> Any:
        cloud = self.stack.cloud
        assert isinstance(cloud, AwsCloud)
        return cloud.aws

    def _post(self, hook: str, body: dict[str, Any], login: str | None = None) -> None:
        token = {"Authorization": f"Bearer {HOOK_SECRETS['LOCAL_HOOK_TOKEN']}"}

        def accepted() -> bool:
            with local_session() as session:
                answer = session.post(
                    f"{self.stack.cloud.gateway}/hooks/{hook}",
                    json=body,
                    headers={} if login else token,
                    auth=tuple(login.split(":")) if login else None,  # type: ignore[arg-type]
                    timeout=30,
                )
            assert answer.status_code in (202, 429, 503), answer.text
            return answer.status_code == 202

        wait_until(accepted, _PATIENCE, f"{hook} to take an alert")


@contextmanager
def sending(stack: LocalStack, temporal: Temporal) -> Iterator[Ways]:
    """The senders to a running stack of AWS. A FIFO queue, and Service Bus with the function app,
    are more children of the stack."""
    cloud = stack.cloud
    assert isinstance(cloud, AwsCloud)
    env = outside_environment() | stack.env
    queue = cloud.aws.sqs.create_queue(
        QueueName=FIFO_QUEUE, Attributes={"FifoQueue": "true", "VisibilityTimeout": "12"}
    )["QueueUrl"]
    function = ("--handler", "functions_aws.message_listener:handler", "--function", "fifo")
    stack.processes.start(
        "fifo-listener", python("infra.local.aws.event_source", "--queue", queue, *function), env
    )
    processes = stack.processes
    bus = start_server(processes, "service-bus", "infra.local.azure.service_bus", env, BUS_QUEUE)
    gateway = processes.ports.listen("function-app")
    host = python("infra.local.azure.functions_host", *gateway.option, "--service-bus", bus.url)
    names = {
        "ServiceBusConnection__fullyQualifiedNamespace": "local.servicebus.windows.net",
        "MESSAGES_QUEUE": BUS_QUEUE,
    }
    bus.wait(f"/{BUS_QUEUE}")
    processes.start("function-app", host, env | names, gateway)
    for ready, what in (
        (lambda: answers(f"{gateway.url}/healthz"), "the function app"),
        (lambda: "listens to" in processes["fifo-listener"].output(), "the FIFO listener"),
    ):
        wait_until(ready, _PATIENCE, f"{what} to be ready", check=processes.check)
    yield Ways(stack, temporal, Queue(queue, "", ""), bus)


def opsgenie(key: str, word: Word) -> dict[str, Any]:
    """Opsgenie's webhook about it."""
    assert word.began is not None
    return {
        "action": "Create" if word.firing else "Close",
        "alert": {
            "alertId": f"{key}-{word.began.timestamp():.0f}",
            "alias": key,
            "message": f"{key} is out",
            "priority": "P1",
            "createdAt": round(word.began.timestamp() * 1000),
            "updatedAt": round((word.ended or word.began).timestamp() * 1000),
        },
    }


def alertmanager(key: str, word: Word) -> dict[str, Any]:
    """Alertmanager's webhook about it."""
    status = "firing" if word.firing else "resolved"
    alert = {
        "status": status,
        "fingerprint": key,
        "labels": {"alertname": key, "severity": "critical"},
        "annotations": {"summary": f"{key} is out"},
        "startsAt": _text(word.began),
        "endsAt": _text(word.ended) or "0001-01-01T00:00:00Z",
    }
    return {"version": "4", "status": status, "alerts": [alert]}


def message(key: str, word: Word) -> str:
    """A message of the users' own about it: a CloudEvent."""
    data = {
        "key": key,
        "status": "firing" if word.firing else "resolved",
        "title": f"{key} is out",
        "severity": "critical",
        "starts_at": _text(word.began),
        "ends_at": _text(word.ended),
    }
    return json.dumps(
        {
            "specversion": "1.0",
            "id": uuid.uuid4().hex,
            "source": "/monitoring",
            "type": ALERT,
            "data": {name: value for name, value in data.items() if value is not None},
        }
    )


# What has become of it


@dataclass(frozen=True, slots=True)
class Faults:
    """Alerts whose incidents are not what the source says, and that were paged too often."""

    open_for_ever: list[str]
    missing: list[str]
    phantoms: list[str]
    never_paged: list[str]

    def __bool__(self) -> bool:
        return any((self.open_for_ever, self.missing, self.phantoms, self.never_paged))


def look(ways: Ways, stories: Iterable[Story]) -> Faults:
    """What is wrong now. The queries see every signal that Temporal has accepted."""
    keys: dict[str, set[str]] = {}
    for page in ways.stack.pager.pages():
        key, incident = page_key(page.message), _INCIDENT.search(page.message)
        if key and incident:
            keys.setdefault(incident["key"], set()).add(key)
    faults = Faults([], [], [], [])
    for one in stories:
        pages = len(keys.get(one.incident, ()))
        is_open = _is_open(ways.temporal, one.incident)
        if is_open and not one.fires:
            faults.open_for_ever.append(one.incident)
        if one.fires and not is_open:
            faults.missing.append(one.incident)
        if one.fires and not pages:
            faults.never_paged.append(one.incident)
        if pages > one.firings:
            faults.phantoms.append(f"{one.incident}: {sorted(keys[one.incident])}")
    return faults


def page_key(message: str) -> str | None:
    """What ends a page: its idempotency key with the incident's handle in place of its ID."""
    found = _PAGE_KEY.search(message)
    return found["key"] if found else None


def _is_open(temporal: Temporal, incident: str) -> bool:
    if temporal.find(incident) is None:
        return False
    return temporal.query(incident, QUERY_INCIDENT)["status"] in OPEN


def now() -> datetime:
    """The present, in whole milliseconds, as senders tell it."""
    return datetime.now(UTC).replace(microsecond=0)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
