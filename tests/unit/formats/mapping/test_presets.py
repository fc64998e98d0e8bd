"""Every preset reads its sender's payloads as its table expects.

`expected.yaml` beside them says of each file which alerts it holds (`alerts`, with every field that
is not left out) or with which words it is `refused`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from core.config import yaml_file
from core.config.files import webhooks_schema
from core.domain.alert import read_alert
from core.domain.event import Event, encode
from core.domain.severity import severity_of
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, Malformed, way_headers
from core.webhooks import presets
from core.webhooks.presets import FOLDER, Preset
from tests.support.preset_payloads import CASES, PAYLOADS, expected, read_as

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(("name", "file"), CASES)
def test_a_payload_is_read_as_its_table_expects(name: str, file: str) -> None:
    case = expected(name)[file]
    items = read_as(name, file, case)
    if "refused" in case:
        refusals = [item.error.message for item in items if isinstance(item, Malformed)]
        assert len(refusals) == len(items) == 1
        assert case["refused"] in refusals[0]
        return
    alerts = []
    for item in items:
        assert isinstance(item, Event), item
        alert = read_alert(item)
        assert alert.severity is None or severity_of(alert.severity, alert.source) is not None
        alerts.append(alert.model_dump(mode="json", exclude_defaults=True))
    assert alerts == case["alerts"]


@pytest.mark.parametrize(
    ("name", "file", "mapping", "key", "severity"),
    [
        ("aws-health", "notification.json", "ignored_when: \"''\"", None, "low"),
        (
            "gitlab",
            "pipeline-failed.json",
            "key: [project.id, object_attributes.ref || object_attributes.iid, "
            "object_attributes.source || 'incident']",
            "7:main:push",
            "medium",
        ),
        (
            "gitlab",
            "pipeline-of-branch.json",
            "ignored_when: \"object_kind != 'pipeline'\"",
            "7:pipeline:try-this",
            "medium",
        ),
        ("guardduty", "sample.json", "ignored_when: \"''\"", None, "high"),
        ("statuspage", "component.json", "ignored_when: \"''\"", "pg1:co1", "critical"),
        ("uptime-kuma", "down.json", "severity: \"'critical'\"", "7", "critical"),
        (
            "uptimerobot",
            "certificate.json",
            "severity: \"'critical'\"",
            "778123456:certificate",
            "critical",
        ),
    ],
)
def test_what_a_page_says_to_change_in_a_mapping_works(
    name: str, file: str, mapping: str, key: str | None, severity: str
) -> None:
    page = (ROOT / "docs" / "webhooks" / f"{name}.md").read_text(encoding="utf-8")
    assert mapping in page
    [event] = read_as(name, file, {}, yaml.safe_load(mapping))
    assert isinstance(event, Event)
    alert = read_alert(event)
    assert alert.status == "firing"
    assert key is None or alert.key == key
    assert alert.severity == severity


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_has_a_payload_that_fires_and_says_who_sent_it(name: str) -> None:
    table = expected(name)
    assert {path.name for path in (PAYLOADS / name).iterdir()} == {*table, "expected.yaml"}
    alerts = [alert for case in table.values() for alert in case.get("alerts", [])]
    assert any(alert["status"] == "firing" for alert in alerts)
    assert presets.preset(name).mapping.source is not None


@pytest.mark.parametrize(
    "body", [{}, {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order", "data": {}}]
)
@pytest.mark.parametrize("name", presets.names())
def test_what_another_sender_says_is_no_alert(name: str, body: dict[str, Any]) -> None:
    sent = Delivery(
        format="mapped",
        body=encode(body),
        headers=way_headers("queue:alarms"),
        unique="1",
        mapping=presets.preset(name).mapping.compiled(),
    )
    assert not [arrival for arrival in read(sent) if isinstance(arrival.item, Event)]


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_is_described_without_a_mistake(name: str) -> None:
    """With file, line and field of what is wrong, for whoever writes one."""
    yaml_file.load(FOLDER / f"{name}.yaml", Preset)


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_has_a_page_that_is_linked(name: str) -> None:
    page = (ROOT / "docs" / "webhooks" / f"{name}.md").read_text(encoding="utf-8")
    assert f"preset: {name}" in page
    for index in ("README.md", "webhooks.md"):
        assert f"webhooks/{name}.md" in (ROOT / "docs" / index).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", presets.names())
def test_what_is_not_verified_of_a_sender_is_on_its_page(name: str) -> None:
    page = (ROOT / "docs" / "webhooks" / f"{name}.md").read_text(encoding="utf-8")
    _, _, end = page.partition("\nNot verified:\n\n- ")
    assert [" ".join(item.split()) for item in end.split("\n- ")] == list(
        presets.preset(name).unverified
    )


@pytest.mark.parametrize("name", presets.names())
def test_the_table_of_presets_says_what_each_sender_says(name: str) -> None:
    mapping = presets.preset(name).mapping
    status = mapping.status
    assert status is not None
    verdicts = {*status.words.values(), status.otherwise}
    cells = [
        "yes" if "resolved" in verdicts or status.by_end else "no",
        "yes" if "acknowledged" in verdicts else "no",
        ", ".join(
            word for word, of in (("start", mapping.starts_at), ("end", mapping.ends_at)) if of
        )
        or "none",
        "no" if mapping.retries is False else "yes",
    ]
    table = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    [row] = [line for line in table.splitlines() if line.startswith(f"| `{name}` |")]
    assert [cell.strip() for cell in row.split("|")[3:-1]] == cells


def test_every_folder_of_payloads_belongs_to_a_preset() -> None:
    assert sorted(path.name for path in PAYLOADS.iterdir()) == presets.names()


@pytest.mark.parametrize("name", presets.names())
def test_an_editor_accepts_what_a_preset_says(name: str) -> None:
    mapping = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))["mapping"]
    endpoint = {"format": "mapped", "mapping": mapping, "verify": {"scheme": "none"}}
    jsonschema.validate({"version": 1, "hooks": {"here": endpoint}}, webhooks_schema())
