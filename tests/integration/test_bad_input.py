"""Bad input that a server must be asked about, for every command: a namespace that does not exist,
and what fits two incidents or none. The rest is in tests/unit/cli/test_bad_input.py."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey as Key
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from core.contracts import (
    INCIDENT_ID_ATTRIBUTE,
    INCIDENT_WORKFLOW,
    STATUS_ATTRIBUTE,
)
from tests.support.bad_input import ID, ONCALL, Bad, arguments, cases, keep_records, refused
from tests.support.cli import Tidegate

NAMESPACE = [(name, kind) for name, kind in cases(Bad.NAMESPACE)]
INCIDENTS = [each for each in cases(Bad.SEVERAL, Bad.UNKNOWN) if each[0].startswith("incident")]


@pytest.fixture(autouse=True)
def environment(temporal_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{tmp_path}/quarantine/")
    monkeypatch.setenv("TIDEGATE_REPORTS", f"file://{tmp_path}/reports/")
    monkeypatch.setenv("TIDEGATE_ONCALL", str(tmp_path / "oncall.yaml"))
    (tmp_path / "oncall.yaml").write_text(ONCALL)


@pytest.fixture(scope="module")
async def twins(temporal_client: Client) -> str:
    """The beginning of the IDs of two incidents that are open."""
    beginning = f"incident:twin-{uuid4().hex}"
    for name in ("a", "b"):
        id = f"{beginning}-{name}/20260102T030405.678Z"
        await temporal_client.start_workflow(
            INCIDENT_WORKFLOW,
            id=f"{beginning}-{name}",
            task_queue="nobody-polls-it",
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(Key.for_keyword(INCIDENT_ID_ATTRIBUTE), id),
                    SearchAttributePair(Key.for_keyword(STATUS_ATTRIBUTE), "open"),
                ]
            ),
        )
    return beginning


@pytest.mark.parametrize(("name", "kind"), NAMESPACE)
def test_a_namespace_that_does_not_exist_is_a_wrong_setting(
    name: str, kind: Bad, tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "nope")
    given = keep_records()[0] if name.startswith("quarantine") else "k7m2qx"
    cause, step = refused(tidegate(*arguments(name, kind, **{ID: given})), 2)
    assert "Temporal has no namespace 'nope'" in cause
    assert "set TEMPORAL_NAMESPACE" in cause + step
    assert "setup" not in step


@pytest.mark.parametrize(("name", "kind"), INCIDENTS)
def test_an_incident_is_named_by_what_fits_one(
    name: str, kind: Bad, tidegate: Tidegate, twins: str
) -> None:
    given = twins if kind is Bad.SEVERAL else f"{twins}-nobody"
    result = tidegate(*arguments(name, kind, **{ID: given}))
    cause, _ = refused(result, 2 if kind is Bad.SEVERAL else 1)
    assert given in cause
