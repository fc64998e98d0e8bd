from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from core.domain.event import Event
from core.errors import InvalidEvent
from core.formats.shared.delivery import way_headers
from core.formats.slack import handshake
from tests.unit.formats import reading
from tests.unit.formats.reading import by_hook, payload, payload_json

FORM = "application/x-www-form-urlencoded"
COMMAND = {
    "token": "ZZZZZZWSxiZZZ2yIvs3peJ",
    "team_id": "T061EG9R6",
    "team_domain": "example",
    "channel_id": "C0LAN2Q65",
    "channel_name": "incidents",
    "user_id": "U061F7AUR",
    "user_name": "ada",
    "command": "/incident",
    "text": "open checkout is down & out",
    "api_app_id": "A0MDYCDME",
    "is_enterprise_install": "false",
    "response_url": "https://hooks.slack.com/commands/T061EG9R6/1234567890/EXAMPLE",
    "trigger_id": "13345224609.738474920.8088930838d88f008e0",
}


def event(body: object, **headers: str) -> Event:
    return reading.event("slack", body, **headers)


def recorded(name: str, **headers: str) -> Event:
    return event(payload("slack", name), **headers)


def form(fields: dict[str, str]) -> bytes:
    return urlencode(fields).encode()


def test_an_event_of_the_events_api_keeps_everything_but_the_deprecated_token() -> None:
    whole = payload_json("slack", "event_callback-app_mention")
    assert recorded("event_callback-app_mention") == Event(
        id="Ev0LAN670R",
        source="slack:T061EG9R6",
        type="com.slack.app_mention",
        subject="C0LAN2Q65",
        time="2026-03-04T09:17:40.000Z",
        datacontenttype="application/json",
        data={name: value for name, value in whole.items() if name != "token"},
        key="webhook:prod/slack:T061EG9R6#Ev0LAN670R",
        way="webhook:prod",
        scope="webhook:prod",
    )


def test_an_event_about_a_message_is_about_its_channel() -> None:
    result = recorded("event_callback-reaction_added")
    assert (result.type, result.subject) == ("com.slack.reaction_added", "C0LAN2Q65")


def test_another_webhook_may_not_take_the_identity_of_an_event() -> None:
    forged = recorded("event_callback-app_mention", **way_headers("webhook:partner"))
    assert forged.key == "webhook:partner/slack:T061EG9R6#Ev0LAN670R"


def test_a_retry_is_the_same_event() -> None:
    keys = {
        recorded("event_callback-app_mention", x_slack_retry_num=number, unique=number).key
        for number in ("0", "1", "2")
    }
    other = recorded("event_callback-reaction_added").key
    assert len(keys | {other}) == 2


def test_a_pressed_button_is_an_event_identified_by_its_trigger() -> None:
    body = form({"payload": payload("slack", "block_actions").decode()})
    result = event(body, content_type=FORM)
    assert (result.type, result.subject) == ("com.slack.block_actions", "acknowledge")
    assert result.key == "webhook:prod/slack:T061EG9R6#12466734323.1395872398"
    assert result.data["actions"][0]["value"] == "incident-4711"
    assert not {"token", "response_url"} & result.data.keys()


def test_a_slash_command_is_an_event_with_the_fields_of_its_form() -> None:
    result = event(form(COMMAND), content_type=f"{FORM}; charset=utf-8")
    assert (result.type, result.subject) == ("com.slack.slash_command", "/incident")
    secrets = ("token", "response_url")
    assert result.data == {name: text for name, text in COMMAND.items() if name not in secrets}
    assert result.key == f"webhook:prod/slack:T061EG9R6#{COMMAND['trigger_id']}"


def test_what_has_no_id_is_unidentified() -> None:
    result = recorded("app_rate_limited")
    assert result.type == "com.slack.app_rate_limited"
    assert (result.key, result.unidentified) == (
        f"unidentified:webhook:prod#{reading.UNIQUE}",
        True,
    )


def test_the_handshake_is_answered_with_its_challenge_and_is_not_an_event() -> None:
    body = payload("slack", "url_verification")
    assert handshake(by_hook("slack", body)) == {
        "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    }
    assert reading.items("slack", body) == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (payload("slack", "event_callback-app_mention"), {}),
        (form(COMMAND), {"content_type": FORM}),
        (form({"payload": payload("slack", "url_verification").decode()}), {"content_type": FORM}),
    ],
)
def test_nothing_else_is_a_handshake(body: bytes, headers: dict[str, str]) -> None:
    assert handshake(by_hook("slack", body, **headers)) is None


def test_a_handshake_without_a_challenge_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="url_verification has no challenge"):
        handshake(by_hook("slack", {"type": "url_verification", "challenge": 7}))


def test_the_certificate_check_is_not_an_event() -> None:
    body = form({"ssl_check": "1", "token": "ZZZZZZWSxiZZZ2yIvs3peJ"})
    assert reading.items("slack", body, content_type=FORM) == []


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        ({"ok": True}, {}, "the body has no type, so it does not come from Slack"),
        ({"type": "event_callback"}, {}, "the event_callback has no event.type"),
        (
            b"text=hello",
            {"content_type": FORM},
            "the form has neither a payload nor a command",
        ),
        (
            b"command=%ff",
            {"content_type": FORM},
            "the body is not a form: 'utf-8' codec can't decode byte 0xff in position 0: "
            "invalid start byte",
        ),
        (
            form({"payload": json.dumps([1])}),
            {"content_type": FORM},
            "the body is an array, not a JSON object",
        ),
        (
            b"payload=1&payload=2",
            {"content_type": FORM},
            "the form has 2 fields named 'payload', not one",
        ),
    ],
)
def test_what_does_not_come_from_slack_is_refused_with_the_reason(
    body: object, headers: dict[str, str], message: str
) -> None:
    assert reading.refusal("slack", body, **headers) == message


@pytest.mark.parametrize("time", [10**20, -(10**20), True, "soon", None])
def test_an_event_with_an_invalid_time_is_accepted(time: object) -> None:
    body = payload_json("slack", "event_callback-app_mention") | {"event_time": time}
    assert event(body).time is None


# ------------------------------------------------------------------------------- secrets

LIVE = "xwfp-1-live"
BUTTON = {"type": "block_actions", "trigger_id": "1", "actions": [{"action_id": "a"}]}
CALLBACK = {"type": "event_callback", "event_id": "Ev1", "team_id": "T1"}


@pytest.mark.parametrize(
    "body",
    [
        CALLBACK | {"event": {"type": "function_executed", "bot_access_token": LIVE}},
        CALLBACK | {"token": LIVE, "event": {"type": "x", "inputs": {"user_token": LIVE}}},
        BUTTON | {"bot_access_token": LIVE, "response_url": f"https://hooks.slack.com/{LIVE}"},
        BUTTON | {"message": {"metadata": {"event_payload": [{"refresh_token": LIVE}]}}},
        CALLBACK | {"event": {"type": "function_executed", "inputs": {"as": f"xoxb-{LIVE}"}}},
        CALLBACK | {"event": {"type": "x", "inputs": {"each": ["a", f"xoxe.xoxp-1-{LIVE}"]}}},
        BUTTON | {"state": {"url": f"https://hooks.slack.com/triggers/T1/{LIVE}"}},
        {
            "type": "view_submission",
            "trigger_id": "1",
            "response_urls": [{"block_id": "b", "response_url": f"https://x/{LIVE}"}],
        },
    ],
)
def test_nothing_that_lets_its_holder_act_on_slack_is_kept_wherever_it_stands(body: object) -> None:
    assert LIVE not in json.dumps(event(body).to_wire())


def test_what_merely_looks_like_it_is_kept() -> None:
    values = {"block": {"api_token": {"type": "plain_text_input", "value": "7"}}}
    inner = {"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}, "token_count": "1"}
    inner |= {"text": "Never post xoxb-... or https://hooks.slack.com/... here."}
    body = CALLBACK | {"event": inner, "view": {"state": {"values": values}}}
    assert event(body).data == body
