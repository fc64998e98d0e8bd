from __future__ import annotations

from typing import Any

import pytest

from core.config.settings import Settings
from core.domain.event import Event
from core.formats.registry import read
from functions_aws.sqs import delivery
from tests.support.payloads import recorded_json, sqs_record


def headers(settings: Settings | None = None, **record: Any) -> dict[str, str]:
    given = sqs_record({"a": 1}, queue="orders", **record)
    return dict(delivery("message", given, settings or Settings()).headers)


def test_the_way_of_a_record_is_its_queue() -> None:
    assert headers()["tidegate-way"] == headers()["tidegate-scope"] == "queue:orders"


def test_the_operator_may_name_a_scope_and_trust_senders_with_types_of_our_own() -> None:
    said = headers(Settings(queue_scope="billing", trusted_types=("tidegate.alert",)))
    assert said["tidegate-scope"] == "shared:billing"
    assert said["tidegate-way"] == "queue:orders"
    assert said["tidegate-trusted-types"] == "tidegate.alert"


@pytest.mark.parametrize(
    "name",
    ["way", "scope", "trusted-types", "attribute-team", "replay-key", "preset", "received-at"],
)
def test_a_sender_cannot_say_what_is_ours_to_say(name: str) -> None:
    plain = headers(message_id="5f2e")
    for spelling in (f"tidegate-{name}", f"Tidegate-{name.title()}"):
        assert headers(message_id="5f2e", attributes={spelling: "x"}) == plain


@pytest.mark.parametrize(
    "name", ["queue", "subscription", "message-id", "sent-at", "delivery-count"]
)
def test_a_sender_cannot_say_what_the_queue_says(name: str) -> None:
    record = sqs_record({}, message_id="5f2e", attributes={name.title(): "x"})
    plain = sqs_record({}, message_id="5f2e")
    for each in (record, plain):
        del each["attributes"]["SentTimestamp"]
    assert delivery("message", record, Settings()).headers == (
        delivery("message", plain, Settings()).headers
    )


def test_an_alert_from_a_queue_is_one_of_the_queue_s_scope() -> None:
    wire = recorded_json("cloudevent") | {"type": "tidegate.alert", "data": {"key": "5f2e"}}
    trusting = Settings(trusted_types=("tidegate.alert",))
    [arrival] = read(delivery("message", sqs_record(wire, queue="orders"), trusting))
    assert isinstance(arrival.item, Event)
    assert (arrival.item.scope, arrival.item.data) == ("queue:orders", {"key": "5f2e"})


def test_a_queue_s_messages_are_in_the_format_that_it_was_given() -> None:
    settings = Settings(queue_formats=(("alarms", "mapped:zabbix"),))
    given = delivery("message", sqs_record({}, queue="alarms"), settings)
    assert (given.format, given.headers["tidegate-preset"]) == ("mapped", "zabbix")
    assert given.headers["tidegate-received-at"] == given.headers["sent-at"]
    assert given.mapping is not None
    assert given.headers["tidegate-way"] == "queue:alarms"
    other = delivery("message", sqs_record({}, queue="orders"), settings)
    assert (other.format, other.headers.get("tidegate-preset")) == ("message", None)
