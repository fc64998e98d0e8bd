"""What makes a table of endpoints valid, apart from the ways to verify a sender."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.config.files import load_webhooks
from core.domain.event import OWN_TYPES
from core.errors import ConfigFileError
from core.webhooks.endpoints import WebhookTable

COMMON = {"format": "alertmanager", "verify": {"scheme": "none"}}


def table(**hooks: Mapping[str, Any]) -> WebhookTable:
    return WebhookTable.model_validate(
        {"version": 1, "hooks": {name: COMMON | dict(hook) for name, hook in hooks.items()}}
    )


def problem(**hooks: Mapping[str, Any]) -> str:
    with pytest.raises(ValidationError) as refusal:
        table(**hooks)
    return str(refusal.value)


def test_webhooks_of_one_format_may_share_a_scope() -> None:
    found = table(eu={"scope": "pair"}, us={"scope": "pair"}, other={"format": "grafana"})
    assert [endpoint.scope for endpoint in found.hooks.values()] == ["pair", "pair", None]


def test_webhooks_of_different_formats_may_not_share_a_scope() -> None:
    said = problem(eu={"scope": "pair"}, alone={}, us={"scope": "pair", "format": "grafana"})
    assert (
        "eu and us share the scope 'pair', but eu is in the format alertmanager and us in grafana, "
        "whose keys mean other things"
    ) in said


def test_the_check_of_the_file_names_the_two_that_share_a_scope(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.yaml"
    file.write_text(
        "version: 1\n"
        "hooks:\n"
        "  eu: {format: alertmanager, scope: pair, verify: {scheme: none}}\n"
        "  us: {format: grafana, scope: pair, verify: {scheme: none}}\n"
    )
    with pytest.raises(
        ConfigFileError, match=r"webhooks\.yaml:4:32: hooks\.us\.scope: eu and us share the scope"
    ):
        load_webhooks(file)


@pytest.mark.parametrize("scope", ["", "webhook:prod", "A", "a_b", "-a", "x" * 64, 7])
def test_a_scope_is_a_plain_name(scope: Any) -> None:
    assert "scope" in problem(eu={"scope": scope})


@pytest.mark.parametrize("type", OWN_TYPES)
def test_a_sender_may_be_trusted_with_each_of_our_types(type: str) -> None:
    assert table(eu={"trusted_types": [type]}).hooks["eu"].trusted_types == (type,)


@pytest.mark.parametrize("type", ["tidegate.alerts", "com.example.order", "", "tidegate."])
def test_a_misspelt_type_is_refused_with_those_there_are(type: str) -> None:
    said = problem(eu={"trusted_types": [type]})
    assert f"{type!r} is not one of Tidegate's own types" in said
    assert "tidegate.alert" in said


def test_no_window_of_time_decides_what_is_a_repeat() -> None:
    assert "repeat_window" in problem(eu={"repeat_window": "5m"})
