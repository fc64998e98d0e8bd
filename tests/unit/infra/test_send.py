"""`tidegate send` knows which workflow an event is for, and says what became of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.adapters.temporal.run_state import RunState
from core.config.files import load_webhooks
from core.config.settings import Settings
from core.domain.event import ALERT, Event
from core.domain.handles import handle_of
from core.errors import ConfigurationError
from core.formats.shared.delivery import Malformed
from core.intake.receipts import Receipt, Verdict
from core.operations.outcome import OpenedIncident, Outcome, Result
from core.operations.signed_request import signed
from core.webhooks.endpoints import Endpoint
from infra.local.environment import HOOK_SECRETS, WEBHOOKS
from infra.local.expected import Expected, expected_of, format_of_queue, once_started
from infra.local.send import fix_of, send_hook
from infra.local.sent import Sent
from tests.support.payloads import recorded_json

OPEN = OpenedIncident(id="incident:a@1", title="It burns", status="open")
HANDLE, RECORD = handle_of(OPEN.id), handle_of("message-1")
ACCEPTED = Outcome(result=Result.ACCEPTED, workflow_id="w", child_id="c", incident=OPEN)
DUPLICATE = Outcome(result=Result.DUPLICATE, workflow_id="w", incident=OPEN)
REFUSED = Outcome(result=Result.REFUSED, code="NoRoute", reason="no route", record="message-1")
LATE = Outcome(result=Result.UNKNOWN, reason="no workflow has begun")
AGAIN = Outcome(result=Result.UNAVAILABLE, code="TemporalUnavailable", reason="no answer")


@pytest.mark.parametrize(
    ("sent", "result"),
    [
        ({"outcomes": (ACCEPTED,)}, "accepted"),
        ({"outcomes": (DUPLICATE,)}, "accepted"),
        ({"outcomes": (ACCEPTED, REFUSED)}, "refused"),
        ({"outcomes": (LATE, REFUSED)}, "refused"),
        ({"outcomes": (ACCEPTED, LATE)}, "unknown"),
        ({"outcomes": (AGAIN,)}, "unknown"),
        ({"refused": "NotVerified: no"}, "refused"),
        ({"refused": "CannotVerify: later", "unavailable": True}, "unknown"),
        ({"note": "it holds no events"}, "accepted"),
    ],
)
def test_the_worst_outcome_is_the_result_of_all(sent: dict[str, Any], result: str) -> None:
    assert Sent(uri="u", **sent).result == result


def test_one_event_is_one_line() -> None:
    sent = Sent(uri="u", outcomes=(REFUSED,), events=1)
    assert sent.lines == [f"refused: NoRoute: no route; quarantined as {RECORD}"]
    assert sent.next == f"tidegate quarantine show {RECORD}"


def test_several_events_are_summed_up_and_the_refused_one_is_next() -> None:
    sent = Sent(uri="u", outcomes=(ACCEPTED, ACCEPTED, DUPLICATE, REFUSED), events=4)
    assert sent.lines == [
        "4 events: 2 accepted, 1 duplicate, 1 refused",
        ACCEPTED.text,
        ACCEPTED.text,
        DUPLICATE.text,
        REFUSED.text,
    ]
    assert sent.next == f"tidegate quarantine show {RECORD}"


def test_of_many_events_the_first_are_shown() -> None:
    sent = Sent(uri="u", outcomes=(ACCEPTED,) * 100, events=1500)
    assert sent.lines[0] == "1,500 events; of the first 100: 100 accepted"
    assert sent.lines[-1] == "and 1,490 more"
    assert len(sent.lines) == 12


def test_a_shell_without_the_stacks_settings_sources_them_first() -> None:
    sent = Sent(uri="u", outcomes=(ACCEPTED,), events=1, first=". .tidegate/env; ")
    assert sent.next == f". .tidegate/env; tidegate incident show {HANDLE}"
    without = Sent(uri="u", refused="NotVerified: no", fix="leave -H out", first=". env; ")
    assert without.next == "leave -H out"


def test_the_json_has_what_the_text_says_and_the_fields_that_it_always_had() -> None:
    sent = Sent(uri="u", answer="202 Accepted", outcomes=(ACCEPTED, REFUSED), events=2, link="l")
    as_json = json.loads(json.dumps(sent.to_json()))
    assert {name: as_json[name] for name in ("uri", "answer", "workflow_id", "child_id")} == {
        "uri": "u",
        "answer": "202 Accepted",
        "workflow_id": "w",
        "child_id": "c",
    }
    assert (as_json["refused"], as_json["link"]) == ("NoRoute: no route", "l")
    assert (as_json["result"], as_json["text"], as_json["next"]) == (
        sent.result,
        sent.lines,
        sent.next,
    )
    assert as_json["outcomes"][0]["incident"]["handle"] == HANDLE
    assert as_json["outcomes"][1]["record_handle"] == RECORD


# ------------------------------------------------------------------------ which workflow it is


def run(**changes: Any) -> RunState:
    fields = {
        "workflow_id": "w",
        "run_id": "1",
        "workflow": "Order",
        "task_queue": "q",
        "ended": None,
        "events": 5,
        "in_task": False,
        "activities": 0,
    }
    return RunState(**{**fields, **changes})


EVENT = Event(id="1", source="/s", type="t", key="k")


@pytest.mark.parametrize(
    ("before", "signalled", "now", "verdict"),
    [
        (None, False, run(), Verdict.STARTED),
        (None, True, run(), Verdict.STARTED),
        (run(), False, run(), Verdict.DUPLICATE),
        (run(ended="completed"), False, run(ended="completed"), Verdict.DUPLICATE),
        (run(ended="failed"), False, run(ended="failed"), None),
        (run(ended="failed"), False, run(run_id="2"), Verdict.STARTED),
        (run(), True, run(), None),
        (run(), True, run(events=6), Verdict.DELIVERED),
        (run(ended="completed"), True, run(ended="completed"), None),
        (run(ended="completed"), True, run(run_id="2"), Verdict.STARTED),
    ],
)
def test_the_verdict_is_read_off_the_workflow_before_and_after(
    before: RunState | None, signalled: bool, now: RunState, verdict: Verdict | None
) -> None:
    expected = Expected(EVENT, id="w", signalled=signalled, before=before)
    assert expected.verdict(now) is verdict


@pytest.mark.parametrize(
    ("signalled", "later"), [(False, Verdict.DUPLICATE), (True, Verdict.DELIVERED)]
)
def test_of_several_events_for_one_workflow_the_first_alone_started_it(
    signalled: bool, later: Verdict
) -> None:
    one, two = Expected(EVENT, id="w", signalled=signalled), Expected(EVENT, id="v")
    w, v = (Receipt(verdict=Verdict.STARTED, workflow_id=id) for id in "wv")
    receipts = once_started([one, two, one, one], [w, v, None, w])
    assert [(each.workflow_id, each.verdict) for each in receipts] == [
        ("w", Verdict.STARTED),
        ("v", Verdict.STARTED),
        ("w", later),
    ]


@pytest.mark.parametrize(
    ("formats", "body", "expected"),
    [
        ("", {"a": 1}, "tidegate.message"),
        ("messages=cloudwatch", recorded_json("webhooks/cloudwatch/sns-alarm"), ALERT),
        ("messages=cloudwatch", {"a": 1}, None),
        ("messages=mapped:uptime-kuma", recorded_json("webhooks/presets/uptime-kuma/test"), ""),
    ],
)
def test_a_message_is_expected_to_be_read_in_the_format_of_the_stack_s_queue(
    formats: str, body: object, expected: str | None
) -> None:
    settings = Settings.from_env({"TIDEGATE_QUEUE_FORMATS": formats})
    read_as = format_of_queue("messages", settings)
    carrier = {"queue": "sqs:messages", "message-id": "1"}
    found = expected_of(json.dumps(body), "messages", carrier, read_as, settings)
    match found:
        case [Event() as event]:
            assert event.type == expected
        case [Malformed()]:
            assert expected is None
        case _:
            assert (found, expected) == ([], "")


def test_all_events_of_a_message_are_expected() -> None:
    batch = [{"specversion": "1.0", "id": id, "source": "/s", "type": "t"} for id in "12"]
    settings = Settings()
    read_as = format_of_queue("messages", settings)
    found = expected_of(
        json.dumps([*batch, {"specversion": "1.0"}]), "messages", {}, read_as, settings
    )
    assert [each.key for each in found if isinstance(each, Event)] == [
        "queue:messages/ce:/s#1",
        "queue:messages/ce:/s#2",
    ]
    assert [isinstance(each, Malformed) for each in found] == [False, False, True]


# ------------------------------------------------------------------------------- what is signed

HOOKS = load_webhooks(WEBHOOKS).hooks


@pytest.fixture
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in HOOK_SECRETS.items():
        monkeypatch.setenv(name, text)


@pytest.mark.parametrize("header", ["content-length", "transfer-encoding"])
def test_a_header_that_follows_from_the_body_is_refused(header: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{header} follows from the body"):
        send_hook("grafana", b"{}", {header: "3"}, state=tmp_path)


@pytest.mark.parametrize(
    ("hook", "status", "fix"),
    [
        ("alertmanager", 401, "without -H it is signed as its sender signs it"),
        ("alertmanager", 413, "send a smaller file: the webhook takes at most 5,000,000 bytes"),
        ("grafana", 415, "`tidegate explain --hook grafana FILE` says what the webhook takes"),
        ("grafana", 503, "`tidegate doctor`, and the listener's log in .tidegate/dev/logs"),
    ],
)
def test_a_request_that_is_refused_as_a_whole_has_a_next_step(
    hook: str, status: int, fix: str
) -> None:
    assert fix_of(status, hook, HOOKS[hook]) == fix


def test_a_request_that_only_its_sender_can_sign_needs_another_webhook() -> None:
    verify = {"scheme": "sns", "topic_arns": ["arn:aws:sns:eu-west-1:111122223333:alarms"]}
    endpoint = Endpoint.model_validate({"format": "cloudwatch", "verify": verify})
    assert fix_of(401, "alarms", endpoint) == "only its sender can sign it: name another webhook"


@pytest.mark.usefixtures("_secrets")
@pytest.mark.parametrize("hook", HOOKS)
async def test_a_header_that_is_named_is_sent_as_it_is(hook: str) -> None:
    plain = {"content-type": "application/json"}
    request = await signed(hook, b"{}", plain, HOOKS[hook], Settings())
    proof = request.headers.keys() - plain.keys()
    for name in proof:
        forged = await signed(hook, b"{}", {**plain, name: "mine"}, HOOKS[hook], Settings())
        assert forged.headers[name] == "mine"
    assert proof or hook in ("pagerduty-events", "event-grid")  # which sign the body and the query
