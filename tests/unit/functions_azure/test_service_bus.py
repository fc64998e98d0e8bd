from __future__ import annotations

from typing import Any

import pytest

from core.config.settings import Settings
from core.formats.shared.delivery import Delivery, carrier_id
from functions_azure.service_bus import delivery, namespace
from tests.support.azure import ENVIRONMENT, SENT, message


@pytest.fixture(autouse=True)
def app_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def delivered(body: object = b"{}", **said: Any) -> Delivery:
    return delivery("message", message(body, **said), Settings(), entity="MESSAGES_QUEUE")


def delivered_by_topic(settings: Settings) -> Delivery:
    topic = {"entity": "MESSAGES_TOPIC", "subscription": "MESSAGES_SUBSCRIPTION"}
    return delivery("message", message({}), settings, **topic)


def test_a_message_is_delivered_in_the_bytes_that_were_sent() -> None:
    body = b"\xff\xfe not text \x00"
    assert delivered(body).body == body


def test_the_brokers_properties_become_headers() -> None:
    assert delivered(
        message_id="5f2e",
        content_type="application/json",
        delivery_count=3,
        CorrelationId="order-7",
    ).headers == {
        "tidegate-way": "queue:messages",
        "tidegate-scope": "queue:messages",
        "queue": "servicebus:example-bus/messages",
        "message-id": "5f2e",
        "tidegate-delivery": "sequence:4711@2026-03-04T09:17:41.250Z",
        "sent-at": "2026-03-04T09:17:41.250Z",
        "content-type": "application/json",
        "correlation-id": "order-7",
        "delivery-count": "3",
    }


def test_a_topics_message_names_its_subscription() -> None:
    given = delivered_by_topic(Settings())
    assert given.headers["queue"] == "servicebus:example-bus/news"
    assert given.headers["subscription"] == "tidegate"
    assert given.headers["tidegate-way"] == "topic:news/tidegate"


def test_the_scope_of_a_topic_is_the_same_by_all_its_subscriptions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways, scopes = set(), set()
    for name in ("tidegate", "another"):
        monkeypatch.setenv("MESSAGES_SUBSCRIPTION", name)
        headers = delivered_by_topic(Settings()).headers
        ways.add(headers["tidegate-way"])
        scopes.add(headers["tidegate-scope"])
    assert ways == {"topic:news/tidegate", "topic:news/another"}
    assert scopes == {"topic:news"}


def test_the_operator_may_name_a_scope_and_trust_senders_with_types_of_our_own() -> None:
    settings = Settings(queue_scope="billing", trusted_types=("tidegate.alert", "tidegate.message"))
    by_queue = delivery("message", message({}), settings, entity="MESSAGES_QUEUE")
    for given in (by_queue, delivered_by_topic(settings)):
        assert given.headers["tidegate-scope"] == "shared:billing"
        assert given.headers["tidegate-trusted-types"] == "tidegate.alert,tidegate.message"


def test_a_queue_and_a_subscription_have_the_formats_that_they_were_given() -> None:
    settings = Settings(
        queue_formats=(
            ("messages", "azure_monitor"),
            ("news/tidegate", "mapped:zabbix"),
        )
    )
    by_queue = delivery("message", message({}), settings, entity="MESSAGES_QUEUE")
    by_topic = delivered_by_topic(settings)
    assert (by_queue.format, by_topic.format) == ("azure_monitor", "mapped")
    assert "tidegate-preset" not in by_queue.headers
    assert by_topic.headers["tidegate-preset"] == "zabbix"
    assert by_topic.headers["tidegate-received-at"] == by_topic.headers["sent-at"]
    assert by_topic.mapping is not None


def test_a_topic_s_name_alone_gives_its_subscriptions_no_format() -> None:
    settings = Settings(queue_formats=(("news", "azure_monitor"),))
    assert delivered_by_topic(settings).format == "message"


def test_application_properties_become_headers() -> None:
    properties = {
        "Tenant": "acme",
        "cloudEvents:id": "7",
        "Retries": 3,
        "Weight": 0.5,
        "Urgent": True,
        "Nothing": None,
        "Nested": {"a": 1},
    }
    headers = delivered(properties=properties).headers
    kept = {"tenant": "acme", "cloudevents:id": "7", "retries": "3", "weight": "0.5"}
    assert {name: headers[name] for name in kept} == kept
    assert headers["urgent"] == "true"
    assert not {"nothing", "nested"} & set(headers)


def test_a_sender_cannot_set_our_headers() -> None:
    properties = {
        "Tidegate-Way": "webhook:prod",
        "tidegate-scope": "shared:x",
        "tidegate-trusted-types": "tidegate.alert",
        "tidegate-attribute-team": "x",
        "Tidegate-Delivery": "x",
        "Queue": "elsewhere",
        "Message-Id": "another",
        "sent-at": "2000-01-01T00:00:00Z",
        "Delivery-Count": "99",
        "subscription": "x",
        "dead-letter-reason": "x",
    }
    found = delivered(properties=properties, message_id="5f2e").headers
    assert found == delivered(message_id="5f2e").headers


def test_a_message_without_an_id_is_identified_by_its_sequence_number_and_time() -> None:
    header = delivered(message_id=None).headers["message-id"]
    assert header == "sequence:4711@2026-03-04T09:17:41.250Z"
    assert delivered(message_id=None, delivery_count=2).headers["message-id"] == header
    assert delivered(message_id=None, SequenceNumber=4712).headers["message-id"] != header


def test_a_message_id_that_its_sender_uses_again_is_not_taken_for_a_redelivery() -> None:
    """Temporal ignores a signal whose request ID it has had, and that is made of this."""
    firing = delivered(message_id="disk-full")
    again = delivered(message_id="disk-full", delivery_count=2)
    resolved = delivered(message_id="disk-full", SequenceNumber=4712)
    assert carrier_id(firing) == carrier_id(again)
    assert carrier_id(firing) != carrier_id(resolved)
    assert {each.headers["message-id"] for each in (firing, again, resolved)} == {"disk-full"}


def test_a_message_without_any_metadata_is_delivered_without_an_id() -> None:
    headers = delivered(message_id=None, SequenceNumber=None, EnqueuedTimeUtc=None).headers
    assert not {"message-id", "tidegate-delivery", "sent-at"} & set(headers)


def test_a_time_without_a_zone_is_in_utc() -> None:
    local = SENT.replace(tzinfo=None).isoformat()
    assert delivered(EnqueuedTimeUtc=local).headers["sent-at"] == "2026-03-04T09:17:41.250Z"


@pytest.mark.parametrize("by", ["metadata", "properties"])
def test_the_reason_of_an_earlier_dead_lettering_is_kept(by: str) -> None:
    why = {
        "DeadLetterReason": "MaxDeliveryCountExceeded",
        "DeadLetterErrorDescription": "It could not be consumed after 10 attempts.",
    }
    headers = (delivered(**why) if by == "metadata" else delivered(properties=why)).headers
    assert headers["dead-letter-reason"] == "MaxDeliveryCountExceeded"
    assert headers["dead-letter-error-description"] == why["DeadLetterErrorDescription"]


KEYS = "SharedAccessKeyName=listen;SharedAccessKey=a2V5"


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        (
            "ServiceBusConnection__fullyQualifiedNamespace",
            "Example-Bus.servicebus.windows.net",
            "example-bus",
        ),
        (
            "ServiceBusConnection",
            f"Endpoint=sb://example-bus.servicebus.windows.net/;{KEYS}",
            "example-bus",
        ),
        (
            "ServiceBusConnection",
            f"{KEYS};endpoint=sb://example-bus.servicebus.chinacloudapi.cn",
            "example-bus",
        ),
        ("ServiceBusConnection", f"Endpoint=sb://localhost:5672;{KEYS}", "localhost:5672"),
        ("ServiceBusConnection", "nonsense", "ServiceBusConnection"),
        ("ServiceBusConnection", "", "ServiceBusConnection"),
    ],
)
def test_the_namespace_is_the_same_however_the_connection_is_made(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, found: str
) -> None:
    monkeypatch.delenv("ServiceBusConnection__fullyQualifiedNamespace")
    monkeypatch.setenv(name, value)
    assert namespace() == found
