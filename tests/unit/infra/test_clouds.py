"""The clouds that a local stack can be: every one of them with all that a story uses of it."""

from __future__ import annotations

from contextlib import closing
from typing import Any, get_args

import pytest

from core.cli import local
from infra.local.cloud import CLOUDS, CloudName
from infra.local.clouds import cloud_at

ADDRESSES: dict[CloudName, dict[str, Any]] = {
    "aws": {"name": "aws", "endpoint": "http://127.0.0.1:1", "gateway": "http://127.0.0.1:3"},
    "azure": {
        "name": "azure",
        "store": 1,
        "key": "a2V5",
        "bus": "http://127.0.0.1:2",
        "gateway": "http://127.0.0.1:3",
    },
}
EXPECTED: dict[CloudName, dict[str, Any]] = {
    "aws": {
        "title": "AWS (moto)",
        "store": "s3://tidegate-documents",
        "endpoint": "http://127.0.0.1:1",
        "servers": ("aws", "lambda"),
        "upload_listener": "s3-listener",
        "message_listener": "message-listener",
        "webhook_listener": "webhook-listener",
        "announcing": "by S3 to SQS, and through EventBridge to the same queue",
        "upload_key": "s3:tidegate-documents/incidents/a.md@",
    },
    "azure": {
        "title": "Azure (Azurite)",
        "store": "azure://tidegatelocal/documents",
        "endpoint": "http://127.0.0.1:1/tidegatelocal",
        "servers": ("azurite", "service-bus", "event-grid"),
        "upload_listener": "function-app",
        "message_listener": "function-app",
        "webhook_listener": "function-app",
        "announcing": "by Event Grid to Service Bus, in its own schema and as a CloudEvent",
        "upload_key": "blob:tidegatelocal/documents/incidents/a.md@",
    },
}


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cloud(name: CloudName) -> None:
    """A changed property of a cloud is a changed line here."""
    with closing(cloud_at(ADDRESSES[name])) as cloud:
        assert cloud.name == name
        assert cloud.address == ADDRESSES[name]
        assert cloud.gateway == ADDRESSES[name]["gateway"]
        assert EXPECTED[name] == {
            "title": CLOUDS[name],
            "store": cloud.store,
            "endpoint": cloud.endpoint,
            "servers": cloud.servers,
            "upload_listener": cloud.upload_listener,
            "message_listener": cloud.message_listener,
            "webhook_listener": cloud.webhook_listener,
            "announcing": cloud.announcing,
            "upload_key": cloud.upload_key("a.md"),
        }


def test_the_command_offers_every_cloud() -> None:
    [offered, _] = get_args(local.Cloud)
    assert get_args(offered) == get_args(CloudName) == tuple(CLOUDS)
