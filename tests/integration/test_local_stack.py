"""The parts of the local stack, with real processes, moto's server and a real Temporal server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.contracts import SEARCH_ATTRIBUTES
from core.domain.event import Event
from core.formats.registry import read
from core.formats.shared.delivery import Delivery
from infra.local.aws.event_source import EventSource, failures, retry_delay
from infra.local.aws.lambda_function import LambdaContext
from infra.local.aws.servers import Aws, Queue, start_aws
from infra.local.cloud import INCIDENTS, REPORTS
from infra.local.environment import outside_environment
from infra.local.pager import start_pager
from infra.local.processes import (
    ROOT,
    Child,
    LocalStackError,
    Processes,
    python,
    wait_until,
)
from infra.local.temporal import start_temporal, temporal_view
from tests.support.leftovers import is_gone

PATIENCE = 20.0

# ---------------------------------------------------------------------------- processes


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path / "logs")
    yield found
    found.stop()


def _says(child: Child, word: str) -> bool:
    return word in child.output()


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_process_that_dies_early_is_reported_with_its_last_words(processes: Processes) -> None:
    child = processes.start("victim", script("print('no such bucket'); exit(3)"), dict(os.environ))
    with pytest.raises(LocalStackError, match=r"(?s)victim ended with exit code 3.*no such bucket"):
        wait_until(lambda: False, PATIENCE, "nothing", check=child.check)


def test_a_killed_process_is_reported_by_its_signal(processes: Processes) -> None:
    busy = "print('all is well', flush=True); import time; time.sleep(600)"
    child = processes.start("victim", script(busy), dict(os.environ))
    wait_until(lambda: "all is well" in child.output(), PATIENCE, "the victim to write")
    child.kill()
    with pytest.raises(LocalStackError) as error:
        processes.check()
    assert error.value.message == "victim ended with signal SIGKILL"
    assert "all is well" in error.value.__notes__[0]


def test_what_a_process_ended_with_is_one_short_line(processes: Processes) -> None:
    line = json.dumps({"message": "cannot\nwrite: " + "x" * 1000 + ": disk full"})
    child = processes.start("victim", script(f"print({line!r}); exit(3)"), dict(os.environ))
    with pytest.raises(LocalStackError) as error:
        wait_until(lambda: False, PATIENCE, "nothing", check=child.check)
    assert error.value.message.startswith("victim ended with exit code 3: cannot write: xxx")
    assert error.value.message.endswith("x: disk full")
    assert len(error.value.message) < 350


def test_a_program_that_does_not_exist_is_reported(processes: Processes) -> None:
    child = processes.start("missing", ["no-such-program-anywhere"], dict(os.environ))
    with pytest.raises(LocalStackError, match="no-such-program-anywhere"):
        wait_until(lambda: False, PATIENCE, "nothing", check=child.check)


def test_a_wait_that_times_out_names_what_was_waited_for() -> None:
    with pytest.raises(LocalStackError, match="the moon to rise"):
        wait_until(lambda: False, 0.1, "the moon to rise")


def test_processes_stop_in_the_reverse_of_their_order(processes: Processes, tmp_path: Path) -> None:
    order = tmp_path / "order"
    text = (
        "import signal, sys\n"
        "def stop(*_):\n"
        f"    open({str(order)!r}, 'a').write(sys.argv[1] + ' '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop); print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    for name in ("first", "second", "third"):
        child = processes.start(name, [*script(text), name], dict(os.environ))
        wait_until(partial(_says, child, "ready"), PATIENCE, "the child")
    processes.stop()
    assert order.read_text().split() == ["third", "second", "first"]


def test_a_process_that_ignores_sigterm_is_killed_with_its_group(processes: Processes) -> None:
    text = (
        "import signal, subprocess\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(subprocess.Popen(['sleep', '600']).pid, flush=True)\n"
        "while True: signal.pause()\n"
    )
    child = processes.start("stubborn", script(text), dict(os.environ))
    grandchild = int(wait_until(child.output, PATIENCE, "the grandchild"))
    child.stop(timeout=0.2)
    assert not child.alive
    wait_until(lambda: is_gone(grandchild), PATIENCE, "the grandchild to end")


def test_a_restart_gives_a_new_process_and_keeps_the_old_log(processes: Processes) -> None:
    child = processes.start("again", script("print('hello', flush=True)"), dict(os.environ))
    wait_until(lambda: not child.alive, PATIENCE, "the first run")
    before = child.pid
    child.restart()
    wait_until(lambda: not child.alive, PATIENCE, "the second run")
    assert child.pid != before
    assert child.output() == "hello\n"
    assert child.log.read_text() == "hello\nhello\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_no_process_survives_a_parent_that_was_killed(tmp_path: Path) -> None:
    text = (
        "import os, signal\nfrom pathlib import Path\n"
        "from infra.local.processes import Processes\n"
        f"processes = Processes(Path({str(tmp_path)!r}))\n"
        "for name in 'ab':\n"
        "    print(processes.start(name, ['sleep', '600'], dict(os.environ)).pid, flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(script(text), stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        children = [int(parent.stdout.readline()) for _ in "ab"]
        assert not any(is_gone(pid) for pid in children)
        parent.kill()
    for pid in children:
        wait_until(partial(is_gone, pid), PATIENCE, f"process {pid} to end")


# ---------------------------------------------------------------------------- AWS


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """A server with the bucket, which announces each upload on both paths."""
    processes = Processes(tmp_path_factory.mktemp("aws"))
    server = start_aws(processes, outside_environment())
    client = Aws(server.endpoint)
    try:
        server.wait()
        client.create_bucket(client.create_queue("uploads", visibility=60), bridge=True)
        yield client
    finally:
        client.close()
        processes.stop()


@pytest.fixture
def new_queue(aws: Aws) -> Callable[..., Queue]:
    """Creates queues of the test's own."""

    def make(*, visibility: int = 30, receives: int = 100) -> Queue:
        return aws.create_queue(f"q{time.time_ns()}", visibility=visibility, receives=receives)

    return make


def send(aws: Aws, queue: Queue, *bodies: str) -> list[str]:
    """Message IDs in the order of the bodies."""
    sent = [aws.sqs.send_message(QueueUrl=queue.url, MessageBody=body) for body in bodies]
    return [answer["MessageId"] for answer in sent]


def take(aws: Aws, url: str, count: int) -> list[Any]:
    """Receive and delete so many messages."""
    found: list[Any] = []

    def receive() -> bool:
        answer = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message)
        return len(found) >= count

    wait_until(receive, PATIENCE, f"{count} messages")
    return found


def test_an_upload_is_announced_on_both_paths_as_the_same_event(aws: Aws) -> None:
    queue = aws.queue("uploads")
    aws.upload("a b+c ü.md", b"one")
    bodies = [m["Body"] for m in take(aws, queue.url, 3) if "s3:TestEvent" not in m["Body"]]
    events = [item for body in bodies for item in read_s3(body)]
    assert len({event.key for event in events}) == 1
    assert [event.subject for event in events] == [f"{INCIDENTS}a b+c ü.md"] * 2
    assert all(event.document and event.document.version for event in events)


def test_two_uploads_of_the_same_bytes_are_two_events(aws: Aws) -> None:
    queue = aws.queue("uploads")
    for _ in range(2):
        aws.upload("same.md", b"the same")
    events = [item for m in take(aws, queue.url, 4) for item in read_s3(m["Body"])]
    assert len({event.key for event in events}) == 2


def test_an_object_outside_incidents_is_not_announced(aws: Aws) -> None:
    queue = aws.queue("uploads")
    aws.s3.put_object(Bucket="tidegate-documents", Key=f"{REPORTS}x.md", Body=b"report")
    aws.upload("after.md", b"")
    subjects = {item.subject for m in take(aws, queue.url, 2) for item in read_s3(m["Body"])}
    assert subjects == {f"{INCIDENTS}after.md"}
    assert aws.waiting(queue.url) == 0


def read_s3(body: str) -> list[Event]:
    arrivals = read(Delivery(format="s3", body=body.encode(), unique="test"))
    return [arrival.item for arrival in arrivals if isinstance(arrival.item, Event)]


# ---------------------------------------------------------------------------- the event source


class Function:
    """A stand-in for a function, which keeps its calls."""

    def __init__(self, answer: Callable[[list[str]], Any]) -> None:
        self.events: list[dict[str, Any]] = []
        self.contexts: list[LambdaContext] = []
        self._answer = answer

    def __call__(self, event: dict[str, Any], context: LambdaContext) -> Any:
        self.events.append(event)
        self.contexts.append(context)
        return self._answer([record["messageId"] for record in event["Records"]])


def deliver(aws: Aws, queue: Queue, function: Function, **options: Any) -> int:
    """One batch; returns how many of its messages failed."""
    source = EventSource(aws, queue.url, function, "listener", **options)
    return source.deliver(wait_until(source.receive, PATIENCE, "a message"))


def test_a_function_gets_lambdas_event_and_context(
    aws: Aws, new_queue: Callable[..., Queue]
) -> None:
    queue, function = new_queue(), Function(lambda ids: None)
    aws.sqs.send_message(
        QueueUrl=queue.url,
        MessageBody="body",
        MessageAttributes={
            "Kind": {"DataType": "String", "StringValue": "text"},
            "Raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
    )
    assert deliver(aws, queue, function, timeout=7) == 0
    [record] = function.events[0]["Records"]
    attributes = record.pop("attributes")
    assert attributes["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= attributes.keys()
    assert record.pop("messageId")
    assert record.pop("receiptHandle")
    assert record.pop("md5OfBody") == "841a2d689ad86bd1611447453c22c6fc"
    empty: dict[str, list[str]] = {"stringListValues": [], "binaryListValues": []}
    assert record == {
        "body": "body",
        "messageAttributes": {
            "Kind": {"dataType": "String", "stringValue": "text", **empty},
            "Raw": {"dataType": "Binary", "binaryValue": "AAE=", **empty},
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn,
        "awsRegion": "eu-west-1",
    }
    [context] = function.contexts
    assert context.function_name == "listener"
    assert context.invoked_function_arn.endswith(":function:listener")
    assert 0 < context.get_remaining_time_in_millis() <= 7000
    assert len(context.aws_request_id) == 36
    json.dumps(function.events)


def test_messages_that_succeed_are_deleted(aws: Aws, new_queue: Callable[..., Queue]) -> None:
    queue = new_queue()
    send(aws, queue, "one", "two", "three")
    function = Function(lambda ids: {"batchItemFailures": []})
    while aws.waiting(queue.url):
        assert deliver(aws, queue, function) == 0
    assert sum(len(event["Records"]) for event in function.events) == 3


def test_only_messages_that_fail_are_redelivered(aws: Aws, new_queue: Callable[..., Queue]) -> None:
    queue = new_queue()
    good, bad = send(aws, queue, "good", "bad")
    picky = Function(
        lambda ids: {"batchItemFailures": [{"itemIdentifier": id} for id in ids if id == bad]}
    )
    seen: set[str] = set()
    while seen != {good, bad}:
        deliver(aws, queue, picky)
        seen = {record["messageId"] for event in picky.events for record in event["Records"]}
    assert aws.waiting(queue.url) == 1
    second = Function(lambda ids: None)
    assert deliver(aws, queue, second) == 0
    [record] = second.events[0]["Records"]
    assert record["messageId"] == bad
    assert int(record["attributes"]["ApproximateReceiveCount"]) >= 2


def _raise(ids: list[str]) -> None:
    raise RuntimeError("the function is broken")


def _hang(ids: list[str]) -> None:
    while True:
        signal.pause()


@pytest.mark.parametrize(
    "answer",
    [
        _raise,
        _hang,
        lambda ids: {"batchItemFailures": [{"itemIdentifier": "unknown"}]},
        lambda ids: {"batchItemFailures": [{"itemIdentifier": ""}]},
        lambda ids: {"batchItemFailures": [{"id": ids[0]}]},
        lambda ids: {"batchItemFailures": "all"},
        lambda ids: "done",
        lambda ids: {"batchItemFailures": object()},
    ],
    ids=["raises", "hangs", "unknown id", "empty id", "bad key", "no list", "no object", "no JSON"],
)
def test_the_whole_batch_of_a_broken_function_is_redelivered(
    aws: Aws, new_queue: Callable[..., Queue], answer: Callable[[list[str]], Any]
) -> None:
    queue, function = new_queue(), Function(answer)
    send(aws, queue, "one", "two")
    failed = 0
    while failed < 2:
        failed += deliver(aws, queue, function, timeout=0.2)
    assert aws.waiting(queue.url) == 2


@pytest.mark.parametrize(
    "answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}]
)
def test_these_responses_mean_that_all_succeeded(answer: object) -> None:
    assert failures(answer, {"a"}) == set()


def test_a_message_that_fails_too_often_is_dead_lettered(
    aws: Aws, new_queue: Callable[..., Queue]
) -> None:
    queue, function = new_queue(receives=2), Function(_raise)
    [id] = send(aws, queue, "poison")
    source = EventSource(aws, queue.url, function)

    def moved() -> bool:
        if messages := source.receive():
            source.deliver(messages)
        return aws.waiting(queue.dead_letters) == 1

    wait_until(moved, PATIENCE, "the dead letter")
    assert len(function.events) == 2
    [dead] = take(aws, queue.dead_letters, 1)
    assert (dead["MessageId"], dead["Body"]) == (id, "poison")


def test_retries_come_quickly_and_then_at_a_steady_interval() -> None:
    assert [retry_delay(receives) for receives in (1, 2, 3, 4, 200)] == [1, 2, 4, 5, 5]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def listen(processes: Processes, aws: Aws, queue: Queue, handler: str, notes: Path) -> None:
    processes.start(
        "listener",
        python(
            "infra.local.aws.event_source",
            *("--queue", queue.url),
            *("--handler", f"tests.support.handlers:{handler}"),
            *("--function", "listener"),
        ),
        {**outside_environment(), "AWS_ENDPOINT_URL": aws.endpoint, "NOTES": str(notes)},
    )


def test_the_batch_of_a_killed_listener_is_redelivered(
    aws: Aws, new_queue: Callable[..., Queue], processes: Processes, notes: Path
) -> None:
    queue = new_queue(visibility=2)
    [id] = send(aws, queue, "hello")
    listen(processes, aws, queue, "crash_at_first", notes)
    wait_until(lambda: not processes["listener"].alive, PATIENCE, "the crash")
    assert (notes / f"{id}.1").read_text() == "hello"
    assert aws.waiting(queue.url) == 1
    processes["listener"].restart()
    wait_until(lambda: aws.waiting(queue.url) == 0, PATIENCE, "the second delivery")
    assert (notes / f"{id}.2").read_text() == "hello"


def test_a_listener_exits_immediately_on_sigterm(
    aws: Aws, new_queue: Callable[..., Queue], processes: Processes, notes: Path
) -> None:
    queue = new_queue()
    listen(processes, aws, queue, "note", notes)
    child = processes["listener"]
    wait_until(lambda: "listens to" in child.output(), PATIENCE, "the listener")
    child.stop(timeout=PATIENCE)
    with pytest.raises(LocalStackError, match="exit code 0"):
        child.check()


# ---------------------------------------------------------------------------- Temporal, pager


def test_temporal_keeps_its_state_and_port_over_a_crash(
    processes: Processes, tmp_path: Path
) -> None:
    env = outside_environment()
    server = start_temporal(processes, env, database=tmp_path / "temporal.db")
    server.wait()
    address = server.address
    with temporal_view(server.address) as temporal:
        temporal.start("Sleeper", id="sleeper", task_queue="nobody")
        server.child.kill()
        server.restart()
        assert server.address == address
        found = wait_until(lambda: temporal.find("sleeper"), PATIENCE, "the workflow")
        assert found.open
        query = " AND ".join(f"{attribute} IS NULL" for attribute in SEARCH_ATTRIBUTES)
        wait_until(lambda: temporal.list(query), PATIENCE, "the search attributes")


def test_the_pager_lists_pages_and_their_recipients(processes: Processes) -> None:
    pager = start_pager(processes, outside_environment())
    pager.wait()
    assert pager.pages() == []
    page = {"version": "1.0", "title": "Checkout is down", "message": "since 14:05", "type": "info"}
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.open(f"{pager.url}/on-call", json.dumps(page).encode(), PATIENCE).close()
    [taken] = pager.pages()
    assert (taken.to, taken.title, taken.message) == ("on-call", "Checkout is down", "since 14:05")
    assert "Checkout is down" in pager.server.child.output()


def test_no_child_inherits_settings_that_lead_to_somebodys_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_PROFILE", "TEMPORAL_API_KEY", "TIDEGATE_DOCUMENTS"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("CHECKOUT_CHAT_URLS", "slack://a/b/c")
    env = outside_environment()
    assert not {"AWS_PROFILE", "TEMPORAL_API_KEY", "TIDEGATE_DOCUMENTS"} & env.keys()
    assert env["CHECKOUT_CHAT_URLS"] == "slack://a/b/c"


def test_the_stack_s_own_clients_read_no_profile_of_the_caller(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "there-is-none")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    config = tmp_path / "config"
    config.write_text("[default]\nregion = nowhere-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    client = Aws("http://127.0.0.1:1")
    assert client.s3.meta.region_name == "eu-west-1"
    client.close()
