"""Where the routing table of a process comes from."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from core.config import routing_table as module
from core.config.files import load_routes
from core.config.routing_table import SHIPPED_ROUTES, main, routing_table
from core.domain.routing.table import RoutingTable
from core.errors import ConfigFileError

OTHER = """\
version: 1
routes:
  - {name: orders, match: {exact: {type: order}}, workflow: Order, task_queue: orders}
"""


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the package of this process would carry its table, and does not."""
    path = tmp_path / "routes.compiled.json"
    monkeypatch.setattr(module, "COMPILED", path)
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.yaml"
    path.write_text(OTHER)
    return path


def test_without_a_compiled_table_the_shipped_one_is_compiled_and_the_log_says_so(
    compiled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        table = routing_table(None)
    assert table == load_routes(SHIPPED_ROUTES).compiled()
    assert caplog.messages == [
        f"routing table shipped: compiled at the start, digest {table.digest}"
    ]


def test_the_table_that_a_package_carries_is_loaded_silently(
    compiled: Path, other: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main([str(other), "--output", str(compiled)]) == 0
    with caplog.at_level(logging.INFO):
        assert routing_table(None) == load_routes(other).compiled()
    assert caplog.messages == []


def test_the_setting_takes_precedence_over_the_package(
    compiled: Path, other: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["--output", str(compiled)]) == 0
    with caplog.at_level(logging.INFO):
        assert [route.name for route in routing_table(other).routes] == ["orders"]
    assert f"routing table {other}: compiled at the start" in caplog.text


def test_the_setting_may_name_a_compiled_table(tmp_path: Path, other: Path) -> None:
    path = tmp_path / "mine.json"
    assert main([str(other), "--output", str(path)]) == 0
    assert routing_table(path) == load_routes(other).compiled()


def test_a_table_compiled_before_the_shipped_one_was_edited_is_not_used(
    compiled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who edits the shipped file and forgets `make routes` gets what the file says."""
    shipped = tmp_path / "routes.yaml"
    monkeypatch.setattr(module, "SHIPPED_ROUTES", shipped)
    shipped.write_text(OTHER)
    assert main([str(shipped), "--output", str(compiled)]) == 0
    shipped.write_text(OTHER.replace("orders", "parcels"))
    assert [route.name for route in routing_table(None).routes] == ["parcels"]
    assert "write it again with `make routes`" in caplog.text
    shipped.unlink()  # as in a package without YAML
    assert [route.name for route in routing_table(None).routes] == ["orders"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"digest": "0", "routes": []}',
        '{"digest": "0", "otherwise": "ask", "routes": []}',
        '{"digest": "0", "routes": {}}',
        '{"digest": "0", "routes": [7]}',
        '{"digest": "0", "routes": [{"name": "a"}]}',
        "[" * 200_000,
        '{"routes": ' + "[" * 500 + "]" * 500 + "}",
    ],
)
def test_what_is_no_compiled_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "routes.json"
    path.write_text(text)
    with pytest.raises(ConfigFileError, match=f"{path}: not a compiled routing table") as refused:
        routing_table(path)
    assert "make routes" in refused.value.fix


WRONG: dict[str, dict[str, Any]] = {
    "a number for a signal": {"signal": 5},
    "a number for a workflow": {"workflow": 5},
    "no name": {"name": ""},
    "a number for attributes": {"match": [{"exact": 5}]},
    "numbers in attributes": {"match": [{"exact": {"type": 5}}]},
    "no attributes": {"match": [{"prefix": {}}]},
    "a list for an expression": {"match": [{"jmespath": ["a"]}]},
    "a text for parts": {"match": [{"all": "a"}]},
    "no parts": {"match": [{"not": []}]},
    "no filters": {"match": []},
    "two dialects": {"match": [{"exact": {"type": "a"}, "prefix": {"type": "a"}}]},
    "an unknown dialect": {"match": [{"sql": "type = 'a'"}]},
    "a text for a time-out": {"execution_timeout": "5"},
    "a truth for a time-out": {"run_timeout": True},
    "a text for a template": {"child_id": "a"},
    "a number in a template": {"child_id": [["a", 5]]},
    "an unknown delivery": {"deliver": "post"},
    "a text for an input": {"input": "data"},
    "no input": {"input": []},
    "a number in an input": {"input": ["data", 5]},
    "an empty text in an input": {"input": [""]},
    "an object for a schema": {"schema": {}},
    "an empty text for a schema": {"schema": ""},
    "no options": {"options": {}},
    "an unknown option": {"options": {"colour": 1}},
    "a list of search attributes": {"options": {"search_attributes": ["a"]}},
    "a search attribute of two types": {
        "options": {"search_attributes": {"A": {"int": "a", "text": "a"}}}
    },
    "a number for a search attribute": {"options": {"search_attributes": {"A": {"int": 7}}}},
    "an unknown type of a search attribute": {
        "options": {"search_attributes": {"A": {"uuid": "a"}}}
    },
    "a number in a memo": {"options": {"memo": {"a": 7}}},
    "a text for a summary": {"options": {"static_summary": "a"}},
    "a list for a priority": {"options": {"priority": [1]}},
    "a list for a weight": {"options": {"fairness_weight": [1]}},
    "a number for a fairness key": {"options": {"fairness_key": 1}},
    "a list for retries": {"options": {"retry": [1]}},
    "a text for a delay": {"options": {"start_delay": "10m"}},
    "an unknown field": {"colour": 1},
}


EDITS = {"another queue": {"task_queue": "others"}, **WRONG}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_table_is_refused(tmp_path: Path, other: Path, edit: dict[str, Any]) -> None:
    path = tmp_path / "mine.json"
    assert main([str(other), "--output", str(path)]) == 0
    compiled = json.loads(path.read_text())
    compiled["routes"][0] |= edit
    path.write_text(json.dumps(compiled))
    with pytest.raises(ConfigFileError, match=f"{path}: not a compiled routing table") as refused:
        routing_table(path)
    assert "make routes" in refused.value.fix
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize("edit", WRONG.values(), ids=WRONG)
def test_wrong_types_are_refused_whatever_the_digest_says(
    other: Path, edit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = load_routes(other).compiled().to_json()
    compiled["routes"][0] |= edit
    monkeypatch.setattr(
        RoutingTable, "of", lambda routes, otherwise: RoutingTable(routes, compiled["digest"])
    )
    with pytest.raises((ValueError, TypeError, KeyError)):
        RoutingTable.from_json(compiled)


@pytest.mark.parametrize("digest", [5, None, "", "0123456789ab"])
def test_a_digest_that_is_not_the_tables_own_is_refused(
    tmp_path: Path, other: Path, digest: object
) -> None:
    path = tmp_path / "mine.json"
    compiled = load_routes(other).compiled().to_json() | {"digest": digest}
    path.write_text(json.dumps(compiled))
    with pytest.raises(ConfigFileError, match="edited after it was compiled"):
        routing_table(path)


def test_a_file_that_is_wrong_is_not_compiled(
    compiled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(OTHER.replace("name", "nome"))
    assert main([str(wrong), "--output", str(compiled)]) == 2
    assert "there is no such field" in capsys.readouterr().err
    assert not compiled.exists()


def test_a_compiled_table_says_what_it_was_made_of_only_where_that_may_change(
    compiled: Path, other: Path
) -> None:
    main([str(other), "--output", str(compiled)])
    assert "made_of" not in json.loads(compiled.read_text())
