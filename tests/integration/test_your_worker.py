"""docs/your-worker.md: its route and its workers as they stand there, on a real Temporal server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from core.config import files
from core.config.settings import Settings
from functions_aws.s3_listener import handler
from infra.local.npm import node
from infra.local.processes import ROOT, Child, Processes
from tests.support.cli import Tidegate
from tests.support.contract import WHOLE, name_of
from tests.support.eventually import eventually
from tests.support.lambda_runtime import invoke
from tests.support.listeners import fresh_process
from tests.support.npm_packages import TSC, TYPESCRIPT
from tests.support.payloads import BUCKET, new_sequencer, put
from tests.support.programs import program

PAGE: Final = (ROOT / "docs" / "your-worker.md").read_text(encoding="utf-8")
SECTIONS: Final = {
    title: text for title, _, text in (part.partition("\n") for part in PAGE.split("\n## "))
}
"""The text below each heading."""
STRICT: Final = """
{
  "compilerOptions": {
    "strict": true, "noEmit": true, "skipLibCheck": true, "types": ["node"],
    "target": "es2022", "module": "nodenext", "allowImportingTsExtensions": true
  }
}
"""


def unpacked(section: str, folder: Path, tidegate: Tidegate) -> Path:
    """A folder with all that the section of the page says is in it, and npm's packages."""
    text = SECTIONS[section]
    for file, body in re.findall(r"```\w+\n(?:#|//) ([\w.]+)\n(.*?)```", text, re.S):
        (folder / file).write_text(body, encoding="utf-8")
    for manifest in re.findall(r"```json\n(.*?)```", text, re.S):
        (folder / "package.json").write_text(manifest, encoding="utf-8")
        (folder / "node_modules").symlink_to(TYPESCRIPT.install() / "node_modules")
    for language, file in re.findall(r"tidegate contract (\S+) > (\S+)", text):
        (folder / file).write_text(tidegate("contract", language).out, encoding="utf-8")
    return folder


COMMANDS: Final = {
    "Python": lambda folder: [sys.executable, str(folder / "worker.py")],
    "TypeScript": lambda folder: [node(), str(folder / "worker.ts")],
}


@pytest.fixture(params=COMMANDS)
def worker(
    request: pytest.FixtureRequest, tmp_path: Path, tidegate: Tidegate, function_settings: Settings
) -> Iterator[Child]:
    """The page's worker in one of the languages, as a process of its own."""
    folder = tmp_path / "worker"
    folder.mkdir()
    unpacked(request.param, folder, tidegate)
    processes = Processes(tmp_path / "logs")
    try:
        yield processes.start("worker", COMMANDS[request.param](folder), os.environ)
    finally:
        processes.stop()


@pytest.fixture
def routed(
    worker: Child, tmp_path: Path, tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The listener has the page's route."""
    unpacked("The route", tmp_path, tidegate)
    monkeypatch.setenv("TIDEGATE_ROUTES", str(tmp_path / "routes.yaml"))
    with fresh_process():
        yield


async def test_an_upload_starts_a_workflow_of_a_worker_that_knows_nothing_of_tidegate(
    worker: Child, routed: None, temporal_client: Client
) -> None:
    key, sequencer = "invoices/2026 & more/7.pdf", new_sequencer()
    notification = put(key, sequencer)
    [receipt] = await invoke(handler, notification)
    identity = f"s3:{BUCKET}/{key}@{sequencer}"
    assert (receipt["verdict"], receipt["workflow_id"]) == ("started", f"invoice:{identity}")

    handle = temporal_client.get_workflow_handle(receipt["workflow_id"])

    async def ended() -> bool:
        worker.check()
        return (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING

    await eventually(ended, "the workflow to end")
    assert await handle.result() == f"s3://{BUCKET}/{key} is booked under {identity}"

    events = (await handle.fetch_history()).events
    done = [each.activity_task_started_event_attributes.identity for each in events]
    assert [each.partition("@")[0] for each in done if each] == [str(worker.pid)]
    started = events[0].workflow_execution_started_event_attributes
    [wire] = await temporal_client.data_converter.decode(started.input.payloads)
    assert name_of(wire) == "DocumentCreated"
    assert WHOLE.is_valid(wire)

    [again] = await invoke(handler, notification)
    assert again["verdict"] == "duplicate"


def test_the_route_is_valid_and_the_workers_serve_it(tmp_path: Path, tidegate: Tidegate) -> None:
    [route] = files.load_routes(unpacked("The route", tmp_path, tidegate) / "routes.yaml").routes
    for section in ("Python", "TypeScript", "Go", "Java"):
        assert f'"{route.task_queue}"' in SECTIONS[section]
        assert re.search(rf"(class|function|func|interface) {route.workflow}\b", SECTIONS[section])


def compiled(folder: Path) -> tuple[int, str]:
    """How TypeScript's compiler ends, in strict mode, and what it prints."""
    (folder / "tsconfig.json").write_text(STRICT)
    compiler = folder / TSC
    ran = subprocess.run(
        [node(), compiler, "-p", folder], capture_output=True, text=True, check=False, timeout=120
    )
    return ran.returncode, ran.stdout


def test_the_worker_in_typescript_passes_the_compiler(tmp_path: Path, tidegate: Tidegate) -> None:
    folder = unpacked("TypeScript", tmp_path, tidegate)
    assert compiled(folder) == (0, "")
    workflows = folder / "workflows.ts"
    workflows.write_text(workflows.read_text().replace("document.uri", "document.url"))
    code, said = compiled(folder)
    assert code
    assert "Property 'url' does not exist on type 'DocumentReference'" in said


def test_the_worker_in_go_is_formatted_and_uses_fields_that_there_are(
    tmp_path: Path, tidegate: Tidegate
) -> None:
    [source] = re.findall(r"```go\n(.*?)```", SECTIONS["Go"], re.S)
    folder = unpacked("Go", tmp_path, tidegate)
    events = (folder / "events.go").read_text()
    for name in ("TidegateKey", "Data", "Document", "URI"):
        assert re.search(rf"^\t{name} \S+ `json", events, re.M)
    formatted = subprocess.run(
        [program("gofmt", package="golang-go")], input=source, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (formatted.stdout, formatted.stderr) == (source, "")


def test_the_worker_in_java_names_fields_that_there_are() -> None:
    records: dict[str, Any] = dict(re.findall(r"record (\w+)\((.*?)\) \{\}", SECTIONS["Java"]))
    assert records == {
        "Document": "String uri",
        "Data": "Document document",
        "DocumentCreated": "String tidegatekey, Data data",
    }
    assert SECTIONS["Java"].count("@JsonIgnoreProperties(ignoreUnknown = true)") == len(records)
